// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/disk.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/uevent.h"

#include <ctype.h>
#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#define DISK_LAYER  "layer"
#define DISK_LAYERS "/layers"
#define DISK_UPPER  DISK_DATA "/upper"
#define DISK_WORK   DISK_DATA "/work"

#define DISK_NAME_MAX	32
#define DISK_SERIAL_MAX 64

struct disk_set {
	uint32_t layers;
	uint32_t found;
	char names[DISK_LAYERS_MAX + 1][DISK_NAME_MAX]; /* "vda"; the last one in use is data's */
};

int disk_place(const char *serial, uint32_t layers)
{
	const char *p = serial + strlen(DISK_LAYER);
	uint32_t number = 0;

	if (!strcmp(serial, "data"))
		return (int)layers;
	if (strncmp(serial, DISK_LAYER, strlen(DISK_LAYER)) || !*p || (*p == '0' && p[1]))
		return -1;
	for (; isdigit((unsigned char)*p) && number < layers; p++)
		number = number * 10 + (uint32_t)(*p - '0');
	return *p || number >= layers ? -1 : (int)number;
}

static void disk_note(struct disk_set *set, int blockfd, const char *name)
{
	char path[DISK_NAME_MAX + 8];
	_cleanup_free_ char *serial = NULL;
	int place;

	if (strlen(name) >= DISK_NAME_MAX)
		return;
	snprintf(path, sizeof(path), "%.*s/serial", DISK_NAME_MAX - 1, name);
	if (file_read(blockfd, path, DISK_SERIAL_MAX, &serial, NULL) < 0)
		return;
	serial[strcspn(serial, "\n")] = '\0';
	place = disk_place(serial, set->layers);
	if (place < 0 || *set->names[place])
		return;
	memcpy(set->names[place], name, strlen(name));
	set->found++;
}

static int disk_scan(void *ctx, struct err *err _unused_)
{
	struct disk_set *set = ctx;
	_cleanup_closedir_ DIR *dir = opendir("/sys/block");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name != '.')
			disk_note(set, dirfd(dir), entry->d_name);
	}
	return set->found == set->layers + 1;
}

static int disk_find(struct disk_set *set, int uevents, int64_t timeout_ms, struct err *err)
{
	int r = uevent_wait(uevents, timeout_ms, disk_scan, set, err);

	if (r)
		return r < 0 ? r : 0;
	for (uint32_t i = 0; i < set->layers; i++) {
		if (!*set->names[i])
			return err_set(err, -ENODEV, "the machine has no disk '" DISK_LAYER "%u'",
				       i);
	}
	return err_set(err, -ENODEV, "the machine has no disk 'data'");
}

