// SPDX-License-Identifier: GPL-2.0-or-later
/* The driver starts this program again in place of the vmm role, which then plays a VMM that ends in the way that
 * its instance is named after. */
#include "base/file.h"
#include "base/mem.h"
#include "proto/message.h"
#include "proto/vmm.h"
#include "proto/wire.h"
#include "sys/part.h"
#include "vmm/driver.h"
#include "vmm/hull.h"
#include "vmm/jail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#define DEADLINE_MS 20000

/* In the child: */

static void say(uint16_t type, const struct buf *payload)
{
	if (frame_send(VMM_FD_CONTROL, 0, type, payload->data, payload->len) < 0)
		_exit(99);
}

static void say_end(enum vmm_end end, const char *words)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;

	if (words)
		err_set(&err, -EIO, "%s", words);
	wire_put_u32(&payload, end);
	message_put_error(&payload, &err);
	say(VMM_ENDED, &payload);
}

static int is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int is_listener(int fd)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens;
}

static int is_open_for(int fd, int mode)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) == mode;
}

/* The descriptors that a machine of one layer, a disk more and a debugger is promised, and no other. */
static int has_its_descriptors(void)
{
	struct stat st;

	return fstat(VMM_FD_KVM, &st) == 0 && S_ISCHR(st.st_mode) && is_file(VMM_FD_KERNEL) &&
	       is_file(VMM_FD_INITRAMFS) && is_file(VMM_FD_FIRST) && is_file(VMM_FD_FIRST + 1) &&
	       is_file(VMM_FD_FIRST + 2) && is_listener(VMM_FD_FIRST + 3) &&
	       is_listener(VMM_FD_FIRST + 4) && fcntl(VMM_FD_FIRST + 5, F_GETFD) < 0 &&
	       is_open_for(VMM_FD_FIRST, O_RDONLY) && is_open_for(VMM_FD_FIRST + 1, O_RDONLY) &&
	       is_open_for(VMM_FD_FIRST + 2, O_RDWR);
}

static int is_configured(const struct vmm_config *config)
{
	return config->memory == UINT64_C(100) << 20 && config->cpus == 2 && config->n_disks == 3 &&
	       !strcmp(config->disks[0].serial, "layer0") && config->disks[0].read_only &&
	       !strcmp(config->disks[1].serial, "more") && config->disks[1].read_only &&
	       config->disks[1].format == VMM_DISK_QCOW2 &&
	       !strcmp(config->disks[2].serial, "data") && !config->disks[2].read_only &&
	       !strcmp(config->cmdline, "mitigations=off") && config->huge_pages && config->gdb &&
	       config->vsock_cid >= 3 && has_its_descriptors();
}

static int play(const char *name, struct buf *buf)
{
	struct frame frame;
	struct err err = ERR_INIT;

	for (int end = 0; end < VMM_ENDS; end++) {
		if (!strcmp(name, vmm_end_names[end])) {
			say_end((enum vmm_end)end, end == VMM_END_ERROR ? "the dog ate it" : NULL);
			return end == VMM_END_ERROR;
		}
	}
	if (!strcmp(name, "status"))
		return write(STDERR_FILENO, "no reason\n", 10) == 10 ? 3 : 4;
	if (!strcmp(name, "breach"))
		(void)frame_send(VMM_FD_CONTROL, 0, 4711, NULL, 0);
	if (!strcmp(name, "escape")) {
		if (jail_prepare(0, &err) == 0 && jail_enter(JAIL_DEVICE, &err) == 0)
			(void)open("/", O_RDONLY);
		return 98;
	}
	if (!strcmp(name, "buttons")) {
		int in_order = frame_receive(VMM_FD_CONTROL, buf, &frame) == 0 &&
			       frame.type == VMM_NMI &&
			       frame_receive(VMM_FD_CONTROL, buf, &frame) == 0 &&
			       frame.type == VMM_POWER_BUTTON;

		say_end(VMM_END_ERROR, in_order ? "pressed in order" : "not what was pressed");
		return 0;
	}
	/* "silent" ends here; the others wait for their keeper's word or end */
	while (strcmp(name, "silent") && frame_receive(VMM_FD_CONTROL, buf, &frame) == 0) {
		if (frame.type == VMM_QUIT)
			say_end(VMM_END_QUIT, NULL);
	}
	return 0;
}

