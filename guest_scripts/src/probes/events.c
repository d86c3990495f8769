// SPDX-License-Identifier: GPL-2.0-or-later
#include "events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "tracefs.h"

/* Limits of the kernel's tracing_map.h; one of its values is hitcount. */
#define MAX_KEYS 3
#define MAX_SUMS 2

void name_events(const struct probe *probe, struct event_names *names)
{
	bool is_latency = probe->kind == PROBE_LATENCY;

	names->count = is_latency ? 2 : 1;
	for (size_t i = 0; i < names->count; i++)
		snprintf(names->names[i], sizeof(names->names[i]), "%s%s", probe->event,
			 is_latency ? (i ? "_out" : "_in") : "");
}

const char *events_file(const struct probe *probe)
{
	return probe->kind == PROBE_TRACEPOINT ? DYNAMIC_EVENTS : KPROBE_EVENTS;
}

bool probe_exists(const char *directory, const struct probe *probe)
{
	struct event_names names;

	name_events(probe, &names);
	for (size_t i = 0; i < names.count; i++)
		if (!event_exists(directory, names.names[i]))
			return false;
	return true;
}

void remove_probe(const char *directory, const struct probe *probe)
{
	struct event_names names;

	name_events(probe, &names);
	for (size_t i = 0; i < names.count; i++)
		remove_event(directory, events_file(probe), names.names[i]);
}

static bool has_field(const struct field_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->fields[i].name, name) == 0)
			return true;
	return false;
}

bool print_trigger(struct buffer *out, const struct probe *probe, const char *filter)
{
	struct buffer keys = {0};
	size_t count = 0;
	bool fits;

	for (size_t i = 0; i < probe->group.count; i++)
		buffer_print(&keys, "%s%s", count++ ? "," : "", probe->group.fields[i].name);
	for (size_t i = 0; i < probe->hist.count; i++)
		if (!has_field(&probe->group, probe->hist.fields[i].name))
			buffer_print(&keys, "%s%s", count++ ? "," : "", probe->hist.fields[i].name);
	fits = probe->kind != PROBE_COUNT && count > 0 && count <= MAX_KEYS && probe->sum.count <= MAX_SUMS;
	/* A field is either a key or a value. */
	for (size_t i = 0; i < probe->sum.count; i++)
		fits = fits && !has_field(&probe->group, probe->sum.fields[i].name) &&
		       !has_field(&probe->hist, probe->sum.fields[i].name);
	if (fits) {
		buffer_print(out, "hist:keys=%s:vals=hitcount", keys.bytes);
		for (size_t i = 0; i < probe->sum.count; i++)
			buffer_print(out, ",%s", probe->sum.fields[i].name);
		buffer_print(out, "%s%s\n", filter ? " if " : "", filter ? filter : "");
	}
	buffer_free(&keys);
	return fits;
}

const char *missing_place(const char *directory, const struct symbols *symbols, const struct probe *probe)
{
	if (probe->kind == PROBE_TRACEPOINT && !tracepoint_exists(directory, probe->symbol))
		return probe->symbol;
	if (probe->kind == PROBE_TRACEPOINT && !has_event_probes(directory))
		return "CONFIG_EPROBE_EVENTS";
	return missing_symbol(symbols, probe);
}

void print_missing(struct buffer *out, const struct probe *probe, const char *symbol)
{
	buffer_print(out, "{\"probe\":\"%s\",\"status\":\"missing\",\"symbol\":", probe->name);
	buffer_json_string(out, symbol);
	buffer_print(out, "}\n");
}

static bool is_event_of(const struct probe *probe, const char *name)
{
	size_t length = strlen(probe->event);

	if (strncmp(name, probe->event, length) != 0)
		return false;
	if (probe->kind == PROBE_LATENCY)
		return strcmp(name + length, "_in") == 0 || strcmp(name + length, "_out") == 0;
	return name[length] == '\0';
}

/* "  NAME   HITS   MISSED" */
void read_hits(const char *directory, const struct spec *spec, struct hits *hits)
{
	char *profile = read_profile(directory);
	char *rest = profile, *line;

	memset(hits, 0, spec->count * sizeof(*hits));
	while ((line = strsep(&rest, "\n")) != NULL) {
		unsigned long long seen, missed;
		char name[128];

		if (sscanf(line, " %127s %llu %llu", name, &seen, &missed) != 3)
			continue;
		for (size_t i = 0; i < spec->count; i++) {
			if (is_event_of(&spec->probes[i], name)) {
				hits[i].hits += seen;
				hits[i].missed += missed;
				hits[i].is_listed = true;
			}
		}
	}
	free(profile);
}
