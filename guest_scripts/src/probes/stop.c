// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <stdlib.h>

#include "base.h"
#include "control.h"
#include "events.h"
#include "latency.h"
#include "symbols.h"
#include "tally.h"
#include "tracefs.h"

struct seen {
	struct tally *tallies;
	struct latency *latencies;
	struct hits *hits;
	bool *by_trigger;
	struct lost lost;
};

static void *zeroed(size_t count, size_t size)
{
	void *array = calloc(count, size);

	if (!array)
		die_errno("out of memory for %zu probes", count);
	return array;
}

static void read_triggers(const char *directory, const struct spec *spec, struct seen *seen)
{
	for (size_t i = 0; i < spec->count; i++) {
		char *text = read_hist(directory, spec->probes[i].event);

		if (!text)
			continue;
		seen->by_trigger[i] = true;
		seen->lost.dropped += sum_hist(text, &spec->probes[i], &seen->tallies[i]);
		free(text);
	}
}

/* Once more, in a form that has nanoseconds; the usual one has microseconds. */
static void read_latencies(const char *directory, const struct spec *spec, struct seen *seen)
{
	bool is_wanted = false;
	FILE *trace;

	for (size_t i = 0; i < spec->count; i++) {
		struct event_names names;

		if (spec->probes[i].kind != PROBE_LATENCY || !probe_exists(directory, &spec->probes[i]))
			continue;
		name_events(&spec->probes[i], &names);
		seen->latencies[i].entry_id = event_id(directory, names.names[0]);
		seen->latencies[i].return_id = event_id(directory, names.names[1]);
		is_wanted = true;
	}
	if (!is_wanted)
		return;
	must_put(directory, "options/raw", "1");
	trace = open_trace(directory);
	sum_latencies(trace, spec, seen->latencies);
	fclose(trace);
	must_put(directory, "options/raw", "0");
}

static bool needs_buffer(const char *directory, const struct spec *spec, const struct seen *seen)
{
	for (size_t i = 0; i < spec->count; i++) {
		enum probe_kind kind = spec->probes[i].kind;

		if (kind != PROBE_COUNT && kind != PROBE_LATENCY && !seen->by_trigger[i] &&
		    probe_exists(directory, &spec->probes[i]))
			return true;
	}
	return false;
}

static void read_all(const char *directory, const struct spec *spec, struct seen *seen)
{
	read_hits(directory, spec, seen->hits);
	read_buffer_losses(directory, &seen->lost);
	read_triggers(directory, spec, seen);
	read_latencies(directory, spec, seen);
	if (needs_buffer(directory, spec, seen)) {
		FILE *trace = open_trace(directory);

		sum_trace(trace, spec, seen->tallies);
		fclose(trace);
	}
}

static void print_count(struct buffer *out, const struct probe *probe, const struct hits *hits)
{
	buffer_print(out, "{\"probe\":\"%s\",\"status\":\"ok\",\"by\":\"profile\",\"calls\":%llu,\"missed\":%llu}\n",
		     probe->name, (unsigned long long)hits->hits, (unsigned long long)hits->missed);
}

static void print_seen(struct buffer *out, const struct probe *probe, size_t i, struct seen *seen)
{
	if (probe->kind == PROBE_COUNT) {
		print_count(out, probe, &seen->hits[i]);
	} else if (probe->kind == PROBE_LATENCY) {
		print_latency(out, probe, &seen->latencies[i], seen->hits[i].missed);
	} else {
		seen->lost.missed += seen->hits[i].missed;
		print_tally(out, probe, &seen->tallies[i], seen->by_trigger[i] ? "trigger" : "buffer");
	}
}

static void print_absent(struct buffer *out, const char *directory, const struct symbols *symbols,
			 const struct probe *probe)
{
	const char *missing = missing_place(directory, symbols, probe);

	if (missing)
		print_missing(out, probe, missing);
	else
		buffer_print(out, "{\"probe\":\"%s\",\"status\":\"rejected\"}\n", probe->name);
}

void stop_probes(const char *directory, const char *kallsyms, const struct spec *spec, struct buffer *out)
{
	struct seen seen = {
		.tallies = zeroed(spec->count, sizeof(*seen.tallies)),
		.latencies = zeroed(spec->count, sizeof(*seen.latencies)),
		.hits = zeroed(spec->count, sizeof(*seen.hits)),
		.by_trigger = zeroed(spec->count, sizeof(*seen.by_trigger)),
	};
	struct symbols symbols = {0};

	must_put(directory, "tracing_on", "0");
	read_all(directory, spec, &seen);
	for (size_t i = 0; i < spec->count; i++) {
		const struct probe *probe = &spec->probes[i];

		if (probe_exists(directory, probe)) {
			print_seen(out, probe, i, &seen);
			continue;
		}
		/* Reading all symbols takes long, and is needed only to say why one is not there. */
		if (!symbols.count)
			find_symbols(kallsyms, spec, &symbols);
		print_absent(out, directory, &symbols, probe);
	}
	buffer_print(out, "{\"lost\":{\"overrun\":%llu,\"dropped\":%llu,\"missed\":%llu}}\n",
		     (unsigned long long)seen.lost.overrun, (unsigned long long)seen.lost.dropped,
		     (unsigned long long)seen.lost.missed);
	must_put(directory, "trace", "");
}

void read_counts(const char *directory, const struct spec *spec, const char *label, struct buffer *out)
{
	struct hits *hits = zeroed(spec->count, sizeof(*hits));
	const char *comma = "";

	read_hits(directory, spec, hits);
	buffer_print(out, "{\"label\":");
	buffer_json_string(out, label);
	buffer_print(out, ",\"counts\":{");
	for (size_t i = 0; i < spec->count; i++) {
		/* What was missed is not known: no number is better than one that is too small. */
		if (spec->probes[i].kind != PROBE_COUNT || hits[i].missed || !hits[i].is_listed)
			continue;
		buffer_print(out, "%s\"%s\":%llu", comma, spec->probes[i].name, (unsigned long long)hits[i].hits);
		comma = ",";
	}
	buffer_print(out, "}}\n");
	free(hits);
}
