// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/oci.h"
#include "base/take.h"

#include <stdio.h>
#include <string.h>

int oci_main(int argc, char **argv, const struct driver_ops *const *drivers _unused_)
{
	const char *word = argc > 1 ? argv[1] : "--help";

	if (!strcmp(word, "--version") || !strcmp(word, "-v")) {
		printf("brig-oci version %s\n", BRIG_VERSION);
		return 0;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
		printf("brig-oci %s: brig as an OCI runtime\n\n"
		       "Its verbs (create, start, state, kill, delete...) are not built yet.\n"
		       "Use 'brig run' to run containers and VMs.\n",
		       BRIG_VERSION);
		return 0;
	}
	fprintf(stderr,
		"brig-oci: '%.64s' is not built yet; use 'brig run', or another OCI runtime\n",
		word);
	return 1;
}
