// SPDX-License-Identifier: GPL-2.0-or-later
/* The verbs of an instance's life. Those that take several names tell what failed for each, go on with
 * the next one, and fail in the end. */
#include "base/log.h"
#include "base/option.h"
#include "cli/cli.h"
#include "cli/foreground.h"
#include "cli/home.h"
#include "proto/wire.h"

#include <signal.h>
#include <string.h>

typedef int (*life_fn)(const struct instance_home *home, const char *name, const void *values,
		       struct err *err);

static int life_each(const struct cli_context *cli, const void *values, char **names, life_fn fn,
		     struct err *err)
{
	const struct instance_home home = home_of(cli);
	int failed = 0;

	if (names[0] && !names[1]) {
		int r = fn(&home, names[0], values, err);

		if (r == 0)
			puts(names[0]);
		return r;
	}
	strv_for_each(name, names) {
		struct err problem = ERR_INIT;

		if (fn(&home, *name, values, &problem) < 0) {
			log_error("%s", problem.msg);
			failed = 1;
		} else {
			puts(*name);
		}
	}
	return failed ? CLI_FAILURE : 0;
}

struct life_start {
	int attach, interactive, overcommit;
};

/* To start what runs already is to find it started. */
static int life_start_one(const struct instance_home *home, const char *name, const void *values,
			  struct err *err)
{
	const struct life_start *v = values;
	struct err problem = ERR_INIT;
	int r = instance_start(home, name, v->overcommit ? INSTANCE_START_OVERCOMMIT : 0, NULL,
			       &problem);

	if (r == 0 || r == -EBUSY)
		return 0;
	*err = problem;
	return r;
}

static int life_start_attached(const struct instance_home *home, const char *name,
			       const struct life_start *v, struct err *err)
{
	unsigned int flags = v->overcommit ? INSTANCE_START_OVERCOMMIT : 0;

	_cleanup_instance_view_ struct instance_view view = { 0 };
	int session = -EBADF, r = instance_view(home, name, &view, err);
	struct foreground foreground = { .name = name, .detach_keys = FOREGROUND_DETACH_KEYS };

	if (r < 0)
		return r;
	foreground.tty = view.record.tty;
	foreground.take_stdin = v->interactive && view.record.interactive;
	if (foreground.take_stdin)
		flags |= INSTANCE_START_STDIN;
	if (view.alive)
		return foreground_attach(home, &foreground, err);
	r = instance_start(home, name, flags, &session, err);
	return r < 0 ? r : foreground_run(session, &foreground, err);
}

static int life_start(const struct cli_context *cli, const void *values, char **args,
		      struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct life_start *v = values;

	if (!v->attach && !v->interactive)
		return life_each(cli, values, args, life_start_one, err);
	if (args[1])
		return err_set(err, -EINVAL, "only one instance can be attached to; name just one");
	return life_start_attached(&home, args[0], v, err);
}

struct life_stop {
	int64_t timeout_ms; /* negative: the instance's own */
};

static const struct life_stop life_stop_defaults = { .timeout_ms = -1 };

static int life_stop_one(const struct instance_home *home, const char *name, const void *values,
			 struct err *err)
{
	const struct life_stop *v = values;

	return instance_stop(home, name, v->timeout_ms, err);
}

static int life_stop(const struct cli_context *cli, const void *values, char **args,
		     struct err *err)
{
	return life_each(cli, values, args, life_stop_one, err);
}

static int life_restart_one(const struct instance_home *home, const char *name, const void *values,
			    struct err *err)
{
	int r = life_stop_one(home, name, values, err);

	return r < 0 ? r : instance_start(home, name, 0, NULL, err);
}

static int life_restart(const struct cli_context *cli, const void *values, char **args,
			struct err *err)
{
	return life_each(cli, values, args, life_restart_one, err);
}

struct life_kill {
	int signal;
};

static const struct life_kill life_kill_defaults = { .signal = SIGKILL };

static int life_kill_one(const struct instance_home *home, const char *name, const void *values,
			 struct err *err)
{
	const struct life_kill *v = values;

	return instance_signal(home, name, v->signal, err);
}

static int life_kill(const struct cli_context *cli, const void *values, char **args,
		     struct err *err)
{
	return life_each(cli, values, args, life_kill_one, err);
}

static int life_pause_one(const struct instance_home *home, const char *name,
			  const void *values _unused_, struct err *err)
{
	return instance_request(home, name, MESSAGE_PAUSE, NULL, 0, err);
}

