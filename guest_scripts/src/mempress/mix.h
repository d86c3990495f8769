/* SPDX-License-Identifier: GPL-2.0-or-later */
/* splitmix64: a counter-based generator, so the n-th value needs no state but n. */
#ifndef MEMPRESS_MIX_H
#define MEMPRESS_MIX_H

#include <stdint.h>

#define MIX_STEP 0x9e3779b97f4a7c15ull

static inline uint64_t mix64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static inline uint64_t next_random(uint64_t *state)
{
	*state += MIX_STEP;
	return mix64(*state);
}

#endif
