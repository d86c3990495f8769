// SPDX-License-Identifier: GPL-2.0-or-later
#include "run.h"

#include <fcntl.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"
#include "visit.h"

/* EAGAIN of MADV_PAGEOUT passes when a lock is free again; a second of it is a finding, not bad luck. */
#define MAX_PAGEOUT_RETRIES 1000

struct run {
	const struct workload *workload;
	struct region *regions;
	size_t step_number; /* from 1 */
};

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

static void page_out(struct region *region, const struct step *step, struct buffer *line)
{
	size_t total = region->spec->bytes;
	size_t batch = step->batch_bytes ? step->batch_bytes : total;
	uint64_t calls = 0, retries = 0;

	for (size_t offset = 0; offset < total; offset += batch, calls++)
		page_out_range(region, offset, total - offset < batch ? total - offset : batch, &retries);
	buffer_print(line, ",\"pages\":%llu,\"calls\":%llu,\"retries\":%llu", (unsigned long long)region->pages,
		     (unsigned long long)calls, (unsigned long long)retries);
}

/* FNV-1a over 64-bit words instead of bytes: an eighth of the instructions, and only equality matters. */
static uint64_t digest_region(const struct region *region)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (uint64_t offset = 0; offset < region->spec->bytes; offset += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, region->base + offset, sizeof(word));
		hash = (hash ^ word) * 0x100000001b3ull;
	}
	return hash;
}

static const struct step verify_all = {.op = OP_VERIFY, .threads = 1, .percent = 100};

static _Noreturn void run_child(struct run *run, const struct step *step)
{
	uint64_t bad = count_bad_pages();

	visit_pages(&run->regions[step->region], step, run->step_number, visit_write);
	for (size_t i = 0; i < run->workload->region_count; i++)
		if (run->regions[i].base)
			visit_pages(&run->regions[i], &verify_all, 0, visit_verify);
	_exit(count_bad_pages() == bad ? TOOL_OK : TOOL_WRONG_DATA);
}

static void fork_and_verify(struct run *run, const struct step *step, struct buffer *line)
{
	struct region *region = &run->regions[step->region];
	pid_t child = fork();
	int status;

	if (child < 0)
		die_errno("fork");
	if (child == 0)
		run_child(run, step);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			die_errno("waitpid");
	if (WIFSIGNALED(status)) {
		errno = ECHILD;
		die_errno("the forked child was killed by signal %d", WTERMSIG(status));
	}
	if (WEXITSTATUS(status) != TOOL_OK && WEXITSTATUS(status) != TOOL_WRONG_DATA)
		_exit(WEXITSTATUS(status));
	buffer_print(line, ",\"pages\":%llu,\"child_exit\":%d",
		     (unsigned long long)visit_pages(region, &verify_all, 0, visit_verify), WEXITSTATUS(status));
}

static void visit_step(struct run *run, const struct step *step, visit_fn *visit, struct buffer *line)
{
	uint64_t pages = visit_pages(&run->regions[step->region], step, run->step_number, visit);

	buffer_print(line, ",\"pages\":%llu", (unsigned long long)pages);
}

/* With everything still mapped: whoever measures opens the FIFO for writing, and closes it, when we may go on. */
static void wait_for_fifo(const char *path)
{
	char byte;
	int fifo = open(path, O_RDONLY | O_CLOEXEC);

	if (fifo < 0)
		die_errno("cannot open %s", path);
	while (read(fifo, &byte, 1) > 0)
		;
	close(fifo);
}

static void do_step(struct run *run, const struct step *step, struct buffer *line)
{
	struct region *region = run->regions + step->region;

	switch (step->op) {
	case OP_FILL:
	case OP_WRITE:
		visit_step(run, step, visit_write, line);
		break;
	case OP_READ:
		visit_step(run, step, visit_read, line);
		break;
	case OP_VERIFY:
		visit_step(run, step, visit_verify, line);
		break;
	case OP_PAGEOUT:
		page_out(region, step, line);
		break;
	case OP_DONTNEED:
		drop_region(region);
		buffer_print(line, ",\"pages\":%llu", (unsigned long long)region->pages);
		break;
	case OP_FREE:
		unmap_region(region);
		buffer_print(line, ",\"pages\":%llu", (unsigned long long)region->pages);
		break;
	case OP_FORK:
		fork_and_verify(run, step, line);
		break;
	case OP_DIGEST:
		buffer_print(line, ",\"digest\":\"%016llx\"", (unsigned long long)digest_region(region));
		break;
	case OP_CORRUPT:
		region->base[step->page * region->page_bytes + step->offset] ^= 0xff;
		break;
	case OP_SLEEP:
		sleep_ms(step->sleep_ms);
		break;
	case OP_BARRIER:
		buffer_print(line, ",\"text\":");
		buffer_json_string(line, step->text);
		break;
	case OP_WAIT:
		wait_for_fifo(step->text);
		break;
	}
}

static bool has_region(enum op op)
{
	return op != OP_SLEEP && op != OP_BARRIER && op != OP_WAIT;
}

static void report_step(struct run *run, const struct step *step, const char *name)
{
	uint64_t bad = count_bad_pages(), start;
	struct buffer line = {0};

	buffer_print(&line, "{\"step\":%zu,\"line\":%zu,\"op\":\"%s\"", run->step_number, step->line, name);
	if (has_region(step->op))
		buffer_print(&line, ",\"region\":\"%s\"", run->regions[step->region].spec->name);
	start = now_ns();
	do_step(run, step, &line);
	buffer_print(&line, ",\"ns\":%llu", (unsigned long long)(now_ns() - start));
	if (step->op == OP_VERIFY || step->op == OP_FORK)
		buffer_print(&line, ",\"bad\":%llu", (unsigned long long)(count_bad_pages() - bad));
	/* After the clock stopped: how much the kernel really took out is a reading, not a part of the step. */
	if (step->op == OP_PAGEOUT)
		buffer_print(&line, ",\"resident\":%llu",
			     (unsigned long long)count_resident(&run->regions[step->region]));
	buffer_print(&line, "}");
	report_line(&line);
}

static void verify_finally(struct run *run)
{
	for (size_t i = 0; i < run->workload->region_count; i++) {
		struct step step = verify_all;

		if (!run->regions[i].base)
			continue;
		step.region = i;
		run->step_number++;
		report_step(run, &step, "final_verify");
	}
}

enum tool_exit run_workload(const struct workload *workload, uint64_t seed)
{
	struct run run = {.workload = workload};
	enum tool_exit result;
	struct buffer line = {0};

	run.regions = grow_array(NULL, workload->region_count + 1, sizeof(*run.regions));
	for (size_t i = 0; i < workload->region_count; i++)
		map_region(&run.regions[i], &workload->regions[i], seed);
	for (size_t i = 0; i < workload->step_count; i++) {
		run.step_number = i + 1;
		report_step(&run, &workload->steps[i], op_name(workload->steps[i].op));
	}
	if (workload->wants_final_verify)
		verify_finally(&run);
	result = count_bad_pages() ? TOOL_WRONG_DATA : TOOL_OK;
	buffer_print(&line, "{\"end\":{\"seed\":%llu,\"steps\":%zu,\"bad\":%llu,\"exit\":%d}}", (unsigned long long)seed,
		     run.step_number, (unsigned long long)count_bad_pages(), result);
	report_line(&line);
	return result;
}
