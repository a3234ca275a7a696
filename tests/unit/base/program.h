/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_BASE_PROGRAM_H
#define TESTS_BASE_PROGRAM_H

#include "base/verb.h"

/* The command line of a program that is not brig, `tool-x`, with a bit of everything that rows can have. */
struct program_values {
	int force, color;
	char *name;
};

static const char *const program_colors[] = { "red", "blue", NULL };

static const struct option program_make_options[] = {
	{ "force", 'f', OPTION_FLAG, NULL, "don't ask; as ~/.tool or `so`",
	  offsetof(struct program_values, force) },
	{ "name", 'n', OPTION_STRING, "NAME", "what it is called",
	  offsetof(struct program_values, name), .complete = "thing" },
	{ "color", 0, OPTION_CHOICE, "COLOR", "of the thing",
	  offsetof(struct program_values, color), .choices = program_colors },
	OPTION_END,
};

static const char *const program_examples[] = { "tool-x make -f a", "make a", NULL };

static const struct program_values program_defaults = { .color = 1 };

static const struct verb program_things[] = {
	{ .name = "make",
	  .alias = "create new",
	  .group = "Things",
	  .args = "FILE [FILE]",
	  .summary = "Make a thing",
	  .description = "It is made.\n\n.Twice",
	  .examples = program_examples,
	  .options = program_make_options,
	  .min_args = 1,
	  .max_args = 2,
	  .values_size = sizeof(struct program_values),
	  .defaults = &program_defaults,
	  .complete = "file" },
	{ .name = "drop",
	  .group = "Things",
	  .args = "THING...",
	  .summary = "Drop things",
	  .min_args = 1,
	  .max_args = -1,
	  .complete = "thing" },
	{ .name = NULL },
};

static const struct verb program_boxes[] = {
	{ .noun = "box", .name = "ls", .group = "Boxes", .args = "", .summary = "List boxes" },
	{ .noun = "box",
	  .name = "send",
	  .group = "Boxes",
	  .args = "WHAT",
	  .summary = "Send a box",
	  .max_args = 1,
	  .complete = "either" },
	{ .name = NULL },
};

static const struct verb *const program_tables[] = { program_things, program_boxes, NULL };

static const struct option program_options[] = {
	{ "where", 0, OPTION_STRING, "DIR", "where things are", 0, .complete = "file" },
	{ "quiet", 0, OPTION_FLAG, NULL, "say less", 8 },
	OPTION_END,
};

static const struct verb_kind program_kinds[] = {
	{ "thing", "list -q", "all" },
	{ "either", "list -q", NULL, .of_files = 1 },
	{ "signal", NULL, VERB_SIGNALS },
	{ .name = NULL },
};

static const struct verb_page program_page = {
	.section = 8,
	.date = "2026-01-31",
	.head = ".SH NAME\ntool-x \\- a tool\n",
	.tail = ".SH SEE ALSO\n",
};

static const struct verb_program program = {
	.name = "tool-x",
	.identifier = "tool_x",
	.tables = program_tables,
	.options = program_options,
	.mode = OPTION_ONE_DASH,
	.kinds = program_kinds,
	.page = &program_page,
};

#endif
