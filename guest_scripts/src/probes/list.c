// SPDX-License-Identifier: GPL-2.0-or-later
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "control.h"
#include "events.h"
#include "symbols.h"
#include "tracefs.h"

static char *read_file(const char *directory, const char *name)
{
	char path[PATH_MAX];
	size_t length;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return read_whole_file(path, &length);
}

/* "local global [mono]": the one in brackets is in use. */
static void print_clocks(struct buffer *out, char *text)
{
	const char *comma = "";
	char *word;

	buffer_print(out, "\"clocks\":[");
	while ((word = strsep(&text, " \n")) != NULL) {
		size_t length;

		word += *word == '[';
		length = strcspn(word, "]");
		word[length] = '\0';
		if (!length)
			continue;
		buffer_print(out, "%s", comma);
		buffer_json_string(out, word);
		comma = ",";
	}
	buffer_print(out, "]");
}

static void print_places(struct buffer *out, const char *directory, const char *kallsyms, const struct spec *spec)
{
	struct symbols symbols;

	find_symbols(kallsyms, spec, &symbols);
	buffer_print(out, ",\"probes\":{");
	for (size_t i = 0; i < spec->count; i++) {
		const struct probe *probe = &spec->probes[i];
		const char *missing = missing_place(directory, &symbols, probe);

		buffer_print(out, "%s\"%s\":", i ? "," : "", probe->name);
		if (missing)
			buffer_json_string(out, missing);
		else
			buffer_print(out, "null");
	}
	buffer_print(out, "}");
}

/* The README of tracefs says what the kernel was built with (trace.c, readme_msg). */
void list_offers(const char *directory, const char *kallsyms, const struct spec *spec, struct buffer *out)
{
	static const struct {
		const char *key, *words;
	} offers[] = {
		{"kprobe_events", "p[:[<group>/][<event>]] <place>"},
		{"kretprobes", "r[maxactive]"},
		{"hist_triggers", "hist trigger\t"},
	};
	char *readme = read_file(directory, "README");
	char *clocks = read_file(directory, "trace_clock");

	if (!readme || !clocks)
		die_errno("read of README and trace_clock in %s", directory);
	buffer_print(out, "{");
	for (size_t i = 0; i < sizeof(offers) / sizeof(*offers); i++)
		buffer_print(out, "\"%s\":%s,", offers[i].key, strstr(readme, offers[i].words) ? "true" : "false");
	buffer_print(out, "\"event_probes\":%s,", has_event_probes(directory) ? "true" : "false");
	print_clocks(out, clocks);
	if (spec)
		print_places(out, directory, kallsyms, spec);
	buffer_print(out, "}\n");
	free(readme);
	free(clocks);
}
