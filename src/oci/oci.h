/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_OCI_H
#define OCI_OCI_H

/* The program `brig-oci`: an OCI runtime's command line, as runc has it, for engines. Returns its exit status. */
int oci_main(int argc, char **argv);

#endif
