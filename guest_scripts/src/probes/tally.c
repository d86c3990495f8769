// SPDX-License-Identifier: GPL-2.0-or-later
#include "tally.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

/* As the kernel prints u64, s32 and x64. A u64 above INT64_MAX wraps; adding such numbers up has no meaning anyway. */
static bool parse_value(const char *text, size_t length, int64_t *value)
{
	char digits[32];
	bool is_negative = length > 0 && text[0] == '-';
	uint64_t number;

	text += is_negative;
	length -= is_negative;
	if (length >= sizeof(digits))
		return false;
	memcpy(digits, text, length);
	digits[length] = '\0';
	if (!parse_u64(digits, &number))
		return false;
	*value = (int64_t)(is_negative ? 0 - number : number);
	return true;
}

/* The text after "name=" among the blank-separated fields. */
static const char *find_field(const char *fields, const char *name, size_t *length)
{
	size_t name_length = strlen(name);

	for (; *fields; fields += *fields != '\0') {
		if (strncmp(fields, name, name_length) == 0 && fields[name_length] == '=') {
			fields += name_length + 1;
			*length = strcspn(fields, " \n");
			return fields;
		}
		fields += strcspn(fields, " ");
	}
	return NULL;
}

static bool field_value(const char *fields, const char *name, int64_t *value)
{
	size_t length;
	const char *text = find_field(fields, name, &length);

	return text && parse_value(text, length, value);
}

