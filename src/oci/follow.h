/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_FOLLOW_H
#define OCI_FOLLOW_H

#include "base/err.h"

/*
 * Waits for the end of the process behind pidfd, a child of ours, and passes signals on to it. terminal: the
 * master of its terminal, then our own stdin and stdout are at its other side; negative: none. Returns its
 * status as a shell would say it.
 */
int follow_process(int pidfd, int terminal, struct err *err);

#endif
