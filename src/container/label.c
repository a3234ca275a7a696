// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/label.h"
#include "base/file.h"
#include "base/mem.h"
#include "sys/procfs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#define LABEL_APPARMOR "/sys/module/apparmor/parameters/enabled"
#define LABEL_SELINUX  "/sys/fs/selinux"
#define LABEL_MAX      4095 /* what the kernel takes is less than a page */

int label_has_apparmor(void)
{
	_cleanup_free_ char *text = NULL;

	return file_read(AT_FDCWD, LABEL_APPARMOR, 16, &text, NULL) == 0 && text[0] == 'Y';
}

int label_has_selinux(void)
{
	struct statfs fs;

	return statfs(LABEL_SELINUX, &fs) == 0 && fs.f_type == SELINUX_MAGIC;
}

static int label_is_given(const char *label)
{
	return label && *label;
}

/* A control character would be an end to the kernel, or to who reads it. */
static int label_check_text(const char *label, const char *member, struct err *err)
{
	for (const char *c = label; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_set(err, -EINVAL, "%s has a control character in it", member);
	}
	if (strlen(label) > LABEL_MAX)
		return err_set(err, -EINVAL, "%s is longer than %d bytes", member, LABEL_MAX);
	return 0;
}

static int label_check_apparmor(const char *profile, struct err *err)
{
	if (!label_is_given(profile))
		return 0;
	if (strcmp(profile, "unconfined") != 0 && !label_has_apparmor())
		return err_set(
			err, -EOPNOTSUPP,
			"process.apparmorProfile: there is no AppArmor on this host to apply "
			"'%.128s'; leave it out, or say 'unconfined'",
			profile);
	return label_check_text(profile, "process.apparmorProfile", err);
}

static int label_check_selinux(const char *label, const char *member, struct err *err)
{
	if (!label_is_given(label))
		return 0;
	if (!label_has_selinux())
		return err_set(
			err, -EOPNOTSUPP,
			"%s: there is no SELinux on this host to apply '%.128s'; leave it out",
			member, label);
	return label_check_text(label, member, err);
}

int label_check(const struct config_process *process, const struct config_linux *linux_config,
		struct err *err)
{
	int r = label_check_apparmor(process->apparmor_profile, err);

	if (r == 0)
		r = label_check_selinux(process->selinux_label, "process.selinuxLabel", err);
	if (r == 0 && linux_config)
		r = label_check_selinux(linux_config->mount_label, "linux.mountLabel", err);
	return r;
}

static int label_apply_apparmor(const char *profile, int proc, struct err *err)
{
	char command[sizeof("exec ") + LABEL_MAX];
	int r;

	snprintf(command, sizeof(command), "exec %s", profile);
	/* its own file, where other modules are at work beside it, is since Linux 5.8 */
	r = procfs_write_self(proc, "attr/apparmor/exec", command);
	if (r == -ENOENT)
		r = procfs_write_self(proc, "attr/exec", command);
	/* no AppArmor, or no module at all, which is as unconfined as can be */
	if ((r == -EINVAL || r == -ENOENT) && !strcmp(profile, "unconfined"))
		r = 0;
	if (r == -ENOENT)
		return err_set(err, r,
			       "process.apparmorProfile: AppArmor has no profile '%.128s'; load it "
			       "with apparmor_parser(8)",
			       profile);
	return r < 0 ? err_errno(err, r, "process.apparmorProfile: cannot apply '%.128s'", profile)
		     : 0;
}

int label_apply(const struct config_process *process, int proc, struct err *err)
{
	int r = 0;

	if (label_is_given(process->apparmor_profile))
		r = label_apply_apparmor(process->apparmor_profile, proc, err);
	if (r < 0 || !label_is_given(process->selinux_label))
		return r;
	r = procfs_write_self(proc, "attr/exec", process->selinux_label);
	return r < 0 ? err_errno(err, r, "process.selinuxLabel: cannot apply '%.128s'",
				 process->selinux_label)
		     : 0;
}

char *label_mount_option(const struct config_linux *linux_config)
{
	if (!label_is_given(linux_config->mount_label))
		return NULL;
	return mem_printf("context=%s", linux_config->mount_label);
}
