// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/caps.h"
#include "base/mem.h"

#include <linux/capability.h>
#include <string.h>
#include <strings.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static const char *const caps_names[] = {
	"chown",
	"dac_override",
	"dac_read_search",
	"fowner",
	"fsetid",
	"kill",
	"setgid",
	"setuid",
	"setpcap",
	"linux_immutable",
	"net_bind_service",
	"net_broadcast",
	"net_admin",
	"net_raw",
	"ipc_lock",
	"ipc_owner",
	"sys_module",
	"sys_rawio",
	"sys_chroot",
	"sys_ptrace",
	"sys_pacct",
	"sys_admin",
	"sys_boot",
	"sys_nice",
	"sys_resource",
	"sys_time",
	"sys_tty_config",
	"mknod",
	"lease",
	"audit_write",
	"audit_control",
	"setfcap",
	"mac_override",
	"mac_admin",
	"syslog",
	"wake_alarm",
	"block_suspend",
	"audit_read",
	"perfmon",
	"bpf",
	"checkpoint_restore",
};
_Static_assert(ARRAY_SIZE(caps_names) == CAP_LAST_CAP + 1, "a capability without a name");

int caps_parse(const char *name, uint64_t *ret, struct err *err)
{
	const char *rest = strncasecmp(name, "cap_", 4) ? name : name + 4;

	if (!strcasecmp(name, "all")) {
		*ret = CAPS_ALL;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(caps_names); i++) {
		if (!strcasecmp(rest, caps_names[i])) {
			*ret = CAPS_BIT(i);
			return 0;
		}
	}
	return err_set(err, -EINVAL,
		       "there is no capability '%.60s'; see capabilities(7), or say ALL", name);
}

uint64_t caps_known(void)
{
	uint64_t known = 0;

	for (unsigned int cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		known |= CAPS_BIT(cap);
	return known;
}

int caps_limit(uint64_t keep, struct err *err)
{
	for (unsigned int cap = 0; cap < 64; cap++) {
		if ((keep & CAPS_BIT(cap)) || prctl(PR_CAPBSET_DROP, cap) == 0)
			continue;
		if (errno == EINVAL) /* the kernel knows no more */
			break;
		return err_errno(err, -errno, "cannot give up a capability");
	}
	return 0;
}

struct caps_state {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[2];
};

static int caps_get(struct caps_state *state)
{
	*state = (struct caps_state){ .header.version = _LINUX_CAPABILITY_VERSION_3 };
	return syscall(SYS_capget, &state->header, state->data) < 0 ? -errno : 0;
}

int caps_set(uint64_t mask, struct err *err)
{
	struct caps_state state;
	int r = caps_get(&state);

	for (int i = 0; i < 2 && r == 0; i++) {
		state.data[i].permitted &= (uint32_t)(mask >> (32 * i));
		state.data[i].effective = state.data[i].permitted;
		state.data[i].inheritable = 0;
	}
	if (r == 0 && syscall(SYS_capset, &state.header, state.data) < 0)
		r = -errno;
	if (r == 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		r = -errno;
	return r < 0 ? err_errno(err, r, "cannot set capabilities") : 0;
}

/* The kernel drops the capabilities over files from the effective set when the id is no longer 0. */
void caps_set_fs_ids(uid_t uid, gid_t gid)
{
	struct caps_state state;
	int r = caps_get(&state);

	(void)setfsgid(gid);
	(void)setfsuid(uid);
	if (r == 0)
		(void)syscall(SYS_capset, &state.header, state.data);
}