/* The folder is made; its parent is there. */
static int disk_mount_one(const char *name, const char *target, const char *type,
			  unsigned long flags, const char *options, struct err *err)
{
	char device[DISK_NAME_MAX + 8];

	snprintf(device, sizeof(device), "/dev/%s", name);
	if (mkdir(target, 0755) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make %s", target);
	if (mount(device, target, type, flags, options) < 0)
		return err_errno(err, -errno, "cannot mount the disk %s (%s)", name, type);
	return 0;
}

static int disk_mount_layers(const struct disk_set *set, struct buf *lower, struct err *err)
{
	if (mkdir(DISK_LAYERS, 0755) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make " DISK_LAYERS);
	for (uint32_t i = set->layers; i-- > 0;) {
		char target[32];
		int r;

		snprintf(target, sizeof(target), DISK_LAYERS "/%u", i);
		r = disk_mount_one(set->names[i], target, "erofs", MS_RDONLY, NULL, err);
		if (r < 0)
			return r;
		buf_printf(lower, "%s%s", lower->len ? ":" : "", target);
	}
	return 0;
}

/* Of the superblock, as the kernel documents it (filesystems/ext4/super.rst). */
#define DISK_SUPER		1024
#define DISK_SUPER_BLOCKS_LOW	0x4
#define DISK_SUPER_BLOCK_SIZE	0x18
#define DISK_SUPER_BLOCKS_HIGH	0x150
#define DISK_SUPER_LEN		1024
#define DISK_BLOCK_SIZE_LOG_MIN 10
#define DISK_BLOCK_SIZE_LOG_MAX 16

/* The kernel tells it to nobody's headers but its own (fs/ext4/ext4.h, and filesystems/ext4/ about the ioctl). */
#define DISK_RESIZE _IOW('f', 16, uint64_t)

uint64_t disk_blocks_more(const uint8_t *super, uint64_t bytes)
{
	uint32_t low, high, log;
	uint64_t has, may;

	memcpy(&low, super + DISK_SUPER_BLOCKS_LOW, sizeof(low));
	memcpy(&high, super + DISK_SUPER_BLOCKS_HIGH, sizeof(high));
	memcpy(&log, super + DISK_SUPER_BLOCK_SIZE, sizeof(log));
	log = le32toh(log);
	if (log > DISK_BLOCK_SIZE_LOG_MAX - DISK_BLOCK_SIZE_LOG_MIN)
		return 0;
	has = (uint64_t)le32toh(high) << 32 | le32toh(low);
	may = bytes >> (log + DISK_BLOCK_SIZE_LOG_MIN);
	return may > has ? may : 0;
}

/* The disk may have become larger while the machine was off. If its file system cannot, it is what it was. */
static void disk_grow_data(const char *name)
{
	_cleanup_close_ int folder = open(DISK_DATA, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int device = -EBADF;
	uint8_t super[DISK_SUPER_LEN];
	char path[DISK_NAME_MAX + 8];
	uint64_t bytes = 0, blocks;

	snprintf(path, sizeof(path), "/dev/%s", name);
	device = open(path, O_RDONLY | O_CLOEXEC);
	if (folder < 0 || device < 0 || ioctl(device, BLKGETSIZE64, &bytes) < 0 ||
	    pread(device, super, sizeof(super), DISK_SUPER) != (ssize_t)sizeof(super))
		return;
	blocks = disk_blocks_more(super, bytes);
	if (blocks && ioctl(folder, DISK_RESIZE, &blocks) < 0)
		log_error("cannot make the disk's file system larger: %s", strerror(errno));
}

struct disk_growth {
	char path[64]; /* of sysfs: in sectors of DISK_SECTOR, how large it is */
	uint64_t bytes;
};

#define DISK_SECTOR 512

static int disk_has_grown(void *ctx, struct err *err _unused_)
{
	const struct disk_growth *growth = ctx;
	struct err ignored = ERR_INIT;
	_cleanup_free_ char *text = NULL;
	int64_t sectors;

	if (file_read(AT_FDCWD, growth->path, DISK_SERIAL_MAX, &text, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return units_parse_size(text, &sectors, &ignored) == 0 &&
	       (uint64_t)sectors >= growth->bytes / DISK_SECTOR;
}

int disk_grow_mounted(const char *size, int64_t timeout_ms, struct err *err)
{
	_cleanup_close_ int folder = open(DISK_DATA, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int uevents = uevent_open(err);
	struct disk_growth growth;
	struct statfs fs;
	struct stat st;
	uint64_t blocks;
	int64_t bytes;
	int r;

	if (uevents < 0 || units_parse_size(size, &bytes, err) < 0)
		return err->code;
	if (folder < 0 || fstat(folder, &st) < 0 || fstatfs(folder, &fs) < 0)
		return err_errno(err, -errno, "cannot find the disk");
	growth.bytes = (uint64_t)bytes;
	snprintf(growth.path, sizeof(growth.path), "/sys/dev/block/%u:%u/size", major(st.st_dev),
		 minor(st.st_dev));
	r = uevent_wait(uevents, timeout_ms, disk_has_grown, &growth, err);
	if (r <= 0)
		return r < 0 ? r : err_set(err, -ETIMEDOUT, "the kernel sees no larger disk");
	blocks = growth.bytes / (uint64_t)fs.f_bsize;
	return ioctl(folder, DISK_RESIZE, &blocks) < 0
		       ? err_errno(err, -errno, "cannot make the disk's file system larger")
		       : 0;
}

/* discard: what is deleted in the guest takes no room on the host's disk. */
static int disk_mount_data(const struct disk_set *set, struct err *err)
{
	const char *name = set->names[set->layers];
	int r = disk_mount_one(name, DISK_DATA, "ext4", MS_NOATIME, "discard", err);

	if (r < 0)
		return r;
	disk_grow_data(name);
	if ((mkdir(DISK_UPPER, 0755) < 0 && errno != EEXIST) ||
	    (mkdir(DISK_WORK, 0700) < 0 && errno != EEXIST))
		return err_errno(err, -errno, "cannot prepare the data disk");
	return 0;
}

/* The overlay holds its parts itself, so that the layers' own mounts need not stay. */
static int disk_mount_overlay(const char *lower, int user_marks, struct err *err)
{
	_cleanup_buf_ struct buf options = BUF_INIT;

	buf_printf(&options, "lowerdir=%s,upperdir=" DISK_UPPER ",workdir=" DISK_WORK "%s", lower,
		   user_marks ? ",userxattr" : "");
	if (mkdir(DISK_ROOT, 0755) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make " DISK_ROOT);
	if (mount("overlay", DISK_ROOT, "overlay", 0, options.data) < 0)
		return err_errno(err, -errno, "cannot mount the overlay of the image and the disk");
	return 0;
}

int disk_mount(uint32_t layers, int user_marks, int uevents, int64_t timeout_ms, struct err *err)
{
	struct disk_set set = { .layers = layers };
	_cleanup_buf_ struct buf lower = BUF_INIT;
	int r;

	if (!layers || layers > DISK_LAYERS_MAX)
		return err_set(err, -EINVAL, "%u layers; an instance has 1 to %d", layers,
			       DISK_LAYERS_MAX);
	r = disk_find(&set, uevents, timeout_ms, err);
	if (r == 0)
		r = disk_mount_layers(&set, &lower, err);
	if (r == 0)
		r = disk_mount_data(&set, err);
	return r < 0 ? r : disk_mount_overlay(lower.data, user_marks, err);
}

/* "254:16\n" */
static int disk_parse_device(const char *text, dev_t *ret)
{
	_cleanup_strv_ char **numbers = strv_split(text, ":\n");
	struct err ignored = ERR_INIT;
	int64_t major, minor;

	if (strv_len(numbers) != 2 ||
	    units_parse_int(numbers[0], 0, UINT32_MAX, &major, &ignored) < 0 ||
	    units_parse_int(numbers[1], 0, UINT32_MAX, &minor, &ignored) < 0)
		return -EINVAL;
	*ret = makedev((unsigned int)major, (unsigned int)minor);
	return 0;
}

static int disk_show_one(int blockfd, const char *name, struct err *err)
{
	char path[DISK_NAME_MAX + 8], node[DISK_NAME_MAX + 8], target[DISK_NAME_MAX + 8];
	const int max = DISK_NAME_MAX - 1;
	_cleanup_free_ char *serial = NULL, *numbers = NULL, *link = NULL;
	struct stat st;
	dev_t device;

	if (strlen(name) >= DISK_NAME_MAX)
		return 0;
	snprintf(path, sizeof(path), "%.*s/serial", max, name);
	if (file_read(blockfd, path, DISK_SERIAL_MAX, &serial, NULL) < 0)
		return 0;
	serial[strcspn(serial, "\n")] = '\0';
	snprintf(path, sizeof(path), "%.*s/dev", max, name);
	if (!*serial || strchr(serial, '/') || disk_place(serial, DISK_LAYERS_MAX) >= 0 ||
	    file_read(blockfd, path, DISK_SERIAL_MAX, &numbers, NULL) < 0 ||
	    disk_parse_device(numbers, &device) < 0)
		return 0;
	snprintf(node, sizeof(node), "/dev/%.*s", max, name);
	snprintf(target, sizeof(target), "../../%.*s", max, name);
	link = mem_printf("/dev/disk/by-id/virtio-%s", serial);
	/* what had the number or the name before may have gone by itself */
	if (lstat(node, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev != device)
		(void)unlink(node);
	(void)unlink(link);
	if ((mknod(node, S_IFBLK | 0660, device) < 0 && errno != EEXIST) ||
	    file_mkdir_p("/dev/disk/by-id", 0755) < 0 ||
	    (symlink(target, link) < 0 && errno != EEXIST))
		return err_errno(err, -errno, "cannot make %s", link);
	return 0;
}

int disk_show(struct err *err)
{
	_cleanup_closedir_ DIR *dir = opendir("/sys/block");
	struct dirent *entry;
	int r = 0;

	while (dir && r == 0 && (entry = readdir(dir))) {
		if (*entry->d_name != '.')
			r = disk_show_one(dirfd(dir), entry->d_name, err);
	}
	return r;
}

struct disk_wanted {
	const char *serial;
	char name[DISK_NAME_MAX];
};

static int disk_look(void *ctx, struct err *err _unused_)
{
	struct disk_wanted *wanted = ctx;
	_cleanup_closedir_ DIR *dir = opendir("/sys/block");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *path = mem_printf("%s/serial", entry->d_name), *serial = NULL;

		if (*entry->d_name == '.' || strlen(entry->d_name) >= DISK_NAME_MAX ||
		    file_read(dirfd(dir), path, DISK_SERIAL_MAX, &serial, NULL) < 0)
			continue;
		serial[strcspn(serial, "\n")] = '\0';
		if (strcmp(serial, wanted->serial) != 0)
			continue;
		memcpy(wanted->name, entry->d_name, strlen(entry->d_name) + 1);
		return 1;
	}
	return 0;
}

int disk_await(const char *serial, int uevents, int64_t timeout_ms, struct err *err)
{
	struct disk_wanted wanted = { .serial = serial };
	int r = uevent_wait(uevents, timeout_ms, disk_look, &wanted, err);

	if (r)
		return r < 0 ? r : 0;
	return err_set(err, -ENODEV, "the guest's kernel finds no disk '%.32s'", serial);
}

int disk_name(const char *serial, char **ret)
{
	struct disk_wanted wanted = { .serial = serial };
	struct err ignored = ERR_INIT;

	if (!disk_look(&wanted, &ignored))
		return -ENOENT;
	*ret = mem_strdup(wanted.name);
	return 0;
}

/* The PCI device of a disk, which its virtio device is below: a descriptor, or -errno. */
static int disk_open_pci(const char *name)
{
	_cleanup_free_ char *path = mem_printf("/sys/block/%s/device/..", name);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Who opens a disk for himself alone is refused while it, or a part of it, is mounted, swapped to, or of a volume. */
static int disk_claim(const char *name, int forced, int *ret, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("/dev/%s", name);

	*ret = open(path, O_RDONLY | O_CLOEXEC | (forced ? 0 : O_EXCL));
	if (*ret < 0 && errno == EBUSY)
		return err_set(
			err, -EBUSY,
			"/dev/%s is in use in the guest: it is mounted there, or swapped to; "
			"end that first, or add --force",
			name);
	if (*ret < 0 && !forced)
		return err_errno(err, -errno, "the guest cannot open /dev/%s", name);
	return 0;
}

int disk_let_go(const char *serial, int forced, struct err *err)
{
	_cleanup_close_ int device = -EBADF, pci = -EBADF;
	_cleanup_free_ char *name = NULL;
	int r;

	if (disk_name(serial, &name) < 0)
		return 0;
	r = disk_claim(name, forced, &device, err);
	if (r < 0)
		return r;
	if (device >= 0 && fsync(device) < 0 && !forced)
		return err_errno(err, -errno, "the guest cannot write /dev/%s out", name);
	pci = disk_open_pci(name);
	r = pci < 0 ? pci : file_write_value(pci, "remove", "1");
	return r < 0 ? err_errno(err, r, "cannot let go of /dev/%s", name) : 0;
}

void disk_hide(const char *serial, const char *name)
{
	_cleanup_free_ char *link = mem_printf("/dev/disk/by-id/virtio-%s", serial);
	_cleanup_free_ char *node = mem_printf("/dev/%s", name);
	struct stat st;

	(void)unlink(link);
	if (lstat(node, &st) == 0 && S_ISBLK(st.st_mode))
		(void)unlink(node);
}

void disk_unmount(void)
{
	(void)umount2(DISK_ROOT, MNT_DETACH);
	/* Should something still hold the disk, read-only is as clean. */
	if (mount(NULL, DISK_DATA, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		sync();
	(void)umount2(DISK_DATA, 0);
}
