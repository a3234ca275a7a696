// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is done before libc's start: brig-oci executes its read-only view (sys/selfexec.h) from here where it is going
 * to need one. It would do so from main() as well, and does where this fails; but by then libc has relocated the
 * program and asked the CPU for all of its features, a third of what a whole start costs, for nothing.
 *
 * The view's descriptor stays open: closed by execve, it would have the program wait for the kernel before its start.
 *
 * Nothing of libc can be used: no errno, no string functions, no stack protector, no pointer in static data. The
 * program's entry point is entry_start (see meson.build), which goes on to libc's own, _start.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <stddef.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define ENTRY_FILE "/proc/self/exe"
#define ENTRY_PAGE 4096L /* the smallest of x86-64 */

/* The verbs that join a container or start one. A word of another meaning that reads like one costs one execve. */
static const char entry_verbs[][8] = { "create", "run", "exec", "restore" };

/* The registers are the x86-64 psABI's: argc lies where the stack pointer points to, %rdx goes on to libc. */
__asm__(".text\n"
	".globl entry_start\n"
	".hidden entry_start\n"
	".type entry_start, @function\n"
	"entry_start:\n"
	"	xorl %ebp, %ebp\n"
	"	movq %rdx, %r12\n"
	"	movq %rsp, %rdi\n"
	"	call entry_main\n"
	"	movq %r12, %rdx\n"
	"	jmp _start\n"
	".size entry_start, . - entry_start\n");

void entry_main(const long *stack);

static long entry_call(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

static int entry_equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static const char *entry_base(const char *path)
{
	const char *base = path;

	for (; *path; path++)
		if (*path == '/')
			base = path + 1;
	return base;
}

static int entry_wants_view(char *const *argv)
{
	if (!argv[0] || !entry_equal(entry_base(argv[0]), "brig-oci"))
		return 0;
	for (char *const *word = argv + 1; *word; word++)
		for (size_t i = 0; i < sizeof(entry_verbs) / sizeof(*entry_verbs); i++)
			if (entry_equal(*word, entry_verbs[i]))
				return 1;
	return 0;
}

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

/* libc is about to relocate nearly every page that can be written: one call in place of a page fault for each. Linux 5.14. */
static void entry_populate(void)
{
	const Elf64_Ehdr *head = (const void *)__ehdr_start;
	const Elf64_Phdr *segment = (const void *)(__ehdr_start + head->e_phoff);

	for (int i = 0; i < head->e_phnum; i++, segment++) {
		long start = (long)__ehdr_start + (long)segment->p_vaddr;
		long before = start & (ENTRY_PAGE - 1);

		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W))
			(void)entry_call(SYS_madvise, start - before,
					 (long)segment->p_memsz + before, MADV_POPULATE_WRITE, 0,
					 0);
	}
}

/* Executes the view, if one is wanted and can be had. */
static void entry_execute_view(const long *stack)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	char **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1;
	struct statfs fs;
	long fd;

	if (!entry_wants_view(argv) ||
	    entry_call(SYS_statfs, (long)ENTRY_FILE, (long)&fs, 0, 0, 0) < 0 ||
	    (fs.f_flags & ST_RDONLY))
		return;
	fd = entry_call(SYS_open_tree, AT_FDCWD, (long)ENTRY_FILE, OPEN_TREE_CLONE, 0, 0);
	if (fd < 0)
		return;
	if (entry_call(SYS_mount_setattr, fd, (long)"", AT_EMPTY_PATH, (long)&read_only,
		       sizeof(read_only)) == 0)
		(void)entry_call(SYS_execveat, fd, (long)"", (long)argv, (long)envp, AT_EMPTY_PATH);
	(void)entry_call(SYS_close, fd, 0, 0, 0, 0);
}

__attribute__((used, visibility("hidden"))) void entry_main(const long *stack)
{
	entry_execute_view(stack);
	entry_populate();
}
