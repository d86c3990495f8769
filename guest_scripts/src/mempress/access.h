/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order in which a step visits pages. Needs no memory that grows with the region. */
#ifndef MEMPRESS_ACCESS_H
#define MEMPRESS_ACCESS_H

#include "workload.h"

struct access_plan {
	enum pattern_kind pattern;
	double zipf_exponent;
	unsigned int percent;
	uint64_t order_key; /* orders `random` and draws of `zipf`: another one for each step */
	uint64_t rank_key;  /* which pages are the popular ones of `zipf`: the same one in all steps of a region */
};

struct cursor {
	struct access_plan plan;
	uint64_t first; /* the slice of pages this thread owns */
	uint64_t pages;
	uint64_t drawn;
	uint64_t count;
	double zipf_span;
};

void start_cursor(struct cursor *cursor, const struct access_plan *plan, uint64_t first, uint64_t pages,
		  uint64_t count);

/* The next page; false when all `count` candidates are drawn. A candidate outside `percent` is passed over. */
bool next_page(struct cursor *cursor, uint64_t *page);

#endif
