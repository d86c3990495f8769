// SPDX-License-Identifier: GPL-2.0-or-later
/* The line grammar of a workload. Everything that can be wrong with it is found here, before memory is touched. */
#include "workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "parse.h"

static bool is_name(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t length = strspn(text, allowed);

	return length > 0 && length <= MAX_NAME && text[length] == '\0';
}

struct region_spec *find_region(struct workload *workload, const char *name)
{
	for (size_t i = 0; i < workload->region_count; i++)
		if (strcmp(workload->regions[i].name, name) == 0)
			return &workload->regions[i];
	return NULL;
}

static void parse_region(const struct place *place, char *rest, struct workload *workload)
{
	struct region_spec region = {0};
	const char *name = next_word(&rest);

	if (!name || !is_name(name))
		refuse(place, "a region needs a name of at most %d letters, digits, _ . or -", MAX_NAME);
	if (find_region(workload, name))
		refuse(place, "region %s is declared twice", name);
	strcpy(region.name, name);
	parse_region_options(place, rest, &region);
	for (size_t i = 0; region.file && i < workload->region_count; i++)
		if (workload->regions[i].file && strcmp(workload->regions[i].file, region.file) == 0)
			refuse(place, "file=%s is the file of region %s", region.file, workload->regions[i].name);
	workload->regions =
		grow_array(workload->regions, workload->region_count + 1, sizeof(*workload->regions));
	workload->regions[workload->region_count++] = region;
	workload->mapped_bytes += region.bytes;
	if (workload->peak_bytes < workload->mapped_bytes)
		workload->peak_bytes = workload->mapped_bytes;
}

static void parse_option(const struct place *place, char *rest, struct workload *workload)
{
	const char *word = next_word(&rest);

	if (!word || next_word(&rest))
		refuse(place, "option takes one KEY=VALUE");
	if (strcmp(word, "final_verify=no") == 0)
		workload->wants_final_verify = false;
	else if (strcmp(word, "final_verify=yes") == 0)
		workload->wants_final_verify = true;
	else
		refuse(place, "unknown option %s (known: final_verify=yes, final_verify=no)", word);
}

static void parse_line(const struct place *place, char *line, struct workload *workload)
{
	const char *word;
	size_t length;

	line[strcspn(line, "#")] = '\0';
	length = strlen(line);
	while (length > 0 && strchr(" \t\r", line[length - 1]))
		line[--length] = '\0';
	word = next_word(&line);
	if (!word)
		return;
	if (strcmp(word, "region") == 0)
		parse_region(place, line, workload);
	else if (strcmp(word, "step") == 0)
		parse_step(place, line, workload);
	else if (strcmp(word, "option") == 0)
		parse_option(place, line, workload);
	else
		refuse(place, "a line starts with region, step or option, not %s", word);
}

void parse_workload(const char *path, struct workload *workload)
{
	struct place place = {.path = path, .line = 0};
	size_t length;
	char *text = read_whole_file(path, &length);
	char *rest = text;
	char *line;

	*workload = (struct workload){.wants_final_verify = true};
	if (!text)
		die_usage("cannot read the workload %s: %s", path, strerror(errno));
	for (size_t i = 0; i < length; i++) {
		place.line += i == 0 || text[i - 1] == '\n';
		if (text[i] == '\0')
			refuse(&place, "a NUL byte: this is not a text file");
	}
	place.line = 0;
	while ((line = strsep(&rest, "\n")) != NULL) {
		place.line++;
		parse_line(&place, line, workload);
	}
	if (workload->step_count == 0)
		refuse(&place, "the workload has no step");
	free(text);
}
