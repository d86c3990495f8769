// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE /* strerrorname_np, program_invocation_short_name */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void sleep_ms(uint64_t ms)
{
	struct timespec left = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

void die_usage(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(TOOL_USAGE);
}

void refuse(const struct place *place, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: %s:%zu: ", program_invocation_short_name, place->path, place->line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(TOOL_USAGE);
}

void die_errno(const char *format, ...)
{
	int number = errno;
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s (%s)\n", errno_name(number), strerror(number));
	exit(TOOL_SYSCALL);
}

void die_outside(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(TOOL_SYSCALL);
}

const char *errno_name(int number)
{
	const char *name = strerrorname_np(number);

	return name ? name : "E?";
}

bool parse_u64(const char *text, uint64_t *value)
{
	char *end;

	/* strtoull takes blanks and a minus sign; a workload must not. */
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, text[0] == '0' && text[1] == 'x' ? 16 : 10);
	return errno == 0 && *end == '\0';
}

bool parse_size(const char *text, uint64_t *bytes)
{
	size_t length = strlen(text);
	unsigned int shift = 0;
	char digits[32];

	if (length == 0 || length >= sizeof(digits))
		return false;
	memcpy(digits, text, length + 1);
	switch (digits[length - 1]) {
	case 'K':
		shift = 10;
		break;
	case 'M':
		shift = 20;
		break;
	case 'G':
		shift = 30;
		break;
	}
	if (shift)
		digits[length - 1] = '\0';
	if (!parse_u64(digits, bytes) || *bytes > UINT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

void *grow_array(void *array, size_t count, size_t size)
{
	void *grown = reallocarray(array, count, size);

	if (!grown)
		die_errno("out of memory for %zu items of %zu bytes", count, size);
	return grown;
}

/* Sizes of files in procfs and sysfs are not to be trusted, so read until the end. */
static char *read_until_end(int fd, size_t *length)
{
	size_t capacity = 4096;
	char *bytes = grow_array(NULL, capacity, 1);

	*length = 0;
	for (;;) {
		ssize_t got = read(fd, bytes + *length, capacity - *length - 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(bytes);
			return NULL;
		}
		if (got == 0)
			break;
		*length += (size_t)got;
		if (capacity - *length < 2) {
			capacity *= 2;
			bytes = grow_array(bytes, capacity, 1);
		}
	}
	bytes[*length] = '\0';
	return bytes;
}

char *read_whole_file(const char *path, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *bytes;
	int number;

	if (fd < 0)
		return NULL;
	bytes = read_until_end(fd, length);
	number = errno;
	close(fd);
	errno = number;
	return bytes;
}

bool write_all(int fd, const void *bytes, size_t length)
{
	const char *rest = bytes;

	while (length > 0) {
		ssize_t wrote = write(fd, rest, length);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return false;
		rest += wrote;
		length -= (size_t)wrote;
	}
	return true;
}
