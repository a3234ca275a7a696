/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_OCI_H
#define OCI_OCI_H

struct driver_ops;

/* The role `brig-oci`: an OCI runtime's command line. Of it, only --version and --help are there yet; every
 * verb is refused, so that an engine which is pointed at it says so at once. */
#define OCI_ROLE "brig-oci"

int oci_main(int argc, char **argv, const struct driver_ops *const *drivers);

#endif
