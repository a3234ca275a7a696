// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What this runtime can do, as the Open Container Initiative's features.md and features-linux.md (1.3) have it:
 * of the code, whatever this host has of it, but for capabilities and seccomp's supportedFlags, which are
 * the kernel's too.
 */
#include "base/json.h"
#include "base/mem.h"
#include "base/privilege.h"
#include "container/mount_options.h"
#include "container/seccomp_config.h"
#include "oci/verb.h"
#include "sys/caps.h"

#include <string.h>

/* What the engine does by now. */
static const struct features_have {
	int hooks;
	int cgroup_v1, cgroup_v2, cgroup_systemd, cgroup_systemd_user, cgroup_rdma;
	int seccomp, apparmor, selinux;
	int intel_rdt, intel_rdt_schemata, intel_rdt_monitoring;
	int memory_policy, mount_idmap, net_devices, checkpoint;
} features_have = {
	.hooks = 1,
	.cgroup_v1 = 1,
	.cgroup_v2 = 1,
	.cgroup_systemd = 1,
	.cgroup_systemd_user = 1,
	.cgroup_rdma = 1,
	.seccomp = 1,
	.apparmor = 1,
	.selinux = 1,
	.intel_rdt = 1,
	.intel_rdt_schemata = 1,
	.intel_rdt_monitoring = 1,
	.memory_policy = 1,
	.mount_idmap = 1,
	.net_devices = 1,
	.checkpoint = 1,
};

static const char *const features_hooks[] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
	NULL,
};

static const char *const features_namespaces[] = {
	"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts", NULL,
};

/* linux.memoryPolicy: config-linux.md, "Memory policy" */
static const char *const features_policy_modes[] = {
	"MPOL_DEFAULT",	  "MPOL_BIND",		 "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE",
	"MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_LOCAL",	    NULL,
};
static const char *const features_policy_flags[] = {
	"MPOL_F_NUMA_BALANCING",
	"MPOL_F_RELATIVE_NODES",
	"MPOL_F_STATIC_NODES",
	NULL,
};

static void features_add_bool(struct json *object, const char *key, int value)
{
	json_object_add(object, key, json_new_bool(value));
}

static void features_add_names(struct json *object, const char *key, const char *const *names)
{
	struct json *array = json_new_array();

	for (; *names; names++)
		json_array_add(array, json_new_string(*names));
	json_object_add(object, key, array);
}

static struct json *features_new_enabled(int value)
{
	struct json *object = json_new_object();

	features_add_bool(object, "enabled", value);
	return object;
}

static struct json *features_mount_options(void)
{
	struct json *names = json_new_array();
	const char *name;

	for (unsigned int i = 0; (name = mount_options_name(i)); i++)
		json_array_add(names, json_new_string(name));
	return names;
}

static struct json *features_capabilities(void)
{
	struct json *names = json_new_array();
	uint64_t known = caps_known();
	const char *name;

	for (unsigned int i = 0; (name = privilege_capability_name(i)); i++) {
		_cleanup_free_ char *whole = mem_printf("CAP_%s", name);

		if (known & CAPS_BIT(i))
			json_array_add(names, json_new_string(whole));
	}
	return names;
}

static struct json *features_cgroup(void)
{
	struct json *cgroup = json_new_object();

	features_add_bool(cgroup, "v1", features_have.cgroup_v1);
	features_add_bool(cgroup, "v2", features_have.cgroup_v2);
	features_add_bool(cgroup, "systemd", features_have.cgroup_systemd);
	features_add_bool(cgroup, "systemdUser", features_have.cgroup_systemd_user);
	features_add_bool(cgroup, "rdma", features_have.cgroup_rdma);
	return cgroup;
}

static struct json *features_supported_flags(void)
{
	struct json *names = json_new_array();

	for (const char *const *flag = seccomp_config_flags; *flag; flag++) {
		if (seccomp_config_has_flag(*flag))
			json_array_add(names, json_new_string(*flag));
	}
	return names;
}

