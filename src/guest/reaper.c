// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/reaper.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int reaper_exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Collects what has ended; the exit status once the workload is among it, else -1. */
static int reaper_collect(pid_t workload)
{
	int status, result = -1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == workload)
			result = reaper_exit_status(status);
	}
	return result;
}

static _noreturn_ void reaper_run(pid_t workload, const sigset_t *all)
{
	/* Nothing of the agent's, nor the workload's stdio, which must end with the workload. */
	(void)syscall(SYS_close_range, 0U, ~0U, 0);
	(void)prctl(PR_SET_NAME, "brig-init");
	for (;;) {
		int number = sigwaitinfo(all, NULL), status = -1;

		if (number == SIGCHLD)
			status = reaper_collect(workload);
		else if (number > 0)
			(void)kill(workload, number);
		if (status >= 0)
			_exit(status);
	}
}

/* Signals are blocked before the fork: none is lost, and PID 1 gets those that it blocks. */
int reaper_fork(struct err *err)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (pid < 0)
		return err_errno(err, -errno, "cannot start the workload");
	if (pid > 0)
		reaper_run(pid, &all);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return 0;
}
