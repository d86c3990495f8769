// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "parse.h"

#define MAX_THREADS 64
#define MAX_ZIPF_EXPONENT 8.0

static void parse_pattern(const struct place *place, struct step *step, char *value)
{
	char *argument = value;
	const char *kind = strsep(&argument, ":");
	char *end;

	if (strcmp(kind, "seq") == 0 && !argument) {
		step->pattern = PATTERN_SEQ;
	} else if (strcmp(kind, "random") == 0 && !argument) {
		step->pattern = PATTERN_RANDOM;
	} else if (strcmp(kind, "zipf") == 0 && argument) {
		step->pattern = PATTERN_ZIPF;
		step->zipf_exponent = strtod(argument, &end);
		/* Written so that a NaN is refused too. */
		if (end == argument || *end || !(step->zipf_exponent > 0 && step->zipf_exponent <= MAX_ZIPF_EXPONENT))
			refuse(place, "pattern=zipf:%s needs an exponent above 0 and at most %g", argument,
			       MAX_ZIPF_EXPONENT);
	} else {
		refuse(place, "pattern= takes seq, random or zipf:EXPONENT, not %s", kind);
	}
}

struct known_option {
	const char *key;
	enum step_option option;
	bool is_flag; /* takes no value */
};

static const struct known_option *find_option(const char *key)
{
	static const struct known_option known[] = {
		{"threads", OPT_THREADS, false}, {"pattern", OPT_PATTERN, false},
		{"count", OPT_COUNT, false}, {"percent", OPT_PERCENT, false},
		{"batch", OPT_BATCH, false}, {"page", OPT_PAGE, false},
		{"offset", OPT_OFFSET, false}, {"from", OPT_FROM, false},
		{"to", OPT_TO, false}, {"background", OPT_BACKGROUND, true},
		{"keep", OPT_KEEP, true}, {"node", OPT_NODE, false},
		{"interleave", OPT_INTERLEAVE, false},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(key, known[i].key) == 0)
			return &known[i];
	return NULL;
}

static void set_step_option(const struct place *place, enum step_option option, const char *key, char *value,
			    struct step *step)
{
	switch (option) {
	case OPT_THREADS:
		step->threads = (unsigned int)number_in(place, key, value, 1, MAX_THREADS);
		break;
	case OPT_PATTERN:
		parse_pattern(place, step, value);
		break;
	case OPT_COUNT:
		step->count = number_in(place, key, value, 1, UINT32_MAX);
		break;
	case OPT_PERCENT:
		step->percent = (unsigned int)number_in(place, key, value, 1, 100);
		break;
	case OPT_BATCH:
		step->batch_bytes = page_multiple(place, key, value);
		break;
	case OPT_PAGE:
		step->page = number_in(place, key, value, 0, MAX_REGION_BYTES);
		break;
	case OPT_OFFSET:
		step->offset = number_in(place, key, value, 0, (uint64_t)sysconf(_SC_PAGESIZE) - 1);
		break;
	case OPT_FROM:
		step->first_page = number_in(place, key, value, 0, MAX_REGION_BYTES);
		break;
	case OPT_TO:
		step->end_page = number_in(place, key, value, 1, MAX_REGION_BYTES);
		break;
	case OPT_BACKGROUND:
		step->is_background = true;
		break;
	case OPT_KEEP:
		step->is_kept = true;
		break;
	case OPT_NODE:
	case OPT_INTERLEAVE:
		parse_nodes(place, &step->policy, key, value);
		break;
	}
}

unsigned int parse_step_options(const struct place *place, char *rest, unsigned int allowed, struct step *step)
{
	unsigned int found = 0;
	char *word;

	while ((word = next_word(&rest)) != NULL) {
		char *value = word;
		const char *key = strsep(&value, "=");
		const struct known_option *known = find_option(key);

		if (!known || !(known->option & allowed))
			refuse(place, "%s does not take %s%s", op_name(step->op), key, value ? "=" : "");
		if (known->is_flag != !value)
			refuse(place, "%s %s", key, known->is_flag ? "takes no value" : "needs a value");
		if (found & known->option)
			refuse(place, "%s%s comes twice", key, value ? "=" : "");
		found |= known->option;
		set_step_option(place, known->option, key, value, step);
	}
	return found;
}
