// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/spec.h"
#include "base/mem.h"
#include "base/privilege.h"
#include "base/strv.h"
#include "container/dev.h"
#include "proto/nic.h"
#include "sys/caps.h"
#include "sys/lxcfs.h"

#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* docker's default */
#define SPEC_CAPS_APP                                                                        \
	(CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_FSETID) |           \
	 CAPS_BIT(CAP_FOWNER) | CAPS_BIT(CAP_MKNOD) | CAPS_BIT(CAP_NET_RAW) |                \
	 CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_SETUID) | CAPS_BIT(CAP_SETFCAP) |               \
	 CAPS_BIT(CAP_SETPCAP) | CAPS_BIT(CAP_NET_BIND_SERVICE) | CAPS_BIT(CAP_SYS_CHROOT) | \
	 CAPS_BIT(CAP_KILL) | CAPS_BIT(CAP_AUDIT_WRITE))

/*
 * What an init system works with beyond that: it mounts, makes namespaces for its services, sets up its
 * network, reboots. All of it only over what belongs to the container's user namespace.
 */
#define SPEC_CAPS_SYSTEM                                                                        \
	(SPEC_CAPS_APP | CAPS_BIT(CAP_SYS_ADMIN) | CAPS_BIT(CAP_SYS_BOOT) |                     \
	 CAPS_BIT(CAP_SYS_PTRACE) | CAPS_BIT(CAP_SYS_NICE) | CAPS_BIT(CAP_SYS_RESOURCE) |       \
	 CAPS_BIT(CAP_SYS_TTY_CONFIG) | CAPS_BIT(CAP_NET_ADMIN) | CAPS_BIT(CAP_NET_BROADCAST) | \
	 CAPS_BIT(CAP_DAC_READ_SEARCH) | CAPS_BIT(CAP_IPC_OWNER) | CAPS_BIT(CAP_LEASE) |        \
	 CAPS_BIT(CAP_LINUX_IMMUTABLE) | CAPS_BIT(CAP_AUDIT_CONTROL))

