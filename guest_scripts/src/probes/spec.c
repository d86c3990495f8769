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

static bool is_name(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

	return *text && strspn(text, allowed) == strlen(text);
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

static void parse_head(const struct place *place, struct probe *probe, char *head)
{
	const char *kind = next_word(&head);

	probe->name = next_word(&head);
	probe->symbol = next_word(&head);
	probe->arguments = trimmed(head ? head : strchr(probe->symbol ? probe->symbol : kind, '\0'));
	probe->is_return = strcmp(kind, "kretprobe") == 0;
	if (!probe->is_return && strcmp(kind, "kprobe") != 0)
		refuse(place, "a line starts with kprobe or kretprobe, not %s", kind);
	if (!probe->name || !is_name(probe->name))
		refuse(place, "a probe needs a name of letters, digits and _");
	if (!probe->symbol)
		refuse(place, "probe %s has no symbol", probe->name);
}

static void parse_line(const struct place *place, char *line, struct spec *spec)
{
	struct probe probe = {0};
	char *section = cut_section(line);

	parse_head(place, &probe, trimmed(line));
	for (size_t i = 0; i < spec->count; i++)
		if (strcmp(spec->probes[i].name, probe.name) == 0)
			refuse(place, "probe %s comes twice", probe.name);
	while (section) {
		char *next = cut_section(section);

		section = trimmed(section);
		if (strncmp(section, "filter ", 7) != 0)
			parse_sums(place, &probe, section);
		else if (probe.filter)
			refuse(place, "more than one filter");
		else
			probe.filter = trimmed(section + 7);
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
