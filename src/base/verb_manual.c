// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/verb_manual.h"
#include "base/mem.h"

#include <ctype.h>
#include <string.h>

/* A line of the source ends at the first blank after these. */
#define VERB_MANUAL_COLUMNS 56

static void verb_manual_put_letter(struct buf *out, char letter, int line_start)
{
	if (letter == '\\')
		buf_add_str(out, "\\e");
	else if (letter == '-')
		buf_add_str(out, "\\-");
	else if (letter == '\'')
		buf_add_str(out, "\\(aq");
	else
		buf_printf(out, "%s%c", line_start && letter == '.' ? "\\&" : "", letter);
}

/* Text with what roff would take for its own escaped, on one line. */
static void verb_manual_put_words(struct buf *out, const char *text)
{
	for (const char *p = text; *p; p++)
		verb_manual_put_letter(out, *p, p == text);
}

/* The same filled into lines. Blank lines become paragraphs. */
static void verb_manual_put_text(struct buf *out, const char *text)
{
	size_t column = 0;

	for (; *text; text++) {
		if (!strncmp(text, "\n\n", 2)) {
			buf_add_str(out, "\n.PP\n");
			text++;
			column = 0;
		} else if (*text == '\n' || (*text == ' ' && column > VERB_MANUAL_COLUMNS)) {
			buf_add_str(out, "\n");
			column = 0;
		} else {
			verb_manual_put_letter(out, *text, !column);
			column++;
		}
	}
}

static void verb_manual_put_sentence(struct buf *out, const char *text)
{
	_cleanup_free_ char *sentence = mem_strdup(text);

	*sentence = (char)toupper((unsigned char)*sentence);
	verb_manual_put_text(out, sentence);
	buf_add_str(out, ".\n");
}

/* A string in a font: B or I. */
static void verb_manual_put_font(struct buf *out, char font, const char *text)
{
	buf_printf(out, "\\f%c", font);
	verb_manual_put_words(out, text);
	buf_add_str(out, "\\fR");
}

static void verb_manual_put_option(struct buf *out, const struct option *option)
{
	buf_add_str(out, ".TP\n");
	if (option->letter)
		buf_printf(out, "\\fB\\-%c\\fR, ", option->letter);
	buf_add_str(out, "\\fB\\-\\-");
	verb_manual_put_words(out, option->name);
	buf_add_str(out, "\\fR");
	if (option->metavar) {
		buf_add_str(out, " ");
		verb_manual_put_font(out, 'I', option->metavar);
	}
	buf_add_str(out, "\n");
	verb_manual_put_sentence(out, option->help);
}

static void verb_manual_put_options(struct buf *out, const struct option *options)
{
	for (; options->name; options++) {
		if (!options->hidden)
			verb_manual_put_option(out, options);
	}
}

static void verb_manual_put_examples(struct buf *out, const char *const *examples)
{
	for (; examples && examples[0] && examples[1]; examples += 2) {
		buf_add_str(out, ".TP\n");
		verb_manual_put_font(out, 'B', examples[0]);
		buf_add_str(out, "\n");
		verb_manual_put_sentence(out, examples[1]);
	}
}

static void verb_manual_put_verb(struct buf *out, const struct verb_program *program,
				 const struct verb *verb)
{
	_cleanup_buf_ struct buf usage = BUF_INIT;

	verb_put_usage(&usage, program, verb);
	buf_add_str(out, ".SS \"");
	verb_manual_put_words(out, usage.data);
	buf_add_str(out, "\"\n");
	verb_manual_put_sentence(out, verb->summary);
	if (verb->alias) {
		buf_add_str(out, "Also called ");
		verb_manual_put_font(out, 'B', verb->alias);
		buf_add_str(out, ".\n");
	}
	if (verb->description) {
		buf_add_str(out, ".PP\n");
		verb_manual_put_text(out, verb->description);
		buf_add_str(out, "\n");
	}
	verb_manual_put_options(out, verb_options(verb));
	verb_manual_put_examples(out, verb->examples);
}

static void verb_manual_put_title(struct buf *out, const struct verb_program *program)
{
	buf_printf(out, ".\\\" Made by '%s help --man'.\n.TH ", program->name);
	for (const char *p = program->name; *p; p++)
		verb_manual_put_letter(out, (char)toupper((unsigned char)*p), 0);
	buf_printf(out, " %d \"%s\" \"brig %s\"\n", program->page->section, program->page->date,
		   BRIG_VERSION);
}

void verb_manual_put(struct buf *out, const struct verb_program *program)
{
	verb_manual_put_title(out, program);
	buf_add_str(out, program->page->head);
	verb_manual_put_options(out, program->options);
	buf_add_str(out, ".SH COMMANDS\n");
	verb_for_each(verb, program) verb_manual_put_verb(out, program, verb);
	buf_add_str(out, program->page->tail);
}

void verb_manual_show(const struct verb_program *program)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	verb_manual_put(&out, program);
	fputs(out.data, stdout);
}