#define SPEC_NAMESPACES \
	(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* MISC_MAJOR and minors of it (Documentation/admin-guide/devices.txt) */
#define SPEC_MISC 10
#define SPEC_FUSE 229
#define SPEC_TUN  200

#define SPEC_TMPFS_OPTIONS "nosuid,nodev,noexec,mode=1777"

#define SPEC_DEVPTS_OPTIONS "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620"

struct spec_default_mount {
	const char *destination, *type, *options;
	const char *loose; /* options for a system or privileged one; NULL: the same */
	int free;	   /* and these are only for those that run others, or are privileged */
};

/* Those of the OCI runtime specification, "Default Filesystems", with docker's options. */
static const struct spec_default_mount spec_default_mounts[] = {
	{ "/proc", "proc", "nosuid,noexec,nodev", NULL },
	{ "/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k", NULL },
	{ "/dev/pts", "devpts", SPEC_DEVPTS_OPTIONS ",gid=5", NULL },
	{ "/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=65536k", NULL },
	{ "/dev/mqueue", "mqueue", "nosuid,noexec,nodev", NULL },
	/* by this systemd sees that devices are not its own, and asks no udev for its interfaces */
	{ "/sys", "sysfs", "nosuid,noexec,nodev,ro", "nosuid,noexec,nodev", .free = 1 },
	{ "/sys/fs/cgroup", "cgroup", "nosuid,noexec,nodev,ro", "nosuid,noexec,nodev" },
};

/* Those that systemd's container interface asks for. */
static const struct spec_default_mount spec_system_mounts[] = {
	{ "/run", "tmpfs", "nosuid,nodev,mode=755", NULL },
	{ "/run/lock", "tmpfs", "nosuid,nodev,noexec,mode=1777,size=5m", NULL },
};

/*
 * The kernel lets a user namespace mount a new /proc or /sys only beside one that nothing covers
 * (mount_too_revealing(), fs/namespace.c). These are for that alone.
 */
static const struct spec_default_mount spec_nesting_mounts[] = {
	{ DEV_NESTING "/proc", "proc", "nosuid,noexec,nodev", NULL },
	{ DEV_NESTING "/sys", "sysfs", "nosuid,noexec,nodev", NULL },
};

/* The runtime specification's examples and what engines have added to them since. */
static const char *const spec_masked_paths[] = {
	"/proc/acpi",	     "/proc/asound",  "/proc/interrupts",
	"/proc/kcore",	     "/proc/keys",    "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi",    "/proc/timer_list",
	"/proc/timer_stats", "/sys/firmware", "/sys/devices/virtual/powercap",
};
static const char *const spec_readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* Whoever runs containers has to do with them what an init system does with services. */
static int spec_is_wide(const struct instance *instance)
{
	return instance->system || instance->nesting;
}

int spec_caps(const struct instance *instance, uint64_t *ret, struct err *err)
{
	uint64_t caps = spec_is_wide(instance) ? SPEC_CAPS_SYSTEM : SPEC_CAPS_APP, add = 0,
		 drop = 0;
	int r = privilege_parse_capabilities(instance->cap_add, &add, err);

	/* by a packet of one's own making passt is led to the host's loopback: docs/security.md, Users */
	if (nic_is_user(instance->networks))
		caps &= ~CAPS_BIT(CAP_NET_RAW);
	if (r == 0)
		r = privilege_parse_capabilities(instance->cap_drop, &drop, err);
	if (r < 0)
		return r;
	/* "drop ALL, add one" leaves one; "add ALL, drop one" leaves all but one */
	if (drop == CAPS_ALL)
		*ret = add;
	else
		*ret = (instance->privileged ? CAPS_ALL : caps | add) & ~drop;
	return 0;
}

static int spec_has_mount(const struct spec *spec, const char *destination)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (!strcmp(spec->mounts[i].destination, destination))
			return 1;
	}
	return 0;
}

static void spec_add_defaults(struct spec *spec, const struct instance *instance,
			      const struct spec_default_mount *mounts, size_t n)
{
	int is_free = instance->nesting || instance->privileged;

	for (size_t i = 0; i < n; i++) {
		int loose = mounts[i].free ? is_free : is_free || instance->system;
		const char *options =
			loose && mounts[i].loose ? mounts[i].loose : mounts[i].options;

		if (!spec_has_mount(spec, mounts[i].destination))
			spec_add_mount(spec, mounts[i].destination, mounts[i].type, NULL, options);
	}
}

static struct spec_mount *spec_add_file(struct spec *spec, const char *files_dir, const char *name)
{
	_cleanup_free_ char *source = mem_printf("%s/%s", files_dir, name);
	_cleanup_free_ char *destination = mem_printf("/etc/%s", name);

	spec_add_mount(spec, destination, "bind", source, "bind,nosuid,nodev,noexec");
	return &spec->mounts[spec->n_mounts - 1];
}

/*
 * Without a network they only mend what the image has; with one they are there. A whole system whose resolv.conf is a
 * link has a resolver that writes it.
 */
static void spec_add_files(struct spec *spec, const struct instance *instance,
			   const char *files_dir)
{
	static const char *const names[] = { "hostname", "hosts" };
	struct spec_mount *resolver;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		spec_add_file(spec, files_dir, names[i])->if_exists = !strv_len(instance->networks);
	if (!strv_len(instance->networks))
		return;
	resolver = spec_add_file(spec, files_dir, "resolv.conf");
	resolver->if_source = 1;
	resolver->unless_link = instance->system;
}

