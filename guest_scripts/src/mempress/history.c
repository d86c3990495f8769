// SPDX-License-Identifier: GPL-2.0-or-later
#include "history.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "choice.h"

#define MAX_SHOWN 8

static const struct workload *workload;
/* Atomic, since a step in the background may ask while the next one begins. */
static _Atomic size_t begun;

void open_history(const struct workload *followed)
{
	workload = followed;
}

void note_step(size_t number)
{
	begun = number < workload->step_count ? number : workload->step_count;
}

static bool has_touched(const struct step *step, size_t number, const struct region *region, uint64_t page)
{
	/* It makes all private pages shared ones. */
	if (step->op == OP_FORK)
		return true;
	if (!takes_region(step->op) || step->op == OP_CORRUPT || &workload->regions[step->region] != region->spec)
		return false;
	return is_chosen(region, step, number, page);
}

/* The value of a "KEY VALUE" line; NULL where there is none. */
static const char *find_value(const char *text, const char *key)
{
	size_t length = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return line + length + 1;
	}
	return NULL;
}

static void print_counters(struct buffer *line, const char *name, const char *path)
{
	static const char *const keys[] = {"zswpout", "zswpin", "zswpwb", "pswpout", "pswpin"};
	char *text = read_whole_file(path, &(size_t){0});
	const char *comma = "", *value;

	if (!text)
		return;
	buffer_print(line, ",\"%s\":{", name);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		value = find_value(text, keys[i]);
		if (!value)
			continue;
		buffer_print(line, "%s\"%s\":%llu", comma, keys[i], strtoull(value, NULL, 10));
		comma = ",";
	}
	buffer_print(line, "}");
	free(text);
}

/* Where cgroup v2 is mounted in the guest; "0::/NAME" is our line of it. */
static void print_cgroup_counters(struct buffer *line)
{
	char *text = read_whole_file("/proc/self/cgroup", &(size_t){0}), path[4096];
	const char *name = text ? strstr(text, "0::/") : NULL;

	if (name) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup%.*s/memory.stat", (int)strcspn(name + 3, "\n"), name + 3);
		print_counters(line, "cgroup", path);
	}
	free(text);
}

void print_history(struct buffer *line, const struct region *region, uint64_t page, size_t finder)
{
	size_t shown[MAX_SHOWN], count = 0;

	for (size_t number = begun; number > 0 && count < MAX_SHOWN; number--)
		if (number != finder && has_touched(&workload->steps[number - 1], number, region, page))
			shown[count++] = number;
	buffer_print(line, "[");
	while (count-- > 0)
		buffer_print(line, "\"%s:%zu\"%s", op_name(workload->steps[shown[count] - 1].op), shown[count],
			     count > 0 ? "," : "");
	buffer_print(line, "]");
	print_cgroup_counters(line);
	print_counters(line, "vmstat", "/proc/vmstat");
}
