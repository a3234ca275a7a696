// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Start-up is hull_steps[], each of which adds to the hull; hull_free() undoes whatever is there, also of a
 * hull that is half made.
 */
#include "vmm/hull.h"
#include "base/fnv.h"
#include "base/mem.h"
#include "base/strv.h"
#include "proto/drive.h"
#include "proto/guest.h"
#include "proto/share.h"
#include "proto/throttle.h"
#include "proto/vm_driver.h"
#include "sys/cgroup.h"
#include "sys/ext4.h"
#include "sys/kvm_probe.h"
#include "sys/part.h"
#include "sys/sandbox.h"
#include "sys/vhost.h"
#include "sys/virtiofsd.h"
#include "vmm/cpu/vm.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define HULL_BACKLOG 64
/* The socket device's smallest, see vmm/virtio/vsock.h. */
#define HULL_CID_MIN 3

/* Less does not bring a distribution's kernel to its first program. */
#define HULL_MEMORY_MIN	    ((int64_t)96 << 20)
#define HULL_MEMORY_DEFAULT ((int64_t)512 << 20)
#define HULL_MEMORY_UNIT    ((int64_t)2 << 20) /* of struct vmm_config */
#define HULL_LAYERS_MAX	    (VMM_DISKS_MAX - 1)

/*
 * What the process takes beside the guest's memory: itself with its threads' stacks, some MiB; and the kernel's
 * tables of the guest's pages, 8 bytes for each page of 4 KiB in each of KVM's, the process's and the reverse
 * map's, which is less than a sixty-fourth. Twice as much as was ever seen, so that it is never killed for what
 * the guest was promised.
 */
#define HULL_OVERHEAD	    ((int64_t)64 << 20)
#define HULL_OVERHEAD_SHARE 64

/* Its disks, and an eventfd or two for each queue and vector of its devices. */
#define HULL_FILES_MAX 8192
/* A vCPU each, disks' workers, and io_uring's in the kernel, which count too. */
#define HULL_THREADS_MAX 1024
#define HULL_REMOVE_MS	 5000

enum { HULL_LISTENERS = 2, HULL_NET_FDS_MAX = 2 * VMM_NETS_MAX * DRIVER_QUEUES_MAX };

/* A folder by the place of its server. */
struct hull_folder {
	char *target;
	char tag[GUEST_TAG_MAX];
};

struct hull {
	struct sandbox sandbox;
	struct vmm_config config;
	int streams[HULL_STREAMS];
	int fds[VMM_FD_FIRST + VMM_DISKS_MAX + HULL_NET_FDS_MAX + VMM_SHARES_MAX +
		HULL_LISTENERS]; /* the process's, by number */
	size_t n_fds;
	struct virtiofsd shares;
	int errors; /* what servers that come later complain to, as the process does; -EBADF: none come */
	struct hull_folder folders[VMM_SHARES_MAX]; /* shares' */
	struct cgroup *cgroup;
	struct cgroup_entry entry;
};

/* The root is the last one. */
static size_t hull_shares(const struct driver_host *host)
{
	return strv_len(host->instance->volumes) + !!host->folder_root;
}

static int hull_check(struct hull *hull, const struct driver_host *host, struct err *err)
{
	const struct instance *instance = host->instance;
	int64_t memory = instance->memory ? instance->memory : HULL_MEMORY_DEFAULT;
	int64_t cpus = instance_vcpus(instance);
	size_t layers = strv_len(host->layer_paths), drives = strv_len(instance->drives);

	if (memory < HULL_MEMORY_MIN)
		return err_set(
			err, -EINVAL,
			"a VM needs at least %jd MiB of memory, and %jd MiB were given; use -m",
			(intmax_t)(HULL_MEMORY_MIN >> 20), (intmax_t)(memory >> 20));
	if (cpus > VM_CPUS_MAX)
		return err_set(err, -EINVAL, "a VM can have at most %d CPUs", VM_CPUS_MAX);
	if (hull_shares(host) > VMM_SHARES_MAX)
		return err_set(err, -E2BIG, "a VM can be shown at most %d folders", VMM_SHARES_MAX);
	if (layers + drives > HULL_LAYERS_MAX)
		return err_set(err, -E2BIG,
			       "the image has %zu layers, and there are %zu disks more; the engine "
			       "'kvm' takes at most %d",
			       layers, drives, HULL_LAYERS_MAX);
	if (host->n_nics > VMM_NETS_MAX)
		return err_set(err, -E2BIG, "a VM has at most %d network cards", VMM_NETS_MAX);
	hull->config.memory = (uint64_t)(memory - memory % HULL_MEMORY_UNIT);
	hull->config.cpus = (uint32_t)cpus;
	return 0;
}

