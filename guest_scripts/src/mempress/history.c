// SPDX-License-Identifier: GPL-2.0-or-later
#include "history.h"

#include <stdatomic.h>

#include "choice.h"

#define MAX_SHOWN 8

static const struct workload *workload;
/* Atomic, since a step in the background may ask while the next one begins. */
static _Atomic size_t begun;

void open_history(const struct workload *followed)
{
	workload = followed;
}

void note_step(size_t number)
{
	begun = number < workload->step_count ? number : workload->step_count;
}

static bool has_touched(const struct step *step, size_t number, const struct region *region, uint64_t page)
{
	/* It makes all private pages shared ones. */
	if (step->op == OP_FORK)
		return true;
	if (!takes_region(step->op) || step->op == OP_CORRUPT || &workload->regions[step->region] != region->spec)
		return false;
	return is_chosen(region, step, number, page);
}

void print_history(struct buffer *line, const struct region *region, uint64_t page, size_t finder)
{
	size_t shown[MAX_SHOWN], count = 0;

	for (size_t number = begun; number > 0 && count < MAX_SHOWN; number--)
		if (number != finder && has_touched(&workload->steps[number - 1], number, region, page))
			shown[count++] = number;
	buffer_print(line, "[");
	while (count-- > 0)
		buffer_print(line, "\"%s:%zu\"%s", op_name(workload->steps[shown[count] - 1].op), shown[count],
			     count > 0 ? "," : "");
	buffer_print(line, "]");
}
