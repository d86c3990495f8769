// SPDX-License-Identifier: GPL-2.0-or-later
/* Words of a line, and the values that both regions and steps take. */
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "parse.h"

char *next_word(char **rest)
{
	char *word;

	do
		word = strsep(rest, " \t");
	while (word && *word == '\0');
	return word;
}

uint64_t number_in(const struct place *place, const char *key, const char *value, uint64_t low, uint64_t high)
{
	uint64_t number;

	if (!parse_u64(value, &number) || number < low || number > high)
		refuse(place, "%s=%s is not a whole number from %llu to %llu", key, value, (unsigned long long)low,
		       (unsigned long long)high);
	return number;
}

uint64_t page_multiple(const struct place *place, const char *key, const char *value)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t bytes;

	if (!parse_size(value, &bytes) || bytes == 0 || bytes > MAX_REGION_BYTES)
		refuse(place, "%s=%s is not a size such as 512K, 16M or 1G", key, value);
	if (bytes % page)
		refuse(place, "%s=%s is not a multiple of the page size %llu", key, value, (unsigned long long)page);
	return bytes;
}

void parse_nodes(const struct place *place, struct policy *policy, const char *key, char *value)
{
	char *copy = value;
	char *item;

	if (policy->placement != PLACE_ANYWHERE)
		refuse(place, "node= and interleave= exclude each other, and neither may come twice");
	policy->placement = strcmp(key, "node") == 0 ? PLACE_BIND : PLACE_INTERLEAVE;
	while ((item = strsep(&copy, ",")) != NULL) {
		uint64_t node = number_in(place, key, item, 0, MAX_NODES - 1);

		policy->nodes[node / (8 * sizeof(long))] |= 1ul << (node % (8 * sizeof(long)));
	}
}
