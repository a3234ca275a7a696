// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs that bring a user into a running instance: exec, shell, attach, console. */
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cli/foreground.h"
#include "cli/home.h"
#include "instance/paths.h"
#include "instance/serial.h"

#include <string.h>
#include <sys/ioctl.h>

struct enter_exec {
	int interactive, tty, detach, privileged;
	char **env;
	char *workdir, *user;
};

/* KEY alone takes its value from our environment, as in `run`. */
static int enter_add_variable(char ***env, const char *text, struct err *err)
{
	const char *ours = strchr(text, '=') ? NULL : getenv(text);
	_cleanup_free_ char *assignment = NULL;

	if (!*text || *text == '=' || !utf8_valid(text))
		return err_set(err, -EINVAL, "option --env: '%.64s' is no variable: say KEY=VALUE",
			       text);
	if (strchr(text, '=')) {
		strv_env_set(env, text);
	} else if (ours) {
		assignment = mem_printf("%s=%s", text, ours);
		strv_env_set(env, assignment);
	}
	return 0;
}

/* The instance's own environment, user and folder are where a process in it begins. */
static int enter_fill(const struct instance *record, const struct enter_exec *v, char *const *argv,
		      struct process *ret, struct err *err)
{
	struct winsize size = { 0 };

	if (v->workdir && *v->workdir != '/')
		return err_set(err, -EINVAL, "option --workdir: '%.64s' does not begin with /",
			       v->workdir);
	ret->argv = strv_dup(argv);
	ret->env = strv_dup(record->env);
	strv_for_each(variable, v->env) {
		int r = enter_add_variable(&ret->env, *variable, err);

		if (r < 0)
			return r;
	}
	ret->cwd = mem_strdup(v->workdir ? v->workdir : record->cwd ? record->cwd : "");
	ret->user = mem_strdup(v->user ? v->user : record->user ? record->user : "");
	ret->tty = v->tty;
	ret->interactive = v->interactive;
	ret->privileged = v->privileged;
	if (v->tty && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) {
		ret->rows = size.ws_row;
		ret->columns = size.ws_col;
	}
	return 0;
}

static int enter_run(const struct instance_home *home, const char *name, const struct enter_exec *v,
		     char *const *argv, struct err *err)
{
	const int stdio[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	_cleanup_instance_ struct instance record = { 0 };
	_cleanup_process_ struct process process = { 0 };
	int status = 0;
	int r = instance_load(home, name, &record, err);

	if (r == 0)
		r = enter_fill(&record, v, argv, &process, err);
	if (r == 0)
		r = v->detach ? instance_exec_behind(home, name, &process, err)
			      : instance_exec(home, name, &process, stdio, &status, err);
	return r < 0 ? r : status;
}

static int enter_exec(const struct cli_context *cli, const void *values, char **args,
		      struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct enter_exec *v = values;

	if (v->detach && v->interactive)
		return err_set(err, -EINVAL,
			       "option --detach: has no input, so it does not go with -i");
	return enter_run(&home, args[0], v, args + 1, err);
}

static int enter_shell(const struct cli_context *cli, const void *values, char **args,
		       struct err *err)
{
	const struct instance_home home = home_of(cli);
	struct enter_exec v = *(const struct enter_exec *)values;
	char *argv[] = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
			 (char *)(uintptr_t) "exec \"$(command -v bash || echo /bin/sh)\" -l",
			 NULL };

	v.interactive = 1;
	v.tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	return enter_run(&home, args[0], &v, argv, err);
}

struct enter_attach {
	int no_stdin;
};

static int enter_attach(const struct cli_context *cli, const void *values, char **args,
			struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct enter_attach *v = values;
	_cleanup_instance_ struct instance record = { 0 };
	struct foreground foreground = { .name = args[0], .detach_keys = FOREGROUND_DETACH_KEYS };
	int r = instance_load(&home, args[0], &record, err);

	if (r < 0)
		return r;
	foreground.tty = record.tty;
	foreground.take_stdin = record.interactive && !v->no_stdin;
	return foreground_attach(&home, &foreground, err);
}

struct enter_console {
	int serial;
};

static int enter_serial(const struct instance_home *home, const struct instance *record,
			struct err *err)
{
	_cleanup_free_ char *state_dir = paths_state(home, record->name);
	_cleanup_free_ char *run_dir = paths_run(home, record->name);
	_cleanup_free_ char *run_lock = mem_printf("%s/%s", run_dir, PATHS_LOCK);

	if (record->kind != INSTANCE_VM)
		return err_set(
			err, -EINVAL,
			"'%s' is a container, which has no serial port; 'brig logs %s' shows "
			"its output",
			record->name, record->name);
	return serial_follow(state_dir, run_lock, STDOUT_FILENO, err);
}

static int enter_console(const struct cli_context *cli, const void *values, char **args,
			 struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct enter_console *v = values;
	_cleanup_instance_view_ struct instance_view view = { 0 };
	const struct foreground foreground = {
		.name = args[0], .tty = 1, .take_stdin = 1, .detach_keys = FOREGROUND_CONSOLE_KEYS
	};
	int r = instance_view(&home, args[0], &view, err);

	if (r < 0)
		return r;
	if (v->serial)
		return enter_serial(&home, &view.record, err);
	if (!view.record.tty)
		return err_set(err, -ENOTTY,
			       "'%s' has no console, since it was made without -t; 'brig shell %s' "
			       "opens a "
			       "shell in it, 'brig attach %s' shows its output",
			       args[0], args[0], args[0]);
	if (view.alive && isatty(STDIN_FILENO))
		log_notice("console of '%s'; ctrl-a q leaves it", args[0]);
	return foreground_attach(&home, &foreground, err);
}