static int life_pause(const struct cli_context *cli, const void *values, char **args,
		      struct err *err)
{
	return life_each(cli, values, args, life_pause_one, err);
}

static int life_resume_one(const struct instance_home *home, const char *name,
			   const void *values _unused_, struct err *err)
{
	return instance_request(home, name, MESSAGE_RESUME, NULL, 0, err);
}

static int life_resume(const struct cli_context *cli, const void *values, char **args,
		       struct err *err)
{
	return life_each(cli, values, args, life_resume_one, err);
}

static int life_press(const struct instance_home *home, const char *name,
		      enum message_button button, struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u8(&payload, (uint8_t)button);
	return instance_request(home, name, MESSAGE_PRESS, payload.data, payload.len, err);
}

static int life_power_button(const struct instance_home *home, const char *name, struct err *err)
{
	return life_press(home, name, MESSAGE_BUTTON_POWER, err);
}

static int life_power_nmi(const struct instance_home *home, const char *name, struct err *err)
{
	return life_press(home, name, MESSAGE_BUTTON_NMI, err);
}

/* A machine is reset by a new process, so that nothing of the old one is left. */
static int life_power_reset(const struct instance_home *home _unused_, const char *name,
			    struct err *err)
{
	return err_set(err, -EOPNOTSUPP,
		       "a VM is not reset in place; 'brig restart -t 0 %s' starts it anew at once",
		       name);
}

static const struct life_power {
	const char *name;
	int (*run)(const struct instance_home *home, const char *name, struct err *err);
} life_powers[] = {
	{ "button", life_power_button },
	{ "nmi", life_power_nmi },
	{ "reset", life_power_reset },
};

static int life_power(const struct cli_context *cli, const void *values _unused_, char **args,
		      struct err *err)
{
	const struct instance_home home = home_of(cli);

	for (size_t i = 0; i < ARRAY_SIZE(life_powers); i++) {
		if (strcmp(args[1], life_powers[i].name) != 0)
			continue;
		if (life_powers[i].run(&home, args[0], err) < 0)
			return err->code;
		puts(args[0]);
		return 0;
	}
	return err_set(err, -EINVAL, "'%.64s' is none of button, nmi, reset", args[1]);
}

struct life_checkpoint {
	char *dir;
	int leave_running;
};

static int life_checkpoint(const struct cli_context *cli, const void *values, char **args,
			   struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct life_checkpoint *v = values;
	int r = instance_checkpoint(&home, args[0], v->dir, v->leave_running, err);

	if (r == 0)
		puts(args[0]);
	return r;
}

static int life_restore(const struct cli_context *cli, const void *values, char **args,
			struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct life_checkpoint *v = values;
	int r = instance_restore(&home, args[0], v->dir, err);

	if (r == 0)
		puts(args[0]);
	return r;
}

struct life_rm {
	int force;
};

static int life_rm_one(const struct instance_home *home, const char *name, const void *values,
		       struct err *err)
{
	const struct life_rm *v = values;

	return instance_remove(home, name, v->force, err);
}

static int life_rm(const struct cli_context *cli, const void *values, char **args, struct err *err)
{
	return life_each(cli, values, args, life_rm_one, err);
}

static int life_rename(const struct cli_context *cli, const void *values _unused_, char **args,
		       struct err *err)
{
	const struct instance_home home = home_of(cli);
	int r = instance_rename(&home, args[0], args[1], err);

	if (r == 0)
		puts(args[1]);
	return r;
}

static int life_wait(const struct cli_context *cli, const void *values _unused_, char **args,
		     struct err *err)
{
	const struct instance_home home = home_of(cli);

	strv_for_each(name, args) {
		int status = 0, r = instance_wait(&home, *name, &status, err);

		if (r < 0)
			return r;
		printf("%d\n", status);
		(void)fflush(stdout); /* the next one may take long */
	}
	return 0;
}

static const struct option life_start_options[] = {
	{ "attach", 'a', OPTION_FLAG, NULL, "show its output here, and end with its exit status",
	  offsetof(struct life_start, attach) },
	{ "interactive", 'i', OPTION_FLAG, NULL, "attach, and pass standard input on to it",
	  offsetof(struct life_start, interactive) },
	{ "overcommit", 0, OPTION_FLAG, NULL,
	  "also when not every memory-reservation can be kept, this time",
	  offsetof(struct life_start, overcommit) },
	OPTION_END,
};