static int spec_add_tmpfs(struct spec *spec, const char *tmpfs, struct err *err)
{
	_cleanup_free_ char *path = mem_strdup(tmpfs);
	char *options = strchr(path, ':');
	_cleanup_free_ char *all = NULL;

	if (options)
		*options++ = '\0';
	if (path[0] != '/')
		return err_set(err, -EINVAL, "--tmpfs %s: the path begins with /", tmpfs);
	all = mem_printf(SPEC_TMPFS_OPTIONS ",%s", options ? options : "");
	spec_add_mount(spec, path, "tmpfs", NULL, all);
	return 0;
}

/*
 * An overlay's upper folder cannot lie on another overlay, as the root is one; so where runtimes keep their
 * containers there are folders of the writable layer's own file system.
 */
static void spec_add_storage(struct spec *spec)
{
	int shifted = spec->idmap.n_uids && !spec->unprivileged;
	const char *options = shifted ? "bind,nodev,idmap" : "bind,nodev";

	for (size_t i = 0; instance_storage_names[i]; i++) {
		_cleanup_free_ char *source = mem_printf(
			"%s/" INSTANCE_STORAGE "/%s", spec->state_dir, instance_storage_names[i]);
		_cleanup_free_ char *destination =
			mem_printf("/" INSTANCE_STORAGE_AT "/%s", instance_storage_names[i]);

		if (!spec_has_mount(spec, destination))
			spec_add_mount(spec, destination, "bind", source, options);
	}
}

/* What it says of memory and processors is what it has, where the host's lxcfs tells. */
static void spec_add_figures(struct spec *spec, const struct instance *instance)
{
	if (lxcfs_find() != LXCFS_ALIVE)
		return;
	/* it looks for the CPU quota of version 1 where the group of cpuset has its name */
	if (instance->cpus_milli)
		spec->cgroup_also |= CGROUP_CPU | CGROUP_CPUACCT | CGROUP_CPUSET;
	for (size_t i = 0; lxcfs_files[i]; i++) {
		_cleanup_free_ char *source = mem_printf(LXCFS_PATH "%s", lxcfs_files[i]);

		spec_add_mount(spec, lxcfs_files[i], "bind", source, "bind,nosuid,nodev,noexec");
		spec->mounts[spec->n_mounts - 1].if_exists = 1;
		spec->mounts[spec->n_mounts - 1].if_source = 1;
	}
}

/*
 * A new sysfs is for who owns the network namespace that it shows. Root's launcher can make it (launch.c); a user can
 * only show the host's, with all that is mounted in it.
 */
static void spec_show_sysfs(struct spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		struct spec_mount *mount = &spec->mounts[i];

		if (strcmp(mount->type, "sysfs") != 0)
			continue;
		mem_replace(&mount->type, "bind");
		mem_replace(&mount->source, "/sys");
		strv_free(mount->options);
		mount->options = strv_split("rbind,nosuid,noexec,nodev,ro,rro", ",");
	}
}

/* Terminals have the group 5, unless there is none. */
static void spec_drop_group(struct spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts && idmap_is_single(&spec->idmap); i++) {
		struct spec_mount *mount = &spec->mounts[i];

		if (strcmp(mount->type, "devpts"))
			continue;
		strv_free(mount->options);
		mount->options = strv_split(SPEC_DEVPTS_OPTIONS, ",");
	}
}

static int spec_add_mounts(struct spec *spec, const struct instance *instance,
			   const char *files_dir, struct err *err)
{
	spec_add_defaults(spec, instance, spec_default_mounts, ARRAY_SIZE(spec_default_mounts));
	if (spec->no_nodes) {
		spec_drop_group(spec);
		spec_bind_standard_devices(spec);
	}
	strv_for_each(tmpfs, instance->tmpfs) {
		int r = spec_add_tmpfs(spec, *tmpfs, err);

		if (r < 0)
			return r;
	}
	if (instance->system)
		spec_add_defaults(spec, instance, spec_system_mounts,
				  ARRAY_SIZE(spec_system_mounts));
	if (instance->nesting && !instance->privileged)
		spec_add_defaults(spec, instance, spec_nesting_mounts,
				  ARRAY_SIZE(spec_nesting_mounts));
	if (instance->nesting)
		spec_add_storage(spec);
	if (spec->unprivileged && !(spec->namespaces & CLONE_NEWNET))
		spec_show_sysfs(spec);
	spec_add_figures(spec, instance);
	if (files_dir)
		spec_add_files(spec, instance, files_dir);
	return 0;
}