static void add_to_histogram(struct histogram *histogram, int64_t value, uint64_t count)
{
	size_t low = 0, high = histogram->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (histogram->values[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == histogram->count || histogram->values[low] != value) {
		size_t moved = histogram->count - low;

		histogram->values = grow_array(histogram->values, histogram->count + 1, sizeof(int64_t));
		histogram->counts = grow_array(histogram->counts, histogram->count + 1, sizeof(uint64_t));
		memmove(histogram->values + low + 1, histogram->values + low, moved * sizeof(int64_t));
		memmove(histogram->counts + low + 1, histogram->counts + low, moved * sizeof(uint64_t));
		histogram->values[low] = value;
		histogram->counts[low] = 0;
		histogram->count++;
	}
	histogram->counts[low] += count;
}

/* {"nid":1,"arg":"null"}; a value that is no number is "?". */
static uint64_t print_key(struct buffer *key, const struct probe *probe, const char *fields)
{
	uint64_t unparsed = 0;

	buffer_print(key, "{");
	for (size_t i = 0; i < probe->group.count; i++) {
		const struct field *field = &probe->group.fields[i];
		int64_t value;

		buffer_print(key, "%s\"%s\":", i ? "," : "", field->name);
		if (!field_value(fields, field->name, &value)) {
			buffer_print(key, "\"?\"");
			unparsed++;
		} else if (field->is_null_test) {
			buffer_print(key, value ? "\"set\"" : "\"null\"");
		} else {
			buffer_print(key, "%lld", (long long)value);
		}
	}
	buffer_print(key, "}");
	return unparsed;
}

/* Takes the key over. */
static struct group *find_group(struct tally *tally, char *key)
{
	for (size_t i = 0; i < tally->count; i++) {
		if (strcmp(tally->groups[i].key, key) == 0) {
			free(key);
			return &tally->groups[i];
		}
	}
	tally->groups = grow_array(tally->groups, tally->count + 1, sizeof(*tally->groups));
	tally->groups[tally->count] = (struct group){.key = key};
	return &tally->groups[tally->count++];
}

/* `calls` events with the same fields; their sum= fields are sums already. */
static void add_events(const struct probe *probe, struct tally *tally, const char *fields, uint64_t calls)
{
	struct buffer key = {0};
	uint64_t unparsed = print_key(&key, probe, fields);
	struct group *group = find_group(tally, key.bytes);
	int64_t value;

	group->calls += calls;
	for (size_t i = 0; i < probe->sum.count; i++) {
		if (field_value(fields, probe->sum.fields[i].name, &value))
			group->sums[i] = (int64_t)((uint64_t)group->sums[i] + (uint64_t)value);
		else
			unparsed++;
	}
	for (size_t i = 0; i < probe->hist.count; i++) {
		if (field_value(fields, probe->hist.fields[i].name, &value))
			add_to_histogram(&group->hists[i], value, calls);
		else
			unparsed++;
	}
	group->unparsed += unparsed;
}

static bool is_name_byte(char byte)
{
	return isalnum((unsigned char)byte) || byte == '_';
}

/*
 * "  comm-71  [000] d..1.  3.123456: NAME: (place) field=value …". A comm may contain anything, so the event is
 * where a name stands between "DIGIT: " and ": (".
 */
static void add_line(const char *line, const struct spec *spec, struct tally *tallies)
{
	for (const char *colon = line; (colon = strstr(colon, ": (")) != NULL; colon++) {
		const char *name = colon, *fields = strstr(colon, ") ");

		while (name > line && is_name_byte(name[-1]))
			name--;
		if (name - line < 3 || name[-1] != ' ' || name[-2] != ':' || !isdigit((unsigned char)name[-3]))
			continue;
		for (size_t i = 0; i < spec->count; i++) {
			const char *wanted = spec->probes[i].event;

			if (strlen(wanted) == (size_t)(colon - name) && strncmp(wanted, name, strlen(wanted)) == 0) {
				add_events(&spec->probes[i], &tallies[i], fields ? fields + 2 : "", 1);
				return;
			}
		}
	}
}

void sum_trace(FILE *trace, const struct spec *spec, struct tally *tallies)
{
	char *line = NULL;
	size_t capacity = 0;

	while (getline(&line, &capacity, trace) > 0)
		if (line[0] != '#')
			add_line(line, spec, tallies);
	if (ferror(trace))
		die_errno("read of the trace");
	free(line);
}

/* "{ nid:   0, arg:  7 } hitcount:  3  ask:  7" becomes "nid=0 arg=7 hitcount=3 ask=7", in place. */
static void normalise(char *line)
{
	char *to = line;

	for (const char *from = line; *from; from++) {
		if (*from == ':') {
			*to++ = '=';
			from += strspn(from + 1, " ");
		} else if (*from == ' ') {
			if (to != line && to[-1] != ' ')
				*to++ = ' ';
		} else if (!strchr("{},", *from)) {
			*to++ = *from;
		}
	}
	*to = '\0';
}

uint64_t sum_hist(char *text, const struct probe *probe, struct tally *tally)
{
	uint64_t dropped = 0;
	char *line;

	while ((line = strsep(&text, "\n")) != NULL) {
		bool is_entry = *line == '{';
		int64_t number;

		normalise(line);
		if (is_entry && field_value(line, "hitcount", &number))
			add_events(probe, tally, line, (uint64_t)number);
		else if (field_value(line, "Dropped", &number))
			dropped += (uint64_t)number;
	}
	return dropped;
}

static void print_group(struct buffer *out, const struct probe *probe, const struct group *group, const char *by)
{
	buffer_print(out, "{\"probe\":\"%s\",\"status\":\"ok\",\"by\":\"%s\",\"group\":%s,\"calls\":%llu,\"sum\":{",
		     probe->name, by, group->key, (unsigned long long)group->calls);
	for (size_t i = 0; i < probe->sum.count; i++)
		buffer_print(out, "%s\"%s\":%lld", i ? "," : "", probe->sum.fields[i].name, (long long)group->sums[i]);
	buffer_print(out, "},\"hist\":{");
	for (size_t i = 0; i < probe->hist.count; i++) {
		const struct histogram *hist = &group->hists[i];

		buffer_print(out, "%s\"%s\":{", i ? "," : "", probe->hist.fields[i].name);
		for (size_t j = 0; j < hist->count; j++)
			buffer_print(out, "%s\"%lld\":%llu", j ? "," : "", (long long)hist->values[j],
				     (unsigned long long)hist->counts[j]);
		buffer_print(out, "}");
	}
	buffer_print(out, "},\"unparsed\":%llu}\n", (unsigned long long)group->unparsed);
}

static int compare_groups(const void *a, const void *b)
{
	return strcmp(((const struct group *)a)->key, ((const struct group *)b)->key);
}

void print_tally(struct buffer *out, const struct probe *probe, struct tally *tally, const char *by)
{
	static char no_group[] = "{}";
	struct group none = {.key = no_group};

	if (tally->count == 0)
		print_group(out, probe, &none, by);
	else
		qsort(tally->groups, tally->count, sizeof(*tally->groups), compare_groups);
	for (size_t i = 0; i < tally->count; i++)
		print_group(out, probe, &tally->groups[i], by);
}
