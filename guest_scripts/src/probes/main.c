// SPDX-License-Identifier: GPL-2.0-or-later
/* probes: sets kprobe events up from a spec and, later, sums what they saw. See ../README.md. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "buffer.h"
#include "spec.h"
#include "symbols.h"
#include "tally.h"
#include "tracefs.h"

static const char usage[] = "usage: probes --start TRACEFS SPEC [--buffer-kb N] [--out FILE]\n"
			    "       probes --stop TRACEFS SPEC [--out FILE]\n"
			    "       probes --sum TRACE SPEC [--out FILE]\n"
			    "(--kallsyms FILE: instead of /proc/kallsyms)";

#define DEFAULT_BUFFER_KB 8192

enum mode { MODE_NONE, MODE_START, MODE_STOP, MODE_SUM };

struct arguments {
	enum mode mode;
	const char *source; /* tracefs, or the trace of --sum */
	const char *spec;
	const char *out;
	const char *kallsyms;
	uint64_t buffer_kb;
};

static enum mode mode_of(const char *argument)
{
	if (strcmp(argument, "--start") == 0)
		return MODE_START;
	if (strcmp(argument, "--stop") == 0)
		return MODE_STOP;
	return strcmp(argument, "--sum") == 0 ? MODE_SUM : MODE_NONE;
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
	if (arguments->mode == MODE_NONE || !arguments->spec)
		die_usage("one of --start, --stop and --sum, and a spec, are needed\n%s", usage);
}

/* The kernel takes definition and filter in turn; whatever it refuses leaves no event behind. */
static int start_probe(const char *directory, const struct symbols *symbols, const struct probe *probe)
{
	char *filter = probe->filter ? replace_symbols(symbols, probe->filter) : NULL;
	char *fetch = replace_symbols(symbols, probe->arguments);
	struct buffer definition = {0};
	int number;

	buffer_print(&definition, "%c:" EVENT_GROUP "/%s %s %s\n", probe->is_return ? 'r' : 'p', probe->name,
		     probe->symbol, fetch);
	number = add_event_probe(directory, definition.bytes);
	if (!number && filter)
		number = set_event_filter(directory, probe->name, filter);
	if (!number)
		number = enable_event(directory, probe->name, true);
	if (number)
		remove_event(directory, probe->name);
	buffer_free(&definition);
	free(fetch);
	free(filter);
	return number;
}

static void print_missing(struct buffer *out, const struct probe *probe, const char *symbol)
{
	buffer_print(out, "{\"probe\":\"%s\",\"status\":\"missing\",\"symbol\":", probe->name);
	buffer_json_string(out, symbol);
	buffer_print(out, "}\n");
}

static void start_all(const struct arguments *arguments, const struct spec *spec, struct buffer *out)
{
	const char *directory = arguments->source;
	struct symbols symbols;
	char size[32];

	find_symbols(arguments->kallsyms, spec, &symbols);
	must_put(directory, "tracing_on", "0");
	for (size_t i = 0; i < spec->count; i++)
		remove_event(directory, spec->probes[i].name);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)arguments->buffer_kb);
	must_put(directory, "buffer_size_kb", size);
	must_put(directory, "trace", "");
	for (size_t i = 0; i < spec->count; i++) {
		const struct probe *probe = &spec->probes[i];
		const char *missing = missing_symbol(&symbols, probe);
		int number = missing ? 0 : start_probe(directory, &symbols, probe);

		if (missing)
			print_missing(out, probe, missing);
		else if (number)
			buffer_print(out, "{\"probe\":\"%s\",\"status\":\"rejected\",\"error\":\"%s\"}\n", probe->name,
				     errno_name(number));
		else
			buffer_print(out, "{\"probe\":\"%s\",\"status\":\"ok\"}\n", probe->name);
	}
	must_put(directory, "tracing_on", "1");
}

static void sum_file(FILE *trace, const struct spec *spec, struct tally *tallies)
{
	sum_trace(trace, spec, tallies);
	fclose(trace);
}

static void stop_all(const struct arguments *arguments, const struct spec *spec, struct tally *tallies,
		     struct buffer *out)
{
	const char *directory = arguments->source;
	struct lost lost = {0};
	struct symbols symbols;

	must_put(directory, "tracing_on", "0");
	find_symbols(arguments->kallsyms, spec, &symbols);
	read_buffer_losses(directory, &lost);
	sum_file(open_trace(directory), spec, tallies);
	for (size_t i = 0; i < spec->count; i++) {
		const struct probe *probe = &spec->probes[i];
		const char *missing = missing_symbol(&symbols, probe);

		if (event_exists(directory, probe->name)) {
			lost.missed += read_missed(directory, probe->name);
			print_tally(out, probe, &tallies[i]);
			remove_event(directory, probe->name);
		} else if (missing) {
			print_missing(out, probe, missing);
		} else {
			buffer_print(out, "{\"probe\":\"%s\",\"status\":\"rejected\"}\n", probe->name);
		}
	}
	buffer_print(out, "{\"lost\":{\"overrun\":%llu,\"dropped\":%llu,\"missed\":%llu}}\n",
		     (unsigned long long)lost.overrun, (unsigned long long)lost.dropped,
		     (unsigned long long)lost.missed);
	must_put(directory, "trace", "");
}

static void sum_only(const struct arguments *arguments, const struct spec *spec, struct tally *tallies,
		     struct buffer *out)
{
	FILE *trace = fopen(arguments->source, "re");

	if (!trace)
		die_usage("cannot read the trace %s: %s", arguments->source, strerror(errno));
	sum_file(trace, spec, tallies);
	for (size_t i = 0; i < spec->count; i++)
		print_tally(out, &spec->probes[i], &tallies[i]);
}

static void write_out(const char *path, const struct buffer *out)
{
	int fd = STDOUT_FILENO;

	if (path)
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		die_errno("open of %s", path);
	if (!write_all(fd, out->bytes, out->length) || close(fd) != 0)
		die_errno("write of the result");
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	struct buffer out = {0};
	struct tally *tallies;
	struct spec spec;

	parse_arguments(argc, argv, &arguments);
	parse_spec(arguments.spec, &spec);
	tallies = calloc(spec.count, sizeof(*tallies));
	if (!tallies)
		die_errno("out of memory for %zu probes", spec.count);
	if (arguments.mode == MODE_START)
		start_all(&arguments, &spec, &out);
	else if (arguments.mode == MODE_STOP)
		stop_all(&arguments, &spec, tallies, &out);
	else
		sum_only(&arguments, &spec, tallies, &out);
	write_out(arguments.out, &out);
	return TOOL_OK;
}