static struct json *features_seccomp(void)
{
	struct json *seccomp = features_new_enabled(features_have.seccomp);

	if (!features_have.seccomp)
		return seccomp;
	features_add_names(seccomp, "actions", seccomp_config_actions);
	features_add_names(seccomp, "operators", seccomp_config_operators);
	features_add_names(seccomp, "archs", seccomp_config_archs);
	features_add_names(seccomp, "knownFlags", seccomp_config_flags);
	json_object_add(seccomp, "supportedFlags", features_supported_flags());
	return seccomp;
}

static struct json *features_intel_rdt(void)
{
	struct json *rdt = features_new_enabled(features_have.intel_rdt);

	features_add_bool(rdt, "schemata", features_have.intel_rdt_schemata);
	features_add_bool(rdt, "monitoring", features_have.intel_rdt_monitoring);
	return rdt;
}

static struct json *features_memory_policy(void)
{
	static const char *const none[] = { NULL };
	struct json *policy = json_new_object();
	int have = features_have.memory_policy;

	features_add_names(policy, "modes", have ? features_policy_modes : none);
	features_add_names(policy, "flags", have ? features_policy_flags : none);
	return policy;
}

static struct json *features_linux(void)
{
	struct json *all = json_new_object(), *mounts = json_new_object();

	features_add_names(all, "namespaces", features_namespaces);
	json_object_add(all, "capabilities", features_capabilities());
	json_object_add(all, "cgroup", features_cgroup());
	json_object_add(all, "seccomp", features_seccomp());
	json_object_add(all, "apparmor", features_new_enabled(features_have.apparmor));
	json_object_add(all, "selinux", features_new_enabled(features_have.selinux));
	json_object_add(all, "intelRdt", features_intel_rdt());
	json_object_add(all, "memoryPolicy", features_memory_policy());
	json_object_add(mounts, "idmap", features_new_enabled(features_have.mount_idmap));
	json_object_add(all, "mountExtensions", mounts);
	json_object_add(all, "netDevices", features_new_enabled(features_have.net_devices));
	return all;
}

static struct json *features_annotations(void)
{
	struct json *annotations = json_new_object();

	json_object_add(annotations, "brig.version", json_new_string(BRIG_VERSION));
	/* the one that runc and crun have for it, so that there is one to look for */
	json_object_add(annotations, "org.opencontainers.runc.checkpoint.enabled",
			json_new_string(features_have.checkpoint ? "true" : "false"));
	return annotations;
}

static struct json *features_all(void)
{
	static const char *const none[] = { NULL };
	struct json *all = json_new_object();

	json_object_add(all, "ociVersionMin", json_new_string("1.0.0"));
	json_object_add(all, "ociVersionMax", json_new_string(OCI_VERSION));
	features_add_names(all, "hooks", features_have.hooks ? features_hooks : none);
	json_object_add(all, "mountOptions", features_mount_options());
	json_object_add(all, "linux", features_linux());
	json_object_add(all, "annotations", features_annotations());
	/* no annotation makes us trust the container more */
	features_add_names(all, "potentiallyUnsafeConfigAnnotations", none);
	return all;
}

static int features_run(const struct oci_context *oci _unused_, const void *values _unused_,
			char **args _unused_, struct err *err _unused_)
{
	_cleanup_json_ struct json *features = features_all();
	_cleanup_free_ char *text = json_text(features, 1);

	fputs(text, stdout);
	return 0;
}

const struct verb oci_features_verbs[] = {
	{ .name = "features",
	  .group = "About the runtime",
	  .args = "",
	  .summary = "Show what this runtime can do, as JSON",
	  .description = "The document is the Open Container Initiative's \"features\": versions, "
			 "hooks, mount options, namespaces, capabilities, and what of cgroups, "
			 "seccomp and the like is supported.",
	  .run_oci = features_run },
	{ .name = NULL },
};
