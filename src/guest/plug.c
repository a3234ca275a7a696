// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel looks at its bus anew, and lets go of a device, when it is told so in sysfs; both may take their time, so a
 * child does it while the agent serves on. A device that is not there has been let go of.
 */
#include "guest/plug.h"
#include "base/file.h"
#include "base/mem.h"
#include "guest/boot.h"
#include "guest/cell.h"
#include "guest/disk.h"
#include "guest/folder.h"
#include "guest/net.h"
#include "guest/uevent.h"
#include "proto/message.h"
#include "proto/nic.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define PLUG_RESCAN "/sys/bus/pci/rescan"
/* Within VM_PLUG_GUEST_MS of proto/vm_plug.h, so that the host hears why. */
#define PLUG_DEVICE_MS 15000

struct plug_task {
	const struct plug *plug;
	const struct cell *cell;
};

static int plug_in(const struct plug_task *task, struct err *err)
{
	char *const nics[] = { (char *)(uintptr_t)task->plug->text, NULL };
	_cleanup_close_ int uevents = uevent_open(err);
	int r = uevents < 0 ? uevents : boot_load_nets(err);

	if (r < 0)
		return r;
	r = file_write_value(AT_FDCWD, PLUG_RESCAN, "1");
	if (r < 0)
		return err_errno(err, r, "cannot look for new devices");
	return net_set_up(nics, uevents, PLUG_DEVICE_MS, err);
}

/* The PCI device of an interface: the parent of its virtio device. Caller frees; NULL: it has none. */
static char *plug_device(const char *interface)
{
	_cleanup_free_ char *link = mem_printf("/sys/class/net/%s/device", interface);
	char *path = realpath(link, NULL), *slash = path ? strrchr(path, '/') : NULL;

	if (slash)
		*slash = '\0';
	return path;
}

static int plug_out(const struct plug_task *task, struct err *err)
{
	const struct plug *plug = task->plug;
	_cleanup_free_ char *device = NULL, *remove = NULL;
	char interface[NIC_NAME_MAX];
	uint8_t mac[6];
	int r;

	if (nic_parse_mac(plug->text, mac) < 0)
		return err_set(err, -EPROTO, "'%.32s' is no card's address", plug->text);
	if (!net_find(mac, interface))
		return 0;
	device = plug_device(interface);
	remove = mem_printf("%s/remove", device ? device : "");
	r = device ? file_write_value(AT_FDCWD, remove, "1") : -ENODEV;
	return r < 0 ? err_errno(err, r, "cannot let go of '%s'", interface) : 0;
}

static int plug_rescan(struct err *err)
{
	int r = file_write_value(AT_FDCWD, PLUG_RESCAN, "1");

	return r < 0 ? err_errno(err, r, "cannot look for new devices") : 0;
}

/* What it does not come to use it lets go of, so that the host can take it away again. */
static int plug_in_drive(const struct plug_task *task, struct err *err)
{
	const char *serial = task->plug->text;
	_cleanup_close_ int uevents = uevent_open(err);
	struct err ignored = ERR_INIT;
	int r = uevents < 0 ? uevents : plug_rescan(err);

	if (r == 0)
		r = disk_await(serial, uevents, PLUG_DEVICE_MS, err);
	if (r == 0)
		r = cell_join_files(task->cell, err);
	if (r == 0)
		r = disk_show(err);
	if (r < 0)
		(void)disk_let_go(serial, 1, &ignored);
	return r;
}

static int plug_out_drive(const struct plug_task *task, struct err *err)
{
	const char *text = task->plug->text;
	size_t len = strcspn(text, ":");
	_cleanup_free_ char *serial = mem_strndup(text, len), *name = NULL;
	int r = disk_name(serial, &name);

	if (r < 0)
		return 0;
	r = disk_let_go(serial, text[len] != '\0', err);
	if (r == 0)
		r = cell_join_files(task->cell, err);
	if (r == 0)
		disk_hide(serial, name);
	return r;
}

static int plug_in_share(const struct plug_task *task, struct err *err)
{
	_cleanup_close_ int uevents = uevent_open(err);
	int r = uevents < 0 ? uevents : boot_load_folders(err);

	if (r == 0)
		r = folder_prepare(task->cell, err);
	if (r == 0)
		r = plug_rescan(err);
	return r < 0 ? r
		     : folder_attach(task->cell, task->plug->text, uevents, PLUG_DEVICE_MS, err);
}

static int plug_out_share(const struct plug_task *task, struct err *err)
{
	int r = folder_prepare(task->cell, err);

	return r < 0 ? r : folder_detach(task->cell, task->plug->text, err);
}

static int plug_in_disk(const struct plug_task *task, struct err *err)
{
	return disk_grow_mounted(task->plug->text, PLUG_DEVICE_MS, err);
}

static int plug_out_disk(const struct plug_task *task _unused_, struct err *err)
{
	return err_set(err, -EOPNOTSUPP, "a disk stays");
}

static int (*const plug_work_in[])(const struct plug_task *task, struct err *err) = {
	[MESSAGE_DEVICE_CARD] = plug_in,
	[MESSAGE_DEVICE_DISK] = plug_in_disk,
	[MESSAGE_DEVICE_SHARE] = plug_in_share,
	[MESSAGE_DEVICE_DRIVE] = plug_in_drive,
};
static int (*const plug_work_out[])(const struct plug_task *task, struct err *err) = {
	[MESSAGE_DEVICE_CARD] = plug_out,
	[MESSAGE_DEVICE_DISK] = plug_out_disk,
	[MESSAGE_DEVICE_SHARE] = plug_out_share,
	[MESSAGE_DEVICE_DRIVE] = plug_out_drive,
};

static int plug_work(void *ctx, struct err *err)
{
	const struct plug_task *task = ctx;
	int device = task->plug->device;

	if (device < 0 || device >= (int)ARRAY_SIZE(plug_work_in) || !plug_work_in[device])
		return err_set(err, -EOPNOTSUPP, "the guest's agent knows no such device");
	return task->plug->plugged ? plug_work_in[device](task, err)
				   : plug_work_out[device](task, err);
}

/* The child has a copy of all this by the time that we return. */
int plug_start(const struct plug *plug, const struct cell *cell, struct launch *ret,
	       struct err *err)
{
	struct plug_task task = { .plug = plug, .cell = cell };
	struct launch_spec spec = LAUNCH_SPEC_INIT;

	spec.work = plug_work;
	spec.work_ctx = &task;
	return launch_start(&spec, ret, err);
}
