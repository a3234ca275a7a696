// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/mem.h"
#include "oci/store.h"
#include "oci/vm_role-internal.h"
#include "oci/vm_view.h"
#include "sys/kvm_probe.h"
#include "sys/procfs.h"
#include "sys/pty.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

static int role_read_config(struct vm_role *role, struct err *err)
{
	int r = config_load(VM_ROLE_STORE, STORE_CONFIG, &role->config, err);

	if (r == 0)
		r = spec_of_config(&role->config, role->id, role->bundle, 0, &role->spec, err);
	if (r == 0)
		r = vm_plan_make(&role->config, &role->spec, role->id, role->bundle, role->root,
				 &role->plan, err);
	return r < 0 ? err_wrap(err, "%s/" STORE_CONFIG, role->bundle) : 0;
}

/* The hooks of that time are run by brig-oci, which may bring the network. */
static int role_await_hooks(struct vm_role *role, struct err *err)
{
	struct inner_report report = { 0 };
	int fd = -EBADF;
	ssize_t n;

	vm_role_tell(role->sock, INNER_MOUNTED, NULL, -EBADF);
	n = spawn_receive(role->sock, &report, sizeof(report), &fd, 0);
	fd_close(fd);
	return n == (ssize_t)sizeof(report) && report.kind == INNER_HOOKED
		       ? 0
		       : err_set(err, -ECANCELED, "its creation was given up");
}

static int role_join(const char *path, int type, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, type) < 0)
		return err_errno(err, -errno, "linux.namespaces: cannot join %.200s", path);
	return 0;
}

static int role_name(struct vm_role *role, struct err *err)
{
	char name[256] = "";
	int r;

	if (!role->plan.uts)
		return 0;
	r = role_join(role->plan.uts, CLONE_NEWUTS, err);
	if (r == 0 && !role->plan.instance.hostname && gethostname(name, sizeof(name) - 1) == 0)
		mem_replace(&role->plan.instance.hostname, name);
	return r;
}

static int role_find_network(struct vm_role *role, struct err *err)
{
	if (role->plan.netns)
		return role_join(role->plan.netns, CLONE_NEWNET, err);
	if (unshare(CLONE_NEWNET) < 0)
		return err_errno(err, -errno, "cannot make a network namespace");
	return 0;
}

static int role_take_network(struct vm_role *role, struct err *err)
{
	int64_t cpus = instance_vcpus(&role->plan.instance);

	return vm_net_make((unsigned int)cpus, role->plan.netns, VM_ROLE_STORE, &role->net, err);
}

/* The guest's terminal does the work; this one is but a way to it. */
static int role_make_raw(int slave, struct err *err)
{
	struct termios raw;

	if (tcgetattr(slave, &raw) < 0)
		return err_errno(err, -errno, "cannot set up the terminal");
	cfmakeraw(&raw);
	return tcsetattr(slave, TCSANOW, &raw) < 0
		       ? err_errno(err, -errno, "cannot set up the terminal")
		       : 0;
}

static int role_make_terminal(struct vm_role *role, int stdio[3], struct err *err)
{
	_cleanup_close_ int devpts = open("/dev/pts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int master = -EBADF;
	int r;

	if (devpts < 0)
		return err_errno(err, -errno, "cannot open /dev/pts");
	r = pty_open(devpts, &master, &role->slave, err);
	if (r == 0)
		r = role_make_raw(role->slave, err);
	if (r < 0)
		return r;
	(void)pty_take(role->slave);
	if (role->plan.process.rows)
		(void)pty_resize(role->slave, role->plan.process.rows, role->plan.process.columns);
	stdio[0] = fcntl(role->slave, F_DUPFD_CLOEXEC, 0);
	stdio[1] = fcntl(role->slave, F_DUPFD_CLOEXEC, 0);
	vm_role_tell(role->sock, INNER_TERMINAL, NULL, master);
	return 0;
}

/* Ours are free after that, and lead nowhere: what is not the workload's is not to come out where its output does. */
static int role_take_streams(struct vm_role *role, struct err *err)
{
	int stdio[3] = { -EBADF, -EBADF, -EBADF }, r = 0;
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (role->plan.process.tty)
		r = role_make_terminal(role, stdio, err);
	for (int i = 0; i < 3 && !role->plan.process.tty; i++)
		stdio[i] = fcntl(i, F_DUPFD_CLOEXEC, VM_ROLE_FDS);
	for (int i = 0; i < 2; i++)
		(void)dup2(null, i);
	return r < 0 ? r
		     : vm_relay_init(&role->relay, role->loop, stdio, &vm_role_relay_ops, role,
				     err);
}

static int role_choose(struct vm_role *role, struct err *err)
{
	_cleanup_free_ char *cache = mem_printf("%s/cache", role->root);
	struct kvm_probe_result probe = { 0 };
	const char *wanted = kvm_probe(cache, &probe) == KVM_PROBE_OK ? "kvm" : "qemu";

	for (size_t i = 0; role->drivers[i]; i++) {
		if (!strcmp(role->drivers[i]->engine, wanted))
			role->ops = role->drivers[i];
	}
	if (!role->ops)
		return err_set(err, -EOPNOTSUPP, "this brig was built without VMs");
	return kernel_get(role->root, role->plan.instance.kernel, &role->kernel, err);
}

static int role_tune(struct vm_role *role, struct err *err)
{
	_cleanup_close_ int proc = -EBADF;
	int r = role->spec.tuning.has_oom_score_adj ? procfs_open(&proc, err) : 0;

	if (r < 0 || proc < 0)
		return r;
	return tuning_apply(&role->spec.tuning, TUNING_PRIVILEGED, getpid(), proc, err);
}

static int role_show(struct vm_role *role, struct err *err)
{
	return vm_view_make(&role->plan, role->spec.root_path, err);
}

static int role_boot(struct vm_role *role, struct err *err)
{
	static char *no_layers[] = { NULL };

	role->folder_root = (struct driver_root){ .folder = VM_VIEW_ROOT,
						  .mounts = role->plan.mounts,
						  .sysctls = role->plan.sysctls };
	role->host = (struct driver_host){
		.loop = role->loop,
		.instance = &role->plan.instance,
		.run = &role->run,
		.state_dir = VM_VIEW_STATE,
		.run_dir = VM_VIEW_STATE,
		.root = role->root,
		.layer_paths = no_layers,
		.vmlinux = role->kernel.vmlinux,
		.initramfs = role->kernel.initramfs,
		.folder_root = &role->folder_root,
		.held = 1,
		.process = role->plan.process,
		.nics = role->net.nics,
		.n_nics = role->net.n,
		.nic_setups = role->net.setups,
		.hosts = "",
		.resolv_conf = "",
		.netns = -EBADF,
		.ops = &vm_role_host_ops,
		.ctx = role,
	};
	return role->ops->start(&role->host, &role->driver, err);
}

static int (*const role_steps[])(struct vm_role *role, struct err *err) = {
	role_read_config,  role_choose,	     role_tune,		role_name,
	role_find_network, role_await_hooks, role_take_network, role_take_streams,
	role_show,	   role_boot,	     vm_role_watch,
};

int vm_role_start(struct vm_role *role, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(role_steps); i++)
		r = role_steps[i](role, err);
	return r;
}
