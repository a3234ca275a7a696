// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"
#include "container/cgroup_mounts.h"
#include "container/hooks.h"
#include "container/label.h"
#include "container/mount_options.h"
#include "container/namespaces.h"
#include "container/net_devices.h"
#include "container/rdt.h"
#include "container/resources.h"
#include "container/seccomp_config.h"
#include "container/spec.h"
#include "container/sysctl.h"
#include "container/tuning.h"

#include <limits.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Names of host and domain: sethostname(2) */
#define SPEC_CONFIG_NAME_MAX 64

/* Said here, with the member: else the path itself would fill the message of whoever uses it first. */
static int spec_config_check_path(const char *path, const char *member, struct err *err)
{
	if (!path || strlen(path) < PATH_MAX)
		return 0;
	return err_set(err, -ENAMETOOLONG, "%s: a path has at most %d bytes, and this one has %zu",
		       member, PATH_MAX - 1, strlen(path));
}

static int spec_config_check_id(uint64_t id, const char *path, struct err *err)
{
	if (id < IDMAP_NONE)
		return 0;
	return err_set(err, -ERANGE, "%s: %llu is no id: they are below 2^32 - 1", path,
		       (unsigned long long)id);
}

static int spec_config_set_user(struct spec *spec, const struct config_user *user, struct err *err)
{
	struct process_identity *identity = &spec->identity;
	int r = spec_config_check_id(user->uid, "process.user.uid", err);

	if (r == 0)
		r = spec_config_check_id(user->gid, "process.user.gid", err);
	if (r == 0 && user->n_groups > NGROUPS_MAX)
		r = err_set(err, -E2BIG, "process.user.additionalGids: more than %d", NGROUPS_MAX);
	if (r == 0 && user->umask > 0777)
		r = err_set(err, -ERANGE, "process.user.umask: %llu is more than 0777",
			    (unsigned long long)user->umask);
	free(spec->groups);
	spec->groups = mem_zalloc((user->n_groups + 1) * sizeof(*spec->groups));
	for (size_t i = 0; i < user->n_groups && r == 0; i++) {
		r = spec_config_check_id(user->groups[i], "process.user.additionalGids", err);
		spec->groups[i] = (gid_t)user->groups[i];
	}
	if (r < 0)
		return r;
	identity->uid = (uid_t)user->uid;
	identity->gid = (gid_t)user->gid;
	identity->all_groups = spec->groups;
	identity->n_groups = user->n_groups;
	spec->has_identity = 1;
	spec->umask = user->has_umask ? (mode_t)user->umask : 022;
	return 0;
}

/* config.md: what cannot be granted is a warning, and no failure. */
static uint64_t spec_config_caps(char *const *names, const char *set)
{
	uint64_t mask = 0;

	strv_for_each(name, names) {
		struct err err = ERR_INIT;
		uint64_t cap = 0;

		if (privilege_parse_capability(*name, &cap, &err) < 0 || cap == CAPS_ALL)
			log_notice("process.capabilities.%s: '%.64s' is left out, being no "
				   "capability that we know",
				   set, *name);
		else
			mask |= cap;
	}
	return mask;
}

static void spec_config_set_caps(struct spec *spec, const struct config_capabilities *caps)
{
	spec->bounding = spec_config_caps(caps->bounding, "bounding");
	spec->caps = (struct caps_sets){
		.effective = spec_config_caps(caps->effective, "effective"),
		.permitted = spec_config_caps(caps->permitted, "permitted"),
		.inheritable = spec_config_caps(caps->inheritable, "inheritable"),
		.ambient = spec_config_caps(caps->ambient, "ambient"),
	};
	spec->caps_of_root = 0;
}

static int spec_config_check_process(const struct config_process *process, struct err *err)
{
	size_t i = 0;

	if (!process->args || !process->args[0])
		return err_set(err, -EINVAL, "process.args: there is no program to run");
	if (!process->cwd || process->cwd[0] != '/')
		return err_set(err, -EINVAL, "process.cwd: '%.200s' is no path that begins with /",
			       process->cwd ? process->cwd : "");
	if (spec_config_check_path(process->cwd, "process.cwd", err) < 0)
		return err->code;
	strv_for_each(variable, process->env) {
		if (!strchr(*variable, '=') || **variable == '=')
			return err_set(err, -EINVAL, "process.env[%zu]: a variable is NAME=VALUE",
				       i);
		i++;
	}
	return 0;
}

