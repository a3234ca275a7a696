// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/vm_plan.h"
#include "base/mem.h"
#include "base/units.h"
#include "container/mount_options.h"

#include <linux/mount.h>
#include <sched.h>
#include <string.h>

#define VM_PLAN_KIND   "brig.kind"
#define VM_PLAN_CPUS   "brig.cpus"
#define VM_PLAN_MEMORY "brig.memory"

#define VM_PLAN_NAME_MAX 32
#define VM_PLAN_UMASK	 022 /* the agent's */

static const char *vm_plan_annotation(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_annotations; i++) {
		if (!strcmp(config->annotations[i].key, name))
			return config->annotations[i].value;
	}
	return NULL;
}

int vm_plan_wanted(const struct config *config, struct err *err)
{
	const char *kind = vm_plan_annotation(config, VM_PLAN_KIND);

	if (!kind)
		return config->has_vm;
	if (!strcmp(kind, "vm"))
		return 1;
	if (!strcmp(kind, "container"))
		return 0;
	return err_set(err, -EINVAL,
		       "annotations[\"" VM_PLAN_KIND "\"]: '%.32s' is neither container nor vm",
		       kind);
}

static int vm_plan_no_namespace(const struct config_namespace *namespace, size_t i, struct err *err)
{
	return err_set(err, -EOPNOTSUPP,
		       "linux.namespaces[%zu].path: a VM cannot be in a %s namespace of others", i,
		       namespace->type);
}

/*
 * Its kernel has namespaces of its own. That of others for ipc, as all containers of a pod have, keeps it from nothing
 * but them.
 */
static int vm_plan_namespaces(struct vm_plan *plan, const struct config *config, struct err *err)
{
	const struct config_linux *in = &config->on_linux;
	int network = 0;

	for (size_t i = 0; i < in->n_namespaces; i++) {
		const struct config_namespace *ns = &in->namespaces[i];
		const char *path = ns->path && *ns->path ? ns->path : NULL;

		if (!strcmp(ns->type, "user"))
			return err_set(err, -EOPNOTSUPP,
				       "linux.namespaces[%zu].type: a VM has no user namespace on "
				       "the host: its kernel's ids are its own",
				       i);
		if (!strcmp(ns->type, "network")) {
			network = 1;
			plan->netns = path;
		} else if (!strcmp(ns->type, "uts")) {
			plan->uts = path;
		} else if (path && strcmp(ns->type, "ipc") != 0) {
			return vm_plan_no_namespace(ns, i, err);
		}
	}
	if (network)
		return 0;
	return err_set(err, -EOPNOTSUPP,
		       "linux.namespaces: a VM cannot have the host's network: there is no "
		       "network namespace in the list");
}

struct vm_plan_refusal {
	const char *path, *why;
	int given;
};

