/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A parsed and validated workload: values only, nothing of it is allocated or mapped yet. */
#ifndef MEMPRESS_WORKLOAD_H
#define MEMPRESS_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_NODES 1024
#define MAX_NAME 63
#define NODE_WORDS (MAX_NODES / (8 * sizeof(unsigned long)))

enum content_kind { CONTENT_RANDOM, CONTENT_ZERO, CONTENT_SAME, CONTENT_TEXT };

struct content {
	enum content_kind kind;
	uint64_t random_bytes; /* CONTENT_RANDOM: so many bytes at the start of each page; the rest is zero */
	uint8_t byte;          /* CONTENT_SAME: the byte of generation 1 */
};

enum placement { PLACE_ANYWHERE, PLACE_BIND, PLACE_INTERLEAVE };
enum thp { THP_DEFAULT, THP_NEVER, THP_ALWAYS };

struct region_spec {
	char name[MAX_NAME + 1];
	uint64_t bytes;
	enum placement placement;
	unsigned long nodes[NODE_WORDS];
	struct content content;
	bool is_shared;
	enum thp thp;
	bool is_freed; /* at this point of the parse; nothing may name the region any more */
};

enum pattern_kind { PATTERN_SEQ, PATTERN_RANDOM, PATTERN_ZIPF };

enum op {
	OP_FILL, OP_PAGEOUT, OP_VERIFY, OP_READ, OP_WRITE, OP_DONTNEED, OP_FREE, OP_FORK, OP_DIGEST, OP_CORRUPT,
	OP_SLEEP, OP_BARRIER, OP_WAIT,
};

struct step {
	enum op op;
	size_t line;
	size_t region;        /* index; ops which take one */
	enum pattern_kind pattern;
	double zipf_exponent;
	unsigned int threads;
	unsigned int percent;
	uint64_t count;       /* candidates to draw; 0: as many as the region has pages */
	uint64_t batch_bytes; /* pageout; 0: the whole region in one call */
	uint64_t sleep_ms;
	uint64_t page;        /* corrupt */
	uint64_t offset;      /* corrupt */
	char *text;           /* barrier: what to print; wait: the FIFO */
};

struct workload {
	struct region_spec *regions;
	size_t region_count;
	struct step *steps;
	size_t step_count;
	bool wants_final_verify;
};

const char *op_name(enum op op);

/* Parses and validates the whole file, or ends the tool with "PATH:LINE: what" and TOOL_USAGE. */
void parse_workload(const char *path, struct workload *workload);

#endif
