// SPDX-License-Identifier: GPL-2.0-or-later
/* The tests start this program again in the first stage of the jail, as the VM's keeper would. There it goes on
 * to the last one and tries something. */
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "sys/sandbox.h"
#include "vmm/jail.h"
#include "vmm/jail_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DEADLINE_MS 10000
#define INMATE	    "brig-jail-test"
#define NOBODY	    "65534"
#define SOCKET_FD   3

/* What an inmate ends with that could do what it tried. */
enum { FREE = 0, REFUSED = 1, NO_JAIL = 2 };

static int status;

/* Each tries one thing, and comes back if the filter has let it pass. */
static long try_open(void)
{
	return open("/", O_RDONLY);
}

static long try_openat2(void)
{
	return syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0);
}

static long try_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long try_connect(void)
{
	struct sockaddr address = { .sa_family = AF_UNIX };

	return connect(SOCKET_FD, &address, sizeof(address));
}

static long try_execve(void)
{
	char *argv[] = { (char *)"sh", NULL };

	return execve("/bin/sh", argv, argv + 1);
}

static long try_execveat(void)
{
	return syscall(SYS_execveat, SOCKET_FD, "", NULL, NULL, AT_EMPTY_PATH);
}

static long try_fork(void)
{
	return fork();
}

/* A thread in a namespace of its own, were it possible. */
static long try_clone(void)
{
	return syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNET, NULL,
		       NULL, NULL, NULL);
}

static long try_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long try_kill(void)
{
	return kill(1, 0);
}

static long try_mount(void)
{
	return mount("none", "/", "tmpfs", 0, NULL);
}

static long try_unshare(void)
{
	return unshare(CLONE_NEWUSER);
}

static long try_setns(void)
{
	return setns(SOCKET_FD, 0);
}

static long try_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? -1
		       : 0;
}

static long try_make_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long try_memfd(void)
{
	return memfd_create("x", 0);
}

static long try_prctl(void)
{
	return prctl(PR_SET_DUMPABLE, 1);
}

static long try_filter(void)
{
	return syscall(SYS_seccomp, 0, 0, NULL);
}

static long try_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long try_io_uring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL);
}

static long try_create_vm(void)
{
	return ioctl(SOCKET_FD, KVM_CREATE_VM, 0);
}

static long try_typing(void)
{
	return ioctl(SOCKET_FD, TIOCSTI, "x");
}

static long try_keys(void)
{
	return syscall(SYS_keyctl, 0, 0, 0, 0, 0);
}

static long try_32_bit(void)
{
	long r = 20; /* getpid */

	__asm__ volatile("int $0x80" : "+a"(r) : : "memory");
	return r;
}

static const struct attempt {
	const char *name;
	long (*try)(void);
} attempts[] = {
	{ "open", try_open },	    { "openat2", try_openat2 },	  { "socket", try_socket },
	{ "connect", try_connect }, { "execve", try_execve },	  { "execveat", try_execveat },
	{ "fork", try_fork },	    { "clone", try_clone },	  { "ptrace", try_ptrace },
	{ "kill", try_kill },	    { "mount", try_mount },	  { "unshare", try_unshare },
	{ "setns", try_setns },	    { "code", try_code },	  { "make code", try_make_code },
	{ "memfd", try_memfd },	    { "prctl", try_prctl },	  { "filter", try_filter },
	{ "bpf", try_bpf },	    { "io_uring", try_io_uring }, { "create a VM", try_create_vm },
	{ "typing", try_typing },   { "keys", try_keys },	  { "32 bit", try_32_bit },
};

/* A thread of a disk, which is started when there is work for it. */
static void *help(void *arg)
{
	void *memory = malloc(1000);

	free(memory);
	return memory ? arg : NULL;
}

/* What threads do all day, which has to be possible: memory, locks, time, descriptors, an end. */
static void *work(void *arg)
{
	enum jail_thread kind = (enum jail_thread)(uintptr_t)arg;
	struct timespec now;
	struct err err = ERR_INIT;
	void *memory, *value = NULL;
	pthread_t helper;

	if (jail_enter(kind, &err) < 0)
		return NULL;
	/* malloc's heap, a mapping of its own, and a larger one */
	memory = mem_realloc(NULL, 1, 16);
	memory = mem_realloc(memory, 1, 64U << 20);
	memory = mem_realloc(memory, 1, 128U << 20);
	free(memory);
	if (syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) < 0)
		return NULL;
	if (kind != JAIL_WORKER && (pthread_create(&helper, NULL, help, arg) != 0 ||
				    pthread_join(helper, &value) != 0 || value != arg))
		return NULL;
	/* no vCPU is there: the filter lets it pass, the descriptor does not */
	if (kind == JAIL_VCPU && (ioctl(SOCKET_FD, KVM_RUN, 0) == 0 || errno == ENOSYS))
		return NULL;
	return arg;
}

