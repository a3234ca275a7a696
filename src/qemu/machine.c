// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Start-up is machine_steps[], each of which adds to the machine; machine_free() undoes whatever is
 * there, also of a machine that is half made.
 */
#include "qemu/machine.h"
#include "base/mem.h"
#include "qemu/command.h"
#include "sys/cgroup.h"
#include "sys/child.h"
#include "sys/ext4.h"
#include "sys/kvm_probe.h"
#include "sys/tsc.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MACHINE_PROGRAM "qemu-system-x86_64"
#define MACHINE_DATA	"data.raw"

/* Less does not bring a distribution's kernel to its first program. */
#define MACHINE_MEMORY_MIN     ((int64_t)96 << 20)
#define MACHINE_MEMORY_DEFAULT ((int64_t)512 << 20)
/* What QEMU takes beside the guest's memory and TCG's translations (code, heap, page tables) is 60 to
 * 90 MiB; twice that, so that it is never killed for what the guest was promised. */
#define MACHINE_OVERHEAD ((int64_t)(192 + COMMAND_TCG_CACHE) << 20)
#define MACHINE_CPUS_MAX 64
/* A PCI bus has 32 slots; the other devices take a few. */
#define MACHINE_LAYERS_MAX 24
#define MACHINE_REMOVE_MS  5000

struct machine {
	struct sandbox sandbox;
	char *program;
	struct command command;
	int kvm_group;
	int streams[MACHINE_STREAMS];
	int fds[COMMAND_FD_LAYERS + MACHINE_LAYERS_MAX]; /* QEMU's, by number */
	size_t n_fds;
	struct cgroup *cgroup;
	struct cgroup_entry entry;
};

static int machine_check(struct machine *machine, const struct driver_host *host, struct err *err)
{
	const struct instance *instance = host->instance;
	int64_t memory = instance->memory ? instance->memory : MACHINE_MEMORY_DEFAULT;
	int64_t cpus = instance->cpus_milli ? (instance->cpus_milli + 999) / 1000 : 1;
	size_t layers = strv_len(host->layer_paths);

	if (memory < MACHINE_MEMORY_MIN)
		return err_set(
			err, -EINVAL,
			"a VM needs at least %jd MiB of memory, and %jd MiB were given; use -m",
			(intmax_t)(MACHINE_MEMORY_MIN >> 20), (intmax_t)(memory >> 20));
	if (cpus > MACHINE_CPUS_MAX)
		return err_set(err, -EINVAL, "a VM can have at most %d CPUs", MACHINE_CPUS_MAX);
	if (layers > MACHINE_LAYERS_MAX)
		return err_set(err, -E2BIG,
			       "the image has %zu layers, but the engine 'qemu' takes at most %d",
			       layers, MACHINE_LAYERS_MAX);
	machine->program = child_find(MACHINE_PROGRAM);
	if (!machine->program)
		return err_set(err, -ENOENT,
			       MACHINE_PROGRAM " is not installed: install qemu-system-x86");
	machine->command = (struct command){ .program = machine->program,
					     .name = instance->name,
					     .memory = memory,
					     .cpus = cpus,
					     .layers = layers };
	return 0;
}

/* QEMU opens /dev/kvm by itself, so it must be in the node's group unless everybody may. */
static int machine_accelerate(struct machine *machine, const struct driver_host *host,
			      struct err *err _unused_)
{
	_cleanup_free_ char *cache = mem_printf("%s/cache", host->root);
	struct kvm_probe_result probe = { 0 };
	struct stat st;

	machine->command.kvm =
		kvm_probe(cache, &probe) == KVM_PROBE_OK && stat(KVM_PROBE_DEVICE, &st) == 0;
	if (machine->command.kvm)
		machine->kvm_group = (int)st.st_gid;
	else
		machine->command.tsc_khz = tsc_khz();
	return 0;
}

