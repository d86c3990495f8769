/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A mapped region and, for every page of it, which generation its content must have. */
#ifndef MEMPRESS_REGION_H
#define MEMPRESS_REGION_H

#include "workload.h"

struct region {
	const struct region_spec *spec;
	unsigned char *base; /* NULL once freed */
	unsigned char *reserved;
	size_t reserved_bytes;
	uint64_t pages;
	size_t page_bytes;
	uint64_t key;
	/*
	 * One byte a page: bits 0-6 the last generation written (1..127, 0 = never), bit 7 set while the page must
	 * read as zero. The generation survives MADV_DONTNEED, so that what is written next differs from what was
	 * there before and a page which comes back stale is noticed. Shared with forked children if the region is.
	 */
	unsigned char *generations;
};

void map_region(struct region *region, const struct region_spec *spec, uint64_t seed);

/* Drops the contents; every page must read as zero afterwards. */
void drop_region(struct region *region);

void unmap_region(struct region *region);

/* Rewrites the page with the content of its next generation. */
void write_page(struct region *region, uint64_t page);

/* What the page must contain now, into page_bytes bytes at `expected`. */
void expected_page(const struct region *region, uint64_t page, void *expected);

/* Pages which mincore() calls resident; a page in the swap cache counts. */
uint64_t count_resident(const struct region *region);

#endif
