// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Start-up is emulator_steps[], each of which adds to the emulator; emulator_free() undoes whatever is
 * there, also of a machine that is half made.
 */
#include "qemu/emulator.h"
#include "base/mem.h"
#include "proto/nic.h"
#include "proto/share.h"
#include "proto/throttle.h"
#include "qemu/command.h"
#include "proto/vm_driver.h"
#include "sys/cgroup.h"
#include "sys/child.h"
#include "sys/ext4.h"
#include "sys/kvm_probe.h"
#include "sys/tsc.h"
#include "sys/vhost.h"
#include "sys/virtiofsd.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define EMULATOR_PROGRAM "qemu-system-x86_64"

/* Less does not bring a distribution's kernel to its first program. */
#define EMULATOR_MEMORY_MIN	((int64_t)96 << 20)
#define EMULATOR_MEMORY_DEFAULT ((int64_t)512 << 20)
/* What QEMU takes beside the guest's memory and TCG's translations (code, heap, page tables) is 60 to
 * 90 MiB; twice that, so that it is never killed for what the guest was promised. */
#define EMULATOR_OVERHEAD ((int64_t)(192 + COMMAND_TCG_CACHE) << 20)
#define EMULATOR_CPUS_MAX 64
/* A PCI bus has 32 slots; the other devices take a few. */
#define EMULATOR_LAYERS_MAX 24
#define EMULATOR_REMOVE_MS  5000

struct emulator {
	struct sandbox sandbox;
	char *program;
	struct command command;
	int kvm_group;
	int streams[EMULATOR_STREAMS];
	int fds[COMMAND_FD_LAYERS + EMULATOR_LAYERS_MAX + DRIVE_MAX +
		2 * NIC_MAX * DRIVER_QUEUES_MAX]; /* QEMU's, by number */
	struct drive drives[DRIVE_MAX];
	size_t n_fds;
	struct virtiofsd shares;
	struct cgroup *cgroup;
	struct cgroup_entry entry;
};

int64_t emulator_memory(const struct emulator *emulator)
{
	return emulator->command.memory;
}

int emulator_check_rates(const struct instance *instance, struct err *err)
{
	if (instance->best_effort || (!throttle_own(instance->read_bps, THROTTLE_BYTES) &&
				      !throttle_own(instance->write_bps, THROTTLE_BYTES) &&
				      !throttle_own(instance->read_iops, THROTTLE_OPERATIONS) &&
				      !throttle_own(instance->write_iops, THROTTLE_OPERATIONS)))
		return 0;
	return err_set(
		err, -EOPNOTSUPP,
		"the engine 'qemu' has no rates of a VM's own disks: name the host's device, "
		"as /dev/sda:RATE, or go without by --best-effort");
}

static int emulator_check(struct emulator *emulator, const struct driver_host *host,
			  struct err *err)
{
	const struct instance *instance = host->instance;
	int64_t memory = instance->memory ? instance->memory : EMULATOR_MEMORY_DEFAULT;
	int64_t cpus = instance_vcpus(instance);
	size_t layers = strv_len(host->layer_paths);
	size_t shares = strv_len(instance->volumes) + !!host->folder_root;

	if (memory < EMULATOR_MEMORY_MIN)
		return err_set(
			err, -EINVAL,
			"a VM needs at least %jd MiB of memory, and %jd MiB were given; use -m",
			(intmax_t)(EMULATOR_MEMORY_MIN >> 20), (intmax_t)(memory >> 20));
	if (cpus > EMULATOR_CPUS_MAX)
		return err_set(err, -EINVAL, "a VM can have at most %d CPUs", EMULATOR_CPUS_MAX);
	if (layers > EMULATOR_LAYERS_MAX)
		return err_set(err, -E2BIG,
			       "the image has %zu layers, but the engine 'qemu' takes at most %d",
			       layers, EMULATOR_LAYERS_MAX);
	if (layers + shares + host->n_nics > EMULATOR_LAYERS_MAX)
		return err_set(
			err, -E2BIG,
			"the image has %zu layers, %zu folders are shared, and there are %zu "
			"networks: the engine 'qemu' takes at most %d of them all",
			layers, shares, host->n_nics, EMULATOR_LAYERS_MAX);
	if (emulator_check_rates(instance, err) < 0)
		return err->code;
	if (instance->huge_pages)
		return err_set(
			err, -EOPNOTSUPP,
			"the engine 'qemu' does not take memory from the pool of huge pages; "
			"leave --hugepages out");
	if (instance->gdb)
		return err_set(err, -EOPNOTSUPP,
			       "the engine 'qemu' has no debugger's socket; leave --gdb out");
	emulator->program = child_find(EMULATOR_PROGRAM);
	if (!emulator->program)
		return err_set(err, -ENOENT,
			       EMULATOR_PROGRAM " is not installed: install qemu-system-x86");
	emulator->command = (struct command){ .program = emulator->program,
					      .name = instance->name,
					      .memory = memory,
					      .cpus = cpus,
					      .layers = layers,
					      .shares = shares,
					      .diskless = host->folder_root != NULL,
					      .nics = host->nics,
					      .n_nics = host->n_nics,
					      .kernel_args = instance->kernel_args };
	return 0;
}

