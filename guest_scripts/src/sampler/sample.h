/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes one sample: every file of every pattern, as it is in this moment, into one buffer. */
#ifndef SAMPLER_SAMPLE_H
#define SAMPLER_SAMPLE_H

#include <stddef.h>

#include "buffer.h"

/* The frames of ../README.md, appended to the buffer. */
void take_sample(struct buffer *buffer, const char *label, char **patterns, size_t pattern_count);

#endif
