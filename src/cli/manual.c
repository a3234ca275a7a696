// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/manual.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/verbs.h"

#include <ctype.h>
#include <string.h>

/* The page's own words were last changed then. */
#define MANUAL_DATE "2026-11-23"

/* A line of the source ends at the first blank after these. */
#define MANUAL_COLUMNS 56

static const char manual_head[] =
	".SH NAME\n"
	"brig \\- run Linux containers and virtual machines from the same images\n"
	".SH SYNOPSIS\n"
	".B brig\n"
	"[\\fIOPTION\\fR...] \\fICOMMAND\\fR [\\fIARG\\fR...]\n"
	".SH DESCRIPTION\n"
	"brig runs Linux workloads on one machine, as containers (on the host's kernel)\n"
	"or, with\n"
	".BR \\-\\-vm ,\n"
	"as virtual machines (on a kernel of their own).\n"
	"Images, commands, limits and exit statuses are the same for both.\n"
	"There is no daemon: each running instance has a small keeper process,\n"
	"and everything else is on disk.\n"
	".PP\n"
	"Short flags may be combined\n"
	".RB ( \\-it ),\n"
	"values follow an option as the next word or after an equals sign, and\n"
	".B \\-\\-\n"
	"ends the options.\n"
	"Sizes are bytes or have a suffix k, m, g or t (powers of 1024).\n"
	"Durations are seconds or have a suffix ms, s, m, h or d.\n"
	"Signals are named with or without SIG, or numbers.\n"
	".SH OPTIONS\n"
	"These stand before the command.\n"
	"Every command also has\n"
	".BR \\-\\-help .\n";

static const char manual_tail[] =
	".SH EXIT STATUS\n"
	".TP\n"
	".B 0\n"
	"Success.\n"
	".TP\n"
	".B 125\n"
	"brig itself failed: a wrong option, an unknown name,\n"
	"an instance that could not be started.\n"
	".TP\n"
	".B 126\n"
	"The workload's program cannot be executed.\n"
	".TP\n"
	".B 127\n"
	"The workload's program was not found.\n"
	".TP\n"
	".RI 128+ N\n"
	"The workload was ended by signal\n"
	".IR N .\n"
	".PP\n"
	"Otherwise\n"
	".BR run ,\n"
	".BR exec ,\n"
	".BR shell ,\n"
	".B attach\n"
	"and\n"
	".B start \\-a\n"
	"exit with the workload's own status.\n"
	".SH FILES\n"
	".TP\n"
	".I /var/lib/brig\n"
	"Images (an OCI image layout), layers, kernels, and one folder per instance.\n"
	".TP\n"
	".I /run/brig\n"
	"One folder per running instance, with its control socket.\n"
	".SH ENVIRONMENT\n"
	".TP\n"
	".B BRIG_DEBUG\n"
	"If set, brig shows on stderr what it does.\n"
	".SH SEE ALSO\n"
	".BR podman (1),\n"
	".BR skopeo (1),\n"
	".BR mmdebstrap (1)\n";

static void manual_put_letter(struct buf *out, char letter, int line_start)
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
static void manual_put_words(struct buf *out, const char *text)
{
	for (const char *p = text; *p; p++)
		manual_put_letter(out, *p, p == text);
}

/* The same filled into lines. Blank lines become paragraphs. */
static void manual_put_text(struct buf *out, const char *text)
{
	size_t column = 0;

	for (; *text; text++) {
		if (!strncmp(text, "\n\n", 2)) {
			buf_add_str(out, "\n.PP\n");
			text++;
			column = 0;
		} else if (*text == '\n' || (*text == ' ' && column > MANUAL_COLUMNS)) {
			buf_add_str(out, "\n");
			column = 0;
		} else {
			manual_put_letter(out, *text, !column);
			column++;
		}
	}
}

static void manual_put_sentence(struct buf *out, const char *text)
{
	_cleanup_free_ char *sentence = mem_strdup(text);

	*sentence = (char)toupper((unsigned char)*sentence);
	manual_put_text(out, sentence);
	buf_add_str(out, ".\n");
}

/* A string in a font: B or I. */
static void manual_put_font(struct buf *out, char font, const char *text)
{
	buf_printf(out, "\\f%c", font);
	manual_put_words(out, text);
	buf_add_str(out, "\\fR");
}

static void manual_put_option(struct buf *out, const struct option *option)
{
	buf_add_str(out, ".TP\n");
	if (option->letter)
		buf_printf(out, "\\fB\\-%c\\fR, ", option->letter);
	buf_add_str(out, "\\fB\\-\\-");
	manual_put_words(out, option->name);
	buf_add_str(out, "\\fR");
	if (option->metavar) {
		buf_add_str(out, " ");
		manual_put_font(out, 'I', option->metavar);
	}
	buf_add_str(out, "\n");
	manual_put_sentence(out, option->help);
}

static void manual_put_options(struct buf *out, const struct option *options)
{
	for (; options->name; options++) {
		if (!options->hidden)
			manual_put_option(out, options);
	}
}

static void manual_put_examples(struct buf *out, const char *const *examples)
{
	for (; examples && examples[0] && examples[1]; examples += 2) {
		buf_add_str(out, ".TP\n");
		manual_put_font(out, 'B', examples[0]);
		buf_add_str(out, "\n");
		manual_put_sentence(out, examples[1]);
	}
}

static void manual_put_verb(struct buf *out, const struct verb *verb)
{
	_cleanup_buf_ struct buf usage = BUF_INIT;

	verbs_put_usage(&usage, verb);
	buf_add_str(out, ".SS \"");
	manual_put_words(out, usage.data);
	buf_add_str(out, "\"\n");
	manual_put_sentence(out, verb->summary);
	if (verb->alias) {
		buf_add_str(out, "Also called ");
		manual_put_font(out, 'B', verb->alias);
		buf_add_str(out, ".\n");
	}
	if (verb->description) {
		buf_add_str(out, ".PP\n");
		manual_put_text(out, verb->description);
		buf_add_str(out, "\n");
	}
	manual_put_options(out, verbs_options(verb));
	manual_put_examples(out, verb->examples);
}

void manual_put(struct buf *out)
{
	buf_printf(out, ".\\\" Made by 'brig help --man'.\n.TH BRIG 1 \"%s\" \"brig %s\"\n",
		   MANUAL_DATE, BRIG_VERSION);
	buf_add_str(out, manual_head);
	manual_put_options(out, cli_options);
	buf_add_str(out, ".SH COMMANDS\n");
	verbs_for_each(verb)
		manual_put_verb(out, verb);
	buf_add_str(out, manual_tail);
}

void manual_show(void)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	manual_put(&out);
	fputs(out.data, stdout);
}
