// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/seccomp_table.h"
#include "container/seccomp_profile.h"
#include "sys/caps.h"

#include <linux/capability.h>
#include <linux/sched.h>
#include <stddef.h>
#include <sys/socket.h>

const struct seccomp_group seccomp_table_groups[] = {
	/* files by path */
	{ 0,
	  "access chdir chmod chown chown32 creat faccessat faccessat2 fchmodat fchownat fstatat64 "
	  "futimesat getcwd lchown lchown32 link linkat lstat lstat64 mkdir mkdirat mknod mknodat "
	  "name_to_handle_at newfstatat open openat openat2 readlink readlinkat rename renameat "
	  "renameat2 rmdir stat stat64 statfs statfs64 statx symlink symlinkat truncate truncate64 "
	  "umask unlink unlinkat utime utimensat utimensat_time64 utimes" },
	/* files by descriptor */
	{ 0,
	  "_llseek close close_range copy_file_range dup dup2 dup3 fadvise64 fadvise64_64 "
	  "fallocate "
	  "fchdir fchmod fchown fchown32 fcntl fcntl64 fdatasync flock fstat fstat64 fstatfs "
	  "fstatfs64 "
	  "fsync ftruncate ftruncate64 getdents getdents64 ioctl lseek pipe pipe2 pread64 preadv "
	  "preadv2 pwrite64 pwritev pwritev2 read readahead readv sendfile sendfile64 splice sync "
	  "sync_file_range syncfs tee vmsplice write writev" },
	/* extended attributes, watches */
	{ 0, "fgetxattr flistxattr fremovexattr fsetxattr getxattr lgetxattr listxattr llistxattr "
	     "lremovexattr lsetxattr removexattr setxattr fanotify_mark inotify_add_watch "
	     "inotify_init "
	     "inotify_init1 inotify_rm_watch" },
	/* waiting for events */
	{ 0,
	  "_newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 "
	  "epoll_wait epoll_wait_old eventfd eventfd2 poll ppoll ppoll_time64 pselect6 "
	  "pselect6_time64 "
	  "select signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 "
	  "timerfd_settime "
	  "timerfd_settime64 io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 "
	  "io_setup io_submit" },
	/* memory */
	{ 0, "brk madvise membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap "
	     "mmap2 "
	     "mprotect mremap msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect "
	     "process_mrelease remap_file_pages" },
	/* processes and threads */
	{ 0, "execve execveat exit exit_group fork futex futex_time64 futex_waitv get_robust_list "
	     "get_thread_area getcpu getpgid getpgrp getpid getppid getpriority getrusage getsid "
	     "gettid "
	     "ioprio_get ioprio_set kill pause pidfd_open pidfd_send_signal prctl ptrace "
	     "process_vm_readv process_vm_writev restart_syscall rseq sched_get_priority_max "
	     "sched_get_priority_min sched_getaffinity sched_getattr sched_getparam "
	     "sched_getscheduler "
	     "sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr "
	     "sched_setparam sched_setscheduler sched_yield set_robust_list set_thread_area "
	     "set_tid_address setpgid setpriority setsid tgkill tkill vfork wait4 waitid waitpid" },
	/* signals */
	{ 0, "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend "
	     "rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask "
	     "sigreturn" },
	/* identity and limits */
	{ 0,
	  "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 "
	  "getresgid getresgid32 getresuid getresuid32 getrlimit getuid getuid32 prlimit64 "
	  "setfsgid "
	  "setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid "
	  "setregid32 "
	  "setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setuid "
	  "setuid32 "
	  "ugetrlimit landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp" },
	/* time */
	{ 0,
	  "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 "
	  "clock_gettime "
	  "clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep "
	  "setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 "
	  "timer_settime timer_settime64 times" },
	/* sockets */
	{ 0, "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom "
	     "recvmmsg "
	     "recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall "
	     "socketpair" },
	/* System V and POSIX communication */
	{ 0,
	  "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
	  "mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop "
	  "semtimedop "
	  "semtimedop_time64 shmat shmctl shmdt shmget" },
	/* the rest */
	{ 0, "arch_prctl getrandom modify_ldt sysinfo uname" },

	{ CAPS_BIT(CAP_SYS_ADMIN),
	  "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount "
	  "mount_setattr move_mount open_tree perf_event_open pivot_root quotactl quotactl_fd "
	  "setdomainname "
	  "sethostname setns syslog umount umount2 unshare" },
	{ CAPS_BIT(CAP_DAC_READ_SEARCH), "open_by_handle_at" },
	{ CAPS_BIT(CAP_SYS_BOOT), "reboot" },
	{ CAPS_BIT(CAP_SYS_CHROOT), "chroot" },
	{ CAPS_BIT(CAP_SYS_MODULE), "delete_module finit_module init_module" },
	{ CAPS_BIT(CAP_SYS_PACCT), "acct" },
	{ CAPS_BIT(CAP_SYS_PTRACE), "kcmp pidfd_getfd process_madvise" },
	{ CAPS_BIT(CAP_SYS_RAWIO), "ioperm iopl" },
	{ CAPS_BIT(CAP_SYS_TIME), "clock_settime clock_settime64 settimeofday stime" },
	{ CAPS_BIT(CAP_SYS_TTY_CONFIG), "vhangup" },
	{ CAPS_BIT(CAP_SYS_NICE), "get_mempolicy mbind set_mempolicy set_mempolicy_home_node" },
	{ CAPS_BIT(CAP_SYSLOG), "syslog" },
	/* a container's runtime gives it a session keyring; keys belong to user namespaces since Linux 5.3 */
	{ SECCOMP_PROFILE_NESTING, "add_key keyctl request_key" },
	{ CAPS_BIT(CAP_BPF), "bpf" },
	{ CAPS_BIT(CAP_PERFMON), "perf_event_open" },
	{ 0, NULL },
};