/* One that stays the instance's when it is renamed. Version 8 of RFC 9562: made in a way of our own. */
static char *hull_make_uuid(const struct instance *instance)
{
	const char *digest = instance->image_digest ? instance->image_digest : "";
	uint64_t high = fnv_mix64(FNV_64, &instance->created, sizeof(instance->created));
	uint64_t low = fnv_mix64(fnv_mix64(high, "uuid", 4), digest, strlen(digest));

	high = (high & ~UINT64_C(0xf000)) | UINT64_C(0x8000);
	low = (low & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
	return mem_printf("%08x-%04x-%04x-%04x-%012llx", (unsigned int)(high >> 32),
			  (unsigned int)(high >> 16 & 0xffff), (unsigned int)(high & 0xffff),
			  (unsigned int)(low >> 48),
			  (unsigned long long)(low & UINT64_C(0xffffffffffff)));
}

struct vmm_rates hull_rates(const struct instance *instance)
{
	return (struct vmm_rates){
		.read_bytes = throttle_own(instance->read_bps, THROTTLE_BYTES),
		.write_bytes = throttle_own(instance->write_bps, THROTTLE_BYTES),
		.read_operations = throttle_own(instance->read_iops, THROTTLE_OPERATIONS),
		.write_operations = throttle_own(instance->write_iops, THROTTLE_OPERATIONS),
	};
}

/* Before the data disk, which the agent waits for: so it finds them there. */
static int hull_configure_drives(struct vmm_disk *disks, char *const *texts, struct err *err)
{
	for (size_t i = 0; i < strv_len(texts); i++) {
		_cleanup_drive_ struct drive drive = { 0 };

		if (drive_parse(texts[i], i, &drive, err) < 0)
			return err->code;
		disks[i].read_only = drive.read_only;
		disks[i].format = drive.qcow2 ? VMM_DISK_QCOW2 : VMM_DISK_RAW;
		snprintf(disks[i].serial, VMM_SERIAL_MAX + 1, "%s", drive.serial);
	}
	return 0;
}

static int hull_configure_nets(struct vmm_config *config, const struct driver_host *host,
			       struct err *err)
{
	config->n_nets = (uint32_t)host->n_nics;
	config->nets = mem_zalloc((host->n_nics + 1) * sizeof(*config->nets));
	for (size_t i = 0; i < host->n_nics; i++) {
		const struct driver_nic *nic = &host->nics[i];
		struct vmm_net *net = &config->nets[i];

		if (nic->queues > DRIVER_QUEUES_MAX)
			return err_set(err, -E2BIG, "a network card has at most %d queues",
				       DRIVER_QUEUES_MAX);
		memcpy(net->mac, nic->mac, sizeof(net->mac));
		net->mtu = nic->mtu;
		net->queues = nic->queues;
		net->vhost = nic->queues && nic->vhost;
	}
	return 0;
}

/*
 * The CID is what the guest calls itself; the host's AF_VSOCK has no part in it, so that it need not be
 * kept apart from those of others. That it is unlike any other's of ours, by the keeper's pid, is for people.
 */
static int hull_configure(struct hull *hull, const struct driver_host *host, struct err *err)
{
	const struct instance *instance = host->instance;
	struct vmm_config *config = &hull->config;
	size_t layers = strv_len(host->layer_paths);

	config->name = mem_strdup(instance->name);
	config->uuid = hull_make_uuid(instance);
	config->cmdline = mem_strdup(instance->kernel_args ? instance->kernel_args : "");
	config->huge_pages = instance->huge_pages;
	config->vsock_cid = HULL_CID_MIN + (uint32_t)getpid();
	config->gdb = instance->gdb;
	config->n_shares = (uint32_t)hull_shares(host);
	config->shared_memory = config->n_shares > 0;
	host->run->vsock_cid = config->vsock_cid;
	config->n_disks = (uint32_t)(layers + strv_len(instance->drives)) + !host->folder_root;
	config->disks = mem_zalloc((config->n_disks + 1) * sizeof(*config->disks));
	for (size_t i = 0; i < layers; i++) {
		snprintf(config->disks[i].serial, VMM_SERIAL_MAX + 1, "layer%u", (unsigned int)i);
		config->disks[i].read_only = 1;
	}
	if (!host->folder_root)
		snprintf(config->disks[config->n_disks - 1].serial, VMM_SERIAL_MAX + 1, "data");
	for (uint32_t i = 0; i < config->n_disks; i++)
		config->disks[i].rates = hull_rates(instance);
	return hull_configure_drives(config->disks + layers, instance->drives, err) < 0
		       ? err->code
		       : hull_configure_nets(config, host, err);
}

static int hull_open(const char *path, int flags, int *ret_fd, struct err *err)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	*ret_fd = fd;
	return 0;
}

