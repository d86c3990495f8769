/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps that look at a region in a thread of their own while the workload goes on. */
#ifndef MEMPRESS_BACKGROUND_H
#define MEMPRESS_BACKGROUND_H

#include "region.h"

void start_background(struct region *region, const struct step *step, size_t number);

/* Waits for all that were started, in that order, and reports each with a line of its own; returns how many. */
size_t join_background(void);

#endif
