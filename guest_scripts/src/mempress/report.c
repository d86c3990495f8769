// SPDX-License-Identifier: GPL-2.0-or-later
#include "report.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base.h"
#include "history.h"
#include "likeness.h"

#define MAX_PRINTED_PAGES 16
#define SHOWN_BYTES 16

static int log_fd = -1;
/* In shared memory: what a forked child finds must count here too. */
static _Atomic uint64_t *bad_pages;

void open_report(const char *log_path)
{
	bad_pages = mmap(NULL, sizeof(*bad_pages), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bad_pages == MAP_FAILED)
		die_errno("mmap of the counters");
	if (!log_path)
		return;
	log_fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (log_fd < 0)
		die_errno("open of the log %s", log_path);
}

void report_line(struct buffer *line)
{
	buffer_print(line, "\n");
	if (!write_all(STDOUT_FILENO, line->bytes, line->length))
		die_errno("write to stdout");
	if (log_fd >= 0 && !write_all(log_fd, line->bytes, line->length))
		die_errno("write to the log");
	buffer_free(line);
}

void start_step_line(struct buffer *line, size_t number, const struct step *step, const char *name,
		     const struct region *region)
{
	buffer_print(line, "{\"step\":%zu,\"line\":%zu,\"op\":\"%s\"", number, step->line, name);
	if (region)
		buffer_print(line, ",\"region\":\"%s\"", region->spec->name);
}

static void print_hex(struct buffer *line, const char *key, const unsigned char *bytes, size_t count)
{
	buffer_print(line, ",\"%s\":\"", key);
	for (size_t i = 0; i < count; i++)
		buffer_print(line, "%02x", bytes[i]);
	buffer_print(line, "\"");
}

void report_bad_page(const struct region *region, uint64_t page, const unsigned char *expected,
		     const unsigned char *found, size_t finder)
{
	size_t first = region->page_bytes, wrong = 0, shown;
	struct buffer line = {0};

	if (atomic_fetch_add(bad_pages, 1) >= MAX_PRINTED_PAGES)
		return;
	for (size_t i = region->page_bytes; i-- > 0;) {
		if (expected[i] != found[i]) {
			first = i;
			wrong++;
		}
	}
	shown = region->page_bytes - first < SHOWN_BYTES ? region->page_bytes - first : SHOWN_BYTES;
	buffer_print(&line, "{\"bad_page\":{\"region\":\"%s\",\"page\":%llu,\"address\":\"%p\",\"offset\":%zu",
		     region->spec->name, (unsigned long long)page, (void *)(region->base + page * region->page_bytes),
		     first);
	print_hex(&line, "expected", expected + first, shown);
	print_hex(&line, "found", found + first, shown);
	buffer_print(&line, ",\"wrong_bytes\":%zu", wrong);
	/* Without a wrong byte in the copy the page was right again a moment later. */
	if (wrong)
		print_likeness(&line, region, page, found);
	buffer_print(&line, ",\"history\":");
	print_history(&line, region, page, finder);
	buffer_print(&line, "}}");
	report_line(&line);
}

uint64_t count_bad_pages(void)
{
	return atomic_load(bad_pages);
}
