/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sums a trace in the kernel's text form, as the spec says. Knows no kernel function by name. */
#ifndef PROBES_TALLY_H
#define PROBES_TALLY_H

#include <stdint.h>
#include <stdio.h>

#include "buffer.h"
#include "spec.h"

struct histogram {
	int64_t *values; /* ascending */
	uint64_t *counts;
	size_t count;
};

/* What was seen of one probe with one set of values of its group= fields. */
struct group {
	char *key; /* the JSON object which names the group; "{}" without group= */
	uint64_t calls;
	uint64_t unparsed; /* fields which were not a number, as "(fault)" is not */
	int64_t sums[MAX_FIELDS];
	struct histogram hists[MAX_FIELDS];
};

struct tally {
	struct group *groups;
	size_t count;
};

/* Adds up the trace; tallies[i] belongs to spec->probes[i] and must start zeroed. */
void sum_trace(FILE *trace, const struct spec *spec, struct tally *tallies);

/*
 * Adds up what a hist trigger counted, keyed by the group= and hist= fields. Returns how many events it dropped because
 * its table was full.
 */
uint64_t sum_hist(char *text, const struct probe *probe, struct tally *tally);

/*
 * The JSON lines of one probe which was there: one for each group, ordered by the key. `by` says what counted:
 * "buffer" or "trigger".
 */
void print_tally(struct buffer *out, const struct probe *probe, struct tally *tally, const char *by);

#endif