#define ENTER(name_, letter_, type_, metavar_, member, help_)                                 \
	{                                                                                     \
		.name = (name_), .letter = (letter_), .type = (type_), .metavar = (metavar_), \
		.help = (help_), .offset = offsetof(struct enter_exec, member)                \
	}

static const struct option enter_exec_options[] = {
	ENTER("interactive", 'i', OPTION_FLAG, NULL, interactive, "pass standard input on to it"),
	ENTER("tty", 't', OPTION_FLAG, NULL, tty, "give it a terminal"),
	ENTER("env", 'e', OPTION_STRV, "KEY[=VALUE]", env, "set a variable besides the instance's"),
	ENTER("workdir", 'w', OPTION_STRING, "DIR", workdir, "start in this folder"),
	ENTER("user", 'u', OPTION_STRING, "USER[:GROUP]", user, "run as this user"),
	ENTER("privileged", 0, OPTION_FLAG, NULL, privileged,
	      "with every capability and without the system call filter"),
	ENTER("detach", 'd', OPTION_FLAG, NULL, detach,
	      "let it run in the background, without input and output"),
	OPTION_END,
};

static const struct option enter_shell_options[] = {
	ENTER("env", 'e', OPTION_STRV, "KEY[=VALUE]", env, "set a variable besides the instance's"),
	ENTER("workdir", 'w', OPTION_STRING, "DIR", workdir, "start in this folder"),
	ENTER("user", 'u', OPTION_STRING, "USER[:GROUP]", user, "run as this user"),
	OPTION_END,
};

static const struct option enter_attach_options[] = {
	{ "no-stdin", 0, OPTION_FLAG, NULL, "show its output only",
	  offsetof(struct enter_attach, no_stdin) },
	OPTION_END,
};

static const char *const enter_exec_examples[] = {
	"brig exec web cat /etc/os-release",
	"run a command, and end with its exit status",
	"brig exec -it -u app web sh",
	"a shell as the user 'app', on this terminal",
	"brig exec -d web sh -c 'backup.sh > /var/log/backup 2>&1'",
	"return as soon as it runs",
	NULL,
};

static const char *const enter_shell_examples[] = {
	"brig shell web",
	"a login shell of its root",
	"brig shell -u app web",
	"of another user",
	NULL,
};

static const char *const enter_attach_examples[] = {
	"brig attach web",
	"its output from now on; ctrl-p ctrl-q leaves it running",
	"brig attach --no-stdin web",
	"without sending it what is typed",
	NULL,
};

static const char *const enter_console_examples[] = {
	"brig console box",
	"log in at the console of a whole system",
	"brig start box && brig console box",
	"after it was stopped",
	"brig console --serial box",
	"what a virtual machine's kernel says, as it says it",
	NULL,
};

static const struct option enter_console_options[] = {
	{ "serial", 0, OPTION_FLAG, NULL, "VM: show its serial port instead, until it ends",
	  offsetof(struct enter_console, serial) },
	OPTION_END,
};

const struct verb cli_enter_verbs[] = {
	{ .name = "exec",
	  .group = "Go inside",
	  .args = "NAME COMMAND [ARG...]",
	  .summary = "Run a command in a running instance",
	  .description =
		  "Runs a program inside, with the instance's environment, user and limits. Its "
		  "exit status is "
		  "brig's; 126 says that it cannot be executed, 127 that there is none such.\n\n"
		  "With -d it is 0 once the program runs; what becomes of it is not told. A "
		  "process of brig's waits behind it, and it ends with that one.",
	  .examples = enter_exec_examples,
	  .options = enter_exec_options,
	  .mode = OPTION_LEAD,
	  .min_args = 2,
	  .max_args = -1,
	  .values_size = sizeof(struct enter_exec),
	  .complete = "running command",
	  .run = enter_exec },
	{ .name = "shell",
	  .group = "Go inside",
	  .args = "NAME",
	  .summary = "Open a login shell in a running instance",
	  .description =
		  "Runs bash, or sh where there is no bash, as a login shell on this terminal.",
	  .examples = enter_shell_examples,
	  .options = enter_shell_options,
	  .min_args = 1,
	  .max_args = 1,
	  .values_size = sizeof(struct enter_exec),
	  .complete = "running",
	  .run = enter_shell },
	{ .name = "attach",
	  .group = "Go inside",
	  .args = "NAME",
	  .summary = "Connect to what a running instance reads and writes",
	  .description = "Shows the workload's output from now on, and passes standard input and "
			 "signals on to it if it "
			 "was made with -i. Ends with its exit status. With a terminal, ctrl-p "
			 "ctrl-q detaches.",
	  .examples = enter_attach_examples,
	  .options = enter_attach_options,
	  .min_args = 1,
	  .max_args = 1,
	  .values_size = sizeof(struct enter_attach),
	  .complete = "running",
	  .run = enter_attach },
	{ .name = "console",
	  .group = "Go inside",
	  .args = "NAME",
	  .summary = "Sit down at a running instance's terminal",
	  .description =
		  "Connects this terminal to the one that the instance was made with (-t, "
		  "and every whole system). "
		  "ctrl-a q leaves it; everything else that is typed goes to it.\n\n"
		  "With --serial it shows what the kernel and the boot of a virtual machine "
		  "say on the serial port, from what was kept of it on; nothing can be typed "
		  "there.",
	  .examples = enter_console_examples,
	  .options = enter_console_options,
	  .values_size = sizeof(struct enter_console),
	  .min_args = 1,
	  .max_args = 1,
	  .complete = "running",
	  .run = enter_console },
	{ .name = NULL },
};
