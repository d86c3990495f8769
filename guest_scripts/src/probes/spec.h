/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What to probe and what to sum, as read from a SPEC file (grammar: ../README.md). */
#ifndef PROBES_SPEC_H
#define PROBES_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#define MAX_FIELDS 8

struct field {
	char *name;
	bool is_null_test; /* group by "null" or "set" instead of by the value */
};

struct field_list {
	struct field fields[MAX_FIELDS];
	size_t count;
};

enum probe_kind {
	PROBE_ENTRY,	  /* kprobe */
	PROBE_RETURN,	  /* kretprobe */
	PROBE_COUNT,	  /* hits of a kprobe; nothing is recorded */
	PROBE_LATENCY,	  /* time between a kprobe and a kretprobe */
	PROBE_TRACEPOINT, /* fields of an event which the kernel has */
};

struct probe {
	enum probe_kind kind;
	char *name;
	char *event;  /* the name as the kernel takes it: '_' for each '.' */
	char *symbol; /* of a tracepoint: GROUP/EVENT */
	char *arguments; /* fetch arguments as the kernel takes them, but for %sym() */
	char *filter;    /* NULL: none */
	struct field_list group, sum, hist;
};

struct spec {
	struct probe *probes;
	size_t count;
};

/* Parses the file or ends the tool with "PATH:LINE: what" and TOOL_USAGE. */
void parse_spec(const char *path, struct spec *spec);

#endif