int spec_set_process(struct spec *spec, const struct config_process *process, struct err *err)
{
	int r = spec_config_check_process(process, err);

	if (r < 0)
		return r;
	strv_free(spec->process.env);
	spec->process = (struct process){
		.argv = process->args,
		.env = strv_dup(process->env),
		.cwd = process->cwd,
		.tty = process->terminal,
		.interactive = 1,
		.rows = (uint16_t)process->rows,
		.columns = (uint16_t)process->columns,
	};
	spec->no_new_privs = process->no_new_privileges;
	spec->labels = process;
	spec_config_set_caps(spec, &process->capabilities);
	free(spec->rlimits);
	spec->rlimits = NULL;
	r = spec_config_set_user(spec, &process->user, err);
	if (r == 0)
		r = tuning_rlimits(process, &spec->rlimits, &spec->n_rlimits, err);
	if (r == 0)
		r = tuning_of_config(process, NULL, &spec->tuning, err);
	return r < 0 ? r : label_check(process, NULL, err);
}

static int spec_config_set_namespaces(struct spec *spec, const struct config_linux *in,
				      struct err *err)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < in->n_namespaces; i++) {
		const struct config_namespace *namespace = &in->namespaces[i];
		uint64_t type = namespaces_type(namespace->type);
		const char *path = namespace->path;

		if (!type)
			return err_set(err, -EINVAL,
				       "linux.namespaces[%zu].type: there is no namespace '%.64s'",
				       i, namespace->type);
		if (seen & type)
			return err_set(err, -EINVAL,
				       "linux.namespaces[%zu].type: '%s' is there twice", i,
				       namespace->type);
		if (path && *path && *path != '/')
			return err_set(err, -EINVAL,
				       "linux.namespaces[%zu].path: '%.200s' does not begin with /",
				       i, path);
		if (spec_config_check_path(path, "path", err) < 0)
			return err_wrap(err, "linux.namespaces[%zu]", i);
		seen |= type;
		if (path && *path)
			spec_add_join(spec, type, path);
		else
			spec->namespaces |= type;
	}
	if (!(seen & CLONE_NEWNS))
		return err_set(err, -EINVAL,
			       "linux.namespaces: a container has a mount namespace of its own");
	return 0;
}

static int spec_config_copy_map(const struct config_id_map *maps, size_t n, const char *path,
				struct idmap_range **ret, size_t *ret_n, struct err *err)
{
	struct idmap_range *ranges = mem_zalloc((n + 1) * sizeof(*ranges));

	*ret = ranges;
	*ret_n = n;
	if (n > IDMAP_RANGES_MAX)
		return err_set(err, -E2BIG, "%s: more than %d ranges", path, IDMAP_RANGES_MAX);
	for (size_t i = 0; i < n; i++) {
		const struct config_id_map *map = &maps[i];

		if (!map->size || map->size > IDMAP_NONE || map->container >= IDMAP_NONE ||
		    map->host >= IDMAP_NONE || map->container + map->size > IDMAP_NONE ||
		    map->host + map->size > IDMAP_NONE)
			return err_set(err, -ERANGE, "%s[%zu]: that is no range of ids", path, i);
		ranges[i] = (struct idmap_range){ .inside = (uint32_t)map->container,
						  .outside = (uint32_t)map->host,
						  .count = (uint32_t)map->size };
	}
	return 0;
}

static int spec_config_set_ids(struct spec *spec, const struct config_linux *in, struct err *err)
{
	struct idmap *ids = &spec->idmap;
	int owns = (spec->namespaces & CLONE_NEWUSER) != 0, r;

	if (owns && (!in->n_uid_maps || !in->n_gid_maps))
		return err_set(err, -EINVAL, "linux.%s: a user namespace has none without them",
			       in->n_uid_maps ? "gidMappings" : "uidMappings");
	if (!spec_has_userns(spec) && (in->n_uid_maps || in->n_gid_maps))
		return err_set(err, -EINVAL,
			       "linux.%s: there is no user namespace in linux.namespaces",
			       in->n_uid_maps ? "uidMappings" : "gidMappings");
	r = spec_config_copy_map(in->uid_maps, in->n_uid_maps, "linux.uidMappings", &ids->uids,
				 &ids->n_uids, err);
	if (r == 0)
		r = spec_config_copy_map(in->gid_maps, in->n_gid_maps, "linux.gidMappings",
					 &ids->gids, &ids->n_gids, err);
	if (r == 0 && (idmap_uid(ids, 0) == IDMAP_NONE || idmap_gid(ids, 0) == IDMAP_NONE))
		r = err_set(err, -EINVAL, "linux.%s: id 0 of the container is not among them",
			    idmap_uid(ids, 0) == IDMAP_NONE ? "uidMappings" : "gidMappings");
	return r;
}

