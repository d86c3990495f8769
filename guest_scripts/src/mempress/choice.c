// SPDX-License-Identifier: GPL-2.0-or-later
#include "choice.h"

#include "mix.h"

uint64_t end_page(const struct region *region, const struct step *step)
{
	return step->end_page ? step->end_page : region->pages;
}

/* The part-th of `parts` nearly equal parts of `total`: where it starts. */
static uint64_t part_start(uint64_t total, unsigned int part, unsigned int parts)
{
	return total / parts * part + total % parts * part / parts;
}

void start_choice(struct cursor *cursor, const struct region *region, const struct step *step, uint64_t salt,
		  unsigned int thread)
{
	uint64_t pages = end_page(region, step) - step->first_page;
	uint64_t first = part_start(pages, thread, step->threads);
	uint64_t end = part_start(pages, thread + 1, step->threads);
	struct access_plan plan = {
		.pattern = step->pattern,
		.zipf_exponent = step->zipf_exponent,
		.percent = step->percent,
		.order_key = mix64(region->key + salt * MIX_STEP + thread),
		.rank_key = mix64(region->key ^ thread),
	};
	uint64_t count = end - first;

	if (step->count)
		count = part_start(step->count, thread + 1, step->threads) -
			part_start(step->count, thread, step->threads);
	start_cursor(cursor, &plan, step->first_page + first, end - first, count);
}

bool is_chosen(const struct region *region, const struct step *step, uint64_t salt, uint64_t page)
{
	for (unsigned int i = 0; i < step->threads; i++) {
		struct cursor cursor;
		uint64_t chosen;

		start_choice(&cursor, region, step, salt, i);
		while (next_page(&cursor, &chosen))
			if (chosen == page)
				return true;
	}
	return false;
}
