/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Advice to the kernel about the pages of a region, which leaves their contents as they are. */
#ifndef MEMPRESS_ADVISE_H
#define MEMPRESS_ADVISE_H

#include "buffer.h"
#include "region.h"

/* MADV_PAGEOUT; adds "pages", "calls" and "retries" to the line. */
void page_out(struct region *region, const struct step *step, struct buffer *line);

/* MADV_COLD; returns the number of pages. */
uint64_t make_cold(struct region *region, const struct step *step);

#endif
