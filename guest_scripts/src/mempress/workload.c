// SPDX-License-Identifier: GPL-2.0-or-later
/* The line grammar of a workload. Everything that can be wrong with it is found here, before memory is touched. */
#include "workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "parse.h"

#define MAX_SLEEP_MS (24ull * 3600 * 1000)
#define OPT_ACCESS (OPT_THREADS | OPT_PATTERN | OPT_COUNT | OPT_PERCENT)

static const struct {
	const char *name;
	bool takes_region;
	unsigned int allowed;
} ops[] = {
	[OP_FILL] = {"fill", true, OPT_THREADS | OPT_PATTERN},
	[OP_PAGEOUT] = {"pageout", true, OPT_BATCH},
	[OP_VERIFY] = {"verify", true, OPT_ACCESS},
	[OP_READ] = {"read", true, OPT_ACCESS},
	[OP_WRITE] = {"write", true, OPT_ACCESS},
	[OP_DONTNEED] = {"dontneed", true, 0},
	[OP_FREE] = {"free", true, 0},
	[OP_FORK] = {"fork", true, OPT_PERCENT},
	[OP_DIGEST] = {"digest", true, 0},
	[OP_CORRUPT] = {"corrupt", true, OPT_PAGE | OPT_OFFSET},
	[OP_SLEEP] = {"sleep", false, 0},
	[OP_BARRIER] = {"barrier", false, 0},
	[OP_WAIT] = {"wait", false, 0},
};

const char *op_name(enum op op)
{
	return ops[op].name;
}

static bool is_name(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t length = strspn(text, allowed);

	return length > 0 && length <= MAX_NAME && text[length] == '\0';
}

static struct region_spec *find_region(struct workload *workload, const char *name)
{
	for (size_t i = 0; i < workload->region_count; i++)
		if (strcmp(workload->regions[i].name, name) == 0)
			return &workload->regions[i];
	return NULL;
}

static void parse_region(const struct place *place, char *rest, struct workload *workload)
{
	struct region_spec region = {0};
	const char *name = next_word(&rest);

	if (!name || !is_name(name))
		refuse(place, "a region needs a name of at most %d letters, digits, _ . or -", MAX_NAME);
	if (find_region(workload, name))
		refuse(place, "region %s is declared twice", name);
	strcpy(region.name, name);
	parse_region_options(place, rest, &region);
	workload->regions =
		grow_array(workload->regions, workload->region_count + 1, sizeof(*workload->regions));
	workload->regions[workload->region_count++] = region;
}

static void parse_region_step(const struct place *place, char *rest, struct workload *workload, struct step *step)
{
	const char *name = next_word(&rest);
	struct region_spec *region;
	unsigned int found;

	if (!name)
		refuse(place, "%s needs a region", op_name(step->op));
	region = find_region(workload, name);
	if (!region)
		refuse(place, "region %s is not declared above", name);
	if (region->is_freed)
		refuse(place, "region %s was freed above", name);
	step->region = (size_t)(region - workload->regions);
	found = parse_step_options(place, rest, ops[step->op].allowed, step);
	if (step->op == OP_CORRUPT && found != (OPT_PAGE | OPT_OFFSET))
		refuse(place, "corrupt needs page= and offset=");
	if (step->page >= region->bytes / (uint64_t)sysconf(_SC_PAGESIZE))
		refuse(place, "region %s has no page %llu", name, (unsigned long long)step->page);
	region->is_freed = step->op == OP_FREE;
}

static void parse_plain_step(const struct place *place, char *rest, struct step *step)
{
	const char *word;

	rest += rest ? strspn(rest, " \t") : 0;
	if (!rest || !*rest)
		refuse(place, "%s needs %s", op_name(step->op), step->op == OP_SLEEP ? "milliseconds" : "a text");
	if (step->op != OP_SLEEP) {
		step->text = strdup(rest);
		if (!step->text)
			die_errno("out of memory for a step's text");
		return;
	}
	word = next_word(&rest);
	if (!parse_u64(word, &step->sleep_ms) || step->sleep_ms > MAX_SLEEP_MS)
		refuse(place, "sleep %s is not a number of milliseconds up to a day", word);
	if (next_word(&rest))
		refuse(place, "sleep takes one number");
}

static void parse_step(const struct place *place, char *rest, struct workload *workload)
{
	struct step step = {.line = place->line, .threads = 1, .percent = 100};
	const char *name = next_word(&rest);
	size_t op = 0;

	while (name && op < sizeof(ops) / sizeof(ops[0]) && strcmp(name, ops[op].name) != 0)
		op++;
	if (!name || op == sizeof(ops) / sizeof(ops[0]))
		refuse(place, "unknown step %s", name ? name : "without a name");
	step.op = (enum op)op;
	if (ops[op].takes_region)
		parse_region_step(place, rest, workload, &step);
	else
		parse_plain_step(place, rest, &step);
	workload->steps = grow_array(workload->steps, workload->step_count + 1, sizeof(*workload->steps));
	workload->steps[workload->step_count++] = step;
}

static void parse_option(const struct place *place, char *rest, struct workload *workload)
{
	const char *word = next_word(&rest);

	if (!word || next_word(&rest))
		refuse(place, "option takes one KEY=VALUE");
	if (strcmp(word, "final_verify=no") == 0)
		workload->wants_final_verify = false;
	else if (strcmp(word, "final_verify=yes") == 0)
		workload->wants_final_verify = true;
	else
		refuse(place, "unknown option %s (known: final_verify=yes, final_verify=no)", word);
}

static void parse_line(const struct place *place, char *line, struct workload *workload)
{
	const char *word;
	size_t length;

	line[strcspn(line, "#")] = '\0';
	length = strlen(line);
	while (length > 0 && strchr(" \t\r", line[length - 1]))
		line[--length] = '\0';
	word = next_word(&line);
	if (!word)
		return;
	if (strcmp(word, "region") == 0)
		parse_region(place, line, workload);
	else if (strcmp(word, "step") == 0)
		parse_step(place, line, workload);
	else if (strcmp(word, "option") == 0)
		parse_option(place, line, workload);
	else
		refuse(place, "a line starts with region, step or option, not %s", word);
}

void parse_workload(const char *path, struct workload *workload)
{
	struct place place = {.path = path, .line = 0};
	size_t length;
	char *text = read_whole_file(path, &length);
	char *rest = text;
	char *line;

	*workload = (struct workload){.wants_final_verify = true};
	if (!text)
		die_usage("cannot read the workload %s: %s", path, strerror(errno));
	for (size_t i = 0; i < length; i++) {
		place.line += i == 0 || text[i - 1] == '\n';
		if (text[i] == '\0')
			refuse(&place, "a NUL byte: this is not a text file");
	}
	place.line = 0;
	while ((line = strsep(&rest, "\n")) != NULL) {
		place.line++;
		parse_line(&place, line, workload);
	}
	if (workload->step_count == 0)
		refuse(&place, "the workload has no step");
	free(text);
}