static int vm_plan_refuse(const struct config *config, struct err *err)
{
	const struct config_linux *in = &config->on_linux;
	const struct vm_plan_refusal refusals[] = {
		{ "vm.image", "the root is the bundle's folder", config->vm.has_image },
		{ "vm.kernel.initrd", "the kernel boots with brig's own",
		  config->vm.initrd != NULL },
		{ "hooks.createContainer", "a VM has no namespaces on the host to run it in",
		  config->hooks[CONFIG_HOOK_CREATE_CONTAINER].n > 0 },
		{ "hooks.startContainer", "a VM has no namespaces on the host to run it in",
		  config->hooks[CONFIG_HOOK_START_CONTAINER].n > 0 },
		{ "linux.netDevices", "a VM is given no interface of the host's",
		  in->n_net_devices > 0 },
		{ "linux.devices", "a VM is given no device of the host's", in->n_devices > 0 },
		{ "linux.timeOffsets", "a VM has clocks of its own",
		  in->has_monotonic || in->has_boottime },
		{ "linux.intelRdt", "not for a VM", in->has_intel_rdt },
		{ "linux.personality", "not for a VM", in->has_personality },
		{ "linux.memoryPolicy", "not for a VM", in->has_memory_policy },
		{ "process.scheduler", "not for a VM", config->process.has_scheduler },
		{ "process.ioPriority", "not for a VM", config->process.has_io_priority },
		{ "process.execCPUAffinity", "not for a VM",
		  config->process.initial_cpus || config->process.final_cpus },
		{ "domainname", "not for a VM", config->domainname != NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (refusals[i].given)
			return err_set(err, -EOPNOTSUPP, "%s: %s", refusals[i].path,
				       refusals[i].why);
	}
	return 0;
}

/* What the guest boots is made for its agent, so it is one of brig's store: ROOT/kernels/NAME or a file in that. */
static int vm_plan_kernel(struct vm_plan *plan, const struct config *config, const char *root,
			  struct err *err)
{
	_cleanup_free_ char *store = mem_printf("%s/kernels/", root);
	const char *path = config->vm.kernel;
	size_t len = strlen(store);

	if (!config->has_vm || !config->vm.has_kernel)
		return 0;
	if (strncmp(path, store, len) != 0 || !strcspn(path + len, "/"))
		return err_set(err, -EOPNOTSUPP,
			       "vm.kernel.path: a VM boots a kernel of brig's store: say "
			       "%sNAME/vmlinuz (see 'brig kernel ls')",
			       store);
	plan->instance.kernel = mem_strndup(path + len, strcspn(path + len, "/"));
	return 0;
}

static int vm_plan_cpus(struct vm_plan *plan, const struct config *config, struct err *err)
{
	const struct config_cpu *cpu = &config->on_linux.resources.cpu;
	const char *text = vm_plan_annotation(config, VM_PLAN_CPUS);
	uint64_t period = cpu->period ? cpu->period : 100000;
	int64_t cpus = 1;

	if (text) {
		if (units_parse_int(text, 1, INSTANCE_VM_CPUS_MAX / 1000, &cpus, err) < 0)
			return err_wrap(err, "annotations[\"" VM_PLAN_CPUS "\"]");
	} else if (config->has_vm && config->vm.vcpus) {
		if (config->vm.vcpus > INSTANCE_VM_CPUS_MAX / 1000)
			return err_set(err, -ERANGE, "vm.hwConfig.vcpus: a VM has at most %d",
				       INSTANCE_VM_CPUS_MAX / 1000);
		cpus = (int64_t)config->vm.vcpus;
	} else if (cpu->has_quota && cpu->quota > 0) {
		uint64_t whole = ((uint64_t)cpu->quota + period - 1) / period;

		cpus = whole > INSTANCE_VM_CPUS_MAX / 1000 ? INSTANCE_VM_CPUS_MAX / 1000
							   : (int64_t)whole;
	}
	plan->instance.cpus_milli = cpus * 1000;
	return 0;
}

static int vm_plan_memory(struct vm_plan *plan, const struct config *config, struct err *err)
{
	const struct config_memory *memory = &config->on_linux.resources.memory;
	int64_t limit = memory->has_limit && memory->limit > 0 ? memory->limit : 0;
	const char *text = vm_plan_annotation(config, VM_PLAN_MEMORY);
	const char *what = "linux.resources.memory.limit";
	int64_t size = limit;

	if (text) {
		what = "annotations[\"" VM_PLAN_MEMORY "\"]";
		if (units_parse_size(text, &size, err) < 0)
			return err_wrap(err, "%s", what);
	} else if (config->has_vm && config->vm.memory) {
		what = "vm.hwConfig.memory";
		size = config->vm.memory > INT64_MAX ? INT64_MAX : (int64_t)config->vm.memory;
	}
	if (size && size < INSTANCE_VM_MEMORY_MIN)
		return err_set(err, -ERANGE, "%s: a VM needs at least %jd MiB", what,
			       (intmax_t)(INSTANCE_VM_MEMORY_MIN >> 20));
	if (limit && size > limit)
		return err_set(err, -ERANGE,
			       "%s: that is more than linux.resources.memory.limit allows", what);
	plan->instance.memory = size;
	return 0;
}

void vm_plan_raise_limits(struct config_resources *resources)
{
	struct config_memory *memory = &resources->memory;

	if (memory->has_limit && memory->limit > 0 && memory->limit < INT64_MAX - VM_PLAN_OVERHEAD)
		memory->limit += VM_PLAN_OVERHEAD;
	if (memory->has_swap && memory->swap > 0 && memory->swap < INT64_MAX - VM_PLAN_OVERHEAD)
		memory->swap += VM_PLAN_OVERHEAD;
	resources->has_pids = 0;
}

uint64_t vm_plan_capabilities(const struct spec *spec)
{
	/* root's follow from the bounding set alone, others get them by set-user-id programs */
	if (spec->identity.uid)
		return spec->bounding;
	return spec->bounding & spec->caps.permitted & spec->caps.effective;
}

static void vm_plan_privilege(struct vm_plan *plan, const struct spec *spec)
{
	uint64_t kept = vm_plan_capabilities(spec);

	strv_add(&plan->instance.cap_drop, "ALL");
	for (unsigned int i = 0; privilege_capability_name(i); i++) {
		if (kept & CAPS_BIT(i))
			strv_add(&plan->instance.cap_add, privilege_capability_name(i));
	}
	for (size_t i = 0; i < spec->n_rlimits; i++) {
		const struct privilege_rlimit *limit = &spec->rlimits[i];

		strv_add_printf(&plan->instance.rlimits, "%s=%lld:%lld", limit->name,
				(long long)limit->soft, (long long)limit->hard);
	}
}

int vm_plan_process(const struct config_process *config, const struct spec *spec, uint64_t kept,
		    struct process *ret, struct err *err)
{
	const struct process *from = &spec->process;

	if (spec->caps.ambient && config->user.uid)
		return err_set(err, -EOPNOTSUPP,
			       "process.capabilities.ambient: in a VM only root has capabilities "
			       "from its start");
	if (kept & ~vm_plan_capabilities(spec))
		return err_set(err, -EOPNOTSUPP,
			       "process.capabilities: a VM's processes all have those of its "
			       "first one, and these are fewer");
	if (vm_plan_capabilities(spec) & ~kept)
		return err_set(err, -EOPNOTSUPP,
			       "process.capabilities: a VM's processes all have those of its "
			       "first one, and these are more");
	if (config->user.has_umask && config->user.umask != VM_PLAN_UMASK)
		return err_set(err, -EOPNOTSUPP, "process.user.umask: in a VM it is %04o",
			       VM_PLAN_UMASK);
	*ret = (struct process){
		.argv = strv_dup(from->argv),
		.env = strv_dup(from->env),
		.cwd = mem_strdup(from->cwd ? from->cwd : ""),
		.user = mem_printf("%llu:%llu", (unsigned long long)config->user.uid,
				   (unsigned long long)config->user.gid),
		.tty = from->tty,
		.interactive = 1,
		.no_new_privs = config->no_new_privileges,
		.rows = from->rows,
		.columns = from->columns,
	};
	for (size_t i = 0; i < config->user.n_groups; i++)
		strv_add_printf(&ret->groups, "%llu", (unsigned long long)config->user.groups[i]);
	return 0;
}

static int vm_plan_is_below(const char *path, const char *above)
{
	size_t len = strlen(above);

	return !strncmp(path, above, len) && path[len] == '/';
}

/* The guest's own cover what the root has there. */
static int vm_plan_is_covered(const struct vm_plan *plan, const char *destination)
{
	strv_for_each(place, plan->places) {
		if (vm_plan_is_below(destination, *place))
			return 1;
	}
	return 0;
}

static char *vm_plan_words(const struct mount_options *options, int data)
{
	static const struct {
		uint64_t attribute;
		const char *word;
	} words[] = {
		{ MOUNT_ATTR_RDONLY, "ro" },	   { MOUNT_ATTR_NOSUID, "nosuid" },
		{ MOUNT_ATTR_NODEV, "nodev" },	   { MOUNT_ATTR_NOEXEC, "noexec" },
		{ MOUNT_ATTR_NOATIME, "noatime" },
	};
	uint64_t set = options->set | options->set_all;
	_cleanup_strv_ char **list = NULL;
	char *text;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		/* the access times are one field, of which relatime is 0 */
		if ((set & words[i].attribute) == words[i].attribute)
			strv_add(&list, words[i].word);
	}
	if (data) {
		strv_for_each(word, options->data)
			strv_add(&list, *word);
		if (options->copy_up)
			strv_add(&list, "tmpcopyup");
	}
	text = strv_join(list, ",");
	return text ? text : mem_strdup("");
}