static int machine_open_layers(struct machine *machine, const struct driver_host *host,
			       struct err *err)
{
	strv_for_each(path, host->layer_paths) {
		int fd = open(*path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return err_errno(err, -errno, "cannot open the layer %s", *path);
		machine->fds[machine->n_fds++] = fd;
	}
	return 0;
}

static int machine_open_data(struct machine *machine, const struct driver_host *host,
			     struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/" MACHINE_DATA, host->state_dir);
	_cleanup_free_ char *cache = mem_printf("%s/cache", host->root);
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0 && errno == ENOENT) {
		r = ext4_create(cache, path, host->instance->disk_size, err);
		if (r < 0)
			return r;
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	}
	if (fd < 0)
		return err_errno(err, -errno, "cannot open the disk %s", path);
	machine->fds[COMMAND_FD_DATA] = fd;
	return 0;
}

static int machine_make_streams(struct machine *machine, const struct driver_host *host _unused_,
				struct err *err)
{
	static const int theirs[MACHINE_STREAMS] = { [MACHINE_QMP] = COMMAND_FD_QMP,
						     [MACHINE_SERIAL] = COMMAND_FD_SERIAL,
						     [MACHINE_AGENT] = COMMAND_FD_AGENT,
						     [MACHINE_ERRORS] = STDERR_FILENO };

	for (int i = 0; i < MACHINE_STREAMS; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			return err_errno(err, -errno, "cannot make a socket");
		machine->streams[i] = pair[0];
		machine->fds[theirs[i]] = pair[1];
	}
	return 0;
}

/*
 * The guest's memory is bounded by the machine itself; this bounds QEMU around it, should the guest make
 * it grow. Without a memory controller there is just no second bound. A whole number of CPUs is kept by
 * the number of virtual ones, a part of one needs the controller.
 */
static int machine_confine(struct machine *machine, const struct driver_host *host, struct err *err)
{
	unsigned int has = cgroup_controllers();
	int64_t milli = host->instance->cpus_milli;
	struct cgroup_limits limits = {
		.memory = has & CGROUP_MEMORY ? machine->command.memory + MACHINE_OVERHEAD : 0,
		.cpus_milli = has & CGROUP_CPU || milli % 1000 ? milli : 0,
	};
	int r = cgroup_create(host->run->cgroup, &limits, CGROUP_MEMORY | CGROUP_CPUACCT,
			      &machine->cgroup, err);

	return r < 0 ? r : cgroup_entry_open(machine->cgroup, &machine->entry, err);
}

/* In the child. */
static int machine_join(void *ctx, struct err *err)
{
	struct machine *machine = ctx;
	int r = cgroup_join(&machine->entry, machine->entry.into >= 0);

	return r < 0 ? err_errno(err, r, "cannot join the VM's control group") : 0;
}

/* It is the user nobody who opens them, by name. */
static int machine_check_readable(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_errno(err, -errno, "cannot find %s", path);
	if (!(st.st_mode & S_IROTH))
		return err_set(err, -EACCES,
			       "%s is not readable for all, as QEMU needs it: run 'chmod a+r %s'",
			       path, path);
	return 0;
}

static int machine_launch(struct machine *machine, const struct driver_host *host, struct err *err)
{
	_cleanup_strv_ char **args = command_build(&machine->command);
	char *env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C", NULL };
	const struct sandbox_file files[] = {
		{ .path = host->vmlinux, .name = COMMAND_KERNEL },
		{ .path = host->initramfs, .name = COMMAND_INITRAMFS },
		{ .path = KVM_PROBE_DEVICE, .name = &KVM_PROBE_DEVICE[1], .device = 1 },
	};
	const struct sandbox_limit limits[] = { { RLIMIT_CORE, 0 } };
	const struct sandbox_spec spec = {
		.argv = args,
		.env = env,
		.uid = MACHINE_UID,
		.gid = MACHINE_GID,
		.group = (gid_t)machine->kvm_group,
		.files = files,
		.n_files = machine->command.kvm ? 3 : 2,
		.fds = machine->fds,
		.n_fds = machine->n_fds,
		.limits = limits,
		.n_limits = ARRAY_SIZE(limits),
		.into_cgroup = machine->entry.into,
		.prepare = machine_join,
		.ctx = machine,
	};
	int r = machine_check_readable(host->vmlinux, err);

	if (r == 0)
		r = machine_check_readable(host->initramfs, err);
	return r < 0 ? r : sandbox_start(&spec, &machine->sandbox, err);
}

