/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which events of the kernel a probe consists of, and what both its start and its end need to know of them. */
#ifndef PROBES_EVENTS_H
#define PROBES_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "spec.h"
#include "symbols.h"

/* A latency has two events, entry and return; all others have one. */
struct event_names {
	char names[2][64];
	size_t count;
};

void name_events(const struct probe *probe, struct event_names *names);

/* The file of tracefs that takes the probe's definition. */
const char *events_file(const struct probe *probe);

/* Whether all its events are there. */
bool probe_exists(const char *directory, const struct probe *probe);

void remove_probe(const char *directory, const struct probe *probe);

/*
 * The hist trigger that counts all which the probe is to sum, grouped by its group= and hist= fields; false when a
 * trigger cannot: it takes one to three keys, and two sums.
 */
bool print_trigger(struct buffer *out, const struct probe *probe, const char *filter);

/* The symbol, tracepoint or configuration option which the probe needs and this kernel does not have, or NULL. */
const char *missing_place(const char *directory, const struct symbols *symbols, const struct probe *probe);

/* {"probe":NAME,"status":"missing","symbol":…} */
void print_missing(struct buffer *out, const struct probe *probe, const char *symbol);

struct hits {
	uint64_t hits;
	uint64_t missed; /* the probe did not fire: recursion, or too many calls of a kretprobe at once */
	bool is_listed;	 /* the kernel has the event */
};

/* What the kernel counted of each probe's events: hits[i] belongs to spec->probes[i]. */
void read_hits(const char *directory, const struct spec *spec, struct hits *hits);

#endif
