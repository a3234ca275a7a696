// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/doctor_try.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "instance/doctor_user.h"
#include "image/kernel.h"
#include "instance/policy.h"
#include "sys/cgroup.h"
#include "sys/child.h"
#include "sys/idmap.h"
#include "sys/kvm_probe.h"
#include "sys/lxcfs.h"
#include "sys/mnt.h"
#include "sys/part.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DOCTOR_TRY_SPACE_LOW ((int64_t)2 << 30)
#define DOCTOR_TRY_SPACE_MIN ((int64_t)64 << 20)
#define DOCTOR_TRY_FILES_LOW 4096

int doctor_try_root(const struct instance_home *home _unused_,
		    const struct doctor_check *check _unused_, char *detail)
{
	if (geteuid() == 0) {
		doctor_say(detail, "running as root");
		return DOCTOR_OK;
	}
	doctor_say(detail, "running as user %u, with what a user may", geteuid());
	return DOCTOR_OK;
}

static int doctor_try_probe(const struct instance_home *home, struct kvm_probe_result *ret)
{
	_cleanup_free_ char *cache = mem_printf("%s/cache", home->root);

	return kvm_probe(cache, ret);
}

int doctor_try_kvm(const struct instance_home *home, const struct doctor_check *check _unused_,
		   char *detail)
{
	struct kvm_probe_result probe;

	if (doctor_try_probe(home, &probe) >= KVM_PROBE_CANNOT) {
		doctor_say(detail, "there is " KVM_PROBE_DEVICE);
		return DOCTOR_OK;
	}
	doctor_say(detail, "%s", probe.reason);
	return DOCTOR_WARN;
}

int doctor_try_kvm_guest(const struct instance_home *home,
			 const struct doctor_check *check _unused_, char *detail)
{
	struct kvm_probe_result probe;

	switch (doctor_try_probe(home, &probe)) {
	case KVM_PROBE_OK:
		doctor_say(detail, "a guest of a few instructions ran as it should");
		return DOCTOR_OK;
	case KVM_PROBE_CANNOT:
		doctor_say(detail, "%s", probe.reason);
		return DOCTOR_WARN;
	default:
		doctor_say(detail, "no, without KVM");
		return DOCTOR_WARN;
	}
}

/* fn's value is the child's exit status; -1 if it has none. */
static int doctor_try_in_child(int (*fn)(void *ctx), void *ctx)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(ctx));
	}
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A user makes the others as root of his own user namespace, which some hosts give him no capabilities in. */
static int doctor_try_unshare(void *ctx)
{
	int flags = *(const int *)ctx;

	if (geteuid() && unshare(CLONE_NEWUSER) < 0)
		return errno;
	if (geteuid() && flags == CLONE_NEWUSER)
		flags = CLONE_NEWUTS;
	return unshare(flags) == 0 ? 0 : errno;
}

int doctor_try_namespaces(const struct instance_home *home _unused_,
			  const struct doctor_check *check, char *detail)
{
	static const struct {
		const char *name;
		int flag;
	} kinds[] = { { "user", CLONE_NEWUSER },    { "mnt", CLONE_NEWNS },
		      { "pid", CLONE_NEWPID },	    { "net", CLONE_NEWNET },
		      { "ipc", CLONE_NEWIPC },	    { "uts", CLONE_NEWUTS },
		      { "cgroup", CLONE_NEWCGROUP } };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int flag = kinds[i].flag, error;

		if (!strstr(check->arg, kinds[i].name))
			continue;
		error = doctor_try_in_child(doctor_try_unshare, &flag);
		if (error) {
			doctor_say(detail, "no %s namespace: %s%s", kinds[i].name,
				   error > 0 ? strerror(error) : "no child process",
				   geteuid() ? doctor_user_forbidden() : "");
			return DOCTOR_FAIL;
		}
	}
	doctor_say(detail, "%s", check->arg);
	return DOCTOR_OK;
}

int doctor_try_cgroups(const struct instance_home *home _unused_,
		       const struct doctor_check *check _unused_, char *detail)
{
	static const char *const words[] = {
		[CGROUP_LAYOUT_NONE] = "none are mounted at /sys/fs/cgroup",
		[CGROUP_LAYOUT_UNIFIED] = "version 2 (unified)",
		[CGROUP_LAYOUT_HYBRID] = "version 1 controllers beside version 2 (hybrid)",
		[CGROUP_LAYOUT_LEGACY] = "version 1 (legacy)",
	};
	enum cgroup_layout layout = cgroup_host_layout();

	doctor_say(detail, "%s", words[layout]);
	return layout == CGROUP_LAYOUT_NONE ? DOCTOR_FAIL : DOCTOR_OK;
}

