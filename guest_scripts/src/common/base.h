/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every guest tool needs: exit codes, the clock, numbers, and messages that say what failed. */
#ifndef GUEST_BASE_H
#define GUEST_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The same meaning in every tool, so that a scenario can tell "the kernel lied" from "we asked for nonsense". */
enum tool_exit {
	TOOL_OK = 0,
	TOOL_WRONG_DATA = 1,
	TOOL_USAGE = 2,
	TOOL_SYSCALL = 3,
};

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

void sleep_ms(uint64_t ms);

/* "PROGRAM: message" on stderr, then exit with TOOL_USAGE. */
_Noreturn void die_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Where a parser is in its input file. */
struct place {
	const char *path;
	size_t line;
};

/* "PROGRAM: FILE:LINE: message" on stderr, then exit with TOOL_USAGE. */
_Noreturn void refuse(const struct place *place, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "PROGRAM: message: ERRNO_NAME (text)" on stderr, then exit with TOOL_SYSCALL. */
_Noreturn void die_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "PROGRAM: message" on stderr, then exit with TOOL_SYSCALL: a failure outside this program, without an errno. */
_Noreturn void die_outside(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "ENOENT" for ENOENT, "E?" for a number that libc does not know. */
const char *errno_name(int number);

/* Decimal or 0x hexadecimal without sign or trailing bytes; false if it is not one or does not fit. */
bool parse_u64(const char *text, uint64_t *value);

/* As parse_u64, with an optional suffix K, M or G. */
bool parse_size(const char *text, uint64_t *bytes);

/* The whole file, with a NUL after it; *length does not count that NUL. NULL and errno on failure. */
char *read_whole_file(const char *path, size_t *length);

/* realloc(count * size) which ends the tool when there is no memory. */
void *grow_array(void *array, size_t count, size_t size);

/* All the bytes, also when the kernel takes them in pieces; false and errno on failure. */
bool write_all(int fd, const void *bytes, size_t length);

#endif
