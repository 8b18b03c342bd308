/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Lays out Go types from their tokens (the specification's "Size and alignment guarantees", and gc's order: fields as
 * they stand, each at a multiple of its alignment); promises: golayout.h.
 */
#include "cli/scan/golayout.h"

#include <string.h>

#define DEPTH 16 /* of types in types; deeper, or a type that holds itself, is not known */
#define WORD ((size_t)8)

struct layer {
	const struct go_file *file;
	const struct scan_list *files;
	size_t at, end; /* among the tokens */
	unsigned depth;
};

static const struct go_layout unknown = {false, 0, 1, 0};

static const struct {
	const char *name;
	unsigned char size, align, pointers;
} basic[] = {
	{"bool", 1, 1, 0},    {"byte", 1, 1, 0},      {"uint8", 1, 1, 0},
	{"int8", 1, 1, 0},    {"uint16", 2, 2, 0},    {"int16", 2, 2, 0},
	{"uint32", 4, 4, 0},  {"int32", 4, 4, 0},     {"rune", 4, 4, 0},
	{"float32", 4, 4, 0}, {"uint64", 8, 8, 0},    {"int64", 8, 8, 0},
	{"float64", 8, 8, 0}, {"int", 8, 8, 0},       {"uint", 8, 8, 0},
	{"uintptr", 8, 8, 0}, {"complex64", 8, 4, 0}, {"complex128", 16, 8, 0},
	{"string", 16, 8, 1}, {"any", 16, 8, 3},      {"error", 16, 8, 3},
};

static struct go_layout plain(size_t size, size_t align, uint64_t pointers)
{
	return (struct go_layout){true, size, align, pointers};
}

static const struct go_token *token(const struct layer *layer)
{
	static const struct go_token end = {.kind = GO_END, .text = ""};

	return layer->at < layer->end ? SCAN_AT(&layer->file->tokens, struct go_token, layer->at)
				      : &end;
}

static int depth_of(const struct go_token *token)
{
	if (token->kind != GO_SYMBOL || token->size != 1)
		return 0;
	return scan_one_of(*token->text, "([{") ? 1 : scan_one_of(*token->text, ")]}") ? -1 : 0;
}

static void skip_brackets(struct layer *layer)
{
	int depth = 0;

	do {
		depth += depth_of(token(layer));
		layer->at++;
	} while (depth > 0 && token(layer)->kind != GO_END);
}

/* Goes to the end of a field, past its type and tag. */
static void skip_field(struct layer *layer)
{
	while (token(layer)->kind != GO_SEMICOLON && token(layer)->kind != GO_END &&
	       depth_of(token(layer)) >= 0) {
		if (depth_of(token(layer)) > 0)
			skip_brackets(layer);
		else
			layer->at++;
	}
}

static struct go_layout type(struct layer *layer);

/* [N]T and []T. */
static struct go_layout array(struct layer *layer)
{
	layer->at++;
	if (go_is(token(layer), "]"))
		return plain(3 * WORD, WORD, 1);
	struct scan_span number = {token(layer)->text, token(layer)->size};
	size_t count = 0;
	bool known = token(layer)->kind == GO_NUMBER && number.size < 5;
	for (size_t i = 0; known && i < number.size; i++) {
		known = number.text[i] >= '0' && number.text[i] <= '9';
		count = count * 10 + (size_t)(number.text[i] - '0');
	}
	layer->at++;
	if (!known || !go_is(token(layer), "]"))
		return unknown;
	layer->at++;
	layer->depth++;
	struct go_layout one = type(layer), all = plain(one.size * count, one.align, 0);
	for (size_t i = 0; i < count && i * one.size < 64 * WORD; i++)
		all.pointers |= i * one.size % WORD == 0 ? one.pointers << (i * one.size / WORD)
							 : 0;
	layer->depth--;
	return one.known ? all : unknown;
}

static void append(struct go_layout *whole, struct go_layout part)
{
	size_t at = (whole->size + part.align - 1) / part.align * part.align;

	whole->known = whole->known && part.known;
	if (at / WORD < 64)
		whole->pointers |= part.pointers << (at / WORD);
	whole->size = at + part.size;
	whole->align = part.align > whole->align ? part.align : whole->align;
}

/* a, b T or an embedded T; a name that is followed by a type is a field's. */
static size_t field_names(struct layer *layer, struct scan_span *names, size_t max)
{
	size_t count = 0;

	for (;;) {
		const struct go_token *name = token(layer);
		if (name->kind != GO_NAME)
			return count;
		const struct go_token *next = layer->at + 1 < layer->end
						      ? SCAN_AT(&layer->file->tokens,
								struct go_token, layer->at + 1)
						      : NULL;
		bool embedded = next == NULL || next->kind == GO_SEMICOLON ||
				next->kind == GO_STRING || next->kind == GO_RAW ||
				go_is(next, ".") || go_is(next, "}");
		if (embedded && count == 0)
			return 0;
		if (count < max)
			names[count] = (struct scan_span){name->text, name->size};
		count++;
		layer->at++;
		if (!go_is(token(layer), ","))
			return count;
		layer->at++;
	}
}

