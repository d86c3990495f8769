/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forked children: they share our pages until somebody writes, and verify what they see. */
#ifndef MEMPRESS_CHILDREN_H
#define MEMPRESS_CHILDREN_H

#include "base.h"
#include "visit.h"

/* All pages of a region, in order: what children and the end of a workload verify. */
extern const struct step verify_all;

struct children {
	size_t count;
	struct visits seen;   /* by the children */
	enum tool_exit worst; /* TOOL_OK or TOOL_WRONG_DATA; anything else ends this process too */
};

/* Forks; the child writes the step's pages, verifies all regions and exits. */
struct children fork_and_wait(struct region *regions, size_t region_count, const struct step *step, size_t number);

/* Forks; the child writes the step's pages and then stands still until reap_children(). */
void fork_and_keep(struct region *regions, size_t region_count, const struct step *step, size_t number);

bool has_children(void);

/* Lets the children that were kept verify what they see, one after the other, and exit. */
struct children reap_children(void);

#endif
