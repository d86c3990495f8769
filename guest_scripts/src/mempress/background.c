// SPDX-License-Identifier: GPL-2.0-or-later
#include "background.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base.h"
#include "report.h"
#include "visit.h"

struct background {
	struct background *next;
	pthread_t thread;
	struct region *region;
	const struct step *step;
	size_t number;
	struct visits seen;
	uint64_t ns;
};

static struct background *first;

static void *run_background(void *argument)
{
	struct background *self = argument;
	uint64_t start = now_ns();

	self->seen = visit_pages(self->region, self->step, self->number,
				 self->step->op == OP_READ ? visit_read : visit_verify);
	self->ns = now_ns() - start;
	return NULL;
}

void start_background(struct region *region, const struct step *step, size_t number)
{
	struct background *started = grow_array(NULL, 1, sizeof(*started));
	struct background **last = &first;

	*started = (struct background){.region = region, .step = step, .number = number};
	while (*last)
		last = &(*last)->next;
	*last = started;
	errno = pthread_create(&started->thread, NULL, run_background, started);
	if (errno)
		die_errno("pthread_create");
}

static void report_joined(const struct background *joined)
{
	struct buffer line = {0};

	start_step_line(&line, joined->number, joined->step, op_name(joined->step->op), joined->region);
	buffer_print(&line, ",\"pages\":%llu,\"joined\":true,\"ns\":%llu", (unsigned long long)joined->seen.pages,
		     (unsigned long long)joined->ns);
	if (joined->step->op == OP_VERIFY)
		buffer_print(&line, ",\"bad\":%llu", (unsigned long long)joined->seen.bad);
	buffer_print(&line, "}");
	report_line(&line);
}

size_t join_background(void)
{
	size_t count = 0;

	for (; first; count++) {
		struct background *joined = first;

		pthread_join(joined->thread, NULL);
		report_joined(joined);
		first = joined->next;
		free(joined);
	}
	return count;
}
