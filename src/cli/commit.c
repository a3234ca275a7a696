// SPDX-License-Identifier: GPL-2.0-or-later
/* The verb that makes an image of an instance. */
#include "image/commit.h"
#include "base/mem.h"
#include "cli/home.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "instance/paths.h"

#include <string.h>

struct commit_values {
	char **changes;
	char *message, *author;
	int pause, quiet;
};

static const struct commit_values commit_defaults = { .pause = 1 };

#define COMMIT(name_, letter_, type_, metavar_, member, help_)                                \
	{                                                                                     \
		.name = (name_), .letter = (letter_), .type = (type_), .metavar = (metavar_), \
		.help = (help_), .offset = offsetof(struct commit_values, member),            \
	}

static const struct option commit_options[] = {
	COMMIT("change", 'c', OPTION_STRV, "CHANGE", changes,
	       "CMD, ENTRYPOINT, ENV, USER, WORKDIR... of the image, as in a Dockerfile"),
	COMMIT("message", 'm', OPTION_STRING, "TEXT", message, "note this in its history"),
	COMMIT("author", 'a', OPTION_STRING, "WHO", author, "who made it"),
	COMMIT("pause", 'p', OPTION_FLAG, NULL, pause,
	       "with =false: let it run while its files are read"),
	COMMIT("quiet", 'q', OPTION_FLAG, NULL, quiet, "print nothing but the digest"),
	OPTION_END,
};

/* What stands still while it is read, for as long as the descriptor is open, and so however we end. */
struct commit_still {
	const char *name;
	int held, frozen; /* see instance_hold() and instance_freeze() */
};

static int commit_let_go(void *ctx, struct err *err)
{
	struct commit_still *still = ctx;
	int r = still->frozen >= 0 ? instance_thaw(still->frozen, still->name, err) : 0;

	still->frozen = fd_close(still->frozen);
	still->held = fd_close(still->held);
	return r;
}

static int commit_hold(const struct instance_home *home, const struct instance_view *view,
		       struct commit_still *still, struct err *err)
{
	int is_vm = view->record.kind == INSTANCE_VM;
	int r = is_vm && view->state == INSTANCE_RUNNING
			? instance_freeze(home, still->name, &still->frozen, err)
			: instance_hold(home, still->name, &still->held, err);

	if (r == 0 || is_vm)
		return r;
	return err_wrap(err, "it cannot be held while it is read (--pause=false reads it as it "
			     "runs)");
}

static void commit_fill(struct commit *commit, const struct instance *record,
			const struct commit_values *v)
{
	commit->base = record->image_digest;
	commit->more_ids = record->nesting;
	commit->message = v->message;
	commit->author = v->author;
	commit->changes = v->changes;
	commit->env = record->env;
	commit->labels = record->labels;
	commit->user = record->user;
	if (record->cwd && strcmp(record->cwd, "/") != 0)
		commit->cwd = record->cwd;
	if (!record->system)
		commit->argv = record->argv;
	commit->progress = v->quiet ? NULL : progress_show;
}

static int commit_view(const struct instance_home *home, const char *name,
		       const struct instance_view *view, const struct commit_values *v,
		       struct commit *commit, struct commit_still *still, char **ret_digest,
		       struct err *err)
{
	_cleanup_free_ char *state = paths_state(home, name);
	_cleanup_free_ char *upper = mem_printf("%s/" INSTANCE_UPPER, state), *full = NULL;
	_cleanup_free_ char *disk = mem_printf("%s/" INSTANCE_DISK, state);
	_cleanup_free_ char *created_by = mem_printf("brig commit %s", view->record.name);
	int r = 0;

	commit_fill(commit, &view->record, v);
	if (view->record.kind == INSTANCE_VM)
		commit->disk = disk;
	else
		commit->upper = upper;
	commit->created_by = created_by;
	commit->done_reading = commit_let_go;
	commit->done_ctx = still;
	if (view->alive && (v->pause || view->record.kind == INSTANCE_VM))
		r = commit_hold(home, view, still, err);
	return r < 0 ? r : commit_image(home->root, commit, &full, ret_digest, err);
}

static int commit_run(const struct cli_context *cli, const void *values, char **args,
		      struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_instance_view_ struct instance_view view = { 0 };
	struct commit commit = { .reference = args[1] };
	struct commit_still still = { args[0], -EBADF, -EBADF };
	_cleanup_free_ char *digest = NULL;
	_cleanup_close_ int lock = -EBADF;
	int r = instance_lock(&home, args[0], &lock, err);

	if (r == 0)
		r = instance_view(&home, args[0], &view, err);
	if (r == 0)
		r = commit_view(&home, args[0], &view, values, &commit, &still, &digest, err);
	fd_close(still.held);
	fd_close(still.frozen);
	progress_end();
	if (r < 0)
		return err_wrap(err, "cannot make an image of '%.64s'", args[0]);
	puts(digest);
	return 0;
}

static const char *const commit_examples[] = {
	"brig commit web web:2",
	"an image of what has become of the container 'web'",
	"brig commit -c 'CMD [\"/srv/start\"]' -m 'with plugins' web registry.example/web:3",
	"with another command; 'brig push' brings it to its registry",
	NULL,
};

const struct verb cli_commit_verbs[] = {
	{ .name = "commit",
	  .group = "Images",
	  .args = "NAME IMAGE",
	  .summary = "Make an image of an instance",
	  .description =
		  "What the instance has changed becomes one more layer on its image, and how it "
		  "runs (command, environment, user, folder, labels) the new image's settings. A "
		  "running container stands still while its files are read, and in a running "
		  "virtual machine who writes waits. What lies in tmpfs or in the storage of "
		  "--nesting is left out. Prints the "
		  "digest.",
	  .examples = commit_examples,
	  .options = commit_options,
	  .min_args = 2,
	  .max_args = 2,
	  .values_size = sizeof(struct commit_values),
	  .defaults = &commit_defaults,
	  .complete = "instance image",
	  .run = commit_run },
	{ .name = NULL },
};
