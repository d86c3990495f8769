// SPDX-License-Identifier: GPL-2.0-or-later
#include "access.h"

#include <string.h>

#include "mix.h"

/*
 * ln and exp of our own, since libm is another library, and its results differ between versions, which would give the
 * same seed another order. The error is under 1e-13.
 */
static double natural_log(double x)
{
	const double ln2 = 0.693147180559945309417;
	double square, term, sum, power;
	uint64_t bits;
	int exponent;

	memcpy(&bits, &x, sizeof(bits));
	exponent = (int)(bits >> 52) - 1023;
	bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
	memcpy(&x, &bits, sizeof(x));
	/* ln(m) = 2 artanh((m-1)/(m+1)), m in [1, 2). */
	term = (x - 1) / (x + 1);
	square = term * term;
	sum = 0;
	power = term;
	for (int i = 1; i < 27; i += 2, power *= square)
		sum += power / i;
	return 2 * sum + exponent * ln2;
}

static double exponential(double x)
{
	const double ln2 = 0.693147180559945309417;
	int whole = (int)(x / ln2) - (x < 0);
	double rest = x - whole * ln2;
	double sum = 1, term = 1;
	uint64_t bits;
	double scale;

	if (whole < -1000)
		return 0;
	for (int i = 1; i < 20; i++) {
		term *= rest / i;
		sum += term;
	}
	bits = (uint64_t)(whole + 1023) << 52;
	memcpy(&scale, &bits, sizeof(scale));
	return sum * scale;
}

/*
 * A permutation of [0, n): four Feistel rounds over the next even power of two, walked until the value is below n.
 * The domain is under 4n, so that takes a few walks.
 */
static uint64_t permute(uint64_t index, uint64_t n, uint64_t key)
{
	unsigned int half = 1;
	uint64_t mask;

	while (n > 1ull << (2 * half))
		half++;
	mask = (1ull << half) - 1;
	do {
		uint64_t left = index >> half, right = index & mask;

		for (uint64_t round = 0; round < 4; round++) {
			uint64_t mixed = left ^ (mix64(right ^ (key + round * MIX_STEP)) & mask);

			left = right;
			right = mixed;
		}
		index = left << half | right;
	} while (index >= n);
	return index;
}

/* 1 - s so close to 0 that x^(1-s) loses all digits: treat the exponent as 1. */
static bool is_harmonic(double exponent)
{
	return exponent > 1 - 1e-9 && exponent < 1 + 1e-9;
}

/* Inverse of the distribution function of x^-s over [1, n+1): the continuous form of Zipf's law. */
static uint64_t zipf_rank(const struct cursor *cursor, uint64_t random)
{
	double uniform = (double)(random >> 11) * 0x1p-53;
	double power = 1 - cursor->plan.zipf_exponent;
	double x;
	uint64_t rank;

	if (is_harmonic(cursor->plan.zipf_exponent))
		x = exponential(uniform * cursor->zipf_span);
	else
		x = exponential(natural_log(1 + uniform * cursor->zipf_span) / power);
	rank = x > 1 ? (uint64_t)x - 1 : 0;
	return rank < cursor->pages ? rank : cursor->pages - 1;
}

void start_cursor(struct cursor *cursor, const struct access_plan *plan, uint64_t first, uint64_t pages,
		  uint64_t count)
{
	double log_end = natural_log((double)pages + 1);

	*cursor = (struct cursor){.plan = *plan, .first = first, .pages = pages, .count = count};
	if (plan->pattern != PATTERN_ZIPF)
		return;
	cursor->zipf_span = is_harmonic(plan->zipf_exponent) ?
				    log_end :
				    exponential((1 - plan->zipf_exponent) * log_end) - 1;
}

static uint64_t candidate(const struct cursor *cursor, uint64_t draw)
{
	const struct access_plan *plan = &cursor->plan;
	uint64_t pass = draw / cursor->pages, index = draw % cursor->pages;

	switch (plan->pattern) {
	case PATTERN_RANDOM:
		return permute(index, cursor->pages, mix64(plan->order_key + pass));
	case PATTERN_ZIPF:
		return permute(zipf_rank(cursor, mix64(plan->order_key + draw * MIX_STEP)), cursor->pages,
			       plan->rank_key);
	case PATTERN_SEQ:
		break;
	}
	return index;
}

static bool is_in_share(const struct access_plan *plan, uint64_t page)
{
	return plan->percent >= 100 || mix64(plan->order_key ^ mix64(page + 1)) % 100 < plan->percent;
}

bool next_page(struct cursor *cursor, uint64_t *page)
{
	if (cursor->pages == 0)
		return false;
	while (cursor->drawn < cursor->count) {
		*page = cursor->first + candidate(cursor, cursor->drawn++);
		if (is_in_share(&cursor->plan, *page))
			return true;
	}
	return false;
}