static int spec_config_set_name(const char *name, const char *member, const struct spec *spec,
				char **ret, struct err *err)
{
	if (!name || !*name)
		return 0;
	if (!(spec->namespaces & CLONE_NEWUTS))
		return err_set(err, -EINVAL, "%s: wants a uts namespace in linux.namespaces",
			       member);
	if (strlen(name) > SPEC_CONFIG_NAME_MAX)
		return err_set(err, -ENAMETOOLONG, "%s: longer than %d bytes", member,
			       SPEC_CONFIG_NAME_MAX);
	*ret = mem_strdup(name);
	return 0;
}

static int spec_config_set_root(struct spec *spec, const struct config *config, const char *bundle,
				struct err *err)
{
	struct stat st;

	if (!config->has_root || !config->root || !*config->root)
		return err_set(err, -EINVAL, "root.path: there is none");
	if (spec_config_check_path(config->root, "root.path", err) < 0)
		return err->code;
	spec->root_folder = config->root[0] == '/' ? mem_strdup(config->root)
						   : mem_printf("%s/%s", bundle, config->root);
	spec->root_path = spec->root_folder;
	spec->read_only = config->root_readonly;
	if (stat(spec->root_path, &st) < 0)
		return err_errno(err, -errno, "root.path: %s", spec->root_path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "root.path: %s is no folder", spec->root_path);
	return 0;
}

static int spec_config_is_bind(const struct config_mount *mount)
{
	return strv_has(mount->options, "bind") || strv_has(mount->options, "rbind") ||
	       (mount->type && !strcmp(mount->type, "bind"));
}

static int spec_config_is_cgroup(const struct config_mount *mount)
{
	return mount->type && (!strcmp(mount->type, "cgroup") || !strcmp(mount->type, "cgroup2"));
}

/* File systems whose files are all the container's, and have no labels of their own. */
static int spec_config_takes_label(const char *type)
{
	return !strcmp(type, "tmpfs") || !strcmp(type, "devpts") || !strcmp(type, "mqueue");
}

/* As it is looked for: "dev/" is "/dev". */
static char *spec_config_destination(const char *given)
{
	char *path = mem_printf("%s%s", *given == '/' ? "" : "/", given);

	for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
		path[len - 1] = '\0';
	return path;
}

/* label: an option, or NULL. */
static int spec_config_add_mount(struct spec *spec, const struct config_mount *in,
				 const char *bundle, const char *label, struct err *err)
{
	int bind = spec_config_is_bind(in), r;
	_cleanup_free_ char *destination = spec_config_destination(in->destination);
	_cleanup_free_ char *source = NULL;
	struct spec_mount *mount;

	if (!*in->destination)
		return err_set(err, -EINVAL, "destination: it is empty");
	if (!bind && (!in->type || !*in->type))
		return err_set(err, -EINVAL, "type: there is none, nor 'bind' among the options");
	if (bind && (!in->source || !*in->source))
		return err_set(err, -EINVAL, "source: there is nothing to bind");
	if (spec_config_check_path(in->destination, "destination", err) < 0 ||
	    spec_config_check_path(in->source, "source", err) < 0)
		return err->code;
	if (strv_has(in->options, "tmpcopyup") && (bind || strcmp(in->type, "tmpfs") != 0))
		return err_set(err, -EINVAL, "options: 'tmpcopyup' is for a tmpfs");
	if (spec_config_is_cgroup(in) && spec->cgroup_path) {
		cgroup_mounts_add(spec, destination, in->options);
		return 0;
	}
	source = bind && in->source[0] != '/' ? mem_printf("%s/%s", bundle, in->source)
					      : mem_strdup(in->source);
	spec_add_mount(spec, destination, bind ? "bind" : in->type, source, "");
	mount = &spec->mounts[spec->n_mounts - 1];
	strv_free(mount->options);
	mount->options = strv_dup(in->options);
	if (label && !bind && spec_config_takes_label(in->type))
		strv_add(&mount->options, label);
	r = spec_config_copy_map(in->uid_maps, in->n_uid_maps, "uidMappings", &mount->ids.uids,
				 &mount->ids.n_uids, err);
	if (r == 0)
		r = spec_config_copy_map(in->gid_maps, in->n_gid_maps, "gidMappings",
					 &mount->ids.gids, &mount->ids.n_gids, err);
	if (r == 0 && !mount->ids.n_uids != !mount->ids.n_gids)
		r = err_set(err, -EINVAL, "%s: there are none, but %s are given",
			    mount->ids.n_uids ? "gidMappings" : "uidMappings",
			    mount->ids.n_uids ? "uidMappings" : "gidMappings");
	return r;
}