/* QEMU opens /dev/kvm by itself, so it must be in the node's group unless everybody may. */
static int emulator_accelerate(struct emulator *emulator, const struct driver_host *host,
			       struct err *err _unused_)
{
	_cleanup_free_ char *cache = mem_printf("%s/cache", host->root);
	struct kvm_probe_result probe = { 0 };
	struct stat st;

	emulator->command.kvm =
		kvm_probe(cache, &probe) == KVM_PROBE_OK && stat(KVM_PROBE_DEVICE, &st) == 0;
	if (emulator->command.kvm)
		emulator->kvm_group = (int)st.st_gid;
	else
		emulator->command.tsc_khz = tsc_khz();
	return 0;
}

static int emulator_open_layers(struct emulator *emulator, const struct driver_host *host,
				struct err *err)
{
	strv_for_each(path, host->layer_paths) {
		int fd = open(*path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return err_errno(err, -errno, "cannot open the layer %s", *path);
		emulator->fds[emulator->n_fds++] = fd;
	}
	return 0;
}

static int emulator_open_drives(struct emulator *emulator, const struct driver_host *host,
				struct err *err)
{
	struct command *command = &emulator->command;
	int r = drive_check_all(host->instance->drives, err);

	command->drives = emulator->drives;
	strv_for_each(text, host->instance->drives) {
		struct drive *drive = &emulator->drives[command->n_drives];

		if (r == 0)
			r = drive_parse(*text, command->n_drives, drive, err);
		if (r < 0)
			return r;
		command->n_drives++;
		r = drive_open(drive, host->root, err);
		if (r < 0)
			return r;
		emulator->fds[emulator->n_fds++] = r;
		r = 0;
	}
	return r;
}

static int emulator_open_data(struct emulator *emulator, const struct driver_host *host,
			      struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/" VM_DRIVER_DATA, host->state_dir);
	_cleanup_free_ char *cache = mem_printf("%s/cache", host->root);

	return host->folder_root ? 0
				 : ext4_open(cache, path, host->instance->disk_size,
					     &emulator->fds[COMMAND_FD_DATA], err);
}

static int emulator_make_streams(struct emulator *emulator, const struct driver_host *host _unused_,
				 struct err *err)
{
	static const int theirs[EMULATOR_STREAMS] = { [EMULATOR_QMP] = COMMAND_FD_QMP,
						      [EMULATOR_SERIAL] = COMMAND_FD_SERIAL,
						      [EMULATOR_AGENT] = COMMAND_FD_AGENT,
						      [EMULATOR_ERRORS] = STDERR_FILENO };

	for (int i = 0; i < EMULATOR_STREAMS; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			return err_errno(err, -errno, "cannot make a socket");
		emulator->streams[i] = pair[0];
		emulator->fds[theirs[i]] = pair[1];
	}
	return 0;
}

/*
 * The guest's memory is bounded by the machine itself; the group bounds QEMU around it, should the guest make it
 * grow.
 */
static int emulator_confine(struct emulator *emulator, const struct driver_host *host,
			    struct err *err)
{
	unsigned int controllers = CGROUP_MEMORY | CGROUP_CPUACCT | host->controllers;
	int r = host->run->cgroup
			? cgroup_try(host->run->cgroup, controllers, &emulator->cgroup, err)
			: 0;

