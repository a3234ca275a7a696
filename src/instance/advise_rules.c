// SPDX-License-Identifier: GPL-2.0-or-later
/* The rules of `brig advise`: a row each, and nothing of it anywhere else. docs/choose.md defends them. */
#include "base/mem.h"
#include "base/strv.h"
#include "instance/advise.h"
#include "proto/nic.h"

#include <stdio.h>
#include <string.h>

static int advise_say(char detail[ADVISE_DETAIL_MAX], const char *what)
{
	snprintf(detail, ADVISE_DETAIL_MAX, "%s", what);
	return 1;
}

static int advise_needs(const struct advise_facts *facts, const struct advise_rule *rule,
			char detail[ADVISE_DETAIL_MAX])
{
	return strv_has(facts->needs, rule->arg) && advise_say(detail, rule->arg);
}

static int advise_has_file(const struct advise_facts *facts, const struct advise_rule *rule,
			   char detail[ADVISE_DETAIL_MAX])
{
	_cleanup_strv_ char **paths = strv_split(rule->arg, " ");

	strv_for_each(path, paths) {
		if (!facts->has(facts->ctx, *path))
			continue;
		snprintf(detail, ADVISE_DETAIL_MAX, "/%s", *path);
		return 1;
	}
	return 0;
}

/* The kind that the rule does not speak for. */
static int advise_policy_forbids(const struct advise_facts *facts, const struct advise_rule *rule,
				 char detail[ADVISE_DETAIL_MAX])
{
	int other = rule->verdict == ADVISE_VM ? INSTANCE_CONTAINER : INSTANCE_VM;

	if (policy_allows(facts->policy, other))
		return 0;
	snprintf(detail, ADVISE_DETAIL_MAX, "line %u", facts->policy->line);
	return 1;
}

static int advise_is_privileged(const struct advise_facts *facts,
				const struct advise_rule *rule _unused_,
				char detail[ADVISE_DETAIL_MAX])
{
	return facts->record->privileged && advise_say(detail, "--privileged");
}

/* Those with which the host's own kernel is changed, or what is not the container's is reached. */
static int advise_has_power(const struct advise_facts *facts, const struct advise_rule *rule,
			    char detail[ADVISE_DETAIL_MAX])
{
	_cleanup_strv_ char **powers = strv_split(rule->arg, " ");

	strv_for_each(power, powers) {
		if (!strv_has(facts->record->cap_add, *power))
			continue;
		snprintf(detail, ADVISE_DETAIL_MAX, "--cap-add %s", *power);
		return 1;
	}
	return 0;
}

static int advise_has_devices(const struct advise_facts *facts,
			      const struct advise_rule *rule _unused_,
			      char detail[ADVISE_DETAIL_MAX])
{
	return facts->record->devices && advise_say(detail, *facts->record->devices);
}

static int advise_nests(const struct advise_facts *facts, const struct advise_rule *rule _unused_,
			char detail[ADVISE_DETAIL_MAX])
{
	return facts->record->nesting && advise_say(detail, "--nesting");
}

static int advise_has_hardware(const struct advise_facts *facts,
			       const struct advise_rule *rule _unused_,
			       char detail[ADVISE_DETAIL_MAX])
{
	const struct instance *record = facts->record;

	if (record->kernel || record->kernel_args)
		return advise_say(detail, record->kernel ? "--kernel" : "--kernel-args");
	if (record->drives)
		return advise_say(detail, *record->drives);
	return (record->gdb || record->huge_pages) &&
	       advise_say(detail, record->gdb ? "--gdb" : "--hugepages");
}

static int advise_shares_network(const struct advise_facts *facts,
				 const struct advise_rule *rule _unused_,
				 char detail[ADVISE_DETAIL_MAX])
{
	return nic_is_shared(facts->record->networks) &&
	       advise_say(detail, *facts->record->networks);
}

static int advise_shows_folders(const struct advise_facts *facts,
				const struct advise_rule *rule _unused_,
				char detail[ADVISE_DETAIL_MAX])
{
	strv_for_each(volume, facts->record->volumes) {
		if (**volume == '/')
			return advise_say(detail, *volume);
	}
	return 0;
}

static int advise_is_tiny(const struct advise_facts *facts, const struct advise_rule *rule _unused_,
			  char detail[ADVISE_DETAIL_MAX])
{
	int64_t memory = facts->record->memory;

	if (!memory || memory >= INSTANCE_VM_MEMORY_MIN)
		return 0;
	snprintf(detail, ADVISE_DETAIL_MAX, "%jd MiB", (intmax_t)(memory >> 20));
	return 1;
}

