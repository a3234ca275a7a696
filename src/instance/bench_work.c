// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/bench_work.h"
#include "base/mem.h"
#include "base/units.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BENCH_WORK_PAGES 4096

/* Each does some of its work and returns how many units that were, or -1 if it cannot. */

/* One unit is 1000 rounds of xorshift (Marsaglia 2003): nothing but the CPU. */
static int64_t bench_work_cpu(void)
{
	static volatile uint64_t sink;
	uint64_t x = 88172645463325252u;

	for (int i = 0; i < 100 * 1000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	sink = x;
	return sink ? 100 : -1;
}

static int64_t bench_work_syscall(void)
{
	for (int i = 0; i < 1000; i++)
		(void)syscall(SYS_getppid);
	return 1000;
}

/* A byte goes to another process and back, which are two switches. */
static int64_t bench_work_switch(void)
{
	int there[2], back[2], n = 0;
	char byte = 0;
	pid_t pid;

	if (pipe(there) < 0 || pipe(back) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
			continue;
		_exit(0);
	}
	close(back[1]);
	while (pid > 0 && n < 500 && write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1)
		n++;
	close(there[1]);
	close(there[0]);
	close(back[0]);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	return n ? 2 * (int64_t)n : -1;
}

/* Pages that were never touched, of the small size. */
static int64_t bench_work_fault(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = BENCH_WORK_PAGES * page;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -1;
	(void)madvise(memory, size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < size; i += page)
		((volatile char *)memory)[i] = 1;
	(void)munmap(memory, size);
	return BENCH_WORK_PAGES;
}

static int64_t bench_work_fork(void)
{
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			return -1;
	}
	return 10;
}

static const struct bench_work {
	const char *name;
	int64_t (*some)(void);
} bench_works[] = {
	{ "cpu", bench_work_cpu },	 { "syscall", bench_work_syscall },
	{ "switch", bench_work_switch }, { "fault", bench_work_fault },
	{ "fork", bench_work_fork },
};

int bench_work_main(int argc, char **argv, const struct driver_ops *const *drivers _unused_)
{
	struct err err = ERR_INIT;
	int64_t ms = BENCH_WORK_MS, done = 0, start = units_monotonic(), now = start;
	const struct bench_work *work = NULL;

	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(bench_works); i++) {
		if (!strcmp(bench_works[i].name, argv[1]))
			work = &bench_works[i];
	}
	if (!work || (argc > 2 && units_parse_int(argv[2], 1, 60000, &ms, &err) < 0)) {
		fputs(BENCH_WORK_ROLE ": it is started by 'brig bench'\n", stderr);
		return 2;
	}
	while (now - start < ms * 1000 * 1000) {
		int64_t some = work->some();

		if (some < 0) {
			fprintf(stderr, BENCH_WORK_ROLE ": %s does not work here\n", work->name);
			return 1;
		}
		done += some;
		now = units_monotonic();
	}
	printf("%.0f\n", (double)done * 1e9 / (double)(now - start));
	return 0;
}
