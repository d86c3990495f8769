// SPDX-License-Identifier: GPL-2.0-or-later
#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base.h"

void buffer_reserve(struct buffer *buffer, size_t more)
{
	size_t capacity = buffer->capacity ? buffer->capacity : 256;

	while (capacity - buffer->length < more)
		capacity *= 2;
	if (capacity == buffer->capacity)
		return;
	buffer->bytes = grow_array(buffer->bytes, capacity, 1);
	buffer->capacity = capacity;
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0)
		die_errno("cannot format a line");
	buffer_reserve(buffer, (size_t)length + 1);
	va_start(args, format);
	vsnprintf(buffer->bytes + buffer->length, (size_t)length + 1, format, args);
	va_end(args);
	buffer->length += (size_t)length;
}

void buffer_json_string(struct buffer *buffer, const char *text)
{
	buffer_print(buffer, "\"");
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			buffer_print(buffer, "\\%c", byte);
		else if (byte < 0x20 || byte >= 0x7f)
			buffer_print(buffer, "\\u%04x", byte);
		else
			buffer_print(buffer, "%c", byte);
	}
	buffer_print(buffer, "\"");
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct buffer){0};
}
