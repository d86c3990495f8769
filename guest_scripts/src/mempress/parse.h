/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to the workload parser: the pieces of a line. */
#ifndef MEMPRESS_PARSE_H
#define MEMPRESS_PARSE_H

#include "base.h"
#include "workload.h"

/* Options a step may carry; a line which carries another one, or one twice, is refused. */
enum step_option {
	OPT_THREADS = 1 << 0,
	OPT_PATTERN = 1 << 1,
	OPT_COUNT = 1 << 2,
	OPT_PERCENT = 1 << 3,
	OPT_BATCH = 1 << 4,
	OPT_PAGE = 1 << 5,
	OPT_OFFSET = 1 << 6,
	OPT_FROM = 1 << 7,
	OPT_TO = 1 << 8,
	OPT_BACKGROUND = 1 << 9,
	OPT_KEEP = 1 << 10,
	OPT_NODE = 1 << 11,
	OPT_INTERLEAVE = 1 << 12,
};

/* Far above what a guest has; keeps address arithmetic free of overflow. */
#define MAX_REGION_BYTES (1ull << 44)

/* The next blank-separated word of *rest, which it moves on, or NULL at the end of the line. Writes NULs. */
char *next_word(char **rest);

/* Values which several lines take; each refuses the line if the value is not one. */
uint64_t number_in(const struct place *place, const char *key, const char *value, uint64_t low, uint64_t high);
uint64_t page_multiple(const struct place *place, const char *key, const char *value);
void parse_nodes(const struct place *place, struct policy *policy, const char *key, char *value);

struct region_spec *find_region(struct workload *workload, const char *name);

/* All words of `rest` as options of the region. */
void parse_region_options(const struct place *place, char *rest, struct region_spec *region);

/* All words of `rest` as options of the step; returns the set of options it found. */
unsigned int parse_step_options(const struct place *place, char *rest, unsigned int allowed, struct step *step);

/* The rest of a line that starts with "step". */
void parse_step(const struct place *place, char *rest, struct workload *workload);

#endif
