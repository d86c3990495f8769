/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Visits pages of a region in the order a step asks for, in one thread or several. */
#ifndef MEMPRESS_VISIT_H
#define MEMPRESS_VISIT_H

#include "region.h"

typedef void visit_fn(struct region *region, uint64_t page);

visit_fn visit_write;  /* the next generation */
visit_fn visit_read;   /* one load: fault the page in, look at nothing */
visit_fn visit_verify; /* compare the whole page with what it must contain */

/*
 * Each thread owns a contiguous slice of the pages and follows the pattern within it, so no page has two writers.
 * `salt` tells one step's random order from another's. Returns the number of visits.
 */
uint64_t visit_pages(struct region *region, const struct step *step, uint64_t salt, visit_fn *visit);

#endif