/* Those of the host at the same paths, whatever numbers they have. */
static void spec_config_bind_devices(struct spec *spec, const struct config_linux *in)
{
	spec_bind_standard_devices(spec);
	for (size_t i = 0; i < in->n_devices; i++)
		spec_bind_device(spec, in->devices[i].path, in->devices[i].path);
}

/* Where no tmpfs of ours is at /dev, devices have to be brought to their places one by one. */
static void spec_config_place_devices(struct spec *spec, const struct config_linux *in)
{
	int has_tmpfs = 0;

	spec->bare_dev = 1;
	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (!strcmp(spec->mounts[i].destination, "/dev")) {
			spec->bare_dev = 0;
			has_tmpfs |= !strcmp(spec->mounts[i].type, "tmpfs");
		}
	}
	if (has_tmpfs || (!spec->bare_dev && !in->n_devices))
		return;
	if (spec->no_nodes) {
		if (spec->bare_dev)
			spec_config_bind_devices(spec, in);
		return;
	}
	spec_add_mount(spec, "/dev", "tmpfs", "tmpfs", "mode=700");
	spec->mounts[spec->n_mounts - 1].is_store = 1;
}

static int spec_config_add_mounts(struct spec *spec, const struct config *config,
				  const char *bundle, struct err *err)
{
	_cleanup_free_ char *label = label_mount_option(&config->on_linux);

	for (size_t i = 0; i < config->n_mounts; i++) {
		const struct config_mount *mount = &config->mounts[i];

		if (spec_config_add_mount(spec, mount, bundle, label, err) < 0)
			return err_wrap(err, "mounts[%zu]", i);
		if (spec->no_nodes && !spec_config_is_bind(mount) &&
		    !strcmp(mount->destination, "/dev"))
			spec_config_bind_devices(spec, &config->on_linux);
	}
	spec_config_place_devices(spec, &config->on_linux);
	return 0;
}

/* config-linux.md, "Devices" */
static mode_t spec_config_device_type(const char *type)
{
	if (!strcmp(type, "c") || !strcmp(type, "u"))
		return S_IFCHR;
	if (!strcmp(type, "b"))
		return S_IFBLK;
	return strcmp(type, "p") ? 0 : S_IFIFO;
}

static int spec_config_add_device(struct spec *spec, const struct config_device *in,
				  struct err *err)
{
	mode_t type = spec_config_device_type(in->type);
	struct spec_device *device;

	if (!type)
		return err_set(err, -EINVAL, "type: '%.16s' is not c, b, u or p", in->type);
	if (in->path[0] != '/')
		return err_set(err, -EINVAL, "path: '%.200s' does not begin with /", in->path);
	if (spec_config_check_path(in->path, "path", err) < 0)
		return err->code;
	if (type != S_IFIFO &&
	    (in->major < 0 || in->minor < 0 || in->major > INT32_MAX || in->minor > INT32_MAX))
		return err_set(err, -ERANGE, "%s: that is no device number",
			       in->major < 0 || in->major > INT32_MAX ? "major" : "minor");
	if (in->uid >= IDMAP_NONE || in->gid >= IDMAP_NONE)
		return err_set(err, -ERANGE, "%s: that is no id",
			       in->uid >= IDMAP_NONE ? "uid" : "gid");
	spec->devices = mem_realloc(spec->devices, spec->n_devices + 1, sizeof(*spec->devices));
	device = &spec->devices[spec->n_devices++];
	*device = (struct spec_device){
		.path = mem_strdup(in->path),
		.mode = type | (in->has_mode ? (mode_t)in->mode & 07777 : 0666),
		.number = type == S_IFIFO
				  ? 0
				  : makedev((unsigned int)in->major, (unsigned int)in->minor),
		.uid = (uid_t)in->uid,
		.gid = (gid_t)in->gid,
		.access = "rwm",
	};
	return 0;
}