static const struct option life_stop_options[] = {
	{ "time", 't', OPTION_DURATION, "TIME", "wait this long before KILL; else its own time",
	  offsetof(struct life_stop, timeout_ms) },
	OPTION_END,
};

static const struct option life_kill_options[] = {
	{ "signal", 's', OPTION_SIGNAL, "SIGNAL", "send this one (KILL)",
	  offsetof(struct life_kill, signal) },
	OPTION_END,
};

static const struct option life_rm_options[] = {
	{ "force", 'f', OPTION_FLAG, NULL, "kill it first if it runs",
	  offsetof(struct life_rm, force) },
	OPTION_END,
};

#define LIFE_CHECKPOINT_DIR(help_)                                                       \
	{                                                                                \
		.name = "dir", .type = OPTION_STRING, .metavar = "DIR", .help = (help_), \
		.complete = "file", .offset = offsetof(struct life_checkpoint, dir)      \
	}

static const struct option life_checkpoint_options[] = {
	LIFE_CHECKPOINT_DIR("where to; else into the instance's own folder"),
	{ "leave-running", 'R', OPTION_FLAG, NULL, "let it go on afterwards, as it was",
	  offsetof(struct life_checkpoint, leave_running) },
	OPTION_END,
};

static const struct option life_restore_options[] = {
	LIFE_CHECKPOINT_DIR("where from; else from the instance's own folder"),
	OPTION_END,
};

#define LIFE_EXAMPLES(...) ((const char *const[]){ __VA_ARGS__, NULL })

