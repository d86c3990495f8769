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

struct probe {
	bool is_return;
	char *name;
	char *symbol;
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