static int spec_config_add_devices(struct spec *spec, const struct config_linux *in,
				   struct err *err)
{
	for (size_t i = 0; i < in->n_devices && !spec->no_nodes; i++) {
		if (spec_config_add_device(spec, &in->devices[i], err) < 0)
			return err_wrap(err, "linux.devices[%zu]", i);
	}
	return 0;
}

/* "/a/b" and "a/b" are below the roots of the hierarchies alike. */
static int spec_config_set_cgroup(struct spec *spec, const struct config_linux *in, const char *id,
				  struct err *err)
{
	const char *path = in->cgroups_path && *in->cgroups_path ? in->cgroups_path : NULL;
	_cleanup_strv_ char **parts = strv_split(path ? path : "", "/");

	strv_for_each(part, parts) {
		if (!strcmp(*part, "..") || !strcmp(*part, "."))
			return err_set(err, -EINVAL,
				       "linux.cgroupsPath: '%.200s' leads somewhere else", path);
	}
	if (path && !parts)
		return err_set(err, -EINVAL, "linux.cgroupsPath: '%.200s' is the root", path);
	spec->cgroup_path = path ? strv_join(parts, "/") : mem_printf("brig-oci/%s", id);
	spec->cgroup_also = CGROUP_ALL;
	spec->resources = &in->resources;
	spec->limit_devices = 1;
	return resources_device_rules(&in->resources, &spec->device_rules, &spec->n_device_rules,
				      err);
}

static int spec_config_set_propagation(struct spec *spec, const char *word, struct err *err)
{
	char *words[] = { (char *)(uintptr_t)word, NULL };
	_cleanup_mount_options_ struct mount_options options = { 0 };

	if (!word || !*word)
		return 0;
	mount_options_parse(words, &options);
	spec->root_propagation =
		options.propagation_all ? options.propagation_all : options.propagation;
	if (spec->root_propagation)
		return 0;
	return err_set(err, -EINVAL,
		       "linux.rootfsPropagation: '%.64s' is not shared, slave, private or "
		       "unbindable, nor one of these with an r before it",
		       word);
}

/* config-linux.md, "Seccomp" */
static int spec_config_check_listener(const struct config_seccomp *in, int notifies,
				      struct err *err)
{
	int has_path = in->listener_path && *in->listener_path;

	if (in->listener_metadata && *in->listener_metadata && !has_path)
		return err_set(err, -EINVAL,
			       "linux.seccomp.listenerMetadata: there is no listenerPath");
	if (notifies && !has_path)
		return err_set(err, -EINVAL,
			       "linux.seccomp.listenerPath: there is none, but SCMP_ACT_NOTIFY "
			       "wants somebody who listens");
	return 0;
}

static int spec_config_set_filter(struct spec *spec, const struct config_linux *in, struct err *err)
{
	_cleanup_seccomp_config_ struct seccomp_config seccomp = { 0 };
	int r;

	if (!in->has_seccomp)
		return 0;
	r = seccomp_config_compile(&in->seccomp, &seccomp, err);
	if (r == 0)
		r = spec_config_check_listener(&in->seccomp, seccomp.notifies, err);
	if (r < 0)
		return r;
	spec->filter = seccomp.filter;
	seccomp.filter = (struct filter){ 0 };
	spec->filter_flags = seccomp.flags;
	spec->notifies = seccomp.notifies;
	/* it is about who listens, and the kernel refuses it if nobody does */
	if (!spec->notifies)
		spec->filter_flags &= ~(unsigned int)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	return 0;
}

/* time_namespaces(7) */
static int spec_config_set_clocks(struct spec *spec, const struct config_linux *in, struct err *err)
{
	if (!in->has_monotonic && !in->has_boottime)
		return 0;
	if (!(spec->namespaces & CLONE_NEWTIME))
		return err_set(err, -EINVAL,
			       "linux.timeOffsets: wants a time namespace in linux.namespaces");
	if (in->monotonic.nanoseconds >= 1000000000 || in->boottime.nanoseconds >= 1000000000)
		return err_set(err, -ERANGE,
			       "linux.timeOffsets: nanosecs is less than a second's 10^9");
	spec->monotonic = in->monotonic;
	spec->boottime = in->boottime;
	return 0;
}