static int play_role(void)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct vmm_config config = { 0 };
	struct frame frame;
	int r;

	if (frame_receive(VMM_FD_CONTROL, &buf, &frame) < 0 || frame.type != VMM_CONFIGURE ||
	    vmm_config_get(&frame, &config) < 0 || !is_configured(&config))
		return 97;
	say(VMM_READY, &BUF_INIT);
	r = play(config.name, &buf);
	vmm_config_release(&config);
	return r;
}

/* In the test: */

struct fixture {
	struct loop *loop;
	struct loop_source *deadline;
	struct driver *driver;
	struct instance instance;
	struct instance_run run;
	char folder[32];
	char *file;
	int ended;
	struct err why;
};

static void on_deliver(void *ctx _unused_, uint32_t channel _unused_, uint16_t type _unused_,
		       const void *payload _unused_, size_t len _unused_)
{
}

static void on_writable(void *ctx _unused_, uint32_t channel _unused_)
{
}

static void on_ended(void *ctx, const struct err *err)
{
	struct fixture *f = ctx;

	f->ended++;
	if (err)
		f->why = *err;
	loop_exit(f->loop, 0);
}

static int on_limit(void *ctx _unused_, int64_t overhead _unused_, int has_group _unused_,
		    const char *missing _unused_, struct err *err _unused_)
{
	return 0;
}

static const struct driver_host_ops host_ops = {
	.limit = on_limit,
	.deliver = on_deliver,
	.writable = on_writable,
	.ended = on_ended,
};

static void on_deadline(void *ctx)
{
	struct fixture *f = ctx;

	loop_exit(f->loop, -ETIMEDOUT);
}

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));
	struct err err = ERR_INIT;

	*state = f;
	snprintf(f->folder, sizeof(f->folder), "/tmp/brig-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->file = mem_printf("%s/file", f->folder);
	assert_int_equal(loop_new(&f->loop, &err), 0);
	f->deadline = loop_add_timer(f->loop, on_deadline, f);
	instance_init(&f->instance);
	if (geteuid() != 0)
		skip();
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->driver)
		kvm_driver.free(f->driver);
	loop_source_free(f->deadline);
	loop_free(f->loop);
	instance_release(&f->instance);
	instance_run_release(&f->run);
	(void)file_remove_tree(AT_FDCWD, f->folder);
	free(f->file);
	free(f);
	return 0;
}