const struct verb cli_life_verbs[] = {
	{ .name = "start",
	  .group = "Run",
	  .args = "NAME...",
	  .summary = "Start instances that do not run",
	  .description =
		  "Starts them in the background. One that runs already is left alone. One whose "
		  "memory-reservation the host cannot keep beside those of others that run "
		  "is refused, with the figures: 'brig info' shows what is reserved.",
	  .examples = LIFE_EXAMPLES("brig start web db", "start two of them", "brig start -ai box",
				    "start one and use its shell here"),
	  .options = life_start_options,
	  .min_args = 1,
	  .max_args = -1,
	  .values_size = sizeof(struct life_start),
	  .complete = "instance",
	  .run = life_start },
	{ .name = "stop",
	  .group = "Run",
	  .args = "NAME...",
	  .summary = "Stop instances",
	  .description =
		  "Sends the stop signal (TERM, or what the image or --stop-signal says) and, if "
		  "it "
		  "still runs after its stop timeout, KILL. Returns when nothing of it runs.",
	  .examples = LIFE_EXAMPLES("brig stop web", "give it its own time to end",
				    "brig stop -t 1m db", "give it a minute"),
	  .options = life_stop_options,
	  .min_args = 1,
	  .max_args = -1,
	  .values_size = sizeof(struct life_stop),
	  .defaults = &life_stop_defaults,
	  .complete = "running",
	  .run = life_stop },
	{ .name = "restart",
	  .group = "Run",
	  .args = "NAME...",
	  .summary = "Stop instances and start them again",
	  .examples =
		  LIFE_EXAMPLES("brig restart web", "stop it if it runs, then start it",
				"brig restart -t 0 web", "without waiting for it to end by itself"),
	  .options = life_stop_options,
	  .min_args = 1,
	  .max_args = -1,
	  .values_size = sizeof(struct life_stop),
	  .defaults = &life_stop_defaults,
	  .complete = "instance",
	  .run = life_restart },
	{ .name = "kill",
	  .group = "Run",
	  .args = "NAME...",
	  .summary = "Send instances a signal",
	  .description = "Sends a signal to the workload's first process, KILL if none is named.",
	  .examples = LIFE_EXAMPLES("brig kill web", "end it at once", "brig kill -s HUP web",
				    "make it read its configuration again"),
	  .options = life_kill_options,
	  .min_args = 1,
	  .max_args = -1,
	  .values_size = sizeof(struct life_kill),
	  .defaults = &life_kill_defaults,
	  .complete = "running",
	  .run = life_kill },
	{ .name = "pause",
	  .group = "Run",
	  .args = "NAME...",
	  .summary = "Freeze instances where they are",
	  .examples = LIFE_EXAMPLES("brig pause web", "it keeps its memory and uses no CPU",
				    "brig resume web", "it goes on"),
	  .min_args = 1,
	  .max_args = -1,
	  .complete = "running",
	  .run = life_pause },
	{ .name = "resume",
	  .alias = "unpause",
	  .group = "Run",
	  .args = "NAME...",
	  .summary = "Let paused instances go on",
	  .examples =
		  LIFE_EXAMPLES("brig resume web", "it goes on", "brig unpause web", "the same"),
	  .min_args = 1,
	  .max_args = -1,
	  .complete = "running",
	  .run = life_resume },
	{ .name = "checkpoint",
	  .group = "Run",
	  .args = "NAME",
	  .summary = "Save the processes of a container, and stop it",
	  .description =
		  "Its memory, open files, terminals and the like are written by CRIU, which has "
		  "to be "
		  "installed, and 'brig restore' lets it go on from there, after a reboot of the "
		  "host as "
		  "well. Its file system is not saved: a restored container finds the files as "
		  "they are "
		  "by then, so nothing should write to them in between. One that a checkpoint has "
		  "stopped is shown as 'checkpointed'; 'brig start' starts it anew. One made with "
		  "--init, "
		  "and a VM, cannot be "
		  "checkpointed yet.",
	  .examples = LIFE_EXAMPLES("brig checkpoint web", "save and stop it",
				    "brig checkpoint -R --dir /backup/web web",
				    "save it elsewhere, and let it go on"),
	  .options = life_checkpoint_options,
	  .min_args = 1,
	  .max_args = 1,
	  .values_size = sizeof(struct life_checkpoint),
	  .complete = "running",
	  .run = life_checkpoint },
	{ .name = "restore",
	  .group = "Run",
	  .args = "NAME",
	  .summary = "Let a container go on from its checkpoint",
	  .description = "Starts it in the background; its processes go on where 'brig checkpoint' "
			 "has saved them. What is saved is as trusted as the processes themselves: "
			 "restore only what root has saved on this host or one like it.",
	  .examples = LIFE_EXAMPLES("brig restore web", "go on where it was",
				    "brig restore --dir /backup/web web", "from another folder"),
	  .options = life_restore_options,
	  .min_args = 1,
	  .max_args = 1,
	  .values_size = sizeof(struct life_checkpoint),
	  .complete = "instance",
	  .run = life_restore },
	{ .name = "power",
	  .group = "Run",
	  .args = "NAME button|nmi|reset",
	  .summary = "Press a button of a virtual machine",
	  .description =
		  "'button' is the power button: whatever in the guest listens for it acts on it, "
		  "such as "
		  "systemd-logind; brig's agent does not, and 'brig stop' asks the agent. 'nmi' "
		  "sends every CPU a non-maskable interrupt: with the kernel argument "
		  "unknown_nmi_panic a kernel that hangs says where. A machine is not reset in "
		  "place; 'brig restart -t 0' starts it anew. Containers have none of them.",
	  .examples =
		  LIFE_EXAMPLES("brig power box button", "ask the guest to switch itself off",
				"brig power box nmi", "see in 'brig logs --boot' where it hangs"),
	  .min_args = 2,
	  .max_args = 2,
	  .complete = "running button",
	  .run = life_power },
	{ .name = "wait",
	  .group = "Run",
	  .args = "NAME...",
	  .summary = "Wait until instances end, and print their exit status",
	  .examples = LIFE_EXAMPLES("brig wait job", "print the exit status once it has ended",
				    "brig wait a b", "both, one after the other"),
	  .min_args = 1,
	  .max_args = -1,
	  .complete = "instance",
	  .run = life_wait },
	{ .name = "rm",
	  .alias = "remove",
	  .group = "Run",
	  .args = "NAME...",
	  .summary = "Remove instances with all they wrote",
	  .description = "Removes instances with their files, logs and snapshots; volumes stay.",
	  .examples = LIFE_EXAMPLES("brig rm job", "remove one that does not run",
				    "brig rm -f $(brig ps -a -q)",
				    "remove all of them, running or not"),
	  .options = life_rm_options,
	  .min_args = 1,
	  .max_args = -1,
	  .values_size = sizeof(struct life_rm),
	  .complete = "instance",
	  .run = life_rm },
	{ .name = "rename",
	  .group = "Run",
	  .args = "NAME NEW_NAME",
	  .summary = "Give an instance that does not run another name",
	  .examples = LIFE_EXAMPLES("brig rename web web-old", "make room for another 'web'",
				    "brig rename box build",
				    "any name of letters, digits, '_', '.', '-'"),
	  .min_args = 2,
	  .max_args = 2,
	  .complete = "instance none",
	  .run = life_rename },
	{ .name = NULL },
};