static int advise_is_system(const struct advise_facts *facts,
			    const struct advise_rule *rule _unused_, char detail[ADVISE_DETAIL_MAX])
{
	return facts->record->system && advise_say(detail, "its own init");
}

static int advise_has_engine(const struct advise_facts *facts, const struct advise_rule *rule,
			     char detail[ADVISE_DETAIL_MAX])
{
	return !strcmp(facts->vm_engine, rule->arg) && advise_say(detail, rule->arg);
}

#define NEED(text)  "need", .fires = advise_needs, .arg = (text)
#define FILES(text) "image", .fires = advise_has_file, .arg = (text)
#define SETTING(fn) "settings", .fires = (fn)
#define INCUS	    "Incus documentation: Instances"
#define PROXMOX	    "Proxmox VE documentation: pct(1)"
#define GVISOR	    "gVisor documentation: Performance Guide"
#define KATA	    "Kata Containers documentation: Limitations"

/* The verdict is for a container, or for a VM, with that weight. */
#define RULE(id_, verdict_, weight_, looks_at_, ...)                                   \
	{                                                                              \
		.id = (id_), .verdict = ADVISE_##verdict_, .weight = ADVISE_##weight_, \
		.looks_at = looks_at_, __VA_ARGS__                                     \
	}

/* clang-format off */
const struct advise_rule advise_rules[] = {
	RULE("untrusted", VM, MUST, NEED("trust=no"),
	     .reason = "Code or people that nobody vouches for: a fault in the host's kernel, which a container "
		       "shares, is the whole host; a VM has a kernel of its own to break first.",
	     .source = PROXMOX),
	RULE("trusted", CONTAINER, STRONG, NEED("trust=yes"),
	     .reason = "What is trusted and runs on the host's kernel has the smaller size and the speed of a "
		       "container.",
	     .source = INCUS),
	RULE("tenants", VM, MUST, NEED("tenants=yes"),
	     .reason = "Several tenants on one host are kept apart by more than one kernel.",
	     .source = "Firecracker: design document"),
	RULE("regulated", VM, MUST, NEED("regulated=yes"),
	     .reason = "Audits that ask for isolated systems know the border of a VM.",
	     .source = "practice with PCI DSS and HIPAA"),
	RULE("own-kernel", VM, MUST, NEED("kernel=own"),
	     .reason = "Whatever wants another kernel than the host's has to bring it, in a VM.",
	     .source = INCUS),
	RULE("modules", VM, MUST, NEED("modules=yes"),
	     .reason = "A container loads no kernel modules; a VM loads its own.",
	     .source = INCUS),
	RULE("sysctl", VM, STRONG, NEED("sysctl=host"),
	     .reason = "Settings of the kernel that no namespace has are the host's; in a VM they are its own.",
	     .source = INCUS),
	RULE("pci", VM, MUST, NEED("devices=pci"),
	     .reason = "A whole PCI device is given to a VM; a container has no driver of its own for it.",
	     .source = INCUS),
	RULE("migrate", VM, MUST, NEED("migrate=yes"),
	     .reason = "To move while it runs is known to work for VMs; containers are stopped for it.",
	     .source = PROXMOX),
	RULE("density", CONTAINER, STRONG, NEED("density=many"),
	     .reason = "Many small ones that idle share the host's kernel and page cache; each VM has its own.",
	     .source = "gVisor documentation: What is gVisor?"),
	RULE("many-files", CONTAINER, HINT, NEED("files=many"),
	     .reason = "Work on many small files has no way through a second kernel and a virtual disk.",
	     .source = GVISOR),
	RULE("short-lived", CONTAINER, HINT, NEED("runs=short"),
	     .reason = "What runs for a second does not wait for a kernel to boot.",
	     .source = "Red Hat: Containers vs VMs"),

	RULE("privileged", VM, MUST, SETTING(advise_is_privileged),
	     .reason = "A privileged container is root on the host in all but name; in a VM the same rights end at "
		       "its own kernel.",
	     .source = PROXMOX),
	RULE("capabilities", VM, STRONG, SETTING(advise_has_power),
	     .arg = "ALL SYS_ADMIN SYS_MODULE SYS_RAWIO SYS_BOOT SYS_TIME SYS_PTRACE MAC_ADMIN BPF PERFMON",
	     .reason = "With this capability it acts on the host's kernel; a VM has it over its own alone.",
	     .source = "capabilities(7)"),
	RULE("nesting", VM, STRONG, SETTING(advise_nests),
	     .reason = "Containers inside a container need what engines and LSMs break now and then; in a VM they "
		       "run as on a host.",
	     .source = PROXMOX),
	RULE("hardware", VM, CANNOT, SETTING(advise_has_hardware),
	     .reason = "Only a VM has a kernel and hardware of its own.",
	     .source = "brig(1)"),
	RULE("host-devices", CONTAINER, CANNOT, SETTING(advise_has_devices),
	     .reason = "A device node of the host's is shown to containers alone.",
	     .source = "brig(1)"),
	RULE("host-network", CONTAINER, CANNOT, SETTING(advise_shares_network),
	     .reason = "The network of the host, or of another container, is a namespace, which a VM cannot enter.",
	     .source = KATA),
	RULE("host-folders", CONTAINER, HINT, SETTING(advise_shows_folders),
	     .reason = "A folder of the host's is the same files in a container, and goes through a server to a VM.",
	     .source = KATA),
	RULE("tiny", CONTAINER, CANNOT, SETTING(advise_is_tiny),
	     .reason = "A stock kernel does not come up in so little memory.",
	     .source = "brig(1)"),
	RULE("system", EITHER, NOTE, SETTING(advise_is_system),
	     .reason = "A whole system with its init runs in both kinds.",
	     .source = INCUS),

	RULE("engine-inside", VM, STRONG,
	     FILES("usr/bin/dockerd usr/sbin/dockerd usr/bin/containerd usr/bin/podman usr/bin/crio usr/bin/kubelet "
		   "usr/local/bin/k3s usr/bin/k3s usr/sbin/libvirtd usr/bin/lxc-start"),
	     .reason = "It brings an engine for containers or VMs, which runs in a VM as on a host.",
	     .source = PROXMOX),
	RULE("others-code", VM, STRONG,
	     FILES("usr/bin/gitlab-runner usr/local/bin/gitlab-runner usr/local/bin/act_runner "
		   "usr/bin/buildbot-worker usr/sbin/sbuild usr/bin/sbuild"),
	     .reason = "A build or CI machine runs what others have written, often as root.",
	     .source = PROXMOX),
	RULE("kernel-inside", VM, STRONG, FILES("vmlinuz boot/vmlinuz usr/lib/modules lib/modules usr/sbin/dkms"),
	     .reason = "It brings a kernel or modules, which only a VM uses.",
	     .source = INCUS),
	RULE("kernel-service", VM, STRONG,
	     FILES("usr/sbin/rpc.nfsd usr/sbin/zpool usr/bin/targetcli usr/sbin/ipvsadm usr/sbin/drbdadm "
		   "usr/sbin/multipathd"),
	     .reason = "What it is for is done by a kernel, and the host's would have to do it.",
	     .source = INCUS),
	RULE("tunnel", VM, HINT,
	     FILES("usr/bin/wg usr/sbin/ipsec usr/sbin/xl2tpd usr/sbin/pppd usr/sbin/openvpn"),
	     .reason = "A tunnel needs modules or devices that a container gets only if the host has them ready.",
	     .source = INCUS),
	RULE("database", CONTAINER, HINT,
	     FILES("usr/lib/postgresql usr/sbin/mariadbd usr/sbin/mysqld usr/bin/redis-server usr/bin/mongod"),
	     .reason = "A database that is trusted already gains little from a second kernel, and pays for it at "
		       "each write.",
	     .source = GVISOR),

	RULE("policy-container", CONTAINER, CANNOT, "policy", .fires = advise_policy_forbids,
	     .reason = "The administrator of this host lets it be no VM.", .source = POLICY_FILE),
	RULE("policy-vm", VM, CANNOT, "policy", .fires = advise_policy_forbids,
	     .reason = "The administrator of this host lets it be no container.", .source = POLICY_FILE),
	RULE("no-vms-here", CONTAINER, CANNOT, "host", .fires = advise_has_engine, .arg = "none",
	     .reason = "VMs cannot run on this host; 'brig doctor' says what is missing.",
	     .source = "brig-doctor"),
	RULE("emulated", CONTAINER, STRONG, "host", .fires = advise_has_engine, .arg = "qemu",
	     .reason = "Without KVM, VMs are emulated here, many times slower.",
	     .source = "QEMU documentation: Translator Internals"),
	{ .id = NULL },
};
/* clang-format on */