/*
 * The program, for as long as the keeper lives: what it restarts after brig was installed anew is what it can talk to.
 */
static int hull_program = -EBADF;

static int hull_find_program(struct err *err)
{
	_cleanup_free_ char *path = NULL;
	int r = hull_program >= 0 ? 0 : part_find(PART_VMM, &path, err);

	return r < 0 || hull_program >= 0 ? r : hull_open(path, O_RDONLY, &hull_program, err);
}

static int hull_open_files(struct hull *hull, const struct driver_host *host, struct err *err)
{
	int r = hull_open(KVM_PROBE_DEVICE, O_RDWR, &hull->fds[VMM_FD_KVM], err);

	if (r == 0)
		r = hull_find_program(err);
	if (r == 0)
		r = hull_open(host->vmlinux, O_RDONLY, &hull->fds[VMM_FD_KERNEL], err);
	if (r == 0)
		r = hull_open(host->initramfs, O_RDONLY, &hull->fds[VMM_FD_INITRAMFS], err);
	return r;
}

static int hull_open_disks(struct hull *hull, const struct driver_host *host, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/" VM_DRIVER_DATA, host->state_dir);
	_cleanup_free_ char *cache = mem_printf("%s/cache", host->root);

	strv_for_each(layer, host->layer_paths) {
		int r = hull_open(*layer, O_RDONLY, &hull->fds[hull->n_fds], err);

		if (r < 0)
			return r;
		hull->n_fds++;
	}
	for (size_t i = 0; i < strv_len(host->instance->drives); i++) {
		_cleanup_drive_ struct drive drive = { 0 };
		int fd = drive_parse(host->instance->drives[i], i, &drive, err);

		if (fd == 0)
			fd = drive_open(&drive, host->root, err);
		if (fd < 0)
			return fd;
		hull->fds[hull->n_fds++] = fd;
	}
	return host->folder_root ? 0
				 : ext4_open(cache, path, host->instance->disk_size,
					     &hull->fds[hull->n_fds++], err);
}

/* The keeper's descriptor stays the keeper's. */
static int hull_add_copy(struct hull *hull, int fd, struct err *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return err_errno(err, -errno, "cannot pass on a network card");
	hull->fds[hull->n_fds++] = copy;
	return 0;
}

static int hull_add_vhost(struct hull *hull, struct err *err)
{
	int fd = vhost_net_open();

	if (fd < 0)
		return err_errno(err, fd, "cannot open vhost-net");
	hull->fds[hull->n_fds++] = fd;
	return 0;
}

