// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "parse.h"

/* lzo makes about 1365 bytes of such a page. */
#define MIXED_BYTES 1250

static void parse_content(const struct place *place, struct content *content, char *value)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char *argument = value;
	const char *kind = strsep(&argument, ":");

	*content = (struct content){.kind = CONTENT_RANDOM, .random_bytes = page};
	if (strcmp(kind, "random") == 0 && argument)
		content->random_bytes = number_in(place, "content=random", argument, 1, page);
	else if (strcmp(kind, "mixed") == 0 && argument)
		*content = (struct content){.kind = CONTENT_RANDOM,
					    .random_bytes = MIXED_BYTES,
					    .whole_every = number_in(place, "content=mixed", argument, 1, UINT32_MAX)};
	else if (strcmp(kind, "same") == 0 && argument)
		*content = (struct content){.kind = CONTENT_SAME,
					    .byte = (uint8_t)number_in(place, "content=same", argument, 0, 255)};
	else if (strcmp(kind, "zero") == 0 && !argument)
		content->kind = CONTENT_ZERO;
	else if (strcmp(kind, "text") == 0 && !argument)
		content->kind = CONTENT_TEXT;
	else if (strcmp(kind, "random") != 0 || argument)
		refuse(place, "content= takes random, random:BYTES, mixed:PAGES, zero, same:BYTE or text, not %s", kind);
}

static enum thp parse_thp(const struct place *place, const char *value)
{
	if (strcmp(value, "never") == 0)
		return THP_NEVER;
	if (strcmp(value, "always") != 0)
		refuse(place, "thp=%s is neither never nor always", value);
	return THP_ALWAYS;
}

static char *parse_file(const struct place *place, const char *value)
{
	char *path;

	if (value[0] != '/')
		refuse(place, "file=%s is not an absolute path", value);
	path = strdup(value);
	if (!path)
		die_errno("out of memory for the path of a file");
	return path;
}

void parse_region_options(const struct place *place, char *rest, struct region_spec *region)
{
	char *word;

	region->content = (struct content){.kind = CONTENT_RANDOM, .random_bytes = (uint64_t)sysconf(_SC_PAGESIZE)};
	while ((word = next_word(&rest)) != NULL) {
		char *value = word;
		const char *key = strsep(&value, "=");

		if (strcmp(key, "shared") == 0 && !value)
			region->is_shared = true;
		else if (!value)
			refuse(place, "region option %s has no value", key);
		else if (strcmp(key, "size") == 0)
			region->bytes = page_multiple(place, key, value);
		else if (strcmp(key, "node") == 0 || strcmp(key, "interleave") == 0)
			parse_nodes(place, &region->policy, key, value);
		else if (strcmp(key, "file") == 0)
			region->file = parse_file(place, value);
		else if (strcmp(key, "content") == 0)
			parse_content(place, &region->content, value);
		else if (strcmp(key, "thp") == 0)
			region->thp = parse_thp(place, value);
		else
			refuse(place, "unknown region option %s=", key);
	}
	if (region->bytes == 0)
		refuse(place, "region %s has no size=", region->name);
	region->is_shared |= region->file != NULL;
}
