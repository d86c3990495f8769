// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE /* asprintf */
#include "symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "buffer.h"

#define MARK "%sym("

static void want_symbol(struct symbols *symbols, const char *name, size_t length)
{
	char *copy = strndup(name, length);

	if (!copy)
		die_errno("out of memory for a symbol");
	symbols->known = grow_array(symbols->known, symbols->count + 1, sizeof(*symbols->known));
	symbols->known[symbols->count++] = (struct symbol){.name = copy, .length = strlen(copy)};
}

static void want_marked(struct symbols *symbols, const char *text)
{
	while (text && (text = strstr(text, MARK)) != NULL) {
		text += strlen(MARK);
		want_symbol(symbols, text, strcspn(text, ")"));
	}
}

static const struct symbol *look_up(const struct symbols *symbols, const char *name, size_t length)
{
	for (size_t i = 0; i < symbols->count; i++)
		if (symbols->known[i].length == length && memcmp(symbols->known[i].name, name, length) == 0)
			return &symbols->known[i];
	return NULL;
}

/* "ffffffff81234560 t name" or "… name [module]". */
static void note_symbol(struct symbols *symbols, const char *line)
{
	const char *address_end = strchr(line, ' ');
	const char *name = address_end && strlen(address_end) > 3 ? address_end + 3 : NULL;
	size_t length = name ? strcspn(name, " \t\n") : 0;

	for (size_t i = 0; length && i < symbols->count; i++) {
		struct symbol *symbol = &symbols->known[i];

		if (symbol->length != length || symbol->address || memcmp(symbol->name, name, length) != 0)
			continue;
		if (asprintf(&symbol->address, "0x%.*s", (int)(address_end - line), line) < 0)
			die_errno("out of memory for an address");
	}
}

void find_symbols(const char *kallsyms, const struct spec *spec, struct symbols *symbols)
{
	FILE *file = fopen(kallsyms, "re");
	char *line = NULL;
	size_t capacity = 0;

	*symbols = (struct symbols){0};
	for (size_t i = 0; i < spec->count; i++) {
		if (spec->probes[i].kind != PROBE_TRACEPOINT)
			want_symbol(symbols, spec->probes[i].symbol, strcspn(spec->probes[i].symbol, "+"));
		want_marked(symbols, spec->probes[i].arguments);
		want_marked(symbols, spec->probes[i].filter);
	}
	if (!file)
		die_errno("open of %s", kallsyms);
	while (getline(&line, &capacity, file) > 0)
		note_symbol(symbols, line);
	if (ferror(file))
		die_errno("read of %s", kallsyms);
	free(line);
	fclose(file);
}

static const char *missing_marked(const struct symbols *symbols, const char *text)
{
	while (text && (text = strstr(text, MARK)) != NULL) {
		const struct symbol *symbol;

		text += strlen(MARK);
		symbol = look_up(symbols, text, strcspn(text, ")"));
		if (!symbol->address)
			return symbol->name;
	}
	return NULL;
}

const char *missing_symbol(const struct symbols *symbols, const struct probe *probe)
{
	const struct symbol *symbol = NULL;
	const char *missing;

	if (probe->kind != PROBE_TRACEPOINT)
		symbol = look_up(symbols, probe->symbol, strcspn(probe->symbol, "+"));
	if (symbol && !symbol->address)
		return symbol->name;
	missing = missing_marked(symbols, probe->arguments);
	return missing ? missing : missing_marked(symbols, probe->filter);
}

char *replace_symbols(const struct symbols *symbols, const char *text)
{
	struct buffer out = {0};
	const char *mark;

	while ((mark = strstr(text, MARK)) != NULL) {
		const char *name = mark + strlen(MARK);
		size_t length = strcspn(name, ")");

		buffer_print(&out, "%.*s%s", (int)(mark - text), text, look_up(symbols, name, length)->address);
		text = name + length + (name[length] == ')');
	}
	buffer_print(&out, "%s", text);
	return out.bytes;
}