static void vm_plan_add_guest(struct vm_plan *plan, const char *type, const char *destination,
			      const char *options)
{
	if (!vm_plan_is_covered(plan, destination))
		strv_add(&plan->places, destination);
	strv_add_printf(&plan->mounts, "%s:%s:%s", type, destination, options);
}

static int vm_plan_bind(struct vm_plan *plan, const struct config_mount *mount,
			const char *destination, const char *bundle, size_t i,
			const struct mount_options *options, struct err *err)
{
	_cleanup_free_ char *words = vm_plan_words(options, 0);
	struct vm_bind bind = {
		.attributes = options->set | options->set_all,
		.recursive = options->recursive,
		.index = i,
		.share = -1,
	};

	/* shared with nobody outside, it is the guest's own */
	if (!strcmp(destination, "/dev/shm")) {
		vm_plan_add_guest(plan, "tmpfs", destination, "nosuid,nodev,noexec,mode=1777");
		return 0;
	}
	if ((options->propagation | options->propagation_all) & (MS_SHARED | MS_SLAVE))
		return err_set(err, -EOPNOTSUPP,
			       "mounts[%zu].options: the host's kernel cannot mount anything in a "
			       "VM's, so nothing is shared or slave",
			       i);
	if (!mount->source || !*mount->source)
		return err_set(err, -EINVAL, "mounts[%zu].source: there is none", i);
	if (vm_plan_is_covered(plan, destination)) {
		bind.share = (int)strv_len(plan->instance.volumes);
		strv_add_printf(&plan->instance.volumes, VM_VIEW_SHARES "/%d:%s:%s%s%s", bind.share,
				destination, bind.attributes & MOUNT_ATTR_RDONLY ? "ro" : "rw",
				bind.attributes & MOUNT_ATTR_NOSUID ? ",nosuid" : "",
				bind.attributes & MOUNT_ATTR_NOEXEC ? ",noexec" : "");
	} else if (*words) {
		strv_add_printf(&plan->mounts, "bind:%s:%s", destination, words);
	}
	bind.destination = mem_strdup(destination);
	bind.source = *mount->source == '/' ? mem_strdup(mount->source)
					    : mem_printf("%s/%s", bundle, mount->source);
	plan->binds = mem_realloc(plan->binds, plan->n_binds + 1, sizeof(*plan->binds));
	plan->binds[plan->n_binds++] = bind;
	return 0;
}