static void start(struct fixture *f, const char *name)
{
	char *argv[] = { (char *)"true", NULL }, *layers[] = { f->file, NULL };
	struct driver_host host = {
		.loop = f->loop,
		.instance = &f->instance,
		.run = &f->run,
		.state_dir = f->folder,
		.run_dir = f->folder,
		.root = f->folder,
		.layer_paths = layers,
		.vmlinux = f->file,
		.initramfs = f->file,
		.process = { .argv = argv },
		.ops = &host_ops,
		.ctx = f,
	};
	struct err err = ERR_INIT;
	int fd = open(f->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	fd_close(fd);
	mem_replace(&f->instance.name, name);
	f->instance.memory = (int64_t)101 << 20;
	f->instance.cpus_milli = 1500;
	f->instance.disk_size = (int64_t)16 << 20;
	strv_free(f->instance.drives);
	f->instance.drives = NULL;
	strv_add_printf(&f->instance.drives, "%s:format=qcow2,ro,serial=more", f->file);
	f->instance.huge_pages = f->instance.gdb = 1;
	mem_replace(&f->instance.kernel_args, "mitigations=off");
	free(f->run.cgroup);
	f->run.cgroup = mem_printf("brig/%s", strrchr(f->folder, '/') + 1);
	if (kvm_driver.start(&host, &f->driver, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(f->run.pid > 0);
}

static const char *end(struct fixture *f)
{
	loop_timer_set(f->deadline, DEADLINE_MS);
	while (!f->ended)
		assert_int_equal(loop_run(f->loop), 0);
	return f->why.msg;
}

static void assert_end(struct fixture *f, const char *name, const char *words, int exit_status)
{
	f->ended = 0;
	f->why = ERR_INIT;
	start(f, name);
	if (!strstr(end(f), words) || f->why.exit_status != exit_status)
		fail_msg("'%s' ends with %d: %s", name, f->why.exit_status, f->why.msg);
	kvm_driver.free(f->driver);
	f->driver = NULL;
}

static void ends_of_the_guests_making_are_told_as_on_qemu(void **state)
{
	struct fixture *f = *state;

	assert_end(f, "power-off", "switched itself off or rebooted before", 125);
	assert_end(f, "reset", "switched itself off or rebooted before", 125);
	assert_end(f, "panic", "the VM's kernel gave up", 125);
	assert_end(f, "fault", "triple fault", 125);
}

static void ends_of_the_vmms_making_say_why(void **state)
{
	struct fixture *f = *state;

	assert_end(f, "error", "the dog ate it", 125);
	assert_end(f, "status", "the VMM failed with status 3: no reason", 125);
	assert_end(f, "silent", "the VMM ended without a word", 125);
	assert_end(f, "breach", "broke the protocol", 125);
}

static void a_vmm_that_is_killed_is_told_with_its_signal(void **state)
{
	struct fixture *f = *state;

	start(f, "waits");
	assert_int_equal(kill((pid_t)f->run.pid, SIGKILL), 0);
	assert_string_equal(end(f), "the VMM was killed by signal 9");
	assert_int_equal(f->why.exit_status, 137);
}

static void an_escape_ends_the_machine_and_is_told(void **state)
{
	assert_end(*state, "escape", "a system call that its jail does not allow", 128 + SIGSYS);
}

static void it_waits_for_its_keeper_and_can_be_killed(void **state)
{
	struct fixture *f = *state;

	start(f, "waits");
	kvm_driver.kill(f->driver);
	assert_string_equal(end(f), "the VM was killed before its workload was started");
}

static void assert_socket(const struct fixture *f, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", f->folder, name);
	assert_int_equal(stat(address.sun_path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void its_sockets_are_the_owners_alone_and_made_anew_for_each_run(void **state)
{
	struct fixture *f = *state;

	assert_end(f, "power-off", "", 125);
	start(f, "waits");
	assert_socket(f, VMM_VSOCK_SOCKET);
	assert_socket(f, VMM_GDB_SOCKET);
	assert_int_equal(f->run.vsock_cid, 3 + getpid());
	kvm_driver.kill(f->driver);
	f->ended = 0;
	end(f);
}

static void buttons_go_to_the_vmm(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	start(f, "buttons");
	assert_int_equal(kvm_driver.press(f->driver, MESSAGE_BUTTON_NMI, &err), 0);
	assert_int_equal(kvm_driver.press(f->driver, MESSAGE_BUTTON_POWER, &err), 0);
	assert_non_null(strstr(end(f), "pressed in order"));
}

static void what_cannot_be_is_refused_before_anything_is_made(void **state)
{
	struct fixture *f = *state;
	struct driver_host host = { .loop = f->loop,
				    .instance = &f->instance,
				    .run = &f->run,
				    .state_dir = f->folder,
				    .root = f->folder };
	struct err err = ERR_INIT;

	f->instance.memory = (int64_t)64 << 20;
	assert_int_equal(kvm_driver.start(&host, &f->driver, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "at least 96 MiB"));
	f->instance.memory = 0;
	f->instance.cpus_milli = 65000;
	assert_int_equal(kvm_driver.start(&host, &f->driver, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "at most 64 CPUs"));
}

/* No machine is made, so any device will do for KVM's where there is none: in a mount namespace of our own. */
static int have_kvm(void **state _unused_)
{
	if (geteuid() != 0 || access("/dev/kvm", F_OK) == 0)
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/dev", "tmpfs", 0, NULL) < 0 ||
	    mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)) < 0 ||
	    mknod("/dev/kvm", S_IFCHR | 0666, makedev(1, 3)) < 0)
		return -1;
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc _unused_, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(ends_of_the_guests_making_are_told_as_on_qemu),
		TEST(ends_of_the_vmms_making_say_why),
		TEST(a_vmm_that_is_killed_is_told_with_its_signal),
		TEST(an_escape_ends_the_machine_and_is_told),
		TEST(it_waits_for_its_keeper_and_can_be_killed),
		TEST(its_sockets_are_the_owners_alone_and_made_anew_for_each_run),
		TEST(buttons_go_to_the_vmm),
		TEST(what_cannot_be_is_refused_before_anything_is_made),
	};

	if (!strcmp(argv[0], PART_VMM))
		_exit(play_role());
	setenv("BRIG_VMM", "/proc/self/exe", 1);
	return cmocka_run_group_tests_name("vmm/driver", tests, have_kvm, NULL);
}
