// SPDX-License-Identifier: GPL-2.0-or-later
#include "advise.h"

#include <errno.h>
#include <sys/mman.h>

#include "base.h"
#include "choice.h"

/* EAGAIN of MADV_PAGEOUT passes when a lock is free again; a second of it is a finding, not bad luck. */
#define MAX_PAGEOUT_RETRIES 1000

static void page_out_range(struct region *region, size_t offset, size_t bytes, uint64_t *retries)
{
	uint64_t tries = 0;

	while (madvise(region->base + offset, bytes, MADV_PAGEOUT) != 0) {
		if (errno != EAGAIN || tries++ == MAX_PAGEOUT_RETRIES)
			die_errno("madvise(MADV_PAGEOUT) of region %s at offset %zu", region->spec->name, offset);
		++*retries;
		sleep_ms(1);
	}
}

void page_out(struct region *region, const struct step *step, struct buffer *line)
{
	size_t start = step->first_page * region->page_bytes;
	size_t end = end_page(region, step) * region->page_bytes;
	size_t batch = step->batch_bytes ? step->batch_bytes : end - start;
	uint64_t calls = 0, retries = 0;

	for (size_t offset = start; offset < end; offset += batch, calls++)
		page_out_range(region, offset, end - offset < batch ? end - offset : batch, &retries);
	buffer_print(line, ",\"pages\":%llu,\"calls\":%llu,\"retries\":%llu",
		     (unsigned long long)((end - start) / region->page_bytes), (unsigned long long)calls,
		     (unsigned long long)retries);
}

uint64_t make_cold(struct region *region, const struct step *step)
{
	uint64_t pages = end_page(region, step) - step->first_page;

	if (madvise(region->base + step->first_page * region->page_bytes, pages * region->page_bytes, MADV_COLD) != 0)
		die_errno("madvise(MADV_COLD) of region %s", region->spec->name);
	return pages;
}