static struct go_layout structure(struct layer *layer)
{
	struct go_layout whole = plain(0, 1, 0);
	struct scan_span names[1];

	layer->at++; /* { */
	while (token(layer)->kind != GO_END && !go_is(token(layer), "}")) {
		if (token(layer)->kind == GO_SEMICOLON) {
			layer->at++;
			continue;
		}
		size_t count = field_names(layer, names, 0), began = layer->at;
		struct go_layout one = type(layer);
		for (size_t i = 0; i < (count > 0 ? count : 1) && i < 1000; i++)
			append(&whole, one);
		layer->at = began;
		skip_field(layer);
		if (layer->at == began)
			layer->at++;
	}
	layer->at++;
	whole.size = (whole.size + whole.align - 1) / whole.align * whole.align;
	return whole;
}

static struct go_layout named(struct layer *layer)
{
	struct scan_span name = {token(layer)->text, token(layer)->size};
	const struct go_file *owner;

	layer->at++;
	if (go_is(token(layer), ".")) {
		layer->at++;
		bool pointer = go_is(token(layer), "Pointer") &&
			       go_file_calls(layer->file, name, "unsafe");
		layer->at++;
		return pointer ? plain(WORD, WORD, 1) : unknown;
	}
	const struct go_decl *decl = go_type_of(layer->file, layer->files, name, &owner);
	if (decl != NULL && layer->depth < DEPTH) {
		struct layer inner = {owner, layer->files, decl->first + 1, decl->last,
				      layer->depth + 1};
		return type(&inner);
	}
	for (size_t i = 0; i < sizeof basic / sizeof *basic && decl == NULL; i++) {
		if (scan_is(name, basic[i].name))
			return plain(basic[i].size, basic[i].align, basic[i].pointers);
	}
	return unknown;
}

static struct go_layout type(struct layer *layer)
{
	const struct go_token *here = token(layer);

	if (layer->depth > DEPTH)
		return unknown;
	if (go_is(here, "=") || go_is(here, "(")) { /* an alias, a bracketed type */
		layer->at++;
		layer->depth++;
		return type(layer);
	}
	if (go_is(here, "*") || go_is(here, "map") || go_is(here, "chan") || go_is(here, "func") ||
	    go_is(here, "<"))
		return plain(WORD, WORD, 1);
	if (go_is(here, "interface"))
		return plain(2 * WORD, WORD, 3);
	if (go_is(here, "["))
		return array(layer);
	if (go_is(here, "struct")) {
		layer->at++;
		layer->depth++;
		struct go_layout layout = structure(layer);
		layer->depth--;
		return layout;
	}
	return here->kind == GO_NAME ? named(layer) : unknown;
}

struct go_layout go_layout_of(const struct go_file *file, const struct go_decl *decl,
			      const struct scan_list *files)
{
	struct layer layer = {file, files, decl->first + 1, decl->last, 0};

	return type(&layer);
}

const struct go_decl *go_type_of(const struct go_file *file, const struct scan_list *files,
				 struct scan_span name, const struct go_file **owner)
{
	for (size_t i = 0; i <= files->count; i++) {
		const struct go_file *other = i == 0 ? file : SCAN_AT(files, struct go_file, i - 1);
		if (!scan_same(other->package, file->package))
			continue;
		for (size_t j = 0; j < other->decls.count; j++) {
			const struct go_decl *decl = SCAN_AT(&other->decls, struct go_decl, j);
			*owner = other;
			if (decl->what == GO_TYPE && scan_same(decl->name, name))
				return decl;
		}
	}
	return NULL;
}

size_t go_fields_of(const struct go_file *file, const struct go_decl *decl, struct scan_span *names,
		    size_t max)
{
	struct layer layer = {file, NULL, decl->first + 1, decl->last, 0};
	size_t count = 0;

	if (!go_is(token(&layer), "struct"))
		return 0;
	layer.at += 2;
	while (token(&layer)->kind != GO_END && !go_is(token(&layer), "}")) {
		if (token(&layer)->kind == GO_SEMICOLON) {
			layer.at++;
			continue;
		}
		size_t began = layer.at;
		size_t more = field_names(&layer, names + (count < max ? count : max),
					  count < max ? max - count : 0);
		count += more;
		skip_field(&layer);
		if (layer.at == began)
			layer.at++;
	}
	return count < max ? count : max;
}
