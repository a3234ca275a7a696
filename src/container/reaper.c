// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/reaper.h"
#include "sys/spawn.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

pid_t reaper_fork(struct err *err)
{
	sigset_t all;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	pid = fork();
	if (pid < 0)
		return err_errno(err, -errno, "cannot start the workload");
	if (!pid)
		spawn_reset_signals();
	return pid;
}

/* Reaps what there is; the workload's end is ours. */
static void reaper_collect(pid_t workload)
{
	int status = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != workload)
			continue;
		/* A first process cannot die by most signals, so it says which one in the shells' way. */
		_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	}
}

_noreturn_ void reaper_run(pid_t workload, int sock, const struct privilege *privilege)
{
	/* in a user's namespace nobody may change groups */
	struct process_identity root = { .keep_groups = 1 };
	struct err err = ERR_INIT;
	sigset_t all;
	int number;

	(void)prctl(PR_SET_NAME, "brig-init");
	/* What remains open would keep the keeper from seeing execve, or the container's pipes from ending. */
	fd_close(sock);
	if (syscall(SYS_close_range, 0, ~0U, 0) < 0 ||
	    privilege_become(privilege, &root, &err) < 0 ||
	    privilege_finish(privilege, &root, &err) < 0) {
		kill(workload, SIGKILL);
		_exit(125);
	}
	sigfillset(&all);
	for (;;) {
		number = sigwaitinfo(&all, NULL);
		if (number == SIGCHLD)
			reaper_collect(workload);
		else if (number > 0)
			kill(workload, number);
	}
}
