// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/doctor_user.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/passt.h"
#include "sys/cgroup.h"
#include "sys/cgroup_own.h"
#include "sys/child.h"
#include "sys/idmap.h"
#include "sys/mnt.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

/* Debian's and Ubuntu's kernels have one each of their own. */
const char *doctor_user_forbidden(void)
{
	static const struct {
		const char *path;
		char value;
		const char *words;
	} settings[] = {
		{ "/proc/sys/user/max_user_namespaces", '0', " (user.max_user_namespaces is 0)" },
		{ "/proc/sys/kernel/unprivileged_userns_clone", '0',
		  " (kernel.unprivileged_userns_clone is 0)" },
		{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1',
		  " (AppArmor: kernel.apparmor_restrict_unprivileged_userns is 1)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		_cleanup_free_ char *text = NULL;

		if (file_read(AT_FDCWD, settings[i].path, 32, &text, NULL) == 0 &&
		    text[0] == settings[i].value && text[1] == '\n')
			return settings[i].words;
	}
	return "";
}

int doctor_user_ids(const struct instance_home *home _unused_,
		    const struct doctor_check *check _unused_, char *detail)
{
	_cleanup_free_ char *tool = child_find("newuidmap");
	_cleanup_close_ int userns = -EBADF;
	struct err err = ERR_INIT;
	struct idmap map;
	uid_t first;
	int single;

	idmap_of_user(&map);
	single = idmap_is_single(&map);
	first = idmap_uid(&map, 1);
	userns = idmap_make_userns(&map, &err);
	idmap_release(&map);
	if (userns < 0)
		doctor_say(detail, "%s", err.msg);
	else if (!tool)
		doctor_say(detail, "your own alone: newuidmap is not installed");
	else if (single)
		doctor_say(detail, "your own alone: /etc/subuid and /etc/subgid have none for "
				   "you");
	else
		doctor_say(detail, "your own, and %u to %u", first, first + IDMAP_COUNT - 2);
	return userns < 0 || single ? DOCTOR_WARN : DOCTOR_OK;
}

/* As root of a user namespace, in a folder of ours: what a container's root file system is. */
static int64_t doctor_user_join(void *ctx, struct err *err)
{
	static const char *const names[] = { "lower", "upper", "work" };
	_cleanup_close_ int mount = -EBADF;
	int fds[ARRAY_SIZE(names)];
	struct err unused = ERR_INIT;
	struct mnt_overlay overlay = { .n_lowers = 1, .by_user = 1 };

	if (unshare(CLONE_NEWNS) < 0)
		return err_errno(err, -errno, "cannot get a mount namespace");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = mem_printf("%s/%s", (const char *)ctx, names[i]);

		fds[i] = mkdir(path, 0700) < 0 ? -1 : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fds[i] < 0)
			return err_errno(err, -errno, "cannot make %s", path);
	}
	overlay.lowers = fds;
	overlay.upper = fds[1];
	overlay.work = fds[2];
	if (mnt_overlay(&overlay, &mount, &unused) == 0)
		return 0;
	overlay.attached = 1;
	return mnt_overlay(&overlay, &mount, err);
}

int doctor_user_overlayfs(const struct instance_home *home,
			  const struct doctor_check *check _unused_, char *detail)
{
	_cleanup_free_ char *cache = mem_printf("%s/cache", home->root);
	_cleanup_free_ char *folder = mem_printf("%s/doctor-XXXXXX", cache);
	struct err err = ERR_INIT;
	int r = file_mkdir_p(cache, 0700);

	if (r < 0 || !mkdtemp(folder)) {
		doctor_say(detail, "cannot make a folder in %s", cache);
		return DOCTOR_FAIL;
	}
	r = (int)userns_run(doctor_user_join, folder, &err);
	(void)userns_remove_tree(AT_FDCWD, folder);
	doctor_say(detail, "%s", r < 0 ? err.msg : "two folders were joined");
	return r ? DOCTOR_FAIL : DOCTOR_OK;
}

int doctor_user_cgroups(const struct instance_home *home _unused_,
			const struct doctor_check *check _unused_, char *detail)
{
	if (cgroup_host_layout() != CGROUP_LAYOUT_UNIFIED)
		doctor_say(detail, "none: this host has version 1");
	else if (cgroup_own_is_ours())
		doctor_say(detail, "this process's own is yours");
	else if (cgroup_own_has_manager())
		doctor_say(detail, "your systemd makes them");
	else
		doctor_say(detail, "none, and there is no systemd of yours to ask for one");
	return cgroup_host_layout() == CGROUP_LAYOUT_UNIFIED &&
			       (cgroup_own_is_ours() || cgroup_own_has_manager())
		       ? DOCTOR_OK
		       : DOCTOR_WARN;
}

int doctor_user_network(const struct instance_home *home _unused_,
			const struct doctor_check *check _unused_, char *detail)
{
	struct err container = ERR_INIT, vm = ERR_INIT;
	int has_vm = passt_check(1, &vm) == 0, has_container = passt_check(0, &container) == 0;

	if (!has_vm)
		doctor_say(detail, "%s", vm.msg);
	else if (!has_container)
		doctor_say(detail, "for VMs alone: %s", container.msg);
	else
		doctor_say(detail, "passt and pasta are there");
	return has_vm && has_container ? DOCTOR_OK : DOCTOR_WARN;
}