int doctor_try_controller(const struct instance_home *home _unused_,
			  const struct doctor_check *check, char *detail)
{
	unsigned int bit = !strcmp(check->arg, "memory") ? CGROUP_MEMORY
			   : !strcmp(check->arg, "cpu")	 ? CGROUP_CPU
							 : CGROUP_PIDS;
	int has = (cgroup_host_controllers() & bit) != 0;

	doctor_say(detail, "%s controller '%s'", has ? "the" : "there is no", check->arg);
	return has ? DOCTOR_OK : DOCTOR_WARN;
}

/* fsopen() loads the module, as mounting would. */
int doctor_try_filesystem(const struct instance_home *home _unused_,
			  const struct doctor_check *check, char *detail)
{
	_cleanup_close_ int fd = (int)syscall(SYS_fsopen, check->arg, FSOPEN_CLOEXEC);

	if (fd < 0) {
		doctor_say(detail, "%s: %s", check->arg, strerror(errno));
		return DOCTOR_FAIL;
	}
	doctor_say(detail, "the kernel has it");
	return DOCTOR_OK;
}

/* An erofs image of an empty folder, as a mount that nobody sees. */
static int doctor_try_layer(const struct instance_home *home, int *ret_mount, struct err *err)
{
	_cleanup_free_ char *folder = mem_printf("%s/cache/doctor-XXXXXX", home->root);
	_cleanup_free_ char *cache = mem_printf("%s/cache", home->root);
	_cleanup_free_ char *image = NULL;
	struct child_spec spec = CHILD_SPEC_INIT;
	char *argv[] = { (char *)"mkfs.erofs", NULL, NULL, NULL };
	int r = file_mkdir_p(cache, 0700);

	if (r < 0)
		return err_errno(err, r, "cannot make %s", cache);
	if (!mkdtemp(folder))
		return err_errno(err, -errno, "cannot make a folder in %s", cache);
	image = mem_printf("%s.erofs", folder);
	argv[1] = image;
	argv[2] = folder;
	spec.argv = argv;
	r = child_run(&spec, err);
	if (r == 0)
		r = mnt_erofs(image, ret_mount, err);
	(void)unlink(image);
	(void)rmdir(folder);
	return r;
}

int doctor_try_layers(const struct instance_home *home, const struct doctor_check *check _unused_,
		      char *detail)
{
	_cleanup_close_ int mount = -EBADF;
	struct err err = ERR_INIT;

	if (doctor_try_layer(home, &mount, &err) < 0) {
		doctor_say(detail, "%s", err.msg);
		return DOCTOR_FAIL;
	}
	doctor_say(detail, "an erofs image was mounted");
	return DOCTOR_OK;
}

static int doctor_try_shift(int mount, struct err *err)
{
	_cleanup_close_ int userns = -EBADF;
	struct idmap map;
	int r;

	idmap_of_host(&map, 0);
	userns = idmap_make_userns(&map, err);
	idmap_release(&map);
	if (userns < 0)
		return userns;
	r = mnt_set_idmap(mount, userns, 0);
	return r < 0 ? err_errno(err, r, "erofs cannot be mounted with shifted ids") : 0;
}

int doctor_try_idmap(const struct instance_home *home, const struct doctor_check *check _unused_,
		     char *detail)
{
	_cleanup_close_ int mount = -EBADF;
	struct err err = ERR_INIT;

	if (doctor_try_layer(home, &mount, &err) < 0) {
		doctor_say(detail, "not tried, for want of a layer to mount");
		return DOCTOR_FAIL;
	}
	(void)doctor_try_shift(mount, &err);
	doctor_say(detail, "%s",
		   err_is_set(&err) ? err.msg : "an erofs image was mounted with shifted ids");
	return err_is_set(&err) ? DOCTOR_FAIL : DOCTOR_OK;
}

int doctor_try_subuid(const struct instance_home *home _unused_,
		      const struct doctor_check *check _unused_, char *detail)
{
	struct idmap map;
	uid_t first;

	idmap_of_host(&map, 0);
	first = idmap_uid(&map, 0);
	idmap_release(&map);
	doctor_say(detail, "%u to %u%s", first, first + IDMAP_COUNT - 1,
		   first == IDMAP_BUILT_IN ? ", built in: /etc/subuid has none for us" : "");
	return first == IDMAP_BUILT_IN ? DOCTOR_WARN : DOCTOR_OK;
}

int doctor_try_seccomp(const struct instance_home *home _unused_,
		       const struct doctor_check *check _unused_, char *detail)
{
	uint32_t action = SECCOMP_RET_ERRNO;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0) {
		doctor_say(detail, "%s", strerror(errno));
		return DOCTOR_FAIL;
	}
	doctor_say(detail, "the kernel has them");
	return DOCTOR_OK;
}

