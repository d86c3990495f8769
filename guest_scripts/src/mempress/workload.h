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
	uint64_t whole_every; /* CONTENT_RANDOM: the last of each so many pages is random as a whole; 0: none is */
	uint8_t byte;          /* CONTENT_SAME: the byte of generation 1 */
};

enum placement { PLACE_ANYWHERE, PLACE_BIND, PLACE_INTERLEAVE };

struct policy {
	enum placement placement;
	unsigned long nodes[NODE_WORDS];
};

enum thp { THP_DEFAULT, THP_NEVER, THP_ALWAYS };

struct region_spec {
	char name[MAX_NAME + 1];
	uint64_t bytes;
	struct policy policy;
	struct content content;
	bool is_shared; /* also with a file */
	char *file;     /* NULL: anonymous memory */
	enum thp thp;
	/* At this point of the parse: */
	bool is_freed; /* nothing may name the region any more */
	bool is_busy;  /* a step in the background may be looking at it; nothing may change it */
};

enum pattern_kind { PATTERN_SEQ, PATTERN_RANDOM, PATTERN_ZIPF };

enum op {
	OP_FILL, OP_PAGEOUT, OP_VERIFY, OP_READ, OP_WRITE, OP_DONTNEED, OP_FREE, OP_FORK, OP_DIGEST, OP_CORRUPT,
	OP_LAZYFREE, OP_PUNCH, OP_COLD, OP_MOVE, OP_SLEEP, OP_BARRIER, OP_WAIT, OP_HOOK, OP_JOIN, OP_REAP,
};

struct step {
	enum op op;
	size_t line;
	size_t region;        /* index; ops which take one */
	enum pattern_kind pattern;
	double zipf_exponent;
	unsigned int threads;
	unsigned int percent;
	uint64_t first_page;
	uint64_t end_page;    /* the first page after the last one; 0: of the region */
	uint64_t count;       /* candidates to draw; 0: as many as there are pages from first_page to end_page */
	bool is_background;   /* read, verify */
	bool is_kept;         /* fork: the child stays until `reap` */
	struct policy policy; /* move */
	uint64_t batch_bytes; /* pageout; 0: the whole region in one call */
	uint64_t sleep_ms;
	uint64_t page;        /* corrupt */
	uint64_t offset;      /* corrupt */
	char *text;           /* barrier: what to print; wait: the FIFO; hook: its name */
};

struct workload {
	struct region_spec *regions;
	size_t region_count;
	struct step *steps;
	size_t step_count;
	bool wants_final_verify;
	uint64_t mapped_bytes; /* at this point of the parse: declared and not freed */
	uint64_t peak_bytes;   /* the most of it */
	size_t running;        /* at this point of the parse: steps in the background */
	size_t kept;           /* at this point of the parse: children that wait for `reap` */
};

const char *op_name(enum op op);

bool takes_region(enum op op);

/* Parses and validates the whole file, or ends the tool with "PATH:LINE: what" and TOOL_USAGE. */
void parse_workload(const char *path, struct workload *workload);

#endif
