/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to the workload parser: the key=value options of a line. */
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
};

/* The next blank-separated word of *rest, which it moves on, or NULL at the end of the line. Writes NULs. */
char *next_word(char **rest);

/* All words of `rest` as options of the region. */
void parse_region_options(const struct place *place, char *rest, struct region_spec *region);

/* All words of `rest` as options of the step; returns the set of options it found. */
unsigned int parse_step_options(const struct place *place, char *rest, unsigned int allowed, struct step *step);

#endif
