// SPDX-License-Identifier: GPL-2.0-or-later
#include "qemu/command.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "proto/guest.h"
#include "proto/nic.h"

/*
 * The guest's own command line. A panic reboots at once, which ends QEMU (-no-reboot), so it is noticed
 * without waiting for the deadline; what the kernel says of it comes over the serial console, each other
 * line of which would cost time. The rest spares emulated instructions: self-tests of ciphers (0.3 s) and
 * the patching of LOCK prefixes (0.2 s; TCG translates every patched page again).
 */
#define COMMAND_APPEND                                                                          \
	"console=ttyS0 8250.nr_uarts=1 quiet loglevel=1 panic=-1 no_timer_check noreplace-smp " \
	"cryptomgr.notests"

/*
 * Under TCG the guest's time stamp counter is the host's. The machine has no other clock than the PIT to
 * measure it by, and on a busy host that fails in one boot of three and leaves the guest hanging.
 */
#define COMMAND_APPEND_TSC " tsc=reliable tsc_early_khz=%jd"

/* A row: an option and its value, made by value() or, where that is NULL, the text. */
struct command_row {
	const char *option;
	const char *text;
	char *(*value)(const struct command *command);
};

static char *command_name(const struct command *command)
{
	return mem_printf("brig-%s,debug-threads=on", command->name);
}

static char *command_accel(const struct command *command)
{
	if (command->kvm)
		return mem_strdup("kvm");
	return mem_printf("tcg,thread=multi,tb-size=%d", COMMAND_TCG_CACHE);
}

static char *command_append(const struct command *command)
{
	_cleanup_free_ char *clock = NULL;

	if (!command->kvm && command->tsc_khz)
		clock = mem_printf(COMMAND_APPEND_TSC, (intmax_t)command->tsc_khz);
	return mem_printf(COMMAND_APPEND "%s%s%s", clock ? clock : "",
			  command->kernel_args ? " " : "",
			  command->kernel_args ? command->kernel_args : "");
}

/* Five-level page tables only cost: no guest of ours has 128 TiB. */
static char *command_cpu(const struct command *command)
{
	return mem_strdup(command->kvm ? "host" : "max,la57=off");
}

static char *command_smp(const struct command *command)
{
	return mem_printf("%jd", (intmax_t)command->cpus);
}

static char *command_memory(const struct command *command)
{
	return mem_printf("%jdM", (intmax_t)(command->memory >> 20));
}

static char *command_socket(const char *id, int fd)
{
	return mem_printf("socket,id=%s,fd=%d", id, fd);
}

static char *command_qmp(const struct command *command _unused_)
{
	return command_socket("qmp", COMMAND_FD_QMP);
}

static char *command_serial(const struct command *command _unused_)
{
	return command_socket("serial", COMMAND_FD_SERIAL);
}

static char *command_agent(const struct command *command _unused_)
{
	return command_socket("agent", COMMAND_FD_AGENT);
}

/* virtiofsd reads and writes the guest's memory by itself, which is shared with nobody otherwise. */
static char *command_machine(const struct command *command)
{
	return mem_printf("microvm,acpi=on,pcie=on,rtc=on,pic=off%s",
			  command->shares ? ",memory-backend=memory" : "");
}

/* No floppy, no firmware menu, no display: only what these rows name. */
static const struct command_row command_rows[] = {
	{ "-nodefaults" },
	{ "-no-user-config" },
	{ "-no-reboot" },
	{ "-display", "none" },
	{ "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny" },
	{ "-name", .value = command_name },
	{ "-machine", .value = command_machine },
	{ "-accel", .value = command_accel },
	{ "-cpu", .value = command_cpu },
	{ "-smp", .value = command_smp },
	{ "-m", .value = command_memory },
	{ "-kernel", "/" COMMAND_KERNEL },
	{ "-initrd", "/" COMMAND_INITRAMFS },
	{ "-append", .value = command_append },
	{ "-chardev", .value = command_qmp },
	{ "-mon", "chardev=qmp,mode=control" },
	{ "-chardev", .value = command_serial },
	{ "-serial", "chardev:serial" },
	{ "-device", "virtio-serial-pci,max_ports=2" },
	{ "-chardev", .value = command_agent },
	{ "-device", "virtserialport,chardev=agent,name=" GUEST_PORT },
	{ "-object", "rng-builtin,id=rng" },
	{ "-device", "virtio-rng-pci,rng=rng" },
	{ "-device", "virtio-balloon-pci,free-page-reporting=on,deflate-on-oom=on" },
};

/*
 * A disk is a descriptor in a set of its own. The host's page cache is used, which instances share for
 * layers, and the guest's flushes are honoured (that is cache=writeback); direct I/O would not work on
 * every file system and would read each layer once per instance. A write error goes to the guest:
 * QEMU's default would pause the machine without a word when the host's disk is full.
 */
static void command_add_disk(char ***args, int fd, const char *serial, int read_only)
{
	strv_add(args, "-add-fd");
	strv_add_printf(args, "fd=%d,set=%d", fd, fd);
	strv_add(args, "-blockdev");
	strv_add_printf(args, "driver=file,node-name=%s,filename=/dev/fdset/%d,aio=threads%s",
			serial, fd, read_only ? ",locking=off,read-only=on" : ",discard=unmap");
	strv_add(args, "-device");
	strv_add_printf(args, "virtio-blk-pci,drive=%s,serial=%s,num-queues=1%s", serial, serial,
			read_only ? "" : ",werror=report,rerror=report");
}

