/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes of a page: a pure function of its key, its generation and the region's kind of content. */
#ifndef MEMPRESS_CONTENT_H
#define MEMPRESS_CONTENT_H

#include "workload.h"

/* The largest page of any architecture this is built for. */
#define MAX_PAGE_BYTES 65536

/* To be called once, before the first thread starts. */
void prepare_content(void);

/* Fills page_bytes bytes at `page`. `key` must already depend on seed, region, page index and generation. */
void make_content(const struct content *content, uint64_t key, unsigned int generation, void *page,
		  size_t page_bytes);

#endif