static int spec_config_set_net_devices(struct spec *spec, const struct config_linux *in,
				       struct err *err)
{
	if (in->n_net_devices && !(spec_namespaces(spec) & CLONE_NEWNET))
		return err_set(err, -EINVAL,
			       "linux.netDevices: wants a network namespace in linux.namespaces");
	spec->net_devices = in->net_devices;
	spec->n_net_devices = in->n_net_devices;
	return net_devices_check(in->net_devices, in->n_net_devices, err);
}

static int spec_config_set_linux(struct spec *spec, const struct config *config, const char *id,
				 const char *bundle, struct err *err)
{
	const struct config_linux *in = &config->on_linux;
	int r = spec_config_set_namespaces(spec, in, err);

	if (r == 0)
		r = spec_config_set_ids(spec, in, err);
	if (r == 0)
		r = spec_config_set_name(config->hostname, "hostname", spec, &spec->hostname, err);
	if (r == 0)
		r = spec_config_set_name(config->domainname, "domainname", spec, &spec->domainname,
					 err);
	if (r == 0)
		r = spec_config_set_clocks(spec, in, err);
	if (r == 0)
		r = spec_config_set_net_devices(spec, in, err);
	if (r == 0)
		r = spec_config_set_cgroup(spec, in, id, err);
	if (r == 0)
		r = spec_config_add_mounts(spec, config, bundle, err);
	if (r == 0)
		r = spec_config_add_devices(spec, in, err);
	if (r == 0)
		r = spec_config_set_propagation(spec, in->rootfs_propagation, err);
	if (r == 0)
		r = spec_config_set_filter(spec, in, err);
	if (r == 0)
		r = tuning_of_config(&config->process, in, &spec->tuning, err);
	if (r == 0 && in->has_intel_rdt)
		r = rdt_check(&in->intel_rdt, err);
	if (r == 0)
		r = label_check(&config->process, in, err);
	if (r == 0)
		r = sysctl_check(in->sysctl, in->n_sysctl, spec_namespaces(spec), err);
	spec->sysctl = in->sysctl;
	spec->n_sysctl = in->n_sysctl;
	spec->masked_paths = strv_dup(in->masked_paths);
	spec->readonly_paths = strv_dup(in->readonly_paths);
	return r;
}

static int spec_config_has_hooks(const struct config *config)
{
	size_t n = 0;

	for (int i = 0; i < CONFIG_HOOK_TIMES; i++)
		n += config->hooks[i].n;
	return n > 0;
}

void spec_set_hooks(struct spec *spec, const struct config *config, const char *id,
		    const char *bundle)
{
	const struct config_seccomp *seccomp = &config->on_linux.seccomp;

	spec->hooks = (struct spec_hooks){
		.times = spec_config_has_hooks(config) ? config->hooks : NULL,
		.version = config->version,
		.id = id,
		.bundle = bundle,
		.annotations = config->annotations,
		.n_annotations = config->n_annotations,
	};
	if (config->on_linux.has_seccomp && seccomp_config_notifies(seccomp))
		spec->listener = (struct spec_listener){ .path = seccomp->listener_path,
							 .metadata = seccomp->listener_metadata };
}

int spec_of_config(const struct config *config, const char *id, const char *bundle, int rootless,
		   struct spec *ret, struct err *err)
{
	int r = 0;

	*ret = (struct spec){
		.inherit_stdio = 1,
		.gated = 1,
		.unprivileged = geteuid() != 0,
		.no_nodes = rootless,
		.cgroup_optional = rootless,
	};
	if (!config->has_process)
		r = err_set(err, -EINVAL, "process: there is none");
	if (r == 0)
		r = spec_config_set_root(ret, config, bundle, err);
	if (r == 0)
		r = spec_set_process(ret, &config->process, err);
	if (r == 0)
		r = spec_config_set_linux(ret, config, id, bundle, err);
	if (r < 0)
		return r;
	spec_set_hooks(ret, config, id, bundle);
	return hooks_check(config->hooks, err);
}
