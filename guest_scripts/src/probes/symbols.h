/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which symbols this kernel has, and where: a patch may have had one inlined or renamed. */
#ifndef PROBES_SYMBOLS_H
#define PROBES_SYMBOLS_H

#include "spec.h"

struct symbol {
	const char *name;
	size_t length;
	char *address; /* "0x…"; NULL: not in this kernel */
};

struct symbols {
	struct symbol *known;
	size_t count;
};

/* Looks up every symbol the spec names, in one pass over the (long) kallsyms file. */
void find_symbols(const char *kallsyms, const struct spec *spec, struct symbols *symbols);

/* The name of a symbol of the probe which this kernel does not have, or NULL. */
const char *missing_symbol(const struct symbols *symbols, const struct probe *probe);

/* `text` with each %sym(NAME) replaced by the address; the caller frees it. All of them must be known. */
char *replace_symbols(const struct symbols *symbols, const char *text);

#endif
