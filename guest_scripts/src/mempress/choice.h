/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pages of a region a step is about, and in which order. */
#ifndef MEMPRESS_CHOICE_H
#define MEMPRESS_CHOICE_H

#include "access.h"
#include "region.h"

/*
 * The pages of the thread of that index, of step->threads. `salt` tells one step's random order from another's: it is
 * the step's number, so that the choice can be made again later.
 */
void start_choice(struct cursor *cursor, const struct region *region, const struct step *step, uint64_t salt,
		  unsigned int thread);

/* Makes the whole choice again to see whether the page is in it. */
bool is_chosen(const struct region *region, const struct step *step, uint64_t salt, uint64_t page);

/* Where the step's pages end. */
uint64_t end_page(const struct region *region, const struct step *step);

#endif