/* No new namespaces by clone(). */
#define SECCOMP_NAMESPACES                                                             \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)

const struct seccomp_argument seccomp_table_arguments[] = {
	{ "clone", 0, SECCOMP_TEST_NONE_OF, SECCOMP_NAMESPACES, CAPS_BIT(CAP_SYS_ADMIN) },
	/* a host's or hypervisor's services, which no network namespace keeps away */
	{ "socket", 0, SECCOMP_TEST_NOT_EQUAL, AF_VSOCK, 0 },
	/* PER_LINUX, PER_LINUX32, both with UNAME26, and the question */
	{ "personality", 0, SECCOMP_TEST_EQUAL, 0x0, 0 },
	{ "personality", 0, SECCOMP_TEST_EQUAL, 0x8, 0 },
	{ "personality", 0, SECCOMP_TEST_EQUAL, 0x20000, 0 },
	{ "personality", 0, SECCOMP_TEST_EQUAL, 0x20008, 0 },
	{ "personality", 0, SECCOMP_TEST_EQUAL, 0xffffffff, 0 },
	{ NULL, 0, SECCOMP_TEST_EQUAL, 0, 0 },
};

const struct seccomp_missing seccomp_table_missing[] = {
	{ "clone3", CAPS_BIT(CAP_SYS_ADMIN) },
	{ NULL, 0 },
};

const struct seccomp_number seccomp_table_numbers[] = {
	{ 0, 451 },			  /* cachestat */
	{ 0, 452 },			  /* fchmodat2 */
	{ 0, 453 },			  /* map_shadow_stack */
	{ 0, 454 },			  /* futex_wake */
	{ 0, 455 },			  /* futex_wait */
	{ 0, 456 },			  /* futex_requeue */
	{ CAPS_BIT(CAP_SYS_ADMIN), 457 }, /* statmount */
	{ CAPS_BIT(CAP_SYS_ADMIN), 458 }, /* listmount */
	{ CAPS_BIT(CAP_SYS_ADMIN), 459 }, /* lsm_get_self_attr */
	{ CAPS_BIT(CAP_SYS_ADMIN), 461 }, /* lsm_list_modules */
	{ 0, 462 },			  /* mseal */
	{ 0, 463 },			  /* setxattrat */
	{ 0, 464 },			  /* getxattrat */
	{ 0, 465 },			  /* listxattrat */
	{ 0, 466 },			  /* removexattrat */
	{ CAPS_BIT(CAP_SYS_ADMIN), 467 }, /* open_tree_attr */
	{ 0, 468 },			  /* file_getattr */
	{ 0, 469 },			  /* file_setattr */
	{ 0, 0 },
};
