// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/verb_help.h"
#include "cli/help.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "instance/home.h"

#include <signal.h>
#include <string.h>

struct cli_values {
	char *root, *run;
	int debug, version, help;
};

#define CLI_OPTION(name_, member, ...)                                                      \
	{                                                                                   \
		.name = (name_), .offset = offsetof(struct cli_values, member), __VA_ARGS__ \
	}

const struct option cli_options[] = {
	CLI_OPTION("root", root, .type = OPTION_STRING, .metavar = "DIR", .complete = "file",
		   .help = "where images and instances are kept (root: " HOME_ROOT
			   "; users: ~/.local/share/brig)"),
	CLI_OPTION("run", run, .type = OPTION_STRING, .metavar = "DIR", .complete = "file",
		   .help = "where running instances have their sockets (root: " HOME_RUN
			   "; users: $XDG_RUNTIME_DIR/brig)"),
	CLI_OPTION("debug", debug, .type = OPTION_FLAG,
		   .help = "show what brig does, on stderr; so does BRIG_DEBUG=1"),
	CLI_OPTION("version", version, .type = OPTION_FLAG, .help = "show the version"),
	CLI_OPTION("help", help, .letter = 'h', .type = OPTION_FLAG,
		   .help = "show the commands, or a command's options"),
	OPTION_END,
};

static int cli_call(const struct verb *verb, const void *context, const void *values, char **args,
		    struct err *err)
{
	return verb->run(context, values, args, err);
}

/* A keeper works in another folder than the user, so it needs whole paths. */
static void cli_make_absolute(char **path)
{
	_cleanup_free_ char *cwd = NULL, *whole = NULL;

	if (**path == '/')
		return;
	cwd = getcwd(NULL, 0);
	whole = mem_printf("%s/%s", cwd ? cwd : "", *path);
	mem_replace(path, whole);
}

static int cli_find_home(const struct cli_values *values, char **ret_root, char **ret_run,
			 struct err *err)
{
	int r = home_find_root(values->root, ret_root, err);

	if (r == 0)
		r = home_find_run(values->run, ret_run, err);
	if (r < 0)
		return r;
	cli_make_absolute(ret_root);
	cli_make_absolute(ret_run);
	r = home_check(*ret_root, "--root", err);
	return r < 0 ? r : home_check(*ret_run, "--run", err);
}

static int cli_dispatch(const struct cli_values *values, char **args,
			const struct driver_ops *const *drivers, struct err *err)
{
	_cleanup_free_ char *root = NULL, *run = NULL;
	struct cli_context cli = { .drivers = drivers };
	int argc = (int)strv_len(args), r;

	if (values->version)
		help_show_version();
	else if (values->help)
		verb_help_show_all(&cli_program);
	if (values->version || values->help)
		return 0;
	if (!argc) {
		help_show_short(stderr);
		return CLI_FAILURE;
	}
	r = cli_find_home(values, &root, &run, err);
	if (r < 0)
		return r;
	cli.root = root;
	cli.run = run;
	return verb_dispatch(&cli_program, argc, args, cli_call, &cli, err);
}

static void cli_on_broken_pipe(int number _unused_)
{
}

/*
 * Writing to who has gone away is an error that we report, not our death. A handler, unlike SIG_IGN, is
 * not inherited by what we execute.
 */
static void cli_catch_broken_pipe(void)
{
	struct sigaction action = { .sa_handler = cli_on_broken_pipe, .sa_flags = SA_RESTART };

	(void)sigaction(SIGPIPE, &action, NULL);
}

static int cli_finish_output(int status)
{
	/* an error of an earlier part leaves no reason behind */
	int failed = ferror(stdout), closing = fflush(stdout) == EOF ? errno : 0;

	if (!failed && !closing)
		return status;
	log_error("cannot write the output%s%s", closing ? ": " : " to its end",
		  closing ? strerror(closing) : "");
	return status ? status : CLI_FAILURE;
}

int cli_main(int argc, char **argv, const struct driver_ops *const *drivers)
{
	struct cli_values values = { 0 };
	_cleanup_free_ char **args = NULL;
	struct err err = ERR_INIT;
	int r;

	file_fill_stdio();
	cli_catch_broken_pipe();
	r = option_parse(cli_options, OPTION_LEAD, argc - 1, argv + 1, &values, &args, &err);
	if (r == 0) {
		log_set_debug(values.debug || getenv("BRIG_DEBUG"));
		r = cli_dispatch(&values, args, drivers, &err);
	}
	progress_end();
	if (r < 0)
		log_error("%s", err.msg);
	option_release(cli_options, &values);
	return cli_finish_output(r >= 0 ? r : err.exit_status ? err.exit_status : CLI_FAILURE);
}
