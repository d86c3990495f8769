/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Visits pages of a region in the order a step asks for, in one thread or several. */
#ifndef MEMPRESS_VISIT_H
#define MEMPRESS_VISIT_H

#include "region.h"

/* False: the page is wrong. `salt` as for visit_pages(). */
typedef bool visit_fn(struct region *region, uint64_t page, uint64_t salt);

visit_fn visit_write;  /* the next generation */
visit_fn visit_read;   /* one load: fault the page in, look at nothing */
visit_fn visit_verify; /* compare the whole page with what it must contain */

struct visits {
	uint64_t pages;
	uint64_t bad;
};

/*
 * Each thread owns a contiguous slice of the pages and follows the pattern within it, so no page has two writers.
 * `salt` is the step's number, or 0 for visits which are no step of their own.
 */
struct visits visit_pages(struct region *region, const struct step *step, uint64_t salt, visit_fn *visit);

/* One call of `treat` for each run of neighbouring pages that the step chooses; returns the number of pages. */
uint64_t visit_runs(struct region *region, const struct step *step, uint64_t salt,
		    void (*treat)(struct region *region, uint64_t first, uint64_t count));

#endif