/* As it is compared with others: no slash at its end, and one at its beginning. */
static char *vm_plan_destination(const struct config_mount *mount)
{
	const char *text = mount->destination;
	char *path = mem_printf("%s%s", *text == '/' ? "" : "/", text);
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	return path;
}

static int vm_plan_mount(struct vm_plan *plan, const struct config_mount *mount, const char *bundle,
			 size_t i, struct err *err)
{
	static const char *const types[] = { "proc",   "sysfs",	 "tmpfs",  "devpts",
					     "mqueue", "cgroup", "cgroup2" };
	_cleanup_mount_options_ struct mount_options options = { 0 };
	_cleanup_free_ char *words = NULL, *destination = vm_plan_destination(mount);
	const char *type = mount->type ? mount->type : "";
	int cgroup;

	mount_options_parse(mount->options, &options);
	if (strchr(destination, ':'))
		return err_set(err, -EOPNOTSUPP,
			       "mounts[%zu].destination: in a VM it cannot have a colon", i);
	if (options.idmap || mount->n_uid_maps || mount->n_gid_maps)
		return err_set(err, -EOPNOTSUPP,
			       "mounts[%zu].options: in a VM no mount has ids of its own", i);
	if (options.bind || !strcmp(type, "bind"))
		return vm_plan_bind(plan, mount, destination, bundle, i, &options, err);
	cgroup = !strncmp(type, "cgroup", 6);
	words = vm_plan_words(&options, !cgroup);
	for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
		if (strcmp(types[t], type) != 0)
			continue;
		vm_plan_add_guest(plan, cgroup ? "cgroup2" : type, destination, words);
		return 0;
	}
	return err_set(err, -EOPNOTSUPP, "mounts[%zu].type: a VM has no '%.32s' to mount", i, type);
}

