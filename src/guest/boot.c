// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/boot.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "guest/disk.h"
#include "guest/folder.h"
#include "guest/net.h"
#include "guest/uevent.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#define BOOT_MODULES	 "/etc/modules" /* a path per line, dependencies first */
#define BOOT_LATER	 "/etc/modules.later"
#define BOOT_SHARES	 "/etc/modules.shares"
#define BOOT_NETS	 "/etc/modules.nets"
#define BOOT_MODULES_MAX (64U << 10)
#define BOOT_PORTS	 "/sys/class/virtio-ports"

#define BOOT_LATER_NICE 19

/* A stock kernel that is fully emulated on a busy host is slow to find its devices. */
#define BOOT_DEVICE_TIMEOUT_MS 60000

struct boot_step {
	const char *what;
	int (*run)(struct boot *boot, struct err *err);
};

static int boot_mount_one(const char *type, const char *target, struct err *err)
{
	if (mkdir(target, 0755) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make %s", target);
	if (mount(type, target, type, MS_NOSUID, NULL) < 0 && errno != EBUSY)
		return err_errno(err, -errno, "cannot mount %s", target);
	return 0;
}

/* Where the kernel found no console to give us, descriptors 0 to 2 must still be something. */
static void boot_open_stdio(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0)
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = dup(fd);
	fd_close(fd);
}

static int boot_mount(struct boot *boot _unused_, struct err *err)
{
	int r = boot_mount_one("devtmpfs", "/dev", err);

	if (r < 0)
		return r;
	boot_open_stdio();
	r = boot_mount_one("proc", "/proc", err);
	return r < 0 ? r : boot_mount_one("sysfs", "/sys", err);
}

/* What stands behind a signed module, from the end: this, and struct module_signature (all of it
 * linux/module_signature.h), whose last member is the length of the signature before it, big-endian. */
#define BOOT_SIGNED	    "~Module signature appended~\n"
#define BOOT_SIGNED_LEN	    (sizeof(BOOT_SIGNED) - 1)
#define BOOT_SIGNATURE_HEAD 12

static size_t boot_unsigned_size(const uint8_t *module, size_t size)
{
	size_t rest = size - BOOT_SIGNED_LEN - BOOT_SIGNATURE_HEAD, length = 0;

	if (size < BOOT_SIGNED_LEN + BOOT_SIGNATURE_HEAD ||
	    memcmp(module + size - BOOT_SIGNED_LEN, BOOT_SIGNED, BOOT_SIGNED_LEN))
		return size;
	for (size_t i = 8; i < BOOT_SIGNATURE_HEAD; i++)
		length = length << 8 | module[rest + i];
	return length < rest ? rest - length : size;
}

/*
 * The modules are those that the host gave us with the kernel, so a signature says nothing new; but its
 * check takes the kernel four times as long as all else that it does with a module. It is left off
 * where the kernel does not insist.
 */
static int boot_init_module(int fd)
{
	struct stat st;
	uint8_t *module;
	long r;

	if (fstat(fd, &st) < 0)
		return -errno;
	module = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (module == MAP_FAILED)
		return -errno;
	r = syscall(SYS_init_module, module, boot_unsigned_size(module, (size_t)st.st_size), "");
	if (r < 0 && (errno == EKEYREJECTED || errno == EPERM))
		r = syscall(SYS_finit_module, fd, "", 0);
	(void)munmap(module, (size_t)st.st_size);
	return r < 0 && errno != EEXIST ? -errno : 0;
}

static int boot_load_module(const char *path, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_errno(err, -errno, "cannot open the module %s", path);
	r = boot_init_module(fd);
	return r < 0 ? err_errno(err, r, "cannot load the module %s", path) : 0;
}

