// SPDX-License-Identifier: GPL-2.0-or-later
#include "visit.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "access.h"
#include "base.h"
#include "content.h"
#include "mix.h"
#include "report.h"

struct slice {
	struct region *region;
	visit_fn *visit;
	struct cursor cursor;
	uint64_t visits;
	pthread_t thread;
};

void visit_write(struct region *region, uint64_t page)
{
	write_page(region, page);
}

void visit_read(struct region *region, uint64_t page)
{
	(void)*(volatile unsigned char *)(region->base + page * region->page_bytes);
}

void visit_verify(struct region *region, uint64_t page)
{
	_Alignas(64) unsigned char expected[MAX_PAGE_BYTES];
	const unsigned char *found = region->base + page * region->page_bytes;

	expected_page(region, page, expected);
	if (memcmp(expected, found, region->page_bytes) != 0)
		report_bad_page(region, page, expected, found);
}

static void *visit_slice(void *argument)
{
	struct slice *slice = argument;
	uint64_t page;

	while (next_page(&slice->cursor, &page)) {
		slice->visit(slice->region, page);
		slice->visits++;
	}
	return NULL;
}

/* The part-th of `parts` nearly equal parts of `total`: where it starts. */
static uint64_t part_start(uint64_t total, unsigned int part, unsigned int parts)
{
	return total / parts * part + total % parts * part / parts;
}

static void start_slice(struct slice *slice, const struct step *step, uint64_t salt, unsigned int index)
{
	struct region *region = slice->region;
	uint64_t first = part_start(region->pages, index, step->threads);
	uint64_t end = part_start(region->pages, index + 1, step->threads);
	struct access_plan plan = {
		.pattern = step->pattern,
		.zipf_exponent = step->zipf_exponent,
		.percent = step->percent,
		.order_key = mix64(region->key + salt * MIX_STEP + index),
		.rank_key = mix64(region->key ^ index),
	};
	uint64_t count = end - first;

	if (step->count)
		count = part_start(step->count, index + 1, step->threads) -
			part_start(step->count, index, step->threads);
	start_cursor(&slice->cursor, &plan, first, end - first, count);
}

uint64_t visit_pages(struct region *region, const struct step *step, uint64_t salt, visit_fn *visit)
{
	struct slice slices[step->threads];
	uint64_t visits = 0;

	for (unsigned int i = 0; i < step->threads; i++) {
		slices[i] = (struct slice){.region = region, .visit = visit};
		start_slice(&slices[i], step, salt, i);
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
		visits += slices[i].visits;
	}
	return visits;
}
