// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/spec.h"
#include "base/mem.h"
#include "base/strv.h"
#include "container/seccomp_profile.h"

#include <sched.h>
#include <string.h>

static void spec_mount_release(struct spec_mount *mount)
{
	free(mount->destination);
	free(mount->type);
	free(mount->source);
	strv_free(mount->options);
	idmap_release(&mount->ids);
}

void spec_drop_mounts(struct spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		spec_mount_release(&spec->mounts[i]);
	spec->n_mounts = 0;
}

void spec_release(struct spec *spec)
{
	spec_drop_mounts(spec);
	for (size_t i = 0; i < spec->n_devices; i++) {
		free(spec->devices[i].source);
		free(spec->devices[i].path);
	}
	for (size_t i = 0; i < spec->n_joins; i++)
		free(spec->joins[i].path);
	free(spec->joins);
	filter_release(&spec->filter);
	strv_free(spec->process.env);
	idmap_release(&spec->idmap);
	free(spec->mounts);
	free(spec->devices);
	free(spec->rlimits);
	strv_free(spec->masked_paths);
	strv_free(spec->readonly_paths);
	free(spec->device_rules);
	free(spec->root_folder);
	free(spec->groups);
	free(spec->hostname);
	free(spec->domainname);
	free(spec->cgroup_path);
	*spec = (struct spec){ 0 };
}

uint64_t spec_namespaces(const struct spec *spec)
{
	uint64_t all = spec->namespaces;

	for (size_t i = 0; i < spec->n_joins; i++)
		all |= spec->joins[i].type;
	return all;
}

int spec_has_userns(const struct spec *spec)
{
	return (spec_namespaces(spec) & CLONE_NEWUSER) != 0;
}

int spec_needs_proc(const struct spec *spec)
{
	const struct config_process *labels = spec->labels;

	return spec->tuning.has_oom_score_adj || spec->n_sysctl ||
	       (labels && labels->apparmor_profile && *labels->apparmor_profile) ||
	       (labels && labels->selinux_label && *labels->selinux_label);
}

/* By its name or number in the root; where it is but one of the few ids that a user has. */
static int spec_identify_user(const struct spec *spec, struct process_identity *ret,
			      struct err *err)
{
	int r = process_identify(spec->process.user, ret, err);

	if (r < 0 || !spec->unprivileged)
		return r;
	if (idmap_uid(&spec->idmap, ret->uid) == IDMAP_NONE ||
	    idmap_gid(&spec->idmap, ret->gid) == IDMAP_NONE)
		return err_set(
			err, -EINVAL,
			"user %u, group %u: there are no such ids here; give user %u a range "
			"in /etc/subuid and /etc/subgid, and install uidmap",
			ret->uid, ret->gid, idmap_uid(&spec->idmap, 0));
	ret->keep_groups = 1;
	if (idmap_is_single(&spec->idmap))
		ret->n_groups = 0;
	return 0;
}

int spec_identify(const struct spec *spec, struct process_identity *ret, struct err *err)
{
	if (!spec->has_identity)
		return spec_identify_user(spec, ret, err);
	*ret = spec->identity;
	ret->keep_groups = spec->unprivileged;
	/* the root only knows where that user is at home, if it can be read at all */
	if (!strv_env_get(spec->process.env, "HOME"))
		process_find_home(ret);
	return 0;
}

void spec_set_caps(struct spec *spec, uint64_t caps)
{
	spec->bounding = caps;
	spec->caps = (struct caps_sets){ .effective = caps, .permitted = caps };
	spec->caps_of_root = 1;
}

int spec_apply_rlimits(const struct spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->n_rlimits; i++) {
		int r = rlimit_apply(&spec->rlimits[i], err);

		if (r < 0 && spec->has_identity)
			return err_wrap(err, "process.rlimits[%zu]", i);
		if (r < 0)
			return r;
	}
	return 0;
}

void spec_raise_rlimits(const struct spec *spec)
{
	for (size_t i = 0; i < spec->n_rlimits; i++)
		rlimit_raise(&spec->rlimits[i]);
}

uint64_t spec_profile(const struct spec *spec)
{
	uint64_t caps = spec->bounding & ~SECCOMP_PROFILE_NESTING;

	return caps | (spec->nesting ? SECCOMP_PROFILE_NESTING : 0);
}

void spec_privilege(const struct spec *spec, const struct filter *filter, int death_signal,
		    struct privilege *ret)
{
	*ret = (struct privilege){
		.bounding = spec->bounding,
		.caps = spec->caps,
		.caps_of_root = spec->caps_of_root,
		.no_new_privs = spec->no_new_privs,
		.keep_keyring = spec->keep_keyring,
		.filter = filter,
		.filter_flags = filter == &spec->filter ? spec->filter_flags : 0,
		.listener_to = -EBADF,
		.death_signal = death_signal,
	};
}

void spec_add_join(struct spec *spec, uint64_t type, const char *path)
{
	spec->joins = mem_realloc(spec->joins, spec->n_joins + 1, sizeof(*spec->joins));
	spec->joins[spec->n_joins++] = (struct spec_join){ .type = type, .path = mem_strdup(path) };
}

void spec_bind_device(struct spec *spec, const char *source, const char *path)
{
	spec_add_mount(spec, path, "bind", source, "bind,nosuid,noexec");
	spec->mounts[spec->n_mounts - 1].if_source = 1;
}

void spec_bind_standard_devices(struct spec *spec)
{
	static const char *const standard[] = { "/dev/null",   "/dev/zero",    "/dev/full",
						"/dev/random", "/dev/urandom", "/dev/tty" };

	for (size_t i = 0; i < ARRAY_SIZE(standard); i++)
		spec_bind_device(spec, standard[i], standard[i]);
}

void spec_add_mount(struct spec *spec, const char *destination, const char *type,
		    const char *source, const char *options)
{
	spec->mounts = mem_realloc(spec->mounts, spec->n_mounts + 1, sizeof(*spec->mounts));
	spec->mounts[spec->n_mounts++] = (struct spec_mount){
		.destination = mem_strdup(destination),
		.type = mem_strdup(type),
		.source = mem_strdup(source),
		.options = strv_split(options, ","),
	};
}