/* A kernel that has all built in comes without a list. */
static int boot_load_list(const char *list, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **paths = NULL;
	int r = file_read(AT_FDCWD, list, BOOT_MODULES_MAX, &text, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : err_errno(err, r, "cannot read %s", list);
	paths = strv_split(text, "\n");
	strv_for_each(path, paths) {
		r = boot_load_module(*path, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int boot_load_modules(struct boot *boot _unused_, struct err *err)
{
	return boot_load_list(BOOT_MODULES, err);
}

void boot_load_later(void)
{
	struct err err = ERR_INIT;
	pid_t pid = fork();

	if (pid < 0)
		log_error("cannot load more modules: %s", strerror(errno));
	if (pid)
		return;
	(void)setpriority(PRIO_PROCESS, 0, BOOT_LATER_NICE);
	if (boot_load_list(BOOT_LATER, &err) < 0)
		log_error("%s", err.msg);
	_exit(0);
}

static int boot_listen(struct boot *boot, struct err *err)
{
	boot->uevents = uevent_open(err);
	return boot->uevents < 0 ? boot->uevents : 0;
}

static int boot_open_if_ours(const char *name)
{
	_cleanup_free_ char *label = NULL;
	char path[300];
	int fd;

	snprintf(path, sizeof(path), BOOT_PORTS "/%.200s/name", name);
	if (file_read(AT_FDCWD, path, 256, &label, NULL) < 0)
		return -ENOENT;
	label[strcspn(label, "\n")] = '\0';
	if (strcmp(label, GUEST_PORT))
		return -ENOENT;
	snprintf(path, sizeof(path), "/dev/%.200s", name);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

static int boot_look_for_port(void *ctx, struct err *err _unused_)
{
	struct boot *boot = ctx;
	_cleanup_closedir_ DIR *dir = opendir(BOOT_PORTS);
	struct dirent *entry;

	while (dir && boot->port < 0 && (entry = readdir(dir))) {
		if (*entry->d_name != '.')
			boot->port = boot_open_if_ours(entry->d_name);
	}
	return boot->port >= 0;
}

static int boot_open_port(struct boot *boot, struct err *err)
{
	int r = uevent_wait(boot->uevents, BOOT_DEVICE_TIMEOUT_MS, boot_look_for_port, boot, err);

	if (!r)
		return err_set(err, -ENODEV,
			       "the machine has no virtio-serial port named " GUEST_PORT);
	return r < 0 ? r : 0;
}

/* The port still blocks, and until the host is there a write waits for it. */
static int boot_send(const struct boot *boot, uint16_t type, const struct buf *payload)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	frame_put(&out, 0, type, payload->data, payload->len);
	return file_write_all(boot->port, out.data, out.len);
}

static int boot_say_hello(struct boot *boot, struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct utsname names;
	int r;

	if (uname(&names) < 0)
		return err_errno(err, -errno, "cannot ask for the kernel's release");
	wire_put_u32(&payload, MESSAGE_VERSION);
	wire_put_str(&payload, names.release);
	r = boot_send(boot, MESSAGE_HELLO, &payload);
	return r < 0 ? err_errno(err, r, "cannot greet the host") : 0;
}

static int boot_receive_config(struct boot *boot, struct err *err)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct frame frame;
	int r = frame_receive(boot->port, &buf, &frame);

	if (r < 0)
		return err_errno(err, r, "cannot read the configuration from the host");
	if (frame.type != MESSAGE_CONFIGURE || guest_config_get(&frame, &boot->config) < 0)
		return err_set(err, -EPROTO,
			       "the host sent no configuration that this agent understands");
	return 0;
}

static int boot_set_clock(struct boot *boot, struct err *err)
{
	int64_t ns = boot->config.time_ns;
	struct timespec now = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	if (ns && (ns < 0 || clock_settime(CLOCK_REALTIME, &now) < 0))
		return err_errno(err, ns < 0 ? -EINVAL : -errno, "cannot set the clock");
	return 0;
}

static int boot_set_hostname(struct boot *boot, struct err *err)
{
	size_t len = strlen(boot->config.hostname);

	if (len && sethostname(boot->config.hostname, len) < 0)
		return err_errno(err, -errno, "cannot set the host name");
	return 0;
}

static int boot_loopback(struct boot *boot _unused_, struct err *err)
{
	return net_loopback_up(err);
}

int boot_load_nets(struct err *err)
{
	return boot_load_list(BOOT_NETS, err);
}

static int boot_load_needed_nets(struct boot *boot, struct err *err)
{
	return boot->config.nics ? boot_load_nets(err) : 0;
}

static int boot_set_up_nets(struct boot *boot, struct err *err)
{
	if (!boot->config.system)
		net_open_to_all();
	return boot->config.nics
		       ? net_set_up(boot->config.nics, boot->uevents, BOOT_DEVICE_TIMEOUT_MS, err)
		       : 0;
}

int boot_load_folders(struct err *err)
{
	return boot_load_list(BOOT_SHARES, err);
}

static int boot_mount_folder(struct boot *boot, struct err *err)
{
	int r = boot_load_folders(err);

	return r < 0 ? r
		     : folder_mount_root(&boot->config, DISK_ROOT, boot->uevents,
					 BOOT_DEVICE_TIMEOUT_MS, err);
}

static int boot_mount_root(struct boot *boot, struct err *err)
{
	if (boot->config.folder_root)
		return boot_mount_folder(boot, err);
	return disk_mount(boot->config.layers, boot->config.user_marks, boot->uevents,
			  BOOT_DEVICE_TIMEOUT_MS, err);
}

static int boot_load_shares(struct boot *boot, struct err *err)
{
	return boot->config.shares && !boot->config.folder_root ? boot_load_folders(err) : 0;
}

/* From inside a cgroup namespace the mount does not wait for an RCU grace period. */
static int boot_mount_cgroups(struct boot *boot _unused_, struct err *err)
{
	if (unshare(CLONE_NEWCGROUP) < 0)
		return err_errno(err, -errno, "cannot make a cgroup namespace");
	return boot_mount_one("cgroup2", "/sys/fs/cgroup", err);
}

static int boot_set_sysctls(struct boot *boot, struct err *err)
{
	strv_for_each(text, boot->config.sysctls) {
		size_t len = strcspn(*text, "=");
		_cleanup_free_ char *path = mem_printf("/proc/sys/%.*s", (int)len, *text);
		int r;

		for (char *at = path; *at; at++)
			*at = *at == '.' ? '/' : *at;
		r = (*text)[len] ? file_write_value(AT_FDCWD, path, *text + len + 1) : -EINVAL;
		if (r < 0)
			return err_errno(err, r, "cannot set the sysctl %.200s", *text);
	}
	return 0;
}

static const struct boot_step boot_steps[] = {
	{ "mount the kernel's file systems", boot_mount },
	{ "listen for devices", boot_listen },
	{ "load modules", boot_load_modules },
	{ "find the host's port", boot_open_port },
	{ "greet the host", boot_say_hello },
	{ "receive the configuration", boot_receive_config },
	{ "set the clock", boot_set_clock },
	{ "set the host name", boot_set_hostname },
	{ "bring up the loopback", boot_loopback },
	{ "load modules for networks", boot_load_needed_nets },
	{ "set up the networks", boot_set_up_nets },
	{ "mount the root", boot_mount_root },
	{ "load modules for shares", boot_load_shares },
	{ "mount the cgroups", boot_mount_cgroups },
	{ "set what the kernel is to have set", boot_set_sysctls },
};

int boot_machine(struct boot *boot, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(boot_steps); i++) {
		int r = boot_steps[i].run(boot, err);

		if (r < 0)
			return err_wrap(err, "the machine's start failed (%s)", boot_steps[i].what);
	}
	return 0;
}

/* Without ACPI nobody can switch the power off, and the kernel would halt: a reset ends the machine. */
void boot_power_off(void)
{
	int how = access("/sys/firmware/acpi", F_OK) == 0 ? RB_POWER_OFF : RB_AUTOBOOT;

	(void)kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		continue;
	disk_unmount();
	sync();
	(void)reboot(how);
	(void)reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
