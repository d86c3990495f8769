/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which steps touched a page. Nothing is remembered but how far the workload has come: the pages of a step are chosen
 * by the seed, so whether one was among them is worked out again when somebody asks. Nor is anything read from the kernel
 * before a page is wrong: a workload that finds none is not to be disturbed.
 */
#ifndef MEMPRESS_HISTORY_H
#define MEMPRESS_HISTORY_H

#include "buffer.h"
#include "region.h"

void open_history(const struct workload *workload);

/* The step of that number (from 1) begins. */
void note_step(size_t number);

/*
 * The JSON array of "OP:STEP" of the last steps that touched the page, oldest first; without the step `finder`, which
 * looks at it just now, and without `corrupt`, which is meant to be found. Behind it, as further keys "cgroup" (our memory
 * cgroup's memory.stat) and "vmstat" (/proc/vmstat), what went through zswap and swap until now; what there is of it.
 */
void print_history(struct buffer *line, const struct region *region, uint64_t page, size_t finder);

#endif
