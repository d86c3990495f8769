// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "control.h"
#include "events.h"
#include "symbols.h"
#include "tracefs.h"

/*
 * Calls of one function that may be under way at once before further ones are missed. The kernel's own choice, twice
 * the number of CPUs, is too few: tasks sleep inside zswap_store() and shrink_memcg().
 */
#define MAX_ACTIVE "256"

/*
 * The kernel counts a hit before it looks at the filter (kprobe_dispatcher of trace_kprobe.c), and no pid is -1: only
 * the hit is left of the event.
 */
#define NEVER "common_pid==-1"

static int define_probe(const char *directory, const struct symbols *symbols, const struct probe *probe)
{
	char *fetch = replace_symbols(symbols, probe->arguments);
	struct buffer definition = {0};
	int number;

	if (probe->kind == PROBE_TRACEPOINT) {
		const char *slash = strchr(probe->symbol, '/');

		buffer_print(&definition, "e:" EVENT_GROUP "/%s %.*s.%s %s\n", probe->event,
			     (int)(slash - probe->symbol), probe->symbol, slash + 1, fetch);
	} else {
		buffer_print(&definition, "%s:" EVENT_GROUP "/%s %s %s\n",
			     probe->kind == PROBE_RETURN ? "r" MAX_ACTIVE : "p", probe->event, probe->symbol, fetch);
	}
	number = add_event(directory, events_file(probe), definition.bytes);
	buffer_free(&definition);
	free(fetch);
	return number;
}

static int start_latency(const char *directory, const struct probe *probe)
{
	struct buffer definition = {0};
	struct event_names names;
	int number;

	name_events(probe, &names);
	buffer_print(&definition, "p:" EVENT_GROUP "/%s %s\n", names.names[0], probe->symbol);
	number = add_event(directory, KPROBE_EVENTS, definition.bytes);
	buffer_free(&definition);
	buffer_print(&definition, "r" MAX_ACTIVE ":" EVENT_GROUP "/%s %s\n", names.names[1], probe->symbol);
	if (!number)
		number = add_event(directory, KPROBE_EVENTS, definition.bytes);
	buffer_free(&definition);
	for (size_t i = 0; i < names.count && !number; i++)
		number = enable_event(directory, names.names[i], true);
	return number;
}

/* Where the kernel can, it sums by itself: a buffer that runs over loses nothing then. */
static int start_event(const char *directory, const struct probe *probe, const char *filter)
{
	struct buffer trigger = {0};
	int number;

	if (has_hist(directory, probe->event) && print_trigger(&trigger, probe, filter)) {
		number = set_trigger(directory, probe->event, trigger.bytes);
		buffer_free(&trigger);
		return number;
	}
	number = filter ? set_event_filter(directory, probe->event, filter) : 0;
	return number ? number : enable_event(directory, probe->event, true);
}

/* The kernel takes definition and filter in turn; whatever it refuses leaves no event behind. */
static int start_probe(const char *directory, const struct symbols *symbols, const struct probe *probe)
{
	char *filter = probe->filter ? replace_symbols(symbols, probe->filter) : NULL;
	int number;

	if (probe->kind == PROBE_LATENCY) {
		number = start_latency(directory, probe);
	} else {
		number = define_probe(directory, symbols, probe);
		if (!number)
			number = start_event(directory, probe, probe->kind == PROBE_COUNT ? NEVER : filter);
	}
	if (number)
		remove_probe(directory, probe);
	free(filter);
	return number;
}

void start_probes(const char *directory, const char *kallsyms, const struct spec *spec, uint64_t buffer_kb,
		  struct buffer *out)
{
	struct symbols symbols;
	char size[32];

	find_symbols(kallsyms, spec, &symbols);
	must_put(directory, "tracing_on", "0");
	for (size_t i = 0; i < spec->count; i++)
		remove_probe(directory, &spec->probes[i]);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)buffer_kb);
	must_put(directory, "buffer_size_kb", size);
	must_put(directory, "trace", "");
	for (size_t i = 0; i < spec->count; i++) {
		const struct probe *probe = &spec->probes[i];
		const char *missing = missing_place(directory, &symbols, probe);
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