static int inmate_works(void)
{
	pthread_t threads[JAIL_THREADS];
	struct err err = ERR_INIT;
	void *value = NULL;

	for (uintptr_t i = 1; i < JAIL_THREADS; i++) {
		if (pthread_create(&threads[i], NULL, work, (void *)i) != 0)
			return NO_JAIL;
	}
	if (jail_close(&err) < 0)
		return NO_JAIL;
	(void)work((void *)JAIL_DEVICE);
	for (uintptr_t i = 1; i < JAIL_THREADS; i++) {
		if (pthread_join(threads[i], &value) != 0 || value != (void *)i)
			return REFUSED;
	}
	return FREE;
}

/* Waits until the test has looked at it from outside. */
static int inmate_waits(void)
{
	char byte = 'x';

	return write(SOCKET_FD, &byte, 1) == 1 && read(SOCKET_FD, &byte, 1) >= 0 ? FREE : REFUSED;
}

static int inmate(const char *kind, const char *what)
{
	enum jail_thread thread = JAIL_DEVICE;
	struct err err = ERR_INIT;

	while (jail_thread_names[thread] && strcmp(jail_thread_names[thread], kind))
		thread++;
	if (jail_prepare(0, &err) < 0)
		return NO_JAIL;
	if (!strcmp(what, "work"))
		return inmate_works();
	if (jail_close(&err) < 0 || jail_enter(thread, &err) < 0)
		return NO_JAIL;
	if (!strcmp(what, "wait"))
		return inmate_waits();
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		if (!strcmp(attempts[i].name, what))
			return attempts[i].try() < 0 ? REFUSED : FREE;
	}
	return NO_JAIL;
}

static struct sandbox start(const char *kind, const char *what, int *ret_socket)
{
	char *argv[] = { (char *)INMATE, (char *)kind, (char *)what, NULL }, *env[] = { NULL };
	int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), pair[2];
	int fds[] = { -EBADF, -EBADF, STDERR_FILENO, -EBADF };
	const struct sandbox_limit limit = { RLIMIT_CORE, 0 };
	struct sandbox_spec spec = { .argv = argv,
				     .env = env,
				     .program = &program,
				     .in_stages = 1,
				     .uid = 65534,
				     .gid = 65534,
				     .fds = fds,
				     .n_fds = ARRAY_SIZE(fds),
				     .limits = &limit,
				     .n_limits = 1,
				     .into_cgroup = -EBADF };
	struct sandbox sandbox = SANDBOX_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fds[SOCKET_FD] = pair[1];
	if (sandbox_start(&spec, &sandbox, &err) < 0)
		fail_msg("%s", err.msg);
	fd_close(pair[1]);
	fd_close(program);
	*ret_socket = pair[0];
	return sandbox;
}

static void end(struct sandbox *sandbox)
{
	struct pollfd fd = { .fd = sandbox->pidfd, .events = POLLIN };
	struct err err = ERR_INIT;

	assert_int_equal(poll(&fd, 1, DEADLINE_MS), 1);
	assert_int_equal(waitpid(sandbox->pid, &status, 0), sandbox->pid);
	sandbox->pid = 0;
	if (sandbox_failure(sandbox, &err) < 0)
		fail_msg("%s", err.msg);
	sandbox_release(sandbox);
}

static void run(const char *kind, const char *what)
{
	int sock;
	struct sandbox sandbox = start(kind, what, &sock);

	end(&sandbox);
	fd_close(sock);
}

static int setup(void **state _unused_)
{
	if (geteuid() != 0)
		skip();
	return 0;
}

static void what_no_thread_needs_ends_the_process(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		for (size_t kind = 0; kind < JAIL_THREADS; kind++) {
			run(jail_thread_names[kind], attempts[i].name);
			/* a kernel without 32-bit calls has no such gate at all */
			if (attempts[i].try == try_32_bit && WTERMSIG(status) == SIGSEGV)
				continue;
			if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
				fail_msg("%s in a %s thread: status %#x", attempts[i].name,
					 jail_thread_names[kind], (unsigned int)status);
		}
	}
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

static void threads_can_do_what_they_are_for_and_end(void **state _unused_)
{
	/* a sanitizer's threads do more at their start and end */
	if (SANITIZED)
		skip();
	run("device", "work");
	assert_int_equal(status, 0);
}

