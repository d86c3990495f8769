/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growing text buffer. The tools build a whole line (or sample) in one and hand it to the kernel with one
 * write(): no stdio buffer is left behind at a fork, and lines of several threads never mix.
 */
#ifndef GUEST_BUFFER_H
#define GUEST_BUFFER_H

#include <stddef.h>

struct buffer {
	char *bytes;
	size_t length;
	size_t capacity;
};

/* Room for `more` further bytes; ends the tool when there is no memory. */
void buffer_reserve(struct buffer *buffer, size_t more);

void buffer_print(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes. Bytes outside printable ASCII become \u00XX, so a line is always valid JSON. */
void buffer_json_string(struct buffer *buffer, const char *text);

void buffer_free(struct buffer *buffer);

#endif
