/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few files of tracefs that matter here, below a directory which a test may fake. */
#ifndef PROBES_TRACEFS_H
#define PROBES_TRACEFS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Ours alone, so that we can find and remove what a former run left behind. */
#define EVENT_GROUP "guest_probes"

struct lost {
	uint64_t overrun; /* overwritten in the ring buffer */
	uint64_t dropped; /* not written to it */
	uint64_t missed;  /* the probe did not fire (recursion, or too many calls of a kretprobe at once) */
};

/* Writes the text with one write(); false and errno if the kernel refuses. `append` keeps what is there. */
bool put_trace_file(const char *directory, const char *name, const char *text, bool append);

/* The same, but ends the tool on failure. */
void must_put(const char *directory, const char *name, const char *text);

bool event_exists(const char *directory, const char *event);

/* 0 or errno. */
int add_event_probe(const char *directory, const char *definition);
int set_event_filter(const char *directory, const char *event, const char *filter);
int enable_event(const char *directory, const char *event, bool is_on);

/* Disables and removes the event if it exists. */
void remove_event(const char *directory, const char *event);

/* Sums the ring buffers' counts of all CPUs. `missed` is left alone. */
void read_buffer_losses(const char *directory, struct lost *lost);

/* Calls which this event did not see; 0 if the kernel does not list it. */
uint64_t read_missed(const char *directory, const char *event);

FILE *open_trace(const char *directory);

#endif
