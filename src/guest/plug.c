// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel looks at its bus anew, and lets go of a device, when it is told so in sysfs; both may take their time, so a
 * child does it while the agent serves on. A device that is not there has been let go of.
 */
#include "guest/plug.h"
#include "base/file.h"
#include "base/mem.h"
#include "guest/boot.h"
#include "guest/disk.h"
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

static int plug_in(const struct plug *plug, struct err *err)
{
	char *const nics[] = { (char *)(uintptr_t)plug->text, NULL };
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

static int plug_out(const struct plug *plug, struct err *err)
{
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

static int plug_work(void *ctx, struct err *err)
{
	const struct plug *plug = ctx;

	if (plug->device == MESSAGE_DEVICE_DISK)
		return plug->plugged ? disk_grow_mounted(plug->text, PLUG_DEVICE_MS, err)
				     : err_set(err, -EOPNOTSUPP, "a disk stays");
	return plug->plugged ? plug_in(plug, err) : plug_out(plug, err);
}

int plug_start(const struct plug *plug, struct launch *ret, struct err *err)
{
	struct launch_spec spec = LAUNCH_SPEC_INIT;

	spec.work = plug_work;
	spec.work_ctx = (void *)(uintptr_t)plug;
	return launch_start(&spec, ret, err);
}