/* QEMU locks the file itself, as brig's own machines do (disk/blockfile.c). */
static void command_add_drive(char ***args, const struct drive *drive, size_t i, int fd)
{
	const char *mode = drive->read_only ? ",read-only=on" : ",discard=unmap";
	const char *file = drive->qcow2 ? "file" : "drive";

	strv_add(args, "-add-fd");
	strv_add_printf(args, "fd=%d,set=%d", fd, fd);
	strv_add(args, "-blockdev");
	strv_add_printf(args, "driver=file,node-name=%s%zu,filename=/dev/fdset/%d,aio=threads%s",
			file, i, fd, mode);
	if (drive->qcow2) {
		strv_add(args, "-blockdev");
		strv_add_printf(args, "driver=qcow2,node-name=drive%zu,file=file%zu%s", i, i, mode);
	}
	strv_add(args, "-device");
	strv_add_printf(args,
			"virtio-blk-pci,drive=drive%zu,serial=%s,num-queues=1,werror=report,"
			"rerror=report",
			i, drive->serial);
}

static void command_add_shares(char ***args, const struct command *command)
{
	if (!command->shares)
		return;
	strv_add(args, "-object");
	strv_add_printf(args, "memory-backend-memfd,id=memory,share=on,size=%jdM",
			(intmax_t)(command->memory >> 20));
	for (size_t i = 0; i < command->shares; i++) {
		strv_add(args, "-chardev");
		strv_add_printf(args, "socket,id=" GUEST_SHARE "%zu,fd=%zu", i,
				COMMAND_FD_LAYERS + command->layers + command->n_drives + i);
		strv_add(args, "-device");
		strv_add_printf(
			args, "vhost-user-fs-pci,chardev=" GUEST_SHARE "%zu,tag=" GUEST_SHARE "%zu",
			i, i);
	}
}

static void command_add_fds(struct buf *text, const char *key, int first, uint32_t n)
{
	buf_printf(text, ",%s=", key);
	for (uint32_t i = 0; i < n; i++)
		buf_printf(text, "%s%d", i ? ":" : "", first + (int)i);
}

static char *command_netdev(const struct driver_nic *nic, size_t i, int fd)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (!nic->queues)
		return mem_printf("stream,id=net%zu,server=off,addr.type=fd,addr.str=%d", i, fd);
	buf_printf(&text, "tap,id=net%zu", i);
	command_add_fds(&text, "fds", fd, nic->queues);
	if (nic->vhost) {
		buf_add_str(&text, ",vhost=on");
		command_add_fds(&text, "vhostfds", fd + (int)nic->queues, nic->queues);
	}
	return mem_strndup((const char *)text.data, text.len);
}

size_t command_nic_fds(const struct driver_nic *nic)
{
	return nic->queues ? (nic->vhost ? 2 : 1) * nic->queues : 1;
}

/* Without a ROM to boot from. A vector for each queue, the control queue's and the configuration's among them. */
static void command_add_nic(char ***args, const struct driver_nic *nic, size_t i, int fd)
{
	_cleanup_buf_ struct buf device = BUF_INIT;
	char mac[NIC_MAC_TEXT];

	buf_printf(&device, "virtio-net-pci,netdev=net%zu,mac=%s,romfile=", i,
		   nic_format_mac(nic->mac, mac));
	if (nic->mtu)
		buf_printf(&device, ",host_mtu=%u", nic->mtu);
	if (nic->queues > 1)
		buf_printf(&device, ",mq=on,vectors=%u", 2 * nic->queues + 2);
	strv_add(args, "-netdev");
	strv_add_take(args, command_netdev(nic, i, fd));
	strv_add(args, "-device");
	strv_add_take(args, mem_strndup((const char *)device.data, device.len));
}

char **command_build(const struct command *command)
{
	char **args = NULL;
	int fd;

	strv_add(&args, command->program);
	for (size_t i = 0; i < ARRAY_SIZE(command_rows); i++) {
		const struct command_row *row = &command_rows[i];

		strv_add(&args, row->option);
		if (row->value)
			strv_add_take(&args, row->value(command));
		else if (row->text)
			strv_add(&args, row->text);
	}
	for (size_t i = 0; i < command->layers; i++) {
		_cleanup_free_ char *serial = mem_printf("layer%zu", i);

		command_add_disk(&args, COMMAND_FD_LAYERS + (int)i, serial, 1);
	}
	/* before the data disk, which the agent waits for: so it finds them there */
	for (size_t i = 0; i < command->n_drives; i++)
		command_add_drive(&args, &command->drives[i], i,
				  COMMAND_FD_LAYERS + (int)(command->layers + i));
	if (!command->diskless)
		command_add_disk(&args, COMMAND_FD_DATA, "data", 0);
	command_add_shares(&args, command);
	fd = COMMAND_FD_LAYERS + (int)(command->layers + command->n_drives + command->shares);
	for (size_t i = 0; i < command->n_nics; i++) {
		command_add_nic(&args, &command->nics[i], i, fd);
		fd += (int)command_nic_fds(&command->nics[i]);
	}
	return args;
}
