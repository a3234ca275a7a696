// SPDX-License-Identifier: GPL-2.0-or-later
/* What brig-oci(8) says besides the rows. */
#include "oci/verb.h"

static const char manual_head[] =
	".SH NAME\n"
	"brig\\-oci \\- run containers and virtual machines for a container engine\n"
	".SH SYNOPSIS\n"
	".B brig\\-oci\n"
	"[\\fIOPTION\\fR...] \\fICOMMAND\\fR [\\fIARG\\fR...]\n"
	".SH DESCRIPTION\n"
	"brig\\-oci is\n"
	".BR brig (1)\n"
	"as a runtime of the Open Container Initiative.\n"
	"Engines such as containerd, CRI\\-O, podman and docker call it in the place of\n"
	".BR runc (8)\n"
	"or\n"
	".BR crun (1);\n"
	"it takes the same commands and options.\n"
	".PP\n"
	"A container is made of a bundle: a folder with the file\n"
	".I config.json\n"
	"and, as that says, a root file system.\n"
	"The ID of a container is 1 to 255 letters, digits and\n"
	".RB \\(aq _ \\(aq,\n"
	".RB \\(aq + \\(aq,\n"
	".RB \\(aq \\- \\(aq,\n"
	".RB \\(aq . \\(aq;\n"
	"it does not begin with a dot.\n"
	".SH OPTIONS\n"
	"These stand before the command.\n"
	"Every command also has\n"
	".BR \\-\\-help .\n"
	"One dash before a long name will do, too.\n";

static const char manual_tail[] =
	".SH EXIT STATUS\n"
	".TP\n"
	".B 0\n"
	"Success.\n"
	".TP\n"
	".B 1\n"
	"Failure; stderr, and the log if there is one, say why.\n"
	".PP\n"
	"Commands that wait for a process exit with its status, or with 128 and the\n"
	"number of the signal that ended it.\n"
	".SH FILES\n"
	".TP\n"
	".I /run/brig\\-oci\n"
	"One folder per container of root.\n"
	".TP\n"
	".I $XDG_RUNTIME_DIR/brig\\-oci\n"
	"One folder per container of another user.\n"
	".SH ENVIRONMENT\n"
	".TP\n"
	".B BRIG_DEBUG\n"
	"If set, what is done is logged.\n"
	".SH SEE ALSO\n"
	".BR brig (1),\n"
	".BR podman (1),\n"
	".BR runc (8)\n";

const struct verb_page oci_manual_page = {
	.section = 8,
	.date = "2026-11-27",
	.head = manual_head,
	.tail = manual_tail,
};
