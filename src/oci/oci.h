/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_OCI_H
#define OCI_OCI_H

struct driver_ops;

/* The role `brig-oci`: an OCI runtime's command line, as runc has it, for engines. Returns the program's exit
 * status. drivers: the engines that containers may have, NULL-terminated. */
#define OCI_ROLE "brig-oci"

int oci_main(int argc, char **argv, const struct driver_ops *const *drivers);

#endif
