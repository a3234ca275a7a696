// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/progress.h"
#include "cli/verbs.h"

#include <string.h>

struct cli_options {
	char *root, *run;
	int debug, version;
};

static const struct option cli_options[] = {
	{ "root", 0, OPTION_STRING, "DIR", "where images and instances are kept",
	  offsetof(struct cli_options, root), .complete = "file" },
	{ "run", 0, OPTION_STRING, "DIR", "where running instances have their sockets",
	  offsetof(struct cli_options, run), .complete = "file" },
	{ "debug", 0, OPTION_FLAG, NULL, "show what brig does, on stderr",
	  offsetof(struct cli_options, debug) },
	{ "version", 0, OPTION_FLAG, NULL, "show the version",
	  offsetof(struct cli_options, version) },
	OPTION_END,
};

static int cli_run_verb(const struct cli_context *cli, const struct verb *verb, int argc,
			char **argv, struct err *err)
{
	_cleanup_free_ void *values = mem_zalloc(verb->values_size);
	_cleanup_free_ char **args = NULL;
	static const struct option none[] = { OPTION_END };
	const struct option *options = verb->options ? verb->options : none;
	int n, r;

	if (verb->defaults)
		memcpy(values, verb->defaults, verb->values_size);
	r = option_parse(options, verb->mode, argc, argv, values, &args, err);
	n = (int)strv_len(args);
	if (r == 0 && (n < verb->min_args || (verb->max_args >= 0 && n > verb->max_args)))
		r = err_set(err, -EINVAL, "usage: brig %s%s%s [OPTION...] %s",
			    verb->noun ? verb->noun : "", verb->noun ? " " : "", verb->name,
			    verb->args ? verb->args : "");
	if (r == 0)
		r = verb->run(cli, values, args, err);
	option_release(options, values);
	return r;
}

static int cli_dispatch(const struct cli_options *options, char **args,
			const struct driver_ops *const *drivers, struct err *err)
{
	const struct cli_context cli = {
		.root = options->root ? options->root : "/var/lib/brig",
		.run = options->run ? options->run : "/run/brig",
		.drivers = drivers,
	};
	int argc = (int)strv_len(args), words;
	const struct verb *verb;

	if (options->version) {
		printf("brig %s\n", BRIG_VERSION);
		return 0;
	}
	if (!argc)
		return err_set(err, -EINVAL, "no verb given; see 'brig help'");
	verb = verbs_find(argc, args, &words);
	if (!verb)
		return verbs_unknown(argc, args, err);
	return cli_run_verb(&cli, verb, argc - words, args + words, err);
}

int cli_main(int argc, char **argv, const struct driver_ops *const *drivers)
{
	struct cli_options options = { 0 };
	_cleanup_free_ char **args = NULL;
	struct err err = ERR_INIT;
	int r;

	r = option_parse(cli_options, OPTION_LEAD, argc - 1, argv + 1, &options, &args, &err);
	if (r == 0) {
		log_set_debug(options.debug || getenv("BRIG_DEBUG"));
		r = cli_dispatch(&options, args, drivers, &err);
	}
	progress_end();
	if (r < 0)
		log_error("%s", err.msg);
	option_release(cli_options, &options);
	if (fflush(stdout) == EOF && r == 0)
		r = 125;
	return r < 0 ? (err.exit_status ? err.exit_status : 125) : r;
}
