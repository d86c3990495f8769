// SPDX-License-Identifier: GPL-2.0-or-later
#include "likeness.h"

#include <string.h>

#include "content.h"

/* Enough to tell two pages apart nearly always; the rest of a page is made only if these are the same. */
#define FIRST_BYTES 64

bool is_zero(const unsigned char *bytes, size_t count)
{
	/* Each byte is the one before it, and the first one is 0. */
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

static bool is_generation(const struct region *region, uint64_t page, unsigned int generation,
			  const unsigned char *found)
{
	_Alignas(64) unsigned char content[MAX_PAGE_BYTES];

	content_of(region, page, generation, content, FIRST_BYTES);
	if (memcmp(content, found, FIRST_BYTES) != 0)
		return false;
	content_of(region, page, generation, content, region->page_bytes);
	return memcmp(content, found, region->page_bytes) == 0;
}

/* How many contents ago the page held this one; to have been dropped counts as a content. 0: never. */
static unsigned int generations_back(const struct region *region, uint64_t page, const unsigned char *found)
{
	unsigned int last = last_generation(region, page), dropped = reads_as_zero(region, page);

	for (unsigned int generation = last; generation > 0; generation--)
		if (is_generation(region, page, generation, found))
			return last - generation + dropped;
	return 0;
}

/* Another page whose last content this is; the number of pages: none. */
static uint64_t other_page(const struct region *region, uint64_t page, const unsigned char *found)
{
	uint64_t other = 0;

	/* Of these kinds all pages look the same. */
	if (region->spec->content.kind == CONTENT_SAME || region->spec->content.kind == CONTENT_ZERO)
		return region->pages;
	for (; other < region->pages; other++) {
		unsigned int generation = last_generation(region, other);

		if (other != page && generation > 0 && is_generation(region, other, generation, found))
			break;
	}
	return other;
}

void print_likeness(struct buffer *line, const struct region *region, uint64_t page, const unsigned char *found)
{
	unsigned int back;
	uint64_t other;

	if (is_zero(found, region->page_bytes)) {
		buffer_print(line, ",\"zero\":true");
		return;
	}
	back = generations_back(region, page, found);
	if (back > 0) {
		buffer_print(line, ",\"stale\":%u", back);
		return;
	}
	other = other_page(region, page, found);
	if (other < region->pages)
		buffer_print(line, ",\"page_of\":%llu", (unsigned long long)other);
}
