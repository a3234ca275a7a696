// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/procs.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

/* A made-up /proc. */
struct fake {
	char path[64];
	int fd;
};

static struct fake fake_new(void)
{
	struct fake fake = { .path = "/tmp/brig-test-XXXXXX", .fd = -EBADF };

	assert_non_null(mkdtemp(fake.path));
	fake.fd = open(fake.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fake.fd >= 0);
	return fake;
}

static void fake_file(const struct fake *fake, const char *name, const char *text, size_t len)
{
	int fd = openat(fake->fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static void fake_process(const struct fake *fake, const char *pid, const char *stat,
			 const char *status, const char *cmdline, size_t cmdline_len)
{
	_cleanup_free_ char *a = mem_printf("%s/stat", pid), *b = mem_printf("%s/status", pid),
			    *c = mem_printf("%s/cmdline", pid);

	assert_int_equal(mkdirat(fake->fd, pid, 0755), 0);
	fake_file(fake, a, stat, strlen(stat));
	fake_file(fake, b, status, strlen(status));
	fake_file(fake, c, cmdline, cmdline_len);
}

static void fake_free(struct fake *fake)
{
	static const char *const names[] = { "stat", "status", "cmdline" };
	static const char *const pids[] = { "10", "11", "12" };

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(names); j++) {
			_cleanup_free_ char *path = mem_printf("%s/%s", pids[i], names[j]);

			unlinkat(fake->fd, path, 0);
		}
		unlinkat(fake->fd, pids[i], AT_REMOVEDIR);
	}
	close(fake->fd);
	rmdir(fake->path);
}

#define STAT_REST " 0 0 0 0 0 0 0 0 0 150 50 0 0 20 0 1 0 99 1000 3 0 0 0"

static void a_process_of_the_instance_is_seen_as_the_instance_sees_it(void **state _unused_)
{
	struct fake fake = fake_new();
	struct procs_entry entry = { 0 };

	fake_process(&fake, "10", "10 (init) S 2" STAT_REST, "Uid:\t0\t0\t0\t0\nNSpid:\t10\t1\n",
		     "init\0", 5);
	fake_process(&fake, "11", "11 (a) b (c)) R 10" STAT_REST,
		     "Name:\tx\nUid:\t5\t1000\t5\t5\nNSpid:\t11\t7\t1\n", "/bin/x\0-a\0b c\0\0",
		     16);
	assert_int_equal(procs_read(fake.fd, 10, &entry), 0);
	assert_int_equal(entry.pid, 1);
	assert_int_equal(entry.ppid, 0);
	assert_int_equal(entry.depth, 1);
	assert_string_equal(entry.command, "init");
	assert_int_equal(procs_read(fake.fd, 11, &entry), 0);
	assert_int_equal(entry.pid, 7);
	assert_int_equal(entry.ppid, 1);
	assert_int_equal(entry.depth, 2);
	assert_int_equal(entry.uid, 1000);
	assert_int_equal(entry.state, 'R');
	assert_int_equal(entry.cpu_ns, UINT64_C(200000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
	assert_int_equal(entry.rss, 3 * sysconf(_SC_PAGESIZE));
	assert_string_equal(entry.command, "/bin/x -a b c");
	fake_free(&fake);
}

static void hostile_names_cannot_reach_the_terminal(void **state _unused_)
{
	struct fake fake = fake_new();
	struct procs_entry entry = { 0 };
	char *line = mem_zalloc(100000);

	memset(line, '\033', 99999);
	fake_process(&fake, "10", "10 (evil\033[2J\n) Z 0" STAT_REST, "NSpid:\t10\n", "", 0);
	fake_process(&fake, "11", "11 (x) S 0" STAT_REST, "", line, 100000);
	fake_process(&fake, "12", "12 (cut off", "NSpid:\n", "", 0);
	assert_int_equal(procs_read(fake.fd, 10, &entry), 0);
	assert_string_equal(entry.command, "[evil?[2J?]");
	assert_int_equal(entry.depth, 0);
	assert_int_equal(procs_read(fake.fd, 11, &entry), 0);
	assert_int_equal(strlen(entry.command), sizeof(entry.command) - 1);
	assert_null(strchr(entry.command, '\033'));
	assert_int_equal(procs_read(fake.fd, 12, &entry), -EBADMSG);
	assert_int_equal(procs_read(fake.fd, 99, &entry), -ESRCH);
	free(line);
	fake_free(&fake);
}

static void this_process_is_found(void **state _unused_)
{
	_cleanup_close_ int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct procs_entry entry = { 0 };

	assert_int_equal(procs_read(fd, (uint32_t)getpid(), &entry), 0);
	assert_int_equal(entry.pid, getpid());
	assert_int_equal(entry.uid, geteuid());
	assert_non_null(strstr(entry.command, "test-proto-procs"));
	assert_true(entry.rss > 0);
}

static struct frame frame_of(const struct buf *buf)
{
	return (struct frame){ .len = (uint32_t)buf->len, .payload = (const uint8_t *)buf->data };
}

static void lists_of_any_length_fit_a_frame(void **state _unused_)
{
	static const size_t lengths[] = { 0, 1, 200, 1500, PROCS_MAX, PROCS_MAX + 10 };
	struct procs_entry *entries = mem_zalloc((PROCS_MAX + 10) * sizeof(*entries));

	for (size_t i = 0; i < PROCS_MAX + 10; i++) {
		entries[i] = (struct procs_entry){ .pid = (uint32_t)i, .rss = 7, .state = 'S' };
		memset(entries[i].command, 'x', sizeof(entries[i].command) - 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		_cleanup_buf_ struct buf buf = BUF_INIT;
		_cleanup_free_ struct procs_entry *got = NULL;
		struct frame frame;
		size_t n = 0;

		procs_put(&buf, entries, lengths[i]);
		assert_true(buf.len <= FRAME_PAYLOAD_MAX);
		frame = frame_of(&buf);
		assert_int_equal(procs_get(&frame, &got, &n), 0);
		assert_int_equal(n, lengths[i] < 1900 ? lengths[i] : FRAME_PAYLOAD_MAX / 34);
		if (n) {
			assert_int_equal(got[n - 1].pid, n - 1);
			assert_int_equal(got[n - 1].rss, 7);
			assert_int_equal(got[n - 1].command[0], 'x');
		}
	}
	free(entries);
}

static void a_cut_list_is_refused(void **state _unused_)
{
	struct procs_entry entry = { .pid = 1, .command = "x" };
	_cleanup_buf_ struct buf buf = BUF_INIT;

	procs_put(&buf, &entry, 1);
	for (size_t len = 1; len < buf.len; len++) {
		struct frame frame = { .len = (uint32_t)len, .payload = (uint8_t *)buf.data };
		struct procs_entry *got = NULL;
		size_t n = 0;

		assert_int_equal(procs_get(&frame, &got, &n), -EBADMSG);
		assert_null(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_of_the_instance_is_seen_as_the_instance_sees_it),
		cmocka_unit_test(hostile_names_cannot_reach_the_terminal),
		cmocka_unit_test(this_process_is_found),
		cmocka_unit_test(lists_of_any_length_fit_a_frame),
		cmocka_unit_test(a_cut_list_is_refused),
	};

	return cmocka_run_group_tests_name("proto/procs", tests, NULL, NULL);
}
