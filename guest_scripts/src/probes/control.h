/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What --start, --read, --stop and --list do with a tracefs. Each appends JSON lines to `out`. */
#ifndef PROBES_CONTROL_H
#define PROBES_CONTROL_H

#include <stdint.h>

#include "buffer.h"
#include "spec.h"

/* Removes what an earlier run left, and sets all probes of the spec; a line for each. buffer_kb is for each CPU. */
void start_probes(const char *directory, const char *kallsyms, const struct spec *spec, uint64_t buffer_kb,
		  struct buffer *out);

/* One line with the calls that the spec's count probes have seen so far; nothing is changed. */
void read_counts(const char *directory, const struct spec *spec, const char *label, struct buffer *out);

/*
 * Turns tracing off and sums what was seen; a line for each probe (or group), and one of losses. The probes stay, since
 * removing one takes the kernel a quarter of a second, and read_counts() works on.
 */
void stop_probes(const char *directory, const char *kallsyms, const struct spec *spec, struct buffer *out);

/* One line with what this kernel offers, and which of the spec's probes could be placed; nothing is changed. */
void list_offers(const char *directory, const char *kallsyms, const struct spec *spec, struct buffer *out);

#endif
