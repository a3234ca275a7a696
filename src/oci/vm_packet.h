/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_VM_PACKET_H
#define OCI_VM_PACKET_H

#include <stdint.h>

#include "base/err.h"

/*
 * What `exec` and the holder of a machine say to each other, over a SOCK_SEQPACKET connection to STORE_EXEC_SOCKET, a
 * packet a struct, for both are this program (an earlier one at times: the members stay as they are).
 *
 *   exec:   PROCESS (a descriptor: a file with what process_put() has made), STDIN, STDOUT, STDERR (each with the
 *           descriptor), RUN; meanwhile SIGNAL, RESIZE; its end is the process's hang-up
 *   holder: STARTED, then EXIT; or FAILED
 */
enum vm_packet_kind {
	VM_PACKET_PROCESS = 1,
	VM_PACKET_STDIN,
	VM_PACKET_STDOUT,
	VM_PACKET_STDERR,
	VM_PACKET_RUN,
	VM_PACKET_SIGNAL, /* value */
	VM_PACKET_RESIZE, /* rows, columns */
	VM_PACKET_STARTED,
	VM_PACKET_EXIT,	  /* value: 0-255, 128+N for signal N */
	VM_PACKET_FAILED, /* err */
};

struct vm_packet {
	uint32_t kind;
	int32_t value;
	uint16_t rows, columns;
	struct err err;
};

#endif
