// SPDX-License-Identifier: GPL-2.0-or-later
#include "latency.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

struct call {
	long pid;
	size_t probe;
	uint64_t entered;
};

struct calls {
	struct call *open;
	size_t count;
};

/* The smallest k with ns <= 2^k, as the kernel's own log2 histograms count (hist_field_log2). */
static unsigned int bucket_of(uint64_t ns)
{
	return ns <= 1 ? 0 : 64 - (unsigned int)__builtin_clzll(ns - 1);
}

static void enter(struct calls *calls, long pid, size_t probe, uint64_t now)
{
	calls->open = grow_array(calls->open, calls->count + 1, sizeof(*calls->open));
	calls->open[calls->count++] = (struct call){.pid = pid, .probe = probe, .entered = now};
}

static void leave(struct calls *calls, long pid, size_t probe, uint64_t now, struct latency *latency)
{
	size_t at = calls->count;
	uint64_t ns;

	while (at > 0 && (calls->open[at - 1].pid != pid || calls->open[at - 1].probe != probe))
		at--;
	if (at == 0) {
		latency->strays++;
		return;
	}
	ns = now - calls->open[at - 1].entered;
	memmove(calls->open + at - 1, calls->open + at, (calls->count - at) * sizeof(*calls->open));
	calls->count--;
	if (ns > INT64_MAX) {
		latency->backwards++;
		return;
	}
	latency->calls++;
	latency->sum += ns;
	latency->max = ns > latency->max ? ns : latency->max;
	latency->buckets[bucket_of(ns)]++;
}

/* "PID CPU NS type: ID" (print_raw_fmt and trace_nop_print of kernel/trace). */
static void add_line(const char *line, const struct spec *spec, struct latency *latencies, struct calls *calls)
{
	unsigned long long now, id;
	int cpu, length = 0;
	long pid;

	if (sscanf(line, "%ld %d %llu type: %llu %n", &pid, &cpu, &now, &id, &length) != 4 || line[length])
		return;
	for (size_t i = 0; i < spec->count; i++) {
		struct latency *latency = &latencies[i];

		if (latency->entry_id == 0)
			continue;
		if (id == latency->entry_id)
			enter(calls, pid, i, now);
		else if (id == latency->return_id)
			leave(calls, pid, i, now, latency);
	}
}

void sum_latencies(FILE *trace, const struct spec *spec, struct latency *latencies)
{
	struct calls calls = {0};
	char *line = NULL;
	size_t capacity = 0;

	while (getline(&line, &capacity, trace) > 0)
		add_line(line, spec, latencies, &calls);
	if (ferror(trace))
		die_errno("read of the trace");
	for (size_t i = 0; i < calls.count; i++)
		latencies[calls.open[i].probe].open++;
	free(calls.open);
	free(line);
}

void print_latency(struct buffer *out, const struct probe *probe, const struct latency *latency, uint64_t missed)
{
	const char *comma = "";

	buffer_print(out,
		     "{\"probe\":\"%s\",\"status\":\"ok\",\"by\":\"buffer\",\"group\":{},\"calls\":%llu,"
		     "\"sum\":{\"ns\":%llu},\"max\":{\"ns\":%llu},\"hist\":{\"ns_log2\":{",
		     probe->name, (unsigned long long)latency->calls, (unsigned long long)latency->sum,
		     (unsigned long long)latency->max);
	for (unsigned int i = 0; i < LATENCY_BUCKETS; i++) {
		if (latency->buckets[i]) {
			buffer_print(out, "%s\"%u\":%llu", comma, i, (unsigned long long)latency->buckets[i]);
			comma = ",";
		}
	}
	buffer_print(out, "}},\"open\":%llu,\"strays\":%llu,\"unparsed\":%llu,\"missed\":%llu}\n",
		     (unsigned long long)latency->open, (unsigned long long)latency->strays,
		     (unsigned long long)latency->backwards, (unsigned long long)missed);
}
