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

/* One of the kernel's own: GROUP/EVENT. */
bool tracepoint_exists(const char *directory, const char *name);

/* The number which raw lines of the trace call the event by; 0: there is none. */
uint64_t event_id(const char *directory, const char *event);

/* The files that take definitions of kprobes, and of event probes (CONFIG_EPROBE_EVENTS). */
#define KPROBE_EVENTS "kprobe_events"
#define DYNAMIC_EVENTS "dynamic_events"

/* 0 or errno. */
int add_event(const char *directory, const char *file, const char *definition);
int set_event_filter(const char *directory, const char *event, const char *filter);
int enable_event(const char *directory, const char *event, bool is_on);

/* Whether the kernel takes event probes; found out by a definition that no kernel can take. */
bool has_event_probes(const char *directory);

/* Whether the kernel can sum this event itself (CONFIG_HIST_TRIGGERS). */
bool has_hist(const char *directory, const char *event);

/* Sets a trigger, which counts from then on without the event being enabled; 0 or errno. */
int set_trigger(const char *directory, const char *event, const char *trigger);

/* What a hist trigger summed up: the text of the event's file "hist", to be freed; NULL without a trigger. */
char *read_hist(const char *directory, const char *event);

/* Disables and removes the event, and its triggers, if it exists. `file` is the one it was added to. */
void remove_event(const char *directory, const char *file, const char *event);

/* Sums the ring buffers' counts of all CPUs. `missed` is left alone. */
void read_buffer_losses(const char *directory, struct lost *lost);

/* The text of kprobe_profile, to be freed: lines of "NAME HITS MISSED". */
char *read_profile(const char *directory);

FILE *open_trace(const char *directory);

#endif
