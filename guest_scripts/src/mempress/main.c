// SPDX-License-Identifier: GPL-2.0-or-later
/* mempress: memory pressure whose every byte is known beforehand. See ../README.md for the workload language. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "content.h"
#include "report.h"
#include "run.h"
#include "workload.h"

static const char usage[] = "usage: mempress WORKLOAD --seed N [--log FILE] | mempress --check WORKLOAD";

struct arguments {
	const char *workload;
	const char *log;
	uint64_t seed;
	bool has_seed;
	bool is_check;
};

static void parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	for (int i = 1; i < argc; i++) {
		bool has_value = i + 1 < argc;

		if (strcmp(argv[i], "--check") == 0) {
			arguments->is_check = true;
		} else if (strcmp(argv[i], "--seed") == 0 && has_value) {
			if (!parse_u64(argv[++i], &arguments->seed))
				die_usage("--seed %s is not a whole number", argv[i]);
			arguments->has_seed = true;
		} else if (strcmp(argv[i], "--log") == 0 && has_value) {
			arguments->log = argv[++i];
		} else if (argv[i][0] != '-' && !arguments->workload) {
			arguments->workload = argv[i];
		} else {
			die_usage("unexpected argument %s\n%s", argv[i], usage);
		}
	}
	if (!arguments->workload || arguments->is_check == arguments->has_seed)
		die_usage("a workload and a seed (or --check) are needed\n%s", usage);
}

/* All the nodes that a region or a step names, in order. */
static void print_nodes(const struct workload *workload)
{
	const size_t bits = 8 * sizeof(long);
	unsigned long named[NODE_WORDS] = {0};
	const char *comma = "";

	for (size_t word = 0; word < NODE_WORDS; word++) {
		for (size_t i = 0; i < workload->region_count; i++)
			named[word] |= workload->regions[i].policy.nodes[word];
		for (size_t i = 0; i < workload->step_count; i++)
			named[word] |= workload->steps[i].policy.nodes[word];
	}
	for (size_t node = 0; node < MAX_NODES; node++) {
		if (named[node / bits] >> (node % bits) & 1) {
			printf("%s%zu", comma, node);
			comma = ",";
		}
	}
}

static void report_check(const struct workload *workload)
{
	printf("{\"check\":\"ok\",\"regions\":%zu,\"steps\":%zu,\"bytes\":%llu,\"nodes\":[", workload->region_count,
	       workload->step_count, (unsigned long long)workload->peak_bytes);
	print_nodes(workload);
	printf("]}\n");
}

int main(int argc, char **argv)
{
	struct arguments arguments = {0};
	struct workload workload;

	parse_arguments(argc, argv, &arguments);
	if (sysconf(_SC_PAGESIZE) > MAX_PAGE_BYTES)
		die_usage("pages of more than %d bytes are not supported", MAX_PAGE_BYTES);
	parse_workload(arguments.workload, &workload);
	if (arguments.is_check) {
		report_check(&workload);
		return TOOL_OK;
	}
	prepare_content();
	open_report(arguments.log);
	return run_workload(&workload, arguments.seed);
}