static int (*const machine_steps[])(struct machine *machine, const struct driver_host *host,
				    struct err *err) = {
	machine_check,	      machine_accelerate, machine_open_layers, machine_open_data,
	machine_make_streams, machine_confine,	  machine_launch,
};

/* What only QEMU and the start need; the streams end with QEMU only if we hold none of its ends. */
static void machine_close_theirs(struct machine *machine)
{
	for (size_t i = 0; i < machine->n_fds; i++)
		machine->fds[i] = fd_close(machine->fds[i]);
	cgroup_entry_release(&machine->entry);
}

int machine_start(const struct driver_host *host, struct machine **ret, struct err *err)
{
	struct machine *machine = mem_zalloc(sizeof(*machine));
	int r = 0;

	machine->sandbox = SANDBOX_INIT;
	machine->entry = CGROUP_ENTRY_INIT;
	machine->kvm_group = -1;
	machine->n_fds = COMMAND_FD_LAYERS;
	for (size_t i = 0; i < ARRAY_SIZE(machine->fds); i++)
		machine->fds[i] = -EBADF;
	for (size_t i = 0; i < MACHINE_STREAMS; i++)
		machine->streams[i] = -EBADF;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(machine_steps); i++)
		r = machine_steps[i](machine, host, err);
	machine_close_theirs(machine);
	if (r < 0) {
		machine_free(machine);
		return r;
	}
	*ret = machine;
	return 0;
}

struct machine *machine_free(struct machine *machine)
{
	struct err ignored = ERR_INIT;

	if (!machine)
		return NULL;
	sandbox_release(&machine->sandbox);
	if (machine->cgroup)
		(void)cgroup_destroy(machine->cgroup, MACHINE_REMOVE_MS, &ignored);
	machine->cgroup = cgroup_free(machine->cgroup);
	for (size_t i = 0; i < MACHINE_STREAMS; i++)
		fd_close(machine->streams[i]);
	free(machine->program);
	free(machine);
	return NULL;
}

int machine_take_stream(struct machine *machine, int stream)
{
	return take_fd(&machine->streams[stream]);
}

pid_t machine_pid(const struct machine *machine)
{
	return machine->sandbox.pid;
}

int machine_pidfd(const struct machine *machine)
{
	return machine->sandbox.pidfd;
}

void machine_kill(struct machine *machine)
{
	if (machine->sandbox.pid)
		(void)kill(machine->sandbox.pid, SIGKILL);
}

/* Before the group goes, which knows it. */
static int machine_was_oom(const struct machine *machine)
{
	struct cgroup_stats stats = { 0 };

	cgroup_stats(machine->cgroup, &stats);
	return stats.oom_kills > 0;
}

int machine_reap(struct machine *machine, struct err *err)
{
	int status = 0, oom = machine_was_oom(machine);
	struct err ignored = ERR_INIT;

	while (waitpid(machine->sandbox.pid, &status, 0) < 0 && errno == EINTR)
		continue;
	machine->sandbox.pid = 0;
	(void)cgroup_destroy(machine->cgroup, MACHINE_REMOVE_MS, &ignored);
	machine->cgroup = cgroup_free(machine->cgroup);
	if (sandbox_failure(&machine->sandbox, err) < 0)
		return err_wrap(err, "cannot start QEMU");
	if (WIFSIGNALED(status)) {
		err_set(err, -ECANCELED, "QEMU was killed by signal %d%s", WTERMSIG(status),
			oom ? ", for want of memory on the host" : "");
		/* as a container's, when its first process is killed */
		err->exit_status = 128 + WTERMSIG(status);
		return err->code;
	}
	if (WEXITSTATUS(status))
		return err_set(err, -EREMOTEIO, "QEMU failed with status %d", WEXITSTATUS(status));
	return 0;
}
