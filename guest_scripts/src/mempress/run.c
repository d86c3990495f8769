// SPDX-License-Identifier: GPL-2.0-or-later
#include "run.h"

#include <string.h>

#include "advise.h"
#include "background.h"
#include "children.h"
#include "choice.h"
#include "history.h"
#include "hook.h"
#include "report.h"
#include "visit.h"

struct run {
	const struct workload *workload;
	struct region *regions;
	size_t step_number; /* from 1 */
};

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

static void print_pages(struct buffer *line, uint64_t pages)
{
	buffer_print(line, ",\"pages\":%llu", (unsigned long long)pages);
}

/* Each of these returns the number of wrong pages, where it looks. */

static uint64_t visit_step(struct run *run, const struct step *step, visit_fn *visit, struct buffer *line)
{
	struct visits seen = visit_pages(&run->regions[step->region], step, run->step_number, visit);

	print_pages(line, seen.pages);
	return seen.bad;
}

static uint64_t fork_step(struct run *run, const struct step *step, struct buffer *line)
{
	struct children ended;
	struct visits seen;

	if (step->is_kept) {
		fork_and_keep(run->regions, run->workload->region_count, step, run->step_number);
		buffer_print(line, ",\"kept\":true");
		return 0;
	}
	ended = fork_and_wait(run->regions, run->workload->region_count, step, run->step_number);
	seen = visit_pages(&run->regions[step->region], &verify_all, 0, visit_verify);
	print_pages(line, seen.pages);
	buffer_print(line, ",\"child_exit\":%d", ended.worst);
	return seen.bad + ended.seen.bad;
}

static uint64_t reap_step(struct buffer *line)
{
	struct children ended = reap_children();

	print_pages(line, ended.seen.pages);
	buffer_print(line, ",\"children\":%zu,\"child_exit\":%d", ended.count, ended.worst);
	return ended.seen.bad;
}

static uint64_t do_region_step(struct run *run, const struct step *step, struct buffer *line)
{
	struct region *region = &run->regions[step->region];

	switch (step->op) {
	case OP_FILL:
	case OP_WRITE:
		return visit_step(run, step, visit_write, line);
	case OP_READ:
		return visit_step(run, step, visit_read, line);
	case OP_VERIFY:
		return visit_step(run, step, visit_verify, line);
	case OP_FORK:
		return fork_step(run, step, line);
	case OP_PAGEOUT:
		page_out(region, step, line);
		break;
	case OP_COLD:
		print_pages(line, make_cold(region, step));
		break;
	case OP_LAZYFREE:
		print_pages(line, visit_runs(region, step, run->step_number, lazyfree_pages));
		break;
	case OP_PUNCH:
	case OP_DONTNEED:
		print_pages(line, visit_runs(region, step, run->step_number, drop_pages));
		break;
	case OP_MOVE:
		move_region(region, &step->policy);
		print_pages(line, region->pages);
		break;
	case OP_FREE:
		unmap_region(region);
		print_pages(line, region->pages);
		break;
	case OP_DIGEST:
		buffer_print(line, ",\"digest\":\"%016llx\"", (unsigned long long)digest_region(region));
		break;
	case OP_CORRUPT:
		region->base[step->page * region->page_bytes + step->offset] ^= 0xff;
		break;
	default:
		break;
	}
	return 0;
}

static uint64_t do_step(struct run *run, const struct step *step, struct buffer *line)
{
	switch (step->op) {
	case OP_SLEEP:
		sleep_ms(step->sleep_ms);
		break;
	case OP_BARRIER:
	case OP_HOOK:
		buffer_print(line, ",\"text\":");
		buffer_json_string(line, step->text);
		if (step->op == OP_HOOK)
			run_hook(step->text);
		break;
	case OP_WAIT:
		wait_for_fifo(step->text);
		break;
	case OP_JOIN:
		buffer_print(line, ",\"steps\":%zu", join_background());
		break;
	case OP_REAP:
		return reap_step(line);
	default:
		return do_region_step(run, step, line);
	}
	return 0;
}

static void report_step(struct run *run, const struct step *step, const char *name)
{
	const struct region *region = takes_region(step->op) ? &run->regions[step->region] : NULL;
	struct buffer line = {0};
	uint64_t start, bad;

	start_step_line(&line, run->step_number, step, name, region);
	start = now_ns();
	bad = do_step(run, step, &line);
	buffer_print(&line, ",\"ns\":%llu", (unsigned long long)(now_ns() - start));
	if (step->op == OP_VERIFY || (step->op == OP_FORK && !step->is_kept) || step->op == OP_REAP)
		buffer_print(&line, ",\"bad\":%llu", (unsigned long long)bad);
	/* After the clock stopped: how much the kernel really took out is a reading, not a part of the step. */
	if (step->op == OP_PAGEOUT)
		buffer_print(&line, ",\"resident\":%llu",
			     (unsigned long long)count_resident(region, step->first_page, end_page(region, step)));
	buffer_print(&line, "}");
	report_line(&line);
}

static void start_step(struct run *run, const struct step *step)
{
	struct buffer line = {0};

	if (!step->is_background) {
		report_step(run, step, op_name(step->op));
		return;
	}
	start_step_line(&line, run->step_number, step, op_name(step->op), &run->regions[step->region]);
	buffer_print(&line, ",\"background\":true}");
	report_line(&line);
	start_background(&run->regions[step->region], step, run->step_number);
}

/* What the workload left running; a reap of its own has a step number, so that what it found can be told. */
static void end_what_runs(struct run *run)
{
	static const struct step reap = {.op = OP_REAP};

	join_background();
	if (!has_children())
		return;
	run->step_number++;
	report_step(run, &reap, op_name(OP_REAP));
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

static enum tool_exit end_run(struct run *run, uint64_t seed)
{
	enum tool_exit result = count_bad_pages() ? TOOL_WRONG_DATA : TOOL_OK;
	struct buffer line = {0};

	for (size_t i = 0; i < run->workload->region_count; i++)
		if (run->regions[i].base)
			remove_file(&run->regions[i]);
	buffer_print(&line, "{\"end\":{\"seed\":%llu,\"steps\":%zu,\"bad\":%llu,\"exit\":%d}}", (unsigned long long)seed,
		     run->step_number, (unsigned long long)count_bad_pages(), result);
	report_line(&line);
	return result;
}

enum tool_exit run_workload(const struct workload *workload, uint64_t seed)
{
	struct run run = {.workload = workload};

	open_history(workload);
	run.regions = grow_array(NULL, workload->region_count + 1, sizeof(*run.regions));
	for (size_t i = 0; i < workload->region_count; i++)
		map_region(&run.regions[i], &workload->regions[i], seed);
	for (size_t i = 0; i < workload->step_count; i++) {
		run.step_number = i + 1;
		note_step(run.step_number);
		start_step(&run, &workload->steps[i]);
	}
	end_what_runs(&run);
	if (workload->wants_final_verify)
		verify_finally(&run);
	return end_run(&run, seed);
}