int doctor_try_lxcfs(const struct instance_home *home _unused_,
		     const struct doctor_check *check _unused_, char *detail)
{
	static const char *const words[] = {
		[LXCFS_NONE] = "not mounted at " LXCFS_PATH,
		[LXCFS_DEAD] = "it has ended, and left its mount at " LXCFS_PATH,
		[LXCFS_ALIVE] = "mounted at " LXCFS_PATH,
	};
	enum lxcfs_state state = lxcfs_find();

	doctor_say(detail, "%s", words[state]);
	return state == LXCFS_ALIVE ? DOCTOR_OK : DOCTOR_WARN;
}

int doctor_try_files(const struct instance_home *home _unused_,
		     const struct doctor_check *check _unused_, char *detail)
{
	struct rlimit limit = { 0 };

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max == RLIM_INFINITY)
		doctor_say(detail, "no limit");
	else
		doctor_say(detail, "hard limit %ju", (uintmax_t)limit.rlim_max);
	return limit.rlim_max < DOCTOR_TRY_FILES_LOW ? DOCTOR_WARN : DOCTOR_OK;
}

int doctor_try_space(const struct instance_home *home, const struct doctor_check *check _unused_,
		     char *detail)
{
	char text[UNITS_TEXT_MAX];
	struct statvfs fs;
	int64_t space;
	int r = file_mkdir_p(home->root, 0700);

	if (r < 0 || statvfs(home->root, &fs) < 0) {
		doctor_say(detail, "%s: %s", home->root, strerror(r < 0 ? -r : errno));
		return DOCTOR_FAIL;
	}
	space = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	doctor_say(detail, "%s free in %s", units_format_size(space, text), home->root);
	if (space < DOCTOR_TRY_SPACE_MIN)
		return DOCTOR_FAIL;
	return space < DOCTOR_TRY_SPACE_LOW ? DOCTOR_WARN : DOCTOR_OK;
}

int doctor_try_policy(const struct instance_home *home _unused_,
		      const struct doctor_check *check _unused_, char *detail)
{
	_cleanup_policy_ struct policy policy = { 0 };
	struct err err = ERR_INIT;

	if (policy_read(&policy, &err) < 0) {
		doctor_say(detail, "%s", err.msg);
		return DOCTOR_FAIL;
	}
	if (policy.n)
		doctor_say(detail, "%zu rules in " POLICY_FILE, policy.n);
	else
		doctor_say(detail, "none: an instance may be of either kind");
	return DOCTOR_OK;
}

int doctor_try_tool(const struct instance_home *home _unused_, const struct doctor_check *check,
		    char *detail)
{
	_cleanup_free_ char *path = child_find(check->arg);

	doctor_say(detail, "%s", path ? path : "not installed");
	if (path)
		return DOCTOR_OK;
	return check->needed_by ? DOCTOR_FAIL : DOCTOR_WARN;
}

/* Where KVM runs VMs without it, a lack of QEMU stops nothing. */
int doctor_try_qemu(const struct instance_home *home, const struct doctor_check *check _unused_,
		    char *detail)
{
	char *const argv[] = { (char *)"qemu-system-x86_64", (char *)"--version", NULL };
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct child_spec spec = CHILD_SPEC_INIT;
	struct kvm_probe_result probe;
	struct err err = ERR_INIT;

	spec.argv = argv;
	spec.out = &out;
	if (child_run(&spec, &err) < 0) {
		doctor_say(detail, "%s", err.msg);
		return doctor_try_probe(home, &probe) == KVM_PROBE_OK ? DOCTOR_WARN : DOCTOR_FAIL;
	}
	doctor_say(detail, "%.*s", (int)strcspn(out.data, "\n"), out.data);
	return DOCTOR_OK;
}

static int doctor_try_is_default(const struct kernel *kernel, void *ctx)
{
	int is_it = kernel->is_default && kernel->release;

	doctor_say(ctx, "%s", is_it ? kernel->name : "none is the default one");
	return is_it;
}

int doctor_try_kernel(const struct instance_home *home, const struct doctor_check *check _unused_,
		      char *detail)
{
	struct err err = ERR_INIT;
	int r = kernel_each(home->root, doctor_try_is_default, detail, &err);

	if (r == 1)
		return DOCTOR_OK;
	if (r < 0 || !*detail)
		doctor_say(detail, "%s", r < 0 ? err.msg : "there is none");
	return DOCTOR_FAIL;
}

int doctor_try_part(const struct instance_home *home _unused_, const struct doctor_check *check,
		    char *detail)
{
	_cleanup_free_ char *path = NULL;
	struct err err = ERR_INIT;

	if (part_find(check->arg, &path, &err) < 0) {
		doctor_say(detail, "%s", err.msg);
		return DOCTOR_FAIL;
	}
	doctor_say(detail, "%s is there", check->arg);
	return DOCTOR_OK;
}
