// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "expand.h"
#include "sample.h"

#define READ_BYTES 65536
/* "@file " + blank + 20 digits + newline. */
#define HEADER_EXTRA 32

static void append_error(struct buffer *buffer, const char *path, int number)
{
	buffer_print(buffer, "@error %s %s\n", path, errno_name(number));
}

/* The bytes of the file at the end of the buffer; 0 or errno. */
static int append_bytes(struct buffer *buffer, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int number = 0;

	if (fd < 0)
		return errno;
	for (;;) {
		ssize_t got;

		buffer_reserve(buffer, READ_BYTES);
		got = read(fd, buffer->bytes + buffer->length, READ_BYTES);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			number = got < 0 ? errno : 0;
			break;
		}
		buffer->length += (size_t)got;
	}
	close(fd);
	return number;
}

/*
 * The length stands before the bytes but is known only after them (procfs and sysfs files have no true size), so
 * the bytes are read behind a gap and then moved up to the header.
 */
static void append_file(struct buffer *buffer, const char *path)
{
	size_t header = buffer->length;
	size_t gap = strlen(path) + HEADER_EXTRA;
	size_t length;
	int number;

	buffer_reserve(buffer, gap);
	buffer->length += gap;
	number = append_bytes(buffer, path);
	length = buffer->length - header - gap;
	buffer->length = header;
	if (number) {
		/* Half a file would look like a whole one. */
		append_error(buffer, path, number);
		return;
	}
	buffer_print(buffer, "@file %s %zu\n", path, length);
	memmove(buffer->bytes + buffer->length, buffer->bytes + header + gap, length);
	buffer->length += length;
	buffer_print(buffer, "\n");
}

void take_sample(struct buffer *buffer, const char *label, char **patterns, size_t pattern_count)
{
	uint64_t now = now_ns();

	buffer_print(buffer, "@sample %s %llu.%09llu\n", label, (unsigned long long)(now / 1000000000u),
		     (unsigned long long)(now % 1000000000u));
	for (size_t i = 0; i < pattern_count; i++) {
		struct path_list paths = {0};

		expand_pattern(patterns[i], &paths);
		for (size_t j = 0; j < paths.count; j++)
			append_file(buffer, paths.paths[j]);
		/* A pattern without a match is something absent, which the reader must learn of. */
		if (paths.count == 0)
			append_error(buffer, patterns[i], ENOENT);
		free_paths(&paths);
	}
}
