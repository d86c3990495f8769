// SPDX-License-Identifier: GPL-2.0-or-later
#include "expand.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"

static void add_path(struct path_list *list, const char *path)
{
	char *copy = strdup(path);

	if (!copy)
		die_errno("out of memory for a path");
	list->paths = grow_array(list->paths, list->count + 1, sizeof(*list->paths));
	list->paths[list->count++] = copy;
}

static bool is_wild(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (strchr("*?[", text[i]))
			return true;
	return false;
}

/* `done` and `length` bytes of `more`; false if that is longer than a path may be. */
static bool join(char path[PATH_MAX], const char *done, const char *more, size_t length)
{
	size_t start = strlen(done);

	if (length >= PATH_MAX - start)
		return false;
	memcpy(path, done, start);
	memcpy(path + start, more, length);
	path[start + length] = '\0';
	return true;
}

static void expand_from(const char *done, const char *rest, struct path_list *list);

/* One wildcard component: every entry of directory `done` that matches it, followed by what comes after. */
static void expand_component(const char *done, const char *component, const char *rest, struct path_list *list)
{
	DIR *directory = opendir(*done ? done : ".");
	struct dirent *entry;

	if (!directory)
		return;
	while ((entry = readdir(directory)) != NULL) {
		char path[PATH_MAX];

		/* FNM_PERIOD: "*" means neither "." nor "..", nor anything hidden, as in a shell. */
		if (fnmatch(component, entry->d_name, FNM_PERIOD) != 0)
			continue;
		if (!join(path, done, entry->d_name, strlen(entry->d_name)))
			continue;
		if (*rest)
			expand_from(path, rest, list);
		else
			add_path(list, path);
	}
	closedir(directory);
}

/* `done` is literal already; `rest` starts with the slash which follows it, or is the whole relative pattern. */
static void expand_from(const char *done, const char *rest, struct path_list *list)
{
	size_t slashes = strspn(rest, "/");
	size_t length = slashes + strcspn(rest + slashes, "/");
	char path[PATH_MAX], component[NAME_MAX + 1];

	if (*rest == '\0') {
		if (access(done, F_OK) == 0)
			add_path(list, done);
		return;
	}
	if (length - slashes > NAME_MAX)
		return;
	if (!is_wild(rest + slashes, length - slashes)) {
		if (join(path, done, rest, length))
			expand_from(path, rest + length, list);
		return;
	}
	memcpy(component, rest + slashes, length - slashes);
	component[length - slashes] = '\0';
	if (join(path, done, rest, slashes))
		expand_component(path, component, rest + length, list);
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void expand_pattern(const char *pattern, struct path_list *list)
{
	if (!is_wild(pattern, strlen(pattern))) {
		add_path(list, pattern);
		return;
	}
	expand_from("", pattern, list);
	if (list->count > 1)
		qsort(list->paths, list->count, sizeof(*list->paths), compare_paths);
}

void free_paths(struct path_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->paths[i]);
	free(list->paths);
	*list = (struct path_list){0};
}
