// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/oci.h"

int main(int argc, char **argv)
{
	return oci_main(argc, argv);
}
