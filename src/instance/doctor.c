// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/doctor.h"
#include "base/mem.h"
#include "instance/doctor_net.h"
#include "instance/doctor_try.h"
#include "instance/doctor_user.h"
#include "instance/policy.h"
#include "sys/part.h"

#include <stdarg.h>
#include <stdio.h>

const char *const doctor_status_names[] = { "ok", "warn", "fail", NULL };

static const struct doctor_check doctor_checks[] = {
	{ "root", "privilege", 0, DOCTOR_OF_ALL, doctor_try_root,
	  .cost = "--privileged, networks of one's own and limits on every host take root",
	  .fix = "run brig as root, with sudo" },
	{ "kvm", "KVM", 0, DOCTOR_OF_ALL, doctor_try_kvm,
	  .cost = "VMs are emulated by QEMU, which makes them ten times slower or more",
	  .fix = "load the module kvm_intel or kvm_amd; switch virtualization on in the firmware, "
		 "or nested virtualization in the hypervisor of this machine" },
	{ "kvm-guest", "KVM runs stock kernels", 0, DOCTOR_OF_ALL, doctor_try_kvm_guest,
	  .cost = "VMs are emulated by QEMU, which makes them ten times slower or more",
	  .fix = "none on this host: its KVM runs only kernels made for it; use a host with "
		 "hardware virtualization, or nested virtualization" },
	{ "user-namespaces", "user namespaces", DOCTOR_CONTAINER, DOCTOR_OF_ALL,
	  doctor_try_namespaces, "user",
	  .cost = "containers cannot run: root inside would be root outside",
	  .fix = "a kernel with CONFIG_USER_NS, and sysctl user.max_user_namespaces=15000; for "
		 "users also "
		 "kernel.unprivileged_userns_clone=1 and "
		 "kernel.apparmor_restrict_unprivileged_userns=0, where they are" },
	{ "user-ids", "a user's ids", 0, DOCTOR_OF_USERS, doctor_user_ids,
	  .cost = "a container has but one user: root, who is you",
	  .fix = "apt install uidmap, and a line USER:FIRST:65536 in /etc/subuid and /etc/subgid: "
		 "usermod --add-subuids 200000-265535 --add-subgids 200000-265535 USER" },
	{ "user-overlayfs", "overlayfs for users", DOCTOR_CONTAINER, DOCTOR_OF_USERS,
	  doctor_user_overlayfs, .cost = "containers cannot have a root file system",
	  .fix = "Linux 5.11 or later, and a disk that takes user.* attributes (--root)" },
	{ "user-cgroups", "delegated control groups", 0, DOCTOR_OF_USERS, doctor_user_cgroups,
	  .cost = "-m, --cpus, --pids-limit, pause and whole systems are refused",
	  .fix = "cgroup version 2, and a login with systemd (ssh, or machinectl shell USER@; not "
		 "su)" },
	{ "user-network", "a user's network", 0, DOCTOR_OF_USERS, doctor_user_network,
	  .cost = "your instances have no network unless it is the host's own",
	  .fix = "apt install passt; for containers also modprobe tun, and chmod 666 "
		 "/dev/net/tun; and a default route" },
	{ "namespaces", "other namespaces", DOCTOR_BOTH, DOCTOR_OF_ALL, doctor_try_namespaces,
	  "mnt pid net ipc uts cgroup", .cost = "nothing can be kept apart",
	  .fix = "a kernel with CONFIG_NAMESPACES; in a container, let it make namespaces" },
	{ "cgroups", "control groups", DOCTOR_BOTH, DOCTOR_OF_ROOT, doctor_try_cgroups,
	  .cost = "nothing can be limited, measured, paused or cleaned up",
	  .fix = "mount -t cgroup2 cgroup2 /sys/fs/cgroup" },
	{ "cgroup-memory", "memory limits", 0, DOCTOR_OF_ROOT, doctor_try_controller, "memory",
	  .cost = "-m is refused for containers",
	  .fix = "boot with cgroup_enable=memory, or delegate the controller to this machine" },
	{ "cgroup-cpu", "CPU limits", 0, DOCTOR_OF_ROOT, doctor_try_controller, "cpu",
	  .cost = "--cpus is refused for containers and for parts of a CPU",
	  .fix = "a kernel with CONFIG_CFS_BANDWIDTH, or delegate the controller to this machine" },
	{ "cgroup-pids", "process limits", 0, DOCTOR_OF_ROOT, doctor_try_controller, "pids",
	  .cost = "--pids-limit is refused for containers",
	  .fix = "a kernel with CONFIG_CGROUP_PIDS, or delegate the controller to this machine" },
	{ "overlayfs", "overlayfs", DOCTOR_CONTAINER, DOCTOR_OF_ROOT, doctor_try_filesystem,
	  "overlay", .cost = "containers cannot have a root file system",
	  .fix = "modprobe overlay, or a kernel with CONFIG_OVERLAY_FS" },
	{ "erofs", "erofs", DOCTOR_CONTAINER, DOCTOR_OF_ROOT, doctor_try_filesystem, "erofs",
	  .cost = "containers cannot read their layers",
	  .fix = "modprobe erofs, or a kernel with CONFIG_EROFS_FS" },
	{ "layers", "mounting layers", DOCTOR_CONTAINER, DOCTOR_OF_ROOT, doctor_try_layers,
	  .cost = "containers cannot read their layers",
	  .fix = "Linux 6.12 or later mounts them by file; older ones need modprobe loop" },
	{ "idmapped-mounts", "idmapped mounts", DOCTOR_CONTAINER, DOCTOR_OF_ROOT, doctor_try_idmap,
	  .cost = "files in a container would belong to nobody", .fix = "Linux 5.19 or later" },
	{ "seccomp", "seccomp filters", DOCTOR_CONTAINER, DOCTOR_OF_ALL, doctor_try_seccomp,
	  .cost = "system calls of containers cannot be filtered",
	  .fix = "a kernel with CONFIG_SECCOMP_FILTER" },
	{ "subuid", "ids for containers", 0, DOCTOR_OF_ROOT, doctor_try_subuid,
	  .cost = "the ids may be somebody else's",
	  .fix = "add a line brig:FIRST:65536 to /etc/subuid and /etc/subgid" },
	{ "qemu", "QEMU", DOCTOR_VM, DOCTOR_OF_ALL, doctor_try_qemu,
	  .cost = "VMs cannot run where KVM does not run stock kernels, or with --engine qemu",
	  .fix = "apt install qemu-system-x86" },
	{ "kernel", "kernel for VMs", DOCTOR_VM, DOCTOR_OF_ALL, doctor_try_kernel,
	  .cost = "VMs have nothing to boot", .fix = "brig kernel add debian" },
	{ "lxcfs", "lxcfs", 0, DOCTOR_OF_ALL, doctor_try_lxcfs,
	  .cost = "programs in a container take the host's memory and CPUs for theirs",
	  .fix = "apt install lxcfs; then, and after its end: systemctl restart lxcfs, and "
		 "start the containers again" },
	{ "agent", "agent for VMs", DOCTOR_VM, DOCTOR_OF_ALL, doctor_try_part, PART_GUEST,
	  .cost = "VMs cannot be set up",
	  .fix = "install brig again, or name brig-guest in $BRIG_GUEST" },
	{ "monitor", "monitor for VMs", DOCTOR_VM, DOCTOR_OF_ALL, doctor_try_part, PART_VMM,
	  .cost = "VMs cannot run on KVM",
	  .fix = "install brig again, or name brig-vmm in $BRIG_VMM" },
	{ "mkfs.erofs", "mkfs.erofs", DOCTOR_BOTH, DOCTOR_OF_ALL, doctor_try_tool, "mkfs.erofs",
	  .cost = "images cannot be imported", .fix = "apt install erofs-utils" },
	{ "mke2fs", "mke2fs", DOCTOR_VM, DOCTOR_OF_ALL, doctor_try_tool, "mke2fs",
	  .cost = "VMs cannot have a disk", .fix = "apt install e2fsprogs" },
	{ "mmdebstrap", "mmdebstrap", 0, DOCTOR_OF_ALL, doctor_try_tool, "mmdebstrap",
	  .cost = "'brig image bootstrap' does not work", .fix = "apt install mmdebstrap" },
	{ "skopeo", "skopeo", 0, DOCTOR_OF_ALL, doctor_try_tool, "skopeo",
	  .cost = "images cannot be fetched from registries", .fix = "apt install skopeo" },
	{ "nft", "nft", 0, DOCTOR_OF_ALL, doctor_try_tool, "nft",
	  .cost = "there are no networks and no ports", .fix = "apt install nftables" },
	{ "dnsmasq", "dnsmasq", 0, DOCTOR_OF_ROOT, doctor_try_tool, "dnsmasq",
	  .cost = "no network with names or DHCP can be used, and so not the usual one",
	  .fix = "apt install dnsmasq-base" },
	{ "tun", "taps for VMs", 0, DOCTOR_OF_ROOT, doctor_net_device, "/dev/net/tun",
	  .cost = "VMs have no networks",
	  .fix = "modprobe tun; in a container, let it have the device /dev/net/tun" },
	{ "vhost-net", "vhost-net", 0, DOCTOR_OF_ROOT, doctor_net_device, "/dev/vhost-net",
	  .cost = "packets of VMs go through the monitor instead of the kernel, which is slower",
	  .fix = "modprobe vhost_net; at each boot: echo vhost_net "
		 ">/etc/modules-load.d/vhost_net.conf" },
	{ "forwarding", "forwarding", 0, DOCTOR_OF_ROOT, doctor_net_forwarding,
	  .cost = "instances reach the host and each other, but nothing beyond",
	  .fix = "sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1, and find in "
		 "/etc/sysctl.d who switches it off" },
	{ "firewall", "other firewalls", 0, DOCTOR_OF_ROOT, doctor_net_firewall,
	  .cost = "instances on that bridge do not reach beyond the host, nor do others their "
		  "published ports",
	  .fix = "for a bridge brig0, with docker: iptables -I DOCKER-USER -i brig0 -j ACCEPT; "
		 "iptables -I DOCKER-USER -o brig0 -j ACCEPT. With ufw: ufw route allow in on "
		 "brig0; ufw route allow out on brig0. With firewalld: firewall-cmd --permanent "
		 "--zone=trusted --add-interface=brig0; firewall-cmd --reload. Else: nft insert "
		 "rule FAMILY TABLE CHAIN iifname brig0 accept; nft insert rule FAMILY TABLE "
		 "CHAIN oifname brig0 accept" },
	{ "bridge-filter", "filters on bridges", 0, DOCTOR_OF_ROOT, doctor_net_bridge_filter,
	  .cost = "what instances of one network say to each other passes other firewalls' "
		  "forward chains; if it came while instances ran, one reaches itself by a port "
		  "that it publishes only after 'brig network repair'",
	  .fix = "sysctl -w net.bridge.bridge-nf-call-iptables=0 "
		 "net.bridge.bridge-nf-call-ip6tables=0, unless docker or Kubernetes are here, "
		 "which want it" },
	{ "policy", "policy of kinds", DOCTOR_BOTH, DOCTOR_OF_ALL, doctor_try_policy,
	  .cost = "nothing can be made or started",
	  .fix = "mend " POLICY_FILE ", of which docs/choose.md tells, or remove it" },
	{ "space", "disk space", DOCTOR_BOTH, DOCTOR_OF_ALL, doctor_try_space,
	  .cost = "imports and instances run out of space",
	  .fix = "make room, or keep brig's data elsewhere with --root" },
	{ "open-files", "open files", 0, DOCTOR_OF_ALL, doctor_try_files,
	  .cost = "instances with many clients or layers may run out of descriptors",
	  .fix = "raise the hard limit: ulimit -Hn 65536" },
};

void doctor_say(char detail[DOCTOR_DETAIL_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, DOCTOR_DETAIL_MAX, fmt, ap);
	va_end(ap);
}

static int doctor_matters(const struct doctor_check *check)
{
	return check->of == DOCTOR_OF_ALL || (check->of == DOCTOR_OF_USERS) == (geteuid() != 0);
}

unsigned int doctor_run(const struct instance_home *home, struct doctor_finding **ret,
			size_t *ret_n)
{
	struct doctor_finding *findings = mem_zalloc(sizeof(*findings) * ARRAY_SIZE(doctor_checks));
	unsigned int kinds = DOCTOR_BOTH;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(doctor_checks); i++) {
		const struct doctor_check *check = &doctor_checks[i];

		if (!doctor_matters(check))
			continue;
		findings[n].check = check;
		findings[n].status = check->run(home, check, findings[n].detail);
		if (findings[n].status == DOCTOR_FAIL)
			kinds &= ~check->needed_by;
		n++;
	}
	*ret = findings;
	*ret_n = n;
	return kinds;
}
