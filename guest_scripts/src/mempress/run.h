/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carries out a parsed workload and reports each step. */
#ifndef MEMPRESS_RUN_H
#define MEMPRESS_RUN_H

#include "base.h"
#include "workload.h"

enum tool_exit run_workload(const struct workload *workload, uint64_t seed);

#endif
