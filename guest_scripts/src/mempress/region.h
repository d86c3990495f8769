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
	 * One byte a page: bits 0-5 the last generation written (1..63, 0 = never), bit 6 set while the page may
	 * read as zero (MADV_FREE), bit 7 while it must. The generation survives MADV_DONTNEED, so that what is
	 * written next differs from what was there before and a page which comes back stale is noticed. Shared with
	 * forked children if the region is.
	 */
	unsigned char *generations;
};

void map_region(struct region *region, const struct region_spec *spec, uint64_t seed);

/* Drops the contents of `count` pages; they must read as zero afterwards. */
void drop_pages(struct region *region, uint64_t first, uint64_t count);

/* Lets the kernel drop the contents of `count` pages, each until it is written again. */
void lazyfree_pages(struct region *region, uint64_t first, uint64_t count);

/* Gives the region new nodes, and moves what is resident there. */
void move_region(struct region *region, const struct policy *policy);

/* Removes the region's file too. */
void unmap_region(struct region *region);

/* Removes the file of a region that has one. */
void remove_file(const struct region *region);

/* Rewrites the page with the content of its next generation. */
void write_page(struct region *region, uint64_t page);

/* What the page must contain now, into page_bytes bytes at `expected`. */
void expected_page(const struct region *region, uint64_t page, void *expected);

/* The first bytes (a multiple of 16) of what that generation (from 1) of the page looks like. */
void content_of(const struct region *region, uint64_t page, unsigned int generation, void *out, size_t bytes);

/* The last generation that was written, also if the page was dropped since; 0: never. */
unsigned int last_generation(const struct region *region, uint64_t page);

bool reads_as_zero(const struct region *region, uint64_t page);

/* Dropped, or left to the kernel to drop. */
bool may_read_as_zero(const struct region *region, uint64_t page);

/* Pages from `first` up to `end` which mincore() calls resident; a page in the swap cache counts. */
uint64_t count_resident(const struct region *region, uint64_t first, uint64_t end);

#endif
