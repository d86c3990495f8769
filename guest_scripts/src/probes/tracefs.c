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
#include "buffer.h"

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

static bool file_exists(const char *directory, const char *event, const char *file)
{
	char path[PATH_MAX];

	make_path(path, "%s/events/" EVENT_GROUP "/%s/%s", directory, event, file);
	return access(path, F_OK) == 0;
}

bool event_exists(const char *directory, const char *event)
{
	return file_exists(directory, event, "enable");
}

bool tracepoint_exists(const char *directory, const char *name)
{
	char path[PATH_MAX];

	make_path(path, "%s/events/%s/enable", directory, name);
	return access(path, F_OK) == 0;
}

static char *read_event_file(const char *directory, const char *event, const char *file)
{
	char path[PATH_MAX];
	size_t length;

	make_path(path, "%s/events/" EVENT_GROUP "/%s/%s", directory, event, file);
	return read_whole_file(path, &length);
}

uint64_t event_id(const char *directory, const char *event)
{
	char *text = read_event_file(directory, event, "id");
	uint64_t id = text ? strtoull(text, NULL, 10) : 0;

	free(text);
	return id;
}

int add_event(const char *directory, const char *file, const char *definition)
{
	/* Appended: a truncating open of kprobe_events removes all other probes. */
	return put_trace_file(directory, file, definition, true) ? 0 : errno;
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

bool has_event_probes(const char *directory)
{
	/* No such event: ENODEV. Without CONFIG_EPROBE_EVENTS nobody knows such a definition: EINVAL. */
	return add_event(directory, DYNAMIC_EVENTS, "e:" EVENT_GROUP "/none none.none\n") == ENODEV;
}

bool has_hist(const char *directory, const char *event)
{
	return file_exists(directory, event, "hist");
}

int set_trigger(const char *directory, const char *event, const char *trigger)
{
	char name[PATH_MAX];

	make_path(name, "events/" EVENT_GROUP "/%s/trigger", event);
	/* Appended: a truncating open removes all triggers, which is not the same on all kernels. */
	return put_trace_file(directory, name, trigger, true) ? 0 : errno;
}

char *read_hist(const char *directory, const char *event)
{
	char *text = has_hist(directory, event) ? read_event_file(directory, event, "hist") : NULL;

	if (text && !strstr(text, "# event histogram")) {
		free(text);
		text = NULL;
	}
	return text;
}

/* Each line but comments is a trigger; "!" before it removes it. An event with a trigger cannot be removed. */
static void remove_triggers(const char *directory, const char *event)
{
	char *text = has_hist(directory, event) ? read_event_file(directory, event, "trigger") : NULL;
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		struct buffer removal = {0};
		char *mark = strstr(line, " [active]");

		if (!*line || *line == '#')
			continue;
		if (mark)
			*mark = '\0';
		buffer_print(&removal, "!%s\n", line);
		errno = set_trigger(directory, event, removal.bytes);
		if (errno)
			die_errno("removal of the trigger %s", line);
		buffer_free(&removal);
	}
	free(text);
}

void remove_event(const char *directory, const char *file, const char *event)
{
	char definition[PATH_MAX];

	if (!event_exists(directory, event))
		return;
	remove_triggers(directory, event);
	enable_event(directory, event, false);
	make_path(definition, "-:" EVENT_GROUP "/%s\n", event);
	errno = add_event(directory, file, definition);
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

char *read_profile(const char *directory)
{
	char path[PATH_MAX];
	size_t length;
	char *profile;

	make_path(path, "%s/kprobe_profile", directory);
	profile = read_whole_file(path, &length);
	if (!profile)
		die_errno("read of %s", path);
	return profile;
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
