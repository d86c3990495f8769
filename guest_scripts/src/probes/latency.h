/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long calls took, from a trace in the kernel's raw text form, whose times are in ns. */
#ifndef PROBES_LATENCY_H
#define PROBES_LATENCY_H

#include <stdint.h>
#include <stdio.h>

#include "buffer.h"
#include "spec.h"

#define LATENCY_BUCKETS 65

struct latency {
	uint64_t entry_id, return_id; /* the events' numbers; 0: this probe is no latency, or not there */
	uint64_t calls, sum, max;
	uint64_t open;	  /* entries without a return: they still run */
	uint64_t strays;  /* returns without an entry: they ran before the probe was there */
	uint64_t backwards; /* left before they were entered: the clocks of two CPUs differ */
	uint64_t buckets[LATENCY_BUCKETS];
};

/* Matches entries and returns by thread, the innermost first. latencies[i] belongs to spec->probes[i]. */
void sum_latencies(FILE *trace, const struct spec *spec, struct latency *latencies);

/* One JSON line. */
void print_latency(struct buffer *out, const struct probe *probe, const struct latency *latency, uint64_t missed);

#endif