	if (r == 0)
		r = host->ops->limit(host->ctx,
				     EMULATOR_OVERHEAD +
					     (int64_t)emulator->command.shares * VIRTIOFSD_MEMORY,
				     emulator->cgroup != NULL, NULL, err);
	return r < 0 || !emulator->cgroup
		       ? r
		       : cgroup_entry_open(emulator->cgroup, &emulator->entry, err);
}

/* In the child. */
static int emulator_join(void *ctx, struct err *err)
{
	struct emulator *emulator = ctx;
	int r = cgroup_join(&emulator->entry, emulator->entry.into >= 0);

	return r < 0 ? err_errno(err, r, "cannot join the VM's control group") : 0;
}

static int emulator_serve(struct emulator *emulator, const struct virtiofsd_share *share,
			  const struct virtiofsd_spec *spec, struct err *err)
{
	int r = virtiofsd_add(&emulator->shares, share, spec, err);

	if (r == 0)
		emulator->fds[emulator->n_fds++] =
			take_fd(&emulator->shares.servers[emulator->shares.n - 1].socket);
	return r;
}

/* What each of them serves, the guest may do anything with; so they are held to the VM's limits. */
static int emulator_share(struct emulator *emulator, const struct driver_host *host,
			  struct err *err)
{
	const struct virtiofsd_spec spec = {
		.run_dir = host->run_dir,
		.errors_fd = emulator->fds[STDERR_FILENO],
		.into_cgroup = emulator->entry.into,
		.prepare = emulator_join,
		.ctx = emulator,
	};
	_cleanup_share_list_ struct share_list list = { 0 };
	int r = share_list_parse(host->instance->volumes, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		_cleanup_free_ char *source = share_path(&list.items[i], host->root);
		const struct virtiofsd_share share = {
			.source = source,
			.read_only = strv_has(list.items[i].options, "ro"),
			.alone = strv_has(list.items[i].options, "bind"),
		};

		r = emulator_serve(emulator, &share, &spec, err);
	}
	if (r == 0 && host->folder_root) {
		const struct virtiofsd_share root = { .source = host->folder_root->folder };

		r = emulator_serve(emulator, &root, &spec, err);
	}
	return r;
}

/* The keeper's descriptors stay the keeper's. */
static int emulator_add_copies(struct emulator *emulator, const int *fds, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return err_errno(err, -errno, "cannot pass on a network card");
		emulator->fds[emulator->n_fds++] = fd;
	}
	return 0;
}

static int emulator_add_vhost(struct emulator *emulator, struct err *err)
{
	int fd = vhost_net_open();

	if (fd < 0)
		return err_errno(err, fd, "cannot open vhost-net");
	emulator->fds[emulator->n_fds++] = fd;
	return 0;
}

static int emulator_add_nics(struct emulator *emulator, const struct driver_host *host,
			     struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < host->n_nics; i++) {
		const struct driver_nic *nic = &host->nics[i];

		if (i == NIC_MAX || nic->queues > DRIVER_QUEUES_MAX)
			return err_set(err, -E2BIG,
				       "a VM has at most %d network cards of %d queues", NIC_MAX,
				       DRIVER_QUEUES_MAX);
		if (!nic->queues)
			r = emulator_add_copies(emulator, &nic->stream, 1, err);
		else
			r = emulator_add_copies(emulator, nic->taps, nic->queues, err);
		for (uint32_t pair = 0; r == 0 && nic->vhost && pair < nic->queues; pair++)
			r = emulator_add_vhost(emulator, err);
	}
	return r;
}

/* It is the user nobody who opens them, by name. */
static int emulator_check_readable(const char *path, struct err *err)
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