static int vm_plan_has_place(const struct config *config, const char *destination)
{
	for (size_t i = 0; i < config->n_mounts; i++) {
		_cleanup_free_ char *place = vm_plan_destination(&config->mounts[i]);

		if (!strcmp(place, destination))
			return 1;
	}
	return 0;
}

/* Devices are made in /dev, which is the guest's in any case. */
static int vm_plan_mounts(struct vm_plan *plan, const struct config *config, const char *bundle,
			  struct err *err)
{
	int r = 0;

	if (!vm_plan_has_place(config, "/dev"))
		vm_plan_add_guest(plan, "tmpfs", "/dev", "nosuid,mode=755,size=65536k");
	for (size_t i = 0; r == 0 && i < config->n_mounts; i++)
		r = vm_plan_mount(plan, &config->mounts[i], bundle, i, err);
	if (!vm_plan_has_place(config, "/dev/pts"))
		vm_plan_add_guest(plan, "devpts", "/dev/pts",
				  "nosuid,noexec,newinstance,gid=5,mode=620,ptmxmode=666");
	return r;
}

static void vm_plan_sysctls(struct vm_plan *plan, const struct spec *spec)
{
	for (size_t i = 0; i < spec->n_sysctl; i++)
		strv_add_printf(&plan->sysctls, "%s=%s", spec->sysctl[i].key,
				spec->sysctl[i].value);
}

/* The name is in the process's title alone. */
static void vm_plan_name(struct vm_plan *plan, const struct config *config, const char *id)
{
	char **parameters = config->vm.kernel_parameters;

	mem_replace(&plan->instance.name, NULL);
	plan->instance.name = mem_strndup(id, VM_PLAN_NAME_MAX);
	plan->instance.kind = INSTANCE_VM;
	mem_replace(&plan->instance.hostname, config->hostname);
	plan->instance.kernel_args = parameters ? strv_join(parameters, " ") : NULL;
	plan->instance.read_only = config->root_readonly;
	if (config->on_linux.resources.has_pids && config->on_linux.resources.pids > 0)
		plan->instance.pids_limit = config->on_linux.resources.pids;
}

int vm_plan_make(const struct config *config, const struct spec *spec, const char *id,
		 const char *bundle, const char *root, struct vm_plan *ret, struct err *err)
{
	int r = vm_plan_refuse(config, err);

	*ret = (struct vm_plan){ .netns = NULL };
	instance_init(&ret->instance);
	vm_plan_name(ret, config, id);
	if (r == 0)
		r = vm_plan_namespaces(ret, config, err);
	if (r == 0)
		r = vm_plan_kernel(ret, config, root, err);
	if (r == 0)
		r = vm_plan_cpus(ret, config, err);
	if (r == 0)
		r = vm_plan_memory(ret, config, err);
	if (r == 0)
		r = vm_plan_process(&config->process, spec, vm_plan_capabilities(spec),
				    &ret->process, err);
	if (r == 0)
		r = vm_plan_mounts(ret, config, bundle, err);
	vm_plan_privilege(ret, spec);
	vm_plan_sysctls(ret, spec);
	return r;
}

void vm_plan_release(struct vm_plan *plan)
{
	instance_release(&plan->instance);
	process_release(&plan->process);
	strv_free(plan->mounts);
	strv_free(plan->sysctls);
	strv_free(plan->places);
	for (size_t i = 0; i < plan->n_binds; i++) {
		free(plan->binds[i].source);
		free(plan->binds[i].destination);
	}
	free(plan->binds);
	*plan = (struct vm_plan){ .netns = NULL };
}
