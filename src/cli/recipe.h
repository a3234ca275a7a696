/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_RECIPE_H
#define CLI_RECIPE_H

#include "base/option.h"
#include "image/store.h"
#include "proto/instance.h"

/*
 * What a user asks for with `run` and `create`, and the instance record that comes of it and the image's
 * configuration. Everything is checked here, so that nothing is made for a request that cannot be met.
 */
struct recipe {
	int detach; /* of `run` alone */

	int vm, container;
	int isolation; /* enum recipe_isolation */
	char **needs;  /* for it */
	char *name;
	char **labels;

	int interactive, tty;
	char **env, **env_files;
	char *workdir, *user, *hostname;
	char *entrypoint; /* NULL: the image's; "": none */
	int init;

	char **limits; /* NAME=VALUE, of instance/limit_table.h */
	int oom_kill_disable, best_effort, overcommit;

	int read_only;
	char **tmpfs, **volumes, **mounts;
	int64_t disk_size;
	char **drives;
	int64_t snapshots_every_ms, snapshots_expiry_ms;

	char **cap_add, **cap_drop;
	int privileged;
	int nesting;

	int stop_signal;	 /* 0: not given */
	int64_t stop_timeout_ms; /* negative: not given */
	char *restart;
	int autostart; /* enum instance_autostart */
	int64_t start_order, start_delay_ms;
	int remove;

	int engine; /* enum instance_engine; negative: not given */
	char *kernel, *kernel_args;
	int huge_pages, gdb;
	int64_t boot_timeout_ms; /* 0: not given */

	char **networks, **ports;
	char *ip, *ip6, *mac; /* of the first network */
	int64_t net_rate;     /* bits a second, of each; 0: any */
	char **dns, **dns_search, **extra_hosts;

	int pull; /* enum recipe_pull */
};

/* The kind: as --vm or --container says, or as `brig advise` does. */
enum recipe_isolation {
	RECIPE_ISOLATION_GIVEN,
	RECIPE_ISOLATION_CONTAINER,
	RECIPE_ISOLATION_VM,
	RECIPE_ISOLATION_AUTO
};

/* Whether the image is fetched first. */
enum recipe_pull { RECIPE_PULL_MISSING, RECIPE_PULL_ALWAYS, RECIPE_PULL_NEVER };

extern const struct recipe recipe_defaults;

/* The rows of `run`. The first one is its own; those of `create` begin at RECIPE_CREATE. */
extern const struct option recipe_options[];
#define RECIPE_CREATE 1

/*
 * What can be said of the options alone: kinds that do not go together with an option, options that are not
 * built yet, values that cannot be.
 */
int recipe_check(const struct recipe *recipe, struct err *err);

/*
 * SOURCE:PATH[:OPTION,...] as a record has it, of what is on the host now; "./web" begins where we are. Caller frees.
 */
int recipe_make_share(const char *text, char **ret, struct err *err);
/* SOURCE[:OPTION,...] of a drive, likewise; the record's one at that place. */
int recipe_make_drive(const char *text, size_t place, char **ret, struct err *err);

/* KEY=VALUE or KEY, in UTF-8. */
int recipe_check_labels(char *const *labels, struct err *err);

/*
 * Fills a record (instance_init() done) from a checked recipe, an image and the words after it, as docker
 * does: the command replaces Cmd, --entrypoint replaces Entrypoint and drops Cmd, variables of --env-file
 * and then -e are added to the image's. With no command at all it is a system instance.
 */
int recipe_fill(const struct recipe *recipe, const struct image *image, char *const *command,
		struct instance *ret, struct err *err);

#endif
