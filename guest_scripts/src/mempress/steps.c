// SPDX-License-Identifier: GPL-2.0-or-later
/* The grammar of a step, and which steps may follow which. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "parse.h"

#define MAX_SLEEP_MS (24ull * 3600 * 1000)
#define OPT_RANGE (OPT_FROM | OPT_TO)
#define OPT_ACCESS (OPT_THREADS | OPT_PATTERN | OPT_COUNT | OPT_PERCENT | OPT_RANGE)

enum argument { TAKES_NOTHING, TAKES_REGION, TAKES_NUMBER, TAKES_TEXT, TAKES_NAME };

static const struct {
	const char *name;
	enum argument argument;
	unsigned int allowed;
	bool is_change; /* of what the region must contain */
} ops[] = {
	[OP_FILL] = {"fill", TAKES_REGION, OPT_THREADS | OPT_PATTERN, true},
	[OP_PAGEOUT] = {"pageout", TAKES_REGION, OPT_BATCH | OPT_RANGE, false},
	[OP_VERIFY] = {"verify", TAKES_REGION, OPT_ACCESS | OPT_BACKGROUND, false},
	[OP_READ] = {"read", TAKES_REGION, OPT_ACCESS | OPT_BACKGROUND, false},
	[OP_WRITE] = {"write", TAKES_REGION, OPT_ACCESS, true},
	[OP_DONTNEED] = {"dontneed", TAKES_REGION, 0, true},
	[OP_FREE] = {"free", TAKES_REGION, 0, true},
	[OP_FORK] = {"fork", TAKES_REGION, OPT_PERCENT | OPT_KEEP, false},
	[OP_DIGEST] = {"digest", TAKES_REGION, 0, false},
	[OP_CORRUPT] = {"corrupt", TAKES_REGION, OPT_PAGE | OPT_OFFSET, true},
	[OP_LAZYFREE] = {"lazyfree", TAKES_REGION, OPT_PERCENT | OPT_RANGE, true},
	[OP_PUNCH] = {"punch", TAKES_REGION, OPT_PERCENT | OPT_RANGE, true},
	[OP_COLD] = {"cold", TAKES_REGION, OPT_RANGE, false},
	[OP_MOVE] = {"move", TAKES_REGION, OPT_NODE | OPT_INTERLEAVE, false},
	[OP_SLEEP] = {"sleep", TAKES_NUMBER, 0, false},
	[OP_BARRIER] = {"barrier", TAKES_TEXT, 0, false},
	[OP_WAIT] = {"wait", TAKES_TEXT, 0, false},
	[OP_HOOK] = {"hook", TAKES_NAME, 0, false},
	[OP_JOIN] = {"join", TAKES_NOTHING, 0, false},
	[OP_REAP] = {"reap", TAKES_NOTHING, 0, false},
};

const char *op_name(enum op op)
{
	return ops[op].name;
}

bool takes_region(enum op op)
{
	return ops[op].argument == TAKES_REGION;
}

static void check_options(const struct place *place, const struct region_spec *region, const struct step *step,
			  unsigned int found)
{
	uint64_t pages = region->bytes / (uint64_t)sysconf(_SC_PAGESIZE);

	if (step->op == OP_CORRUPT && found != (OPT_PAGE | OPT_OFFSET))
		refuse(place, "corrupt needs page= and offset=");
	if (step->op == OP_MOVE && !found)
		refuse(place, "move needs node= or interleave=");
	if (step->page >= pages)
		refuse(place, "region %s has no page %llu", region->name, (unsigned long long)step->page);
	if (step->end_page > pages || step->first_page >= (step->end_page ? step->end_page : pages))
		refuse(place, "from= and to= are no part of the %llu pages of region %s", (unsigned long long)pages,
		       region->name);
	if (step->op == OP_LAZYFREE && region->is_shared)
		refuse(place, "lazyfree is for private memory; region %s is shared", region->name);
	/* The child of a fork changes shared memory for the parent as well. */
	if (region->is_busy && (ops[step->op].is_change || (step->op == OP_FORK && region->is_shared)))
		refuse(place, "%s of region %s while a step on it runs in the background: join it first",
		       op_name(step->op), region->name);
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
	check_options(place, region, step, found);
	/* A child that is kept is there to share pages; it only writes if it is told to. */
	if (step->is_kept && !(found & OPT_PERCENT))
		step->percent = 0;
	workload->kept += step->is_kept;
	workload->running += step->is_background;
	region->is_busy |= step->is_background;
	region->is_freed = step->op == OP_FREE;
	if (region->is_freed)
		workload->mapped_bytes -= region->bytes;
}

static void parse_text(const struct place *place, char *rest, struct step *step)
{
	rest += rest ? strspn(rest, " \t") : 0;
	if (!rest || !*rest)
		refuse(place, "%s needs %s", op_name(step->op), step->op == OP_HOOK ? "a name" : "a text");
	/* It becomes a part of the name of a shell function. */
	if (step->op == OP_HOOK &&
	    rest[strspn(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] != '\0')
		refuse(place, "the name of a hook is of letters, digits and _, not %s", rest);
	step->text = strdup(rest);
	if (!step->text)
		die_errno("out of memory for a step's text");
}

static void parse_sleep(const struct place *place, char *rest, struct step *step)
{
	const char *word = next_word(&rest);

	if (!word)
		refuse(place, "sleep needs milliseconds");
	if (!parse_u64(word, &step->sleep_ms) || step->sleep_ms > MAX_SLEEP_MS)
		refuse(place, "sleep %s is not a number of milliseconds up to a day", word);
	if (next_word(&rest))
		refuse(place, "sleep takes one number");
}

static void parse_join_or_reap(const struct place *place, char *rest, struct workload *workload, enum op op)
{
	size_t *waiting = op == OP_JOIN ? &workload->running : &workload->kept;

	if (next_word(&rest))
		refuse(place, "%s stands alone", op_name(op));
	if (!*waiting)
		refuse(place, op == OP_JOIN ? "join without a step in the background" : "reap without a fork that is kept");
	*waiting = 0;
	for (size_t i = 0; op == OP_JOIN && i < workload->region_count; i++)
		workload->regions[i].is_busy = false;
}

void parse_step(const struct place *place, char *rest, struct workload *workload)
{
	struct step step = {.line = place->line, .threads = 1, .percent = 100};
	const char *name = next_word(&rest);
	size_t op = 0;

	while (name && op < sizeof(ops) / sizeof(ops[0]) && strcmp(name, ops[op].name) != 0)
		op++;
	if (!name || op == sizeof(ops) / sizeof(ops[0]))
		refuse(place, "unknown step %s", name ? name : "without a name");
	step.op = (enum op)op;
	switch (ops[op].argument) {
	case TAKES_REGION:
		parse_region_step(place, rest, workload, &step);
		break;
	case TAKES_NUMBER:
		parse_sleep(place, rest, &step);
		break;
	case TAKES_TEXT:
	case TAKES_NAME:
		parse_text(place, rest, &step);
		break;
	case TAKES_NOTHING:
		parse_join_or_reap(place, rest, workload, step.op);
		break;
	}
	workload->steps = grow_array(workload->steps, workload->step_count + 1, sizeof(*workload->steps));
	workload->steps[workload->step_count++] = step;
}
