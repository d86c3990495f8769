/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expands a pattern to the paths which exist now. Not glob(3): in a static program that one drags in the name
 * service (for ~user), with a linker warning and code which a guest does not need.
 */
#ifndef SAMPLER_EXPAND_H
#define SAMPLER_EXPAND_H

#include <stddef.h>

struct path_list {
	char **paths;
	size_t count;
};

/* Sorted. A pattern without * ? or [ is taken as it is, whether or not there is such a file. */
void expand_pattern(const char *pattern, struct path_list *list);

void free_paths(struct path_list *list);

#endif
