// SPDX-License-Identifier: GPL-2.0-or-later
#include "spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

static char *trimmed(char *text)
{
	size_t length;

	text += strspn(text, " \t\r");
	length = strlen(text);
	while (length > 0 && strchr(" \t\r", text[length - 1]))
		text[--length] = '\0';
	return text;
}

static char *next_word(char **rest)
{
	char *word;

	do
		word = strsep(rest, " \t");
	while (word && *word == '\0');
	return word;
}

#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

static bool is_name(const char *text)
{
	return *text && strspn(text, NAME_BYTES) == strlen(text);
}

/* With the suffix of a latency's events it must be shorter than the kernel's MAX_EVENT_NAME_LEN (64). */
static bool is_probe_name(const char *text)
{
	return *text && !strchr(".0123456789", *text) && strspn(text, NAME_BYTES ".") == strlen(text) &&
	       strlen(text) < 56;
}

/* GROUP/EVENT */
static bool is_event(const char *text)
{
	size_t length = strspn(text, NAME_BYTES);

	return length > 0 && text[length] == '/' && is_name(text + length + 1);
}

static const char *const kinds[] = {
	[PROBE_ENTRY] = "kprobe",	[PROBE_RETURN] = "kretprobe",	  [PROBE_COUNT] = "count",
	[PROBE_LATENCY] = "latency", [PROBE_TRACEPOINT] = "tracepoint",
};

static enum probe_kind kind_of(const struct place *place, const char *word)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i], word) == 0)
			return (enum probe_kind)i;
	refuse(place, "a line starts with kprobe, kretprobe, count, latency or tracepoint, not %s", word);
}

static char *event_name(const char *name)
{
	char *copy = strdup(name);

	if (!copy)
		die_errno("out of memory for a name");
	for (char *at = copy; *at; at++)
		if (*at == '.')
			*at = '_';
	return copy;
}

static bool has_argument(const struct probe *probe, const char *name)
{
	const char *at = probe->arguments;
	size_t length = strlen(name);

	while ((at = strstr(at, name)) != NULL) {
		if ((at == probe->arguments || at[-1] == ' ' || at[-1] == '\t') && at[length] == '=')
			return true;
		at++;
	}
	return false;
}

static void parse_fields(const struct place *place, const struct probe *probe, char *value, struct field_list *list)
{
	char *item;

	if (list->count)
		refuse(place, "group=, sum= and hist= may come once each");
	while ((item = strsep(&value, ",")) != NULL) {
		struct field *field = &list->fields[list->count];
		char *mark = strchr(item, ':');

		if (list->count == MAX_FIELDS)
			refuse(place, "more than %d fields", MAX_FIELDS);
		if (mark && (list != &probe->group || strcmp(mark, ":null") != 0))
			refuse(place, "only group= knows a mark, and only :null, not %s", item);
		if (mark)
			*mark = '\0';
		*field = (struct field){.name = item, .is_null_test = mark != NULL};
		if (!is_name(item) || !has_argument(probe, item))
			refuse(place, "no fetch argument is called '%s'", item);
		list->count++;
	}
}

static void parse_sums(const struct place *place, struct probe *probe, char *rest)
{
	char *word;

	while ((word = next_word(&rest)) != NULL) {
		char *value = word;
		const char *key = strsep(&value, "=");

		if (!value)
			refuse(place, "expected group=, sum= or hist=, not %s", key);
		else if (strcmp(key, "group") == 0)
			parse_fields(place, probe, value, &probe->group);
		else if (strcmp(key, "sum") == 0)
			parse_fields(place, probe, value, &probe->sum);
		else if (strcmp(key, "hist") == 0)
			parse_fields(place, probe, value, &probe->hist);
		else
			refuse(place, "expected group=, sum= or hist=, not %s=", key);
	}
}

/* Cuts at " | ", which no filter contains: its "or" is "||". */
static char *cut_section(char *text)
{
	char *bar = strstr(text, " | ");

	if (!bar)
		return NULL;
	*bar = '\0';
	return bar + 3;
}

static bool takes_arguments(const struct probe *probe)
{
	return probe->kind != PROBE_COUNT && probe->kind != PROBE_LATENCY;
}

static void parse_head(const struct place *place, struct probe *probe, char *head)
{
	const char *kind = next_word(&head);

	probe->name = next_word(&head);
	probe->symbol = next_word(&head);
	probe->arguments = trimmed(head ? head : strchr(probe->symbol ? probe->symbol : kind, '\0'));
	probe->kind = kind_of(place, kind);
	if (!probe->name || !is_probe_name(probe->name))
		refuse(place, "a probe needs a name of letters, digits, . and _, at most 55, with no digit or . first");
	if (!probe->symbol)
		refuse(place, "probe %s has no symbol", probe->name);
	if (probe->kind == PROBE_TRACEPOINT && !is_event(probe->symbol))
		refuse(place, "a tracepoint is named GROUP/EVENT, not %s", probe->symbol);
	if (!takes_arguments(probe) && *probe->arguments)
		refuse(place, "%s takes nothing but a name and a symbol", kind);
	probe->event = event_name(probe->name);
}

static void parse_section(const struct place *place, struct probe *probe, char *section)
{
	if (!takes_arguments(probe))
		refuse(place, "%s takes nothing but a name and a symbol", kinds[probe->kind]);
	if (strncmp(section, "filter ", 7) != 0)
		parse_sums(place, probe, section);
	else if (probe->filter)
		refuse(place, "more than one filter");
	else
		probe->filter = trimmed(section + 7);
}

static void parse_line(const struct place *place, char *line, struct spec *spec)
{
	struct probe probe = {0};
	char *section = cut_section(line);

	parse_head(place, &probe, trimmed(line));
	for (size_t i = 0; i < spec->count; i++)
		if (strcmp(spec->probes[i].event, probe.event) == 0)
			refuse(place, "probe %s comes twice", probe.name);
	while (section) {
		char *next = cut_section(section);

		parse_section(place, &probe, trimmed(section));
		section = next;
	}
	spec->probes = grow_array(spec->probes, spec->count + 1, sizeof(*spec->probes));
	spec->probes[spec->count++] = probe;
}

void parse_spec(const char *path, struct spec *spec)
{
	struct place place = {.path = path, .line = 0};
	size_t length;
	/* Never freed: the probes point into it. */
	char *rest = read_whole_file(path, &length);
	char *line;

	*spec = (struct spec){0};
	if (!rest)
		die_usage("cannot read the spec %s: %s", path, strerror(errno));
	if (memchr(rest, '\0', length))
		die_usage("%s: a NUL byte: this is not a text file", path);
	while ((line = strsep(&rest, "\n")) != NULL) {
		place.line++;
		line = trimmed(line);
		if (*line && *line != '#')
			parse_line(&place, line, spec);
	}
	if (spec->count == 0)
		refuse(&place, "the spec has no probe");
}
