// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/caps.h"

#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

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

static int caps_raise_ambient(uint64_t mask)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	for (unsigned int cap = 0; cap < 64 && mask >> cap; cap++) {
		if ((mask & CAPS_BIT(cap)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

int caps_set(const struct caps_sets *sets, struct err *err)
{
	struct caps_state state;
	uint64_t ambient = sets->ambient;
	int r = caps_get(&state);

	for (int i = 0; i < 2 && r == 0; i++) {
		uint32_t permitted = state.data[i].permitted;

		state.data[i].permitted = permitted & (uint32_t)(sets->permitted >> (32 * i));
		state.data[i].effective =
			state.data[i].permitted & (uint32_t)(sets->effective >> (32 * i));
		state.data[i].inheritable = permitted & (uint32_t)(sets->inheritable >> (32 * i));
		ambient &= ~((uint64_t) ~(state.data[i].permitted & state.data[i].inheritable)
			     << (32 * i));
	}
	if (r == 0 && syscall(SYS_capset, &state.header, state.data) < 0)
		r = -errno;
	if (r == 0)
		r = caps_raise_ambient(ambient);
	return r < 0 ? err_errno(err, r, "cannot set capabilities") : 0;
}

int caps_set_effective(uint64_t mask, struct err *err)
{
	struct caps_state state;
	int r = caps_get(&state);

	for (int i = 0; i < 2 && r == 0; i++)
		state.data[i].effective = state.data[i].permitted & (uint32_t)(mask >> (32 * i));
	if (r == 0 && syscall(SYS_capset, &state.header, state.data) < 0)
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