/* The value of "NAME:\t" in /proc/PID/FILE. */
static char *field(pid_t pid, const char *name)
{
	_cleanup_free_ char *path = mem_printf("/proc/%d/status", pid), *text = NULL;
	_cleanup_strv_ char **lines = NULL;
	size_t len = strlen(name);

	assert_int_equal(file_read(AT_FDCWD, path, 1U << 16, &text, NULL), 0);
	lines = strv_split(text, "\n");
	strv_for_each(line, lines) {
		if (!strncmp(*line, name, len) && (*line)[len] == ':')
			return mem_strdup(*line + len + 2);
	}
	return mem_strdup("");
}

static void assert_field(pid_t pid, const char *name, const char *value)
{
	_cleanup_free_ char *is = field(pid, name);

	if (strcmp(is, value))
		fail_msg("%s is '%s'", name, is);
}

static size_t count_entries(pid_t pid, const char *folder)
{
	_cleanup_free_ char *path = mem_printf("/proc/%d/%s", pid, folder);
	_cleanup_closedir_ DIR *dir = opendir(path);
	size_t n = 0;

	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	return n;
}

static void assert_own_namespaces(pid_t pid)
{
	static const char *const names[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = mem_printf("/proc/%d/ns/%s", pid, names[i]);
		_cleanup_free_ char *our_path = mem_printf("/proc/self/ns/%s", names[i]);
		char theirs[64] = "", ours[64] = "";

		assert_true(readlink(path, theirs, sizeof(theirs) - 1) > 0);
		assert_true(readlink(our_path, ours, sizeof(ours) - 1) > 0);
		assert_string_not_equal(theirs, ours);
	}
}

static void nothing_of_the_host_is_left_in_it(void **state _unused_)
{
	static const char *const capabilities[] = { "CapInh", "CapPrm", "CapEff", "CapBnd",
						    "CapAmb" };
	_cleanup_free_ char *mounts = NULL, *text = NULL, *variables = NULL;
	size_t len = 0;
	char byte;
	int sock;
	struct sandbox sandbox = start("device", "wait", &sock);

	assert_int_equal(read(sock, &byte, 1), 1);
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
		assert_field(sandbox.pid, capabilities[i], "0000000000000000");
	assert_field(sandbox.pid, "NoNewPrivs", "1");
	assert_field(sandbox.pid, "Seccomp", "2");
	assert_field(sandbox.pid, "Uid", NOBODY "\t" NOBODY "\t" NOBODY "\t" NOBODY);
	assert_field(sandbox.pid, "Gid", NOBODY "\t" NOBODY "\t" NOBODY "\t" NOBODY);
	assert_field(sandbox.pid, "Groups", " ");
	assert_own_namespaces(sandbox.pid);
	assert_int_equal(count_entries(sandbox.pid, "root"), 0);
	assert_int_equal(count_entries(sandbox.pid, "fd"), 4);
	mounts = mem_printf("/proc/%d/mounts", sandbox.pid);
	assert_int_equal(file_read(AT_FDCWD, mounts, 1U << 16, &text, NULL), 0);
	assert_int_equal(strncmp(text, "none / tmpfs ro,", 16), 0);
	assert_ptr_equal(strchr(text, '\n') + 1, text + strlen(text));
	mem_replace(&mounts, NULL);
	mounts = mem_printf("/proc/%d/environ", sandbox.pid);
	assert_int_equal(file_read(AT_FDCWD, mounts, 1U << 16, &variables, &len), 0);
	assert_int_equal(len, 0);
	fd_close(sock);
	end(&sandbox);
	assert_int_equal(status, 0);
}

static void every_call_of_the_list_has_a_reason(void **state _unused_)
{
	for (const struct jail_call *call = jail_calls; call->name; call++) {
		assert_true(call->threads && call->threads < 1U << JAIL_THREADS);
		assert_true(call->why && *call->why);
		assert_int_equal(call->test != JAIL_ANY,
				 call->value_name && strcmp(call->value_name, "0") != 0);
	}
}

static void without_a_jail_a_test_of_the_machine_goes_on(void **state _unused_)
{
	struct err err = ERR_INIT;

	assert_int_equal(jail_enter(JAIL_VCPU, &err), 0);
	assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_of_the_list_has_a_reason),
		cmocka_unit_test(without_a_jail_a_test_of_the_machine_goes_on),
		cmocka_unit_test_setup(what_no_thread_needs_ends_the_process, setup),
		cmocka_unit_test_setup(threads_can_do_what_they_are_for_and_end, setup),
		cmocka_unit_test_setup(nothing_of_the_host_is_left_in_it, setup),
	};

	if (argc == 3 && !strcmp(argv[0], INMATE))
		_exit(inmate(argv[1], argv[2]));
	return cmocka_run_group_tests_name("vmm/jail", tests, NULL, NULL);
}
