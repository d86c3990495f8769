// SPDX-License-Identifier: GPL-2.0-or-later
#include "content.h"

#include <string.h>

#include "mix.h"

/*
 * A word is two stores of eight bytes: real words have other lengths, but an emulated guest pays for every step of a
 * byte loop. Measured over 200 pages of 4 KiB: zlib level 1 makes 1/4.1 of it, lzo1x-1 1/2.8.
 */
#define HALF_BYTES 8
#define WORD_COUNT 32
/* So many of 16 words are letters which occur nowhere else, as names and numbers do in a text. */
#define NOISE_OF_16 1

static void make_random(uint64_t key, void *page, size_t bytes)
{
	unsigned char *out = page;
	size_t i;

	for (i = 0; i + 8 <= bytes; i += 8) {
		uint64_t value = next_random(&key);

		memcpy(out + i, &value, 8);
	}
	if (i < bytes) {
		uint64_t value = next_random(&key);

		memcpy(out + i, &value, bytes - i);
	}
}

/* Eight letters from 48 bits: printable, so a page reads as text in a dump. */
static uint64_t letters(uint64_t value)
{
	static const char alphabet[64] __attribute__((nonstring)) =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .";
	char word[HALF_BYTES];
	uint64_t packed;

	for (int i = 0; i < HALF_BYTES; i++, value >>= 6)
		word[i] = alphabet[value & 63];
	memcpy(&packed, word, HALF_BYTES);
	return packed;
}

typedef uint64_t word_t[2];

static word_t words[WORD_COUNT];

void prepare_content(void)
{
	for (uint64_t i = 0; i < WORD_COUNT; i++) {
		words[i][0] = letters(mix64(2 * i + 1));
		words[i][1] = letters(mix64(2 * i + 2));
	}
}

static void make_text(uint64_t key, void *page, size_t bytes)
{
	unsigned char *out = page;

	for (size_t i = 0; i + sizeof(word_t) <= bytes; i += sizeof(word_t)) {
		uint64_t value = next_random(&key);
		word_t fresh;

		if (value % 16 >= NOISE_OF_16) {
			memcpy(out + i, words[(value >> 4) % WORD_COUNT], sizeof(word_t));
			continue;
		}
		fresh[0] = letters(value >> 4);
		fresh[1] = letters(mix64(value));
		memcpy(out + i, fresh, sizeof(word_t));
	}
}

/* A new generation has another byte, but never 0: that would turn a same-filled page into a zero-filled one. */
static unsigned char same_byte(unsigned char first, unsigned int generation)
{
	return first ? (unsigned char)(1 + (first + generation - 2) % 255) : 0;
}

void make_content(const struct content *content, uint64_t key, unsigned int generation, void *page,
		  size_t page_bytes)
{
	switch (content->kind) {
	case CONTENT_RANDOM:
		make_random(key, page, content->random_bytes);
		memset((char *)page + content->random_bytes, 0, page_bytes - content->random_bytes);
		break;
	case CONTENT_TEXT:
		make_text(key, page, page_bytes);
		break;
	case CONTENT_SAME:
		memset(page, same_byte(content->byte, generation), page_bytes);
		break;
	case CONTENT_ZERO:
		memset(page, 0, page_bytes);
		break;
	}
}
