/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where JSON lines go, and the count of wrong pages, which a forked child adds to as well. */
#ifndef MEMPRESS_REPORT_H
#define MEMPRESS_REPORT_H

#include <stdint.h>

#include "buffer.h"
#include "region.h"

/* Opens the log (NULL: only stdout). */
void open_report(const char *log_path);

/* Ends the line and writes it with one write() to stdout and to the log; frees the buffer. */
void report_line(struct buffer *line);

/* The line's beginning, up to "region" (NULL: none). */
void start_step_line(struct buffer *line, size_t number, const struct step *step, const char *name,
		     const struct region *region);

/*
 * Counts a wrong page and prints it unless MAX_PRINTED_PAGES were printed already. `finder` is the number of the step
 * that found it, or 0.
 */
void report_bad_page(const struct region *region, uint64_t page, const unsigned char *expected,
		     const unsigned char *found, size_t finder);

/* Wrong pages so far, of all threads and children. */
uint64_t count_bad_pages(void);

#endif
