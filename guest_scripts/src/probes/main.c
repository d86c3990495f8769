// SPDX-License-Identifier: GPL-2.0-or-later
/* probes: sets kprobe events up from a spec and, later, sums what they saw. See ../README.md. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "buffer.h"
#include "control.h"
#include "spec.h"
#include "tally.h"

static const char usage[] = "usage: probes --start TRACEFS SPEC [--buffer-kb N] [--out FILE]\n"
			    "       probes --read TRACEFS SPEC --label LABEL [--out FILE]\n"
			    "       probes --stop TRACEFS SPEC [--out FILE]\n"
			    "       probes --list TRACEFS [SPEC] [--out FILE]\n"
			    "       probes --sum TRACE SPEC [--out FILE]\n"
			    "(--kallsyms FILE: instead of /proc/kallsyms)";

#define DEFAULT_BUFFER_KB 8192

enum mode { MODE_NONE, MODE_START, MODE_READ, MODE_STOP, MODE_LIST, MODE_SUM };

struct arguments {
	enum mode mode;
	const char *source; /* tracefs, or the trace of --sum */
	const char *spec;
	const char *out;
	const char *kallsyms;
	const char *label;
	uint64_t buffer_kb;
};

static enum mode mode_of(const char *argument)
{
	static const char *const modes[] = {
		[MODE_START] = "--start", [MODE_READ] = "--read", [MODE_STOP] = "--stop",
		[MODE_LIST] = "--list",	  [MODE_SUM] = "--sum",
	};

	for (size_t i = MODE_START; i < sizeof(modes) / sizeof(*modes); i++)
		if (strcmp(modes[i], argument) == 0)
			return (enum mode)i;
	return MODE_NONE;
}

static void parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	*arguments = (struct arguments){.kallsyms = "/proc/kallsyms", .buffer_kb = DEFAULT_BUFFER_KB};
	for (int i = 1; i < argc; i++) {
		bool has_value = i + 1 < argc;

		if (mode_of(argv[i]) != MODE_NONE && arguments->mode == MODE_NONE && has_value) {
			arguments->mode = mode_of(argv[i]);
			arguments->source = argv[++i];
		} else if (strcmp(argv[i], "--out") == 0 && has_value) {
			arguments->out = argv[++i];
		} else if (strcmp(argv[i], "--label") == 0 && has_value) {
			arguments->label = argv[++i];
		} else if (strcmp(argv[i], "--kallsyms") == 0 && has_value) {
			arguments->kallsyms = argv[++i];
		} else if (strcmp(argv[i], "--buffer-kb") == 0 && has_value) {
			if (!parse_u64(argv[++i], &arguments->buffer_kb) || arguments->buffer_kb == 0)
				die_usage("--buffer-kb %s is not a size", argv[i]);
		} else if (argv[i][0] != '-' && !arguments->spec) {
			arguments->spec = argv[i];
		} else {
			die_usage("unexpected argument %s\n%s", argv[i], usage);
		}
	}
	if (arguments->mode == MODE_NONE || (!arguments->spec && arguments->mode != MODE_LIST))
		die_usage("one of --start, --read, --stop, --list and --sum, and a spec, are needed\n%s", usage);
	if ((arguments->label != NULL) != (arguments->mode == MODE_READ))
		die_usage("--read needs a --label, and nothing else takes one\n%s", usage);
}

/* Counts, and times finer than a microsecond, are not in a saved trace: such probes are left out. */
static void sum_only(const struct arguments *arguments, const struct spec *spec, struct buffer *out)
{
	struct tally *tallies = calloc(spec->count, sizeof(*tallies));
	FILE *trace = fopen(arguments->source, "re");

	if (!tallies)
		die_errno("out of memory for %zu probes", spec->count);
	if (!trace)
		die_usage("cannot read the trace %s: %s", arguments->source, strerror(errno));
	sum_trace(trace, spec, tallies);
	fclose(trace);
	for (size_t i = 0; i < spec->count; i++)
		if (spec->probes[i].kind != PROBE_COUNT && spec->probes[i].kind != PROBE_LATENCY)
			print_tally(out, &spec->probes[i], &tallies[i], "buffer");
	free(tallies);
}

static void write_out(const char *path, bool append, const struct buffer *out)
{
	int fd = STDOUT_FILENO;

	if (path)
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0644);
	if (fd < 0)
		die_errno("open of %s", path);
	if (!write_all(fd, out->bytes, out->length) || close(fd) != 0)
		die_errno("write of the result");
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	struct buffer out = {0};
	struct spec spec = {0};

	parse_arguments(argc, argv, &arguments);
	if (arguments.spec)
		parse_spec(arguments.spec, &spec);
	if (arguments.mode == MODE_START)
		start_probes(arguments.source, arguments.kallsyms, &spec, arguments.buffer_kb, &out);
	else if (arguments.mode == MODE_READ)
		read_counts(arguments.source, &spec, arguments.label, &out);
	else if (arguments.mode == MODE_STOP)
		stop_probes(arguments.source, arguments.kallsyms, &spec, &out);
	else if (arguments.mode == MODE_LIST)
		list_offers(arguments.source, arguments.kallsyms, arguments.spec ? &spec : NULL, &out);
	else
		sum_only(&arguments, &spec, &out);
	write_out(arguments.out, arguments.mode == MODE_READ, &out);
	return TOOL_OK;
}