static int spec_is_access(const char *s)
{
	return *s && strlen(s) <= 3 && strspn(s, "rwm") == strlen(s);
}

/* A user can pass on what he can open himself, and hold nobody to less than that. */
static int spec_show_device(struct spec *spec, const char *source, const char *inside,
			    const char *access, struct err *err)
{
	struct stat st;

	if (strlen(access) < 3)
		return err_set(err, -EOPNOTSUPP,
			       "--device %s: only root can allow a part of 'rwm'; leave ':%s' out",
			       source, access);
	if (stat(source, &st) < 0)
		return err_errno(err, -errno, "--device %s", source);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, -ENODEV, "--device %s: that is no device", source);
	spec_bind_device(spec, source, inside);
	return 0;
}

/* HOST[:INSIDE][:rwm] */
static int spec_add_device(struct spec *spec, const char *text, struct err *err)
{
	_cleanup_strv_ char **parts = strv_split(text, ":");
	size_t n = strv_len(parts);
	struct spec_device device = { .access = "rwm" };
	const char *inside;

	if (!parts)
		return err_set(err, -EINVAL, "--device: say HOST[:INSIDE][:rwm]");
	inside = parts[0];
	if (n > 1 && spec_is_access(parts[n - 1])) {
		memcpy(device.access, parts[n - 1], strlen(parts[n - 1]) + 1);
		n--;
	}
	if (n == 2)
		inside = parts[1];
	if (n > 2 || parts[0][0] != '/' || inside[0] != '/')
		return err_set(err, -EINVAL,
			       "--device %s: say HOST[:INSIDE][:rwm] with paths that begin with /",
			       text);
	if (spec->no_nodes)
		return spec_show_device(spec, parts[0], inside, device.access, err);
	device.source = mem_strdup(parts[0]);
	device.path = mem_strdup(inside);
	spec->devices = mem_realloc(spec->devices, spec->n_devices + 1, sizeof(*spec->devices));
	spec->devices[spec->n_devices++] = device;
	if (strlen(device.access) < 3)
		spec->limit_devices = 1;
	return 0;
}

/* Their drivers ask who opens them for rights over his own namespaces. */
static void spec_add_nesting_devices(struct spec *spec)
{
	static const struct {
		const char *path;
		unsigned int minor;
	} nodes[] = { { "/dev/fuse", SPEC_FUSE }, { "/dev/net/tun", SPEC_TUN } };

	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		if (spec->no_nodes) {
			spec_bind_device(spec, nodes[i].path, nodes[i].path);
			spec->mounts[spec->n_mounts - 1].if_source = 1;
			continue;
		}
		spec->devices =
			mem_realloc(spec->devices, spec->n_devices + 1, sizeof(*spec->devices));
		spec->devices[spec->n_devices++] = (struct spec_device){
			.path = mem_strdup(nodes[i].path),
			.mode = S_IFCHR | 0666,
			.number = makedev(SPEC_MISC, nodes[i].minor),
			.access = "rwm",
		};
	}
}

static int spec_add_rlimits(struct spec *spec, char *const *rlimits, struct err *err)
{
	spec->rlimits = mem_zalloc((strv_len(rlimits) + 1) * sizeof(*spec->rlimits));
	strv_for_each(text, rlimits) {
		int r = privilege_parse_rlimit(*text, &spec->rlimits[spec->n_rlimits], err);

		if (r < 0)
			return r;
		spec->n_rlimits++;
	}
	return 0;
}

