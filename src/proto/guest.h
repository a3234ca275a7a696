/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_GUEST_H
#define PROTO_GUEST_H

#include <stdint.h>

#include "base/buf.h"
#include "base/strv.h"
#include "proto/frame.h"

/*
 * What a VM's agent (brig-guest, PID 1 from the initramfs) is told before it runs anything.
 *
 * Disks, by virtio serial number: "layer0" (lowest) to "layerN" are read-only erofs, "data" is the
 * writable ext4; with folder_root there are none, and the root is the virtio-fs after those of `shares`. The agent's port is the virtio-serial port named GUEST_PORT.
 */
#define GUEST_PORT  "brig.agent"
#define GUEST_SHARE "share"
/* The tag of one that comes while the machine runs, by its path inside. */
#define GUEST_TAG_MAX 24
void guest_share_tag(const char *path, char ret[GUEST_TAG_MAX]);
/* Among the options of one: if it is empty, it gets what the root has there; it is a file, and has this name. */
#define GUEST_FILL "fill"
#define GUEST_FILE "file"

struct guest_config {
	char *hostname;
	uint32_t layers; /* how many layerN disks there are */
	int user_marks;	 /* what a layer hides is in user.overlay.*, as a user's import writes it */
	int read_only;	 /* the workload's root is read-only */
	char **tmpfs;	 /* PATH[:OPTIONS] */
	char **shares; /* PATH[:OPTIONS] of the virtio-fs with the tag GUEST_SHARE and its index */
	int folder_root;
	/*
	 * With folder_root, in that order, in place of what the agent mounts by itself: TYPE:PATH:OPTIONS. TYPE is one that
	 * the kernel has, or "bind": what is there already is looked at by these options alone.
	 */
	char **mounts;
	char **sysctls;	     /* KEY=VALUE, KEY with dots */
	uint64_t pids_limit; /* 0: none */
	int system;	     /* the workload is an init system */
	int init;	     /* an init of ours reaps as PID 1 */
	int privileged; /* unused by the agent today: root in a VM has every capability it keeps */
	char **cap_add, **cap_drop;
	char **rlimits; /* NAME=SOFT:HARD */
	char **nics;	/* its network interfaces: struct nic_setup of proto/nic.h as text */
	char *hosts,
		*resolv_conf; /* what stands in those files of /etc; "": as the image has them */
	int64_t time_ns;      /* wall clock to set; 0: leave it */
};

void guest_config_release(struct guest_config *config);
void guest_config_put(struct buf *payload, const struct guest_config *config);
/* Returns 0 or -EBADMSG; release the config in both cases. */
int guest_config_get(const struct frame *frame, struct guest_config *ret);

#endif
