// SPDX-License-Identifier: GPL-2.0-or-later
/* The verb that makes an image of an instance. */
#include "image/commit.h"
#include "base/mem.h"
#include "cli/home.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "instance/paths.h"
#include "proto/message.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/*
 * A running container stands still while its writable layer is read. It is let go by a process that waits for the
 * end of a pipe, so that it goes on however we end; that process has a session of its own, where no control-C comes.
 */

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

/* One that waits with the container held. */
struct commit_hold {
	int pipe; /* its end lets the container go; negative: it is not held */
	pid_t pid;
};

static _noreturn_ void commit_guard(const struct instance_home *home, const char *name, int fd)
{
	struct err ignored = ERR_INIT;
	char byte;

	setsid();
	signal(SIGTERM, SIG_IGN);
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		continue;
	_exit(instance_request(home, name, MESSAGE_RESUME, NULL, 0, &ignored) < 0);
}

static void commit_let_go(void *ctx)
{
	struct commit_hold *hold = ctx;

	if (hold->pipe < 0)
		return;
	hold->pipe = fd_close(hold->pipe);
	while (waitpid(hold->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

static int commit_hold(const struct instance_home *home, const char *name, struct commit_hold *hold,
		       struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot make a pipe");
	hold->pid = fork();
	if (!hold->pid) {
		fd_close(fds[1]);
		commit_guard(home, name, fds[0]);
	}
	fd_close(fds[0]);
	hold->pipe = fds[1];
	if (hold->pid < 0) {
		hold->pipe = fd_close(hold->pipe);
		return err_errno(err, -errno, "cannot start a process");
	}
	if (instance_request(home, name, MESSAGE_PAUSE, NULL, 0, err) < 0)
		return err_wrap(err,
				"it cannot be held while it is read (--pause=false reads it as "
				"it runs)");
	return 0;
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
		       struct commit *commit, struct commit_hold *hold, char **ret_digest,
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
	commit->done_ctx = hold;
	if (view->alive && view->state == INSTANCE_RUNNING && v->pause)
		r = commit_hold(home, name, hold, err);
	if (r == 0)
		r = commit_image(home->root, commit, &full, ret_digest, err);
	commit_let_go(hold);
	return r;
}

static int commit_run(const struct cli_context *cli, const void *values, char **args,
		      struct err *err)
{
	const struct instance_home home = home_of(cli);
	_cleanup_instance_view_ struct instance_view view = { 0 };
	struct commit commit = { .reference = args[1] };
	struct commit_hold hold = { .pipe = -EBADF };
	_cleanup_free_ char *digest = NULL;
	_cleanup_close_ int lock = -EBADF;
	int r = instance_lock(&home, args[0], &lock, err);

	if (r == 0)
		r = instance_view(&home, args[0], &view, err);
	if (r == 0 && view.record.kind == INSTANCE_VM && view.alive)
		r = err_set(err, -EBUSY,
			    "it is a VM that runs, and its disk is in use: 'brig stop %s' first",
			    args[0]);
	if (r == 0)
		r = commit_view(&home, args[0], &view, values, &commit, &hold, &digest, err);
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
		  "running container stands still while its files are read; a VM must be stopped. "
		  "What lies in tmpfs or in the storage of --nesting is left out. Prints the "
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