static int spec_add_privileges(struct spec *spec, const struct instance *instance, struct err *err)
{
	uint64_t caps = 0;
	int r = spec_caps(instance, &caps, err);

	if (r < 0)
		return r;
	spec_set_caps(spec, caps);
	spec->namespaces = SPEC_NAMESPACES;
	if (nic_is_shared(instance->networks))
		spec->namespaces &= ~(uint64_t)CLONE_NEWNET;
	spec->all_devices = instance->privileged;
	if (instance->privileged && spec->unprivileged)
		return err_set(err, -EPERM,
			       "--privileged makes root inside root of the host, which takes root");
	if (instance->privileged)
		return 0;
	spec->namespaces |= CLONE_NEWUSER;
	idmap_of_caller(&spec->idmap, instance->nesting);
	spec->seccomp = 1;
	/* su and sudo of a whole system have to work */
	spec->no_new_privs = !spec_is_wide(instance);
	/*
	 * A user namespace makes no device nodes, and the root has "nodev" against those of the image. Who
	 * may mount could take that away again, and then meets the device cgroup; but what a user can make
	 * opens nothing, with or without.
	 */
	if ((caps & CAPS_BIT(CAP_SYS_ADMIN)) && !spec->unprivileged)
		spec->limit_devices = 1;
	for (size_t i = 0; i < ARRAY_SIZE(spec_masked_paths); i++)
		strv_add(&spec->masked_paths, spec_masked_paths[i]);
	/* What of /proc/sys belongs to its namespaces, an init system may set; the kernel keeps the rest. */
	for (size_t i = 0; !spec_is_wide(instance) && i < ARRAY_SIZE(spec_readonly_paths); i++)
		strv_add(&spec->readonly_paths, spec_readonly_paths[i]);
	return 0;
}

static void spec_add_process(struct spec *spec, const struct instance *instance,
			     const struct process *process)
{
	spec->process = *process;
	spec->process.env = strv_dup(process->env);
	spec->init = instance->init;
	if (!instance->system)
		return;
	/* An init system finds its console, and where it is, in this way. */
	spec->process.tty = 1;
	if (!strv_env_get(spec->process.env, "container"))
		strv_env_set(&spec->process.env, "container=brig");
}

int spec_of_instance(const struct instance *instance, const struct process *process,
		     char *const *layers, const char *state_dir, const char *cgroup_path,
		     const char *files_dir, struct spec *ret, struct err *err)
{
	const char *hostname =
		instance->hostname && *instance->hostname ? instance->hostname : instance->name;
	int outsider = !idmap_is_host_root();
	int r;

	*ret = (struct spec){
		.layers = layers,
		.state_dir = state_dir,
		.read_only = instance->read_only,
		.umask = 022,
		.unprivileged = outsider,
		.no_nodes = outsider,
		.cgroup_optional = outsider,
		.open_network = 1,
		.wired = strv_len(instance->networks) && !nic_is_shared(instance->networks),
		.temporary = instance->remove,
		.disk_bound = instance->bounded ? instance->disk_size : 0,
		.hostname = mem_strdup(hostname),
		.cgroup_path = mem_strdup(cgroup_path),
		.tuning = { .oom_score_adj = (int)instance->oom_score_adj,
			    .has_oom_score_adj = instance->oom_score_adj != 0 },
		.nesting = instance->nesting,
		.cgroup_delegate = spec_is_wide(instance),
		.cgroup_also = spec_is_wide(instance) ? CGROUP_SYSTEMD | CGROUP_UNMOUNTED : 0,
	};
	spec_add_process(ret, instance, process);
	r = spec_add_privileges(ret, instance, err);
	if (r == 0)
		r = spec_add_mounts(ret, instance, files_dir, err);
	if (r == 0)
		r = spec_add_rlimits(ret, instance->rlimits, err);
	if (instance->nesting && !instance->privileged)
		spec_add_nesting_devices(ret);
	strv_for_each(device, instance->devices) {
		if (r == 0)
			r = spec_add_device(ret, *device, err);
	}
	return r;
}
