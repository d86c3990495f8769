// SPDX-License-Identifier: GPL-2.0-or-later
#include "visit.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base.h"
#include "choice.h"
#include "content.h"
#include "likeness.h"
#include "report.h"

struct slice {
	struct region *region;
	visit_fn *visit;
	uint64_t salt;
	struct cursor cursor;
	struct visits seen;
	pthread_t thread;
};

bool visit_write(struct region *region, uint64_t page, uint64_t salt)
{
	(void)salt;
	write_page(region, page);
	return true;
}

bool visit_read(struct region *region, uint64_t page, uint64_t salt)
{
	(void)salt;
	(void)*(volatile unsigned char *)(region->base + page * region->page_bytes);
	return true;
}

/* Of a copy, so that what is printed is what was looked at: a page that is wrong once may be right a moment later. */
static bool is_wrong(const struct region *region, uint64_t page, const unsigned char *expected, uint64_t salt)
{
	_Alignas(64) unsigned char found[MAX_PAGE_BYTES];

	memcpy(found, region->base + page * region->page_bytes, region->page_bytes);
	if (may_read_as_zero(region, page) && is_zero(found, region->page_bytes))
		return false;
	report_bad_page(region, page, expected, found, salt);
	return true;
}

bool visit_verify(struct region *region, uint64_t page, uint64_t salt)
{
	_Alignas(64) unsigned char expected[MAX_PAGE_BYTES];

	expected_page(region, page, expected);
	return memcmp(expected, region->base + page * region->page_bytes, region->page_bytes) == 0 ||
	       !is_wrong(region, page, expected, salt);
}

static void *visit_slice(void *argument)
{
	struct slice *slice = argument;
	uint64_t page;

	while (next_page(&slice->cursor, &page)) {
		slice->seen.bad += !slice->visit(slice->region, page, slice->salt);
		slice->seen.pages++;
	}
	return NULL;
}

struct visits visit_pages(struct region *region, const struct step *step, uint64_t salt, visit_fn *visit)
{
	struct slice slices[step->threads];
	struct visits seen = {0};

	for (unsigned int i = 0; i < step->threads; i++) {
		slices[i] = (struct slice){.region = region, .visit = visit, .salt = salt};
		start_choice(&slices[i].cursor, region, step, salt, i);
	}
	/* The first slice is ours: one thread means no thread but this one. */
	for (unsigned int i = 1; i < step->threads; i++) {
		errno = pthread_create(&slices[i].thread, NULL, visit_slice, &slices[i]);
		if (errno)
			die_errno("pthread_create");
	}
	visit_slice(&slices[0]);
	for (unsigned int i = 0; i < step->threads; i++) {
		if (i > 0)
			pthread_join(slices[i].thread, NULL);
		seen.pages += slices[i].seen.pages;
		seen.bad += slices[i].seen.bad;
	}
	return seen;
}

uint64_t visit_runs(struct region *region, const struct step *step, uint64_t salt,
		    void (*treat)(struct region *region, uint64_t first, uint64_t count))
{
	uint64_t first = 0, count = 0, pages = 0, page;
	struct cursor cursor;

	start_choice(&cursor, region, step, salt, 0);
	while (next_page(&cursor, &page)) {
		pages++;
		if (count > 0 && page == first + count) {
			count++;
			continue;
		}
		if (count > 0)
			treat(region, first, count);
		first = page;
		count = 1;
	}
	if (count > 0)
		treat(region, first, count);
	return pages;
}
