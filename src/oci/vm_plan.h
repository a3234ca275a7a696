/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_VM_PLAN_H
#define OCI_VM_PLAN_H

#include "container/spec.h"
#include "proto/instance.h"
#include "proto/process.h"

/*
 * The machine that a bundle's configuration asks for: by `vm` (config-vm.md), or by the annotation brig.kind=vm. Each of
 * memory and CPUs is taken from the annotation (brig.memory, brig.cpus), else from vm.hwConfig, else from
 * linux.resources, else it is the engine's usual. What a machine cannot have is refused by the member's name; what has
 * no meaning for one, since it guards the host's kernel from the workload, is left out (docs/engines.md).
 */

/* The machine's processes beside the guest's memory: by so much the group's memory limit is raised. */
#define VM_PLAN_OVERHEAD ((int64_t)512 << 20)

/* The role that holds a machine: its view of the host's files has this folder, a tmpfs, to itself. */
#define VM_VIEW	       "/run/brig-oci"
#define VM_VIEW_ROOT   VM_VIEW "/root"
#define VM_VIEW_SHARES VM_VIEW "/shares"

/* Something of the host's that is shown in the root; or, where the guest covers its place, as a share of its own. */
struct vm_bind {
	char *source, *destination;
	uint64_t attributes; /* MOUNT_ATTR_* */
	int recursive;
	size_t index; /* of mounts[] */
	int share;    /* its number below VM_VIEW_SHARES, or -1 */
};

struct vm_plan {
	struct instance instance;
	struct process process;
	char **mounts, **sysctls; /* as struct guest_config has them */
	char **places;		  /* folders that have to be in the root for `mounts` */
	struct vm_bind *binds;
	size_t n_binds;
	const char *netns; /* of others, by path, borrowed; NULL: its own, with nothing in it */
	const char *uts;   /* the same; its host name is the machine's */
};

/* Whether it asks for a machine; -errno for a kind that there is not. */
int vm_plan_wanted(const struct config *config, struct err *err);

/* spec: spec_of_config()'s. Both stay, as long as the plan does. bundle: its whole path. root: of brig's store. Release it in any case. */
int vm_plan_make(const struct config *config, const struct spec *spec, const char *id,
		 const char *bundle, const char *root, struct vm_plan *ret, struct err *err);
void vm_plan_release(struct vm_plan *plan);
#define _cleanup_vm_plan_ _cleanup_(vm_plan_release)

/* The limits of the group around a machine: the memory's is raised, that of processes is the guest's affair. */
void vm_plan_raise_limits(struct config_resources *resources);

/* A process in a machine whose first one may have the capabilities `kept`; spec as spec_set_process() left it. */
int vm_plan_process(const struct config_process *config, const struct spec *spec, uint64_t kept,
		    struct process *ret, struct err *err);
/* Those that the processes of this one may have. */
uint64_t vm_plan_capabilities(const struct spec *spec);

#endif
