/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a wrong page looks like: whose content it is. Searched for only when a page is wrong. */
#ifndef MEMPRESS_LIKENESS_H
#define MEMPRESS_LIKENESS_H

#include "buffer.h"
#include "region.h"

bool is_zero(const unsigned char *bytes, size_t count);

/* Keys of JSON, each with a comma before it: "zero", "stale" or "page_of", or none if it is like nothing known. */
void print_likeness(struct buffer *line, const struct region *region, uint64_t page, const unsigned char *found);

#endif
