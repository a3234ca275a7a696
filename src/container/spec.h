/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_SPEC_H
#define CONTAINER_SPEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "container/privilege.h"
#include "proto/instance.h"
#include "proto/process.h"
#include "sys/caps.h"
#include "sys/cgroup.h"
#include "sys/idmap.h"
#include "sys/rlimit.h"

/*
 * What the engine makes a container of: the parts of an OCI runtime configuration that it knows, in C. An
 * instance's record becomes one by spec_of_instance(); the engine looks at nothing else.
 */

/* One of mounts[]. type "bind" shows `source`, a path on the host; other types are file systems. */
struct spec_mount {
	char *destination, *type, *source;
	char **options; /* as mount(8) and the OCI runtime specification have them */
	int if_exists;	/* left out where the root has no such file, instead of making it */
};

/* One of linux.devices[]: a node of the host's, shown at path. */
struct spec_device {
	char *source, *path;
	char access[4]; /* of "rwm" */
};

struct spec {
	/* process */
	struct process process; /* borrowed, but for env */
	uint64_t bounding;	/* capabilities that it and its children can ever have */
	struct caps_sets caps;	/* those that it has */
	int caps_of_root;	/* has them only as uid 0 */
	int no_new_privs;
	int init; /* a reaper of ours is PID 1 */
	struct privilege_rlimit *rlimits;
	size_t n_rlimits;
	int seccomp; /* the profile for these capabilities */

	/* root: erofs images, lowest first, below a writable layer in state_dir */
	char *const *layers;
	const char *state_dir;
	int read_only;
	int temporary; /* need not survive a crash of the host */
	struct spec_mount *mounts;
	size_t n_mounts;
	struct spec_device *devices;
	size_t n_devices;
	int all_devices; /* every device node of the host, as --privileged has them */
	char **masked_paths, **readonly_paths;
	char *hostname;

	/* linux */
	uint64_t namespaces; /* CLONE_NEW* */
	struct idmap idmap;  /* with CLONE_NEWUSER */
	char *cgroup_path;
	struct cgroup_limits limits;
	int cgroup_delegate; /* it may divide its cgroup further */
	int limit_devices;   /* by the device cgroup, to what it was given */
};

void spec_release(struct spec *spec);
#define _cleanup_spec_ _cleanup_(spec_release)

/* An instance's: root has them, others can get them by set-user-id programs. */
void spec_set_caps(struct spec *spec, uint64_t caps);

/* Adds a mount; options are separated by commas. */
void spec_add_mount(struct spec *spec, const char *destination, const char *type,
		    const char *source, const char *options);

/* What its processes give up; filter may be NULL. */
void spec_privilege(const struct spec *spec, const struct filter *filter, int death_signal,
		    struct privilege *ret);

/* The capabilities that an instance's processes can have. */
int spec_caps(const struct instance *instance, uint64_t *ret, struct err *err);

/*
 * The container that an instance asks for. files_dir: where "hostname" and "hosts" lie that are shown in
 * /etc (NULL: none). process, layers and state_dir are borrowed.
 */
int spec_of_instance(const struct instance *instance, const struct process *process,
		     char *const *layers, const char *state_dir, const char *cgroup_path,
		     const char *files_dir, struct spec *ret, struct err *err);

#endif