static int emulator_launch(struct emulator *emulator, const struct driver_host *host,
			   struct err *err)
{
	_cleanup_strv_ char **args = command_build(&emulator->command);
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
		.uid = EMULATOR_UID,
		.gid = EMULATOR_GID,
		.group = (gid_t)emulator->kvm_group,
		.files = files,
		.n_files = emulator->command.kvm ? 3 : 2,
		.fds = emulator->fds,
		.n_fds = emulator->n_fds,
		.limits = limits,
		.n_limits = ARRAY_SIZE(limits),
		.into_cgroup = emulator->entry.into,
		.prepare = emulator_join,
		.ctx = emulator,
	};
	int r = emulator_check_readable(host->vmlinux, err);

	if (r == 0)
		r = emulator_check_readable(host->initramfs, err);
	return r < 0 ? r : sandbox_start(&spec, &emulator->sandbox, err);
}

static int (*const emulator_steps[])(struct emulator *emulator, const struct driver_host *host,
				     struct err *err) = {
	emulator_check,	    emulator_accelerate,   emulator_open_layers, emulator_open_drives,
	emulator_open_data, emulator_make_streams, emulator_confine,	 emulator_share,
	emulator_add_nics,  emulator_launch,
};

/* What only QEMU and the start need; the streams end with QEMU only if we hold none of its ends. */
static void emulator_close_theirs(struct emulator *emulator)
{
	for (size_t i = 0; i < emulator->n_fds; i++)
		emulator->fds[i] = fd_close(emulator->fds[i]);
	cgroup_entry_release(&emulator->entry);
}

int emulator_start(const struct driver_host *host, struct emulator **ret, struct err *err)
{
	struct emulator *emulator = mem_zalloc(sizeof(*emulator));
	int r = 0;

	emulator->sandbox = SANDBOX_INIT;
	emulator->entry = CGROUP_ENTRY_INIT;
	emulator->kvm_group = -1;
	emulator->n_fds = COMMAND_FD_LAYERS;
	for (size_t i = 0; i < ARRAY_SIZE(emulator->fds); i++)
		emulator->fds[i] = -EBADF;
	for (size_t i = 0; i < EMULATOR_STREAMS; i++)
		emulator->streams[i] = -EBADF;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(emulator_steps); i++)
		r = emulator_steps[i](emulator, host, err);
	emulator_close_theirs(emulator);
	if (r < 0) {
		emulator_free(emulator);
		return r;
	}
	*ret = emulator;
	return 0;
}

struct emulator *emulator_free(struct emulator *emulator)
{
	struct err ignored = ERR_INIT;

	if (!emulator)
		return NULL;
	sandbox_release(&emulator->sandbox);
	for (size_t i = 0; i < ARRAY_SIZE(emulator->drives); i++)
		drive_release(&emulator->drives[i]);
	virtiofsd_release(&emulator->shares);
	if (emulator->cgroup)
		(void)cgroup_destroy(emulator->cgroup, EMULATOR_REMOVE_MS, &ignored);
	emulator->cgroup = cgroup_free(emulator->cgroup);
	for (size_t i = 0; i < EMULATOR_STREAMS; i++)
		fd_close(emulator->streams[i]);
	free(emulator->program);
	free(emulator);
	return NULL;
}

int emulator_take_stream(struct emulator *emulator, int stream)
{
	return take_fd(&emulator->streams[stream]);
}

pid_t emulator_pid(const struct emulator *emulator)
{
	return emulator->sandbox.pid;
}

int emulator_pidfd(const struct emulator *emulator)
{
	return emulator->sandbox.pidfd;
}

void emulator_kill(struct emulator *emulator)
{
	if (emulator->sandbox.pid)
		(void)kill(emulator->sandbox.pid, SIGKILL);
}

/* Before the group goes, which knows it. */
static int emulator_was_oom(const struct emulator *emulator)
{
	return cgroup_oom_kills(emulator->cgroup) > 0;
}

int emulator_reap(struct emulator *emulator, struct err *err)
{
	int status = 0, oom = emulator_was_oom(emulator);
	struct err ignored = ERR_INIT;

	while (waitpid(emulator->sandbox.pid, &status, 0) < 0 && errno == EINTR)
		continue;
	emulator->sandbox.pid = 0;
	virtiofsd_release(&emulator->shares);
	if (emulator->cgroup)
		(void)cgroup_destroy(emulator->cgroup, EMULATOR_REMOVE_MS, &ignored);
	emulator->cgroup = cgroup_free(emulator->cgroup);
	if (sandbox_failure(&emulator->sandbox, err) < 0)
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