static int hull_add_nets(struct hull *hull, const struct driver_host *host, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < host->n_nics; i++) {
		const struct driver_nic *nic = &host->nics[i];

		if (!nic->queues)
			r = hull_add_copy(hull, nic->stream, err);
		for (uint32_t pair = 0; r == 0 && pair < nic->queues; pair++) {
			r = hull_add_copy(hull, nic->taps[pair], err);
			if (r == 0 && nic->vhost)
				r = hull_add_vhost(hull, err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * A socket of a former run of this keeper goes first. The path of a socket is at most 107 bytes long; through
 * /proc/self/fd any folder is near enough.
 */
static int hull_listen(struct hull *hull, const char *run_dir, const char *name, struct err *err)
{
	_cleanup_close_ int folder = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (folder < 0 || fd < 0)
		return err_errno(err, -errno, "cannot make a socket in %s", run_dir);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", folder, name);
	(void)unlinkat(folder, name, 0);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    fchmodat(folder, name, 0600, 0) < 0 || listen(fd, HULL_BACKLOG) < 0)
		return err_errno(err, -errno, "cannot listen on %s/%s", run_dir, name);
	hull->fds[hull->n_fds++] = take_fd(&fd);
	return 0;
}

static int hull_make_streams(struct hull *hull, const struct driver_host *host _unused_,
			     struct err *err)
{
	static const int theirs[HULL_STREAMS] = { [HULL_CONTROL] = VMM_FD_CONTROL,
						  [HULL_SERIAL] = VMM_FD_SERIAL,
						  [HULL_AGENT] = VMM_FD_AGENT,
						  [HULL_ERRORS] = STDERR_FILENO };

	for (int i = 0; i < HULL_STREAMS; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			return err_errno(err, -errno, "cannot make a socket");
		hull->streams[i] = pair[0];
		hull->fds[theirs[i]] = pair[1];
	}
	return 0;
}

/*
 * The guest's memory is bounded by the machine itself; the group bounds the process around it, should the guest
 * make it grow.
 */
static int hull_limit(const struct hull *hull, const struct driver_host *host, size_t shares,
		      struct err *err)
{
	int64_t memory = (int64_t)hull->config.memory;

	return host->ops->limit(host->ctx,
				memory / HULL_OVERHEAD_SHARE + HULL_OVERHEAD +
					(int64_t)shares * VIRTIOFSD_MEMORY,
				hull->cgroup != NULL, NULL, err);
}

static int hull_confine(struct hull *hull, const struct driver_host *host, struct err *err)
{
	unsigned int controllers = CGROUP_MEMORY | CGROUP_CPUACCT | host->controllers;
	int r = host->run->cgroup ? cgroup_try(host->run->cgroup, controllers, &hull->cgroup, err)
				  : 0;

	if (r == 0)
		r = hull_limit(hull, host, hull->config.n_shares, err);
	return r < 0 || !hull->cgroup ? r : cgroup_entry_open(hull->cgroup, &hull->entry, err);
}

/* In the child. */
static int hull_join(void *ctx, struct err *err)
{
	struct hull *hull = ctx;
	int r = cgroup_join(&hull->entry, hull->entry.into >= 0);

	return r < 0 ? err_errno(err, r, "cannot join the VM's control group") : 0;
}

/* The server of one, at the end of those that there are. */
static int hull_serve_at(struct hull *hull, const struct driver_host *host,
			 const struct virtiofsd_share *share, const char *target, int errors_fd,
			 struct err *err)
{
	const struct virtiofsd_spec spec = {
		.run_dir = host->run_dir,
		.errors_fd = errors_fd,
		.into_cgroup = hull->entry.into,
		.prepare = hull_join,
		.ctx = hull,
	};
	int r = virtiofsd_add(&hull->shares, share, &spec, err);

	if (r == 0)
		hull->folders[hull->shares.n - 1].target = mem_strdup(target);
	return r;
}

static int hull_serve(struct hull *hull, const struct driver_host *host, const struct share *share,
		      int errors_fd, struct err *err)
{
	_cleanup_free_ char *source = share_path(share, host->root);
	const struct virtiofsd_share served = {
		.source = source,
		.read_only = strv_has(share->options, "ro"),
		.alone = strv_has(share->options, "bind"),
	};

	return hull_serve_at(hull, host, &served, share->target, errors_fd, err);
}

static int hull_share(struct hull *hull, const struct driver_host *host, struct err *err)
{
	_cleanup_share_list_ struct share_list list = { 0 };
	int r = share_list_parse(host->instance->volumes, &list, err);

	for (size_t i = 0; r == 0 && i < list.n; i++)
		r = hull_serve(hull, host, &list.items[i], hull->fds[STDERR_FILENO], err);
	if (r == 0 && host->folder_root) {
		const struct virtiofsd_share root = { .source = host->folder_root->folder };

		r = hull_serve_at(hull, host, &root, "/", hull->fds[STDERR_FILENO], err);
	}
	for (size_t i = 0; r == 0 && i < hull->shares.n; i++) {
		snprintf(hull->folders[i].tag, GUEST_TAG_MAX, GUEST_SHARE "%zu", i);
		hull->fds[hull->n_fds++] = take_fd(&hull->shares.servers[i].socket);
	}
	return r;
}

static size_t hull_find(const struct hull *hull, const char *target)
{
	size_t i = 0;

	while (i < hull->shares.n && strcmp(hull->folders[i].target, target) != 0)
		i++;
	return i;
}

const char *hull_shown(const struct hull *hull, const char *target)
{
	size_t i = hull_find(hull, target);

	return i < hull->shares.n ? hull->folders[i].tag : NULL;
}

void hull_hide(struct hull *hull, const char *target)
{
	size_t i = hull_find(hull, target);

	if (i == hull->shares.n)
		return;
	free(hull->folders[i].target);
	virtiofsd_remove(&hull->shares, i);
	memmove(hull->folders + i, hull->folders + i + 1,
		(hull->shares.n - i) * sizeof(*hull->folders));
}

static void hull_hide_all(struct hull *hull)
{
	for (size_t i = 0; i < hull->shares.n; i++)
		free(hull->folders[i].target);
	virtiofsd_release(&hull->shares);
}

static int hull_may_show(const struct hull *hull, struct err *err)
{
	if (!hull->config.shared_memory)
		return err_set(
			err, -EBUSY,
			"the VM was started without a folder of the host's, so its memory is "
			"its own, which the server of one would have to share; stop it first");
	return hull->shares.n < VMM_SHARES_MAX
		       ? 0
		       : err_set(err, -E2BIG, "a VM can be shown at most %d folders",
				 VMM_SHARES_MAX);
}

/* Its server is in the machine's group, which gets room for it. */
static int hull_serve_later(struct hull *hull, const struct driver_host *host,
			    const struct share *share, struct err *err)
{
	int r = hull->cgroup ? hull_limit(hull, host, hull->shares.n + 1, err) : 0;

	if (r == 0 && hull->cgroup)
		r = cgroup_entry_open(hull->cgroup, &hull->entry, err);
	if (r == 0)
		r = hull_serve(hull, host, share, hull->errors, err);
	cgroup_entry_release(&hull->entry);
	hull->entry = CGROUP_ENTRY_INIT;
	return r;
}

int hull_show(struct hull *hull, const struct driver_host *host, const char *share,
	      const char **ret_tag, int *ret_socket, struct err *err)
{
	_cleanup_share_ struct share parsed = { 0 };
	struct hull_folder *folder;
	int r = share_parse(share, &parsed, err);

	if (r == 0)
		r = hull_may_show(hull, err);
	if (r == 0)
		r = hull_serve_later(hull, host, &parsed, err);
	if (r < 0)
		return r;
	folder = &hull->folders[hull->shares.n - 1];
	guest_share_tag(folder->target, folder->tag);
	*ret_tag = folder->tag;
	*ret_socket = take_fd(&hull->shares.servers[hull->shares.n - 1].socket);
	return 0;
}

/* In the order of proto/vmm.h. */
static int hull_connect(struct hull *hull, const struct driver_host *host, struct err *err)
{
	int r = hull_add_nets(hull, host, err);

	if (r == 0)
		r = hull_listen(hull, host->run_dir, VMM_VSOCK_SOCKET, err);
	if (r == 0)
		r = hull_share(hull, host, err);
	if (r == 0 && hull->config.gdb)
		r = hull_listen(hull, host->run_dir, VMM_GDB_SOCKET, err);
	return r;
}

static int hull_launch(struct hull *hull, const struct driver_host *host _unused_, struct err *err)
{
	char *argv[] = { (char *)PART_VMM, NULL }, *env[] = { NULL };
	const struct sandbox_limit limits[] = { { RLIMIT_CORE, 0 },
						{ RLIMIT_NOFILE, HULL_FILES_MAX },
						{ RLIMIT_NPROC, HULL_THREADS_MAX } };
	const struct sandbox_spec spec = {
		.argv = argv,
		.env = env,
		.program = &hull_program,
		.in_stages = 1,
		.uid = HULL_UID,
		.gid = HULL_GID,
		.fds = hull->fds,
		.n_fds = hull->n_fds,
		.limits = limits,
		.n_limits = ARRAY_SIZE(limits),
		.into_cgroup = hull->entry.into,
		.prepare = hull_join,
		.ctx = hull,
	};

	return sandbox_start(&spec, &hull->sandbox, err);
}

static int (*const hull_steps[])(struct hull *hull, const struct driver_host *host,
				 struct err *err) = {
	hull_check,	   hull_configure, hull_open_files, hull_open_disks,
	hull_make_streams, hull_confine,   hull_connect,    hull_launch,
};

/* What only the process and the start need; the streams end with it only if we hold none of its ends. Of errors the end
 * tells nobody anything. */
static void hull_close_theirs(struct hull *hull)
{
	if (hull->config.shared_memory)
		hull->errors = take_fd(&hull->fds[STDERR_FILENO]);
	for (size_t i = 0; i < ARRAY_SIZE(hull->fds); i++)
		hull->fds[i] = fd_close(hull->fds[i]);
	cgroup_entry_release(&hull->entry);
}

int hull_start(const struct driver_host *host, struct hull **ret, struct err *err)
{
	struct hull *hull = mem_zalloc(sizeof(*hull));
	int r = 0;

	hull->sandbox = SANDBOX_INIT;
	hull->entry = CGROUP_ENTRY_INIT;
	hull->errors = -EBADF;
	hull->n_fds = VMM_FD_FIRST;
	for (size_t i = 0; i < ARRAY_SIZE(hull->fds); i++)
		hull->fds[i] = -EBADF;
	for (size_t i = 0; i < HULL_STREAMS; i++)
		hull->streams[i] = -EBADF;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(hull_steps); i++)
		r = hull_steps[i](hull, host, err);
	hull_close_theirs(hull);
	if (r < 0) {
		hull_free(hull);
		return r;
	}
	*ret = hull;
	return 0;
}

struct hull *hull_free(struct hull *hull)
{
	struct err ignored = ERR_INIT;

	if (!hull)
		return NULL;
	sandbox_release(&hull->sandbox);
	hull_hide_all(hull);
	if (hull->cgroup)
		(void)cgroup_destroy(hull->cgroup, HULL_REMOVE_MS, &ignored);
	hull->cgroup = cgroup_free(hull->cgroup);
	for (size_t i = 0; i < HULL_STREAMS; i++)
		fd_close(hull->streams[i]);
	fd_close(hull->errors);
	vmm_config_release(&hull->config);
	free(hull);
	return NULL;
}

const struct vmm_config *hull_config(const struct hull *hull)
{
	return &hull->config;
}

int hull_take_stream(struct hull *hull, int stream)
{
	return take_fd(&hull->streams[stream]);
}

pid_t hull_pid(const struct hull *hull)
{
	return hull->sandbox.pid;
}

int hull_pidfd(const struct hull *hull)
{
	return hull->sandbox.pidfd;
}

void hull_kill(struct hull *hull)
{
	if (hull->sandbox.pid)
		(void)kill(hull->sandbox.pid, SIGKILL);
}

/* Before the group goes, which knows it. */
static int hull_was_oom(const struct hull *hull)
{
	return cgroup_oom_kills(hull->cgroup) > 0;
}

static int hull_explain_signal(int number, int oom, struct err *err)
{
	if (number == SIGSYS)
		err_set(err, -ECANCELED,
			"the VMM was stopped at a system call that its jail does not allow; either "
			"the "
			"guest has taken it over, or this is a mistake of brig's");
	else
		err_set(err, -ECANCELED, "the VMM was killed by signal %d%s", number,
			oom ? ", for want of memory on the host" : "");
	/* as a container's, when its first process is killed */
	err->exit_status = 128 + number;
	return err->code;
}

int hull_reap(struct hull *hull, struct err *err)
{
	int status = 0, oom = hull_was_oom(hull);
	struct err ignored = ERR_INIT;

	while (waitpid(hull->sandbox.pid, &status, 0) < 0 && errno == EINTR)
		continue;
	hull->sandbox.pid = 0;
	hull_hide_all(hull);
	if (hull->cgroup)
		(void)cgroup_destroy(hull->cgroup, HULL_REMOVE_MS, &ignored);
	hull->cgroup = cgroup_free(hull->cgroup);
	if (sandbox_failure(&hull->sandbox, err) < 0)
		return err_wrap(err, "cannot start the VMM");
	if (WIFSIGNALED(status))
		return hull_explain_signal(WTERMSIG(status), oom, err);
	if (WEXITSTATUS(status))
		return err_set(err, -EREMOTEIO, "the VMM failed with status %d",
			       WEXITSTATUS(status));
	return 0;
}
