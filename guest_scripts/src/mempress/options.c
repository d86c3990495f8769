// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "parse.h"

/* Far above what a guest has; keeps address arithmetic free of overflow. */
#define MAX_REGION_BYTES (1ull << 44)
#define MAX_THREADS 64
#define MAX_ZIPF_EXPONENT 8.0

static uint64_t number_in(const struct place *place, const char *key, const char *value, uint64_t low, uint64_t high)
{
	uint64_t number;

	if (!parse_u64(value, &number) || number < low || number > high)
		refuse(place, "%s=%s is not a whole number from %llu to %llu", key, value, (unsigned long long)low,
		       (unsigned long long)high);
	return number;
}

static uint64_t page_multiple(const struct place *place, const char *key, const char *value)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t bytes;

	if (!parse_size(value, &bytes) || bytes == 0 || bytes > MAX_REGION_BYTES)
		refuse(place, "%s=%s is not a size such as 512K, 16M or 1G", key, value);
	if (bytes % page)
		refuse(place, "%s=%s is not a multiple of the page size %llu", key, value, (unsigned long long)page);
	return bytes;
}

static void parse_nodes(const struct place *place, struct region_spec *region, enum placement placement,
			const char *key, char *value)
{
	char *copy = value;
	char *item;

	if (region->placement != PLACE_ANYWHERE)
		refuse(place, "node= and interleave= exclude each other, and neither may come twice");
	region->placement = placement;
	while ((item = strsep(&copy, ",")) != NULL) {
		uint64_t node = number_in(place, key, item, 0, MAX_NODES - 1);

		region->nodes[node / (8 * sizeof(long))] |= 1ul << (node % (8 * sizeof(long)));
	}
}

static void parse_content(const struct place *place, struct content *content, char *value)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char *argument = value;
	const char *kind = strsep(&argument, ":");

	*content = (struct content){.kind = CONTENT_RANDOM, .random_bytes = page};
	if (strcmp(kind, "random") == 0 && argument)
		content->random_bytes = number_in(place, "content=random", argument, 1, page);
	else if (strcmp(kind, "same") == 0 && argument)
		*content = (struct content){.kind = CONTENT_SAME,
					    .byte = (uint8_t)number_in(place, "content=same", argument, 0, 255)};
	else if (strcmp(kind, "zero") == 0 && !argument)
		content->kind = CONTENT_ZERO;
	else if (strcmp(kind, "text") == 0 && !argument)
		content->kind = CONTENT_TEXT;
	else if (strcmp(kind, "random") != 0 || argument)
		refuse(place, "content= takes random, random:BYTES, zero, same:BYTE or text, not %s", kind);
}

static enum thp parse_thp(const struct place *place, const char *value)
{
	if (strcmp(value, "never") == 0)
		return THP_NEVER;
	if (strcmp(value, "always") != 0)
		refuse(place, "thp=%s is neither never nor always", value);
	return THP_ALWAYS;
}

char *next_word(char **rest)
{
	char *word;

	do
		word = strsep(rest, " \t");
	while (word && *word == '\0');
	return word;
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
		else if (strcmp(key, "node") == 0)
			parse_nodes(place, region, PLACE_BIND, key, value);
		else if (strcmp(key, "interleave") == 0)
			parse_nodes(place, region, PLACE_INTERLEAVE, key, value);
		else if (strcmp(key, "content") == 0)
			parse_content(place, &region->content, value);
		else if (strcmp(key, "thp") == 0)
			region->thp = parse_thp(place, value);
		else
			refuse(place, "unknown region option %s=", key);
	}
	if (region->bytes == 0)
		refuse(place, "region %s has no size=", region->name);
}

static void parse_pattern(const struct place *place, struct step *step, char *value)
{
	char *argument = value;
	const char *kind = strsep(&argument, ":");
	char *end;

	if (strcmp(kind, "seq") == 0 && !argument) {
		step->pattern = PATTERN_SEQ;
	} else if (strcmp(kind, "random") == 0 && !argument) {
		step->pattern = PATTERN_RANDOM;
	} else if (strcmp(kind, "zipf") == 0 && argument) {
		step->pattern = PATTERN_ZIPF;
		step->zipf_exponent = strtod(argument, &end);
		/* Written so that a NaN is refused too. */
		if (end == argument || *end || !(step->zipf_exponent > 0 && step->zipf_exponent <= MAX_ZIPF_EXPONENT))
			refuse(place, "pattern=zipf:%s needs an exponent above 0 and at most %g", argument,
			       MAX_ZIPF_EXPONENT);
	} else {
		refuse(place, "pattern= takes seq, random or zipf:EXPONENT, not %s", kind);
	}
}

static unsigned int option_of(const char *key)
{
	static const struct {
		const char *key;
		enum step_option option;
	} known[] = {
		{"threads", OPT_THREADS}, {"pattern", OPT_PATTERN}, {"count", OPT_COUNT}, {"percent", OPT_PERCENT},
		{"batch", OPT_BATCH}, {"page", OPT_PAGE}, {"offset", OPT_OFFSET},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(key, known[i].key) == 0)
			return known[i].option;
	return 0;
}

static void set_step_option(const struct place *place, unsigned int option, const char *key, char *value,
			    struct step *step)
{
	switch (option) {
	case OPT_THREADS:
		step->threads = (unsigned int)number_in(place, key, value, 1, MAX_THREADS);
		break;
	case OPT_PATTERN:
		parse_pattern(place, step, value);
		break;
	case OPT_COUNT:
		step->count = number_in(place, key, value, 1, UINT32_MAX);
		break;
	case OPT_PERCENT:
		step->percent = (unsigned int)number_in(place, key, value, 1, 100);
		break;
	case OPT_BATCH:
		step->batch_bytes = page_multiple(place, key, value);
		break;
	case OPT_PAGE:
		step->page = number_in(place, key, value, 0, MAX_REGION_BYTES);
		break;
	case OPT_OFFSET:
		step->offset = number_in(place, key, value, 0, (uint64_t)sysconf(_SC_PAGESIZE) - 1);
		break;
	}
}

unsigned int parse_step_options(const struct place *place, char *rest, unsigned int allowed, struct step *step)
{
	unsigned int found = 0;
	char *word;

	while ((word = next_word(&rest)) != NULL) {
		char *value = word;
		const char *key = strsep(&value, "=");
		unsigned int option = option_of(key);

		if (!option || !(option & allowed) || !value)
			refuse(place, "%s does not take %s%s", op_name(step->op), key, value ? "=" : " without a value");
		if (found & option)
			refuse(place, "%s= comes twice", key);
		found |= option;
		set_step_option(place, option, key, value, step);
	}
	return found;
}
