// SPDX-License-Identifier: GPL-2.0-or-later
#include "tracefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"

static void make_path(char path[PATH_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));

static void make_path(char path[PATH_MAX], const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(path, PATH_MAX, format, args);
	va_end(args);
	if (length < 0 || length >= PATH_MAX)
		die_usage("the path of the tracefs directory is too long");
}

bool put_trace_file(const char *directory, const char *name, const char *text, bool append)
{
	char path[PATH_MAX];
	bool is_written;
	int fd, number;

	make_path(path, "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CLOEXEC | (append ? O_APPEND : O_TRUNC));
	if (fd < 0)
		return false;
	is_written = write_all(fd, text, strlen(text));
	number = errno;
	close(fd);
	errno = number;
	return is_written;
}

void must_put(const char *directory, const char *name, const char *text)
{
	if (!put_trace_file(directory, name, text, false))
		die_errno("write of '%s' to %s/%s", text, directory, name);
}

bool event_exists(const char *directory, const char *event)
{
	char path[PATH_MAX];

	make_path(path, "%s/events/" EVENT_GROUP "/%s/enable", directory, event);
	return access(path, F_OK) == 0;
}

int add_event_probe(const char *directory, const char *definition)
{
	/* Appended: a truncating open of kprobe_events removes all other probes. */
	return put_trace_file(directory, "kprobe_events", definition, true) ? 0 : errno;
}

static int put_event_file(const char *directory, const char *event, const char *file, const char *text)
{
	char name[PATH_MAX];

	make_path(name, "events/" EVENT_GROUP "/%s/%s", event, file);
	return put_trace_file(directory, name, text, false) ? 0 : errno;
}

int set_event_filter(const char *directory, const char *event, const char *filter)
{
	return put_event_file(directory, event, "filter", filter);
}

int enable_event(const char *directory, const char *event, bool is_on)
{
	return put_event_file(directory, event, "enable", is_on ? "1" : "0");
}

void remove_event(const char *directory, const char *event)
{
	char definition[PATH_MAX];

	if (!event_exists(directory, event))
		return;
	enable_event(directory, event, false);
	make_path(definition, "-:" EVENT_GROUP "/%s\n", event);
	errno = add_event_probe(directory, definition);
	if (errno)
		die_errno("removal of the event %s", event);
}

static uint64_t number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

void read_buffer_losses(const char *directory, struct lost *lost)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *cpus;

	make_path(path, "%s/per_cpu", directory);
	cpus = opendir(path);
	if (!cpus)
		die_errno("open of %s", path);
	while ((entry = readdir(cpus)) != NULL) {
		size_t length;
		char *stats;

		if (strncmp(entry->d_name, "cpu", 3) != 0)
			continue;
		make_path(path, "%s/per_cpu/%s/stats", directory, entry->d_name);
		stats = read_whole_file(path, &length);
		if (!stats)
			die_errno("read of %s", path);
		/* With the newline, or "commit overrun: " would match as well. */
		lost->overrun += number_after(stats, "\noverrun: ") + number_after(stats, "\ncommit overrun: ");
		lost->dropped += number_after(stats, "\ndropped events: ");
		free(stats);
	}
	closedir(cpus);
}

/* "  NAME   HITS   MISSED" */
uint64_t read_missed(const char *directory, const char *event)
{
	uint64_t missed = 0;
	char path[PATH_MAX];
	size_t length;
	char *profile, *rest, *line;

	make_path(path, "%s/kprobe_profile", directory);
	profile = rest = read_whole_file(path, &length);
	if (!profile)
		die_errno("read of %s", path);
	while ((line = strsep(&rest, "\n")) != NULL) {
		char name[128];
		unsigned long long hits, misses;

		if (sscanf(line, " %127s %llu %llu", name, &hits, &misses) == 3 && strcmp(name, event) == 0)
			missed += misses;
	}
	free(profile);
	return missed;
}

FILE *open_trace(const char *directory)
{
	char path[PATH_MAX];
	FILE *trace;

	make_path(path, "%s/trace", directory);
	trace = fopen(path, "re");
	if (!trace)
		die_errno("open of %s", path);
	return trace;
}
