// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * brig cp. A tree stream (proto/tree.h) runs through a pipe between a child of ours, which is the local
 * end, and the instance's end in this process. The child's error comes back through a second pipe. Each
 * side holds only its own end of the stream, so that the death of one is the other's end of file. A local end that is "-" is
 * our standard input or output, with a tar archive in place of files.
 */
#include "base/mem.h"
#include "cli/home.h"
#include "image/tree_tar.h"
#include "proto/tree.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

struct copy_values {
	int archive, follow;
};

struct copy_side {
	char *name; /* of the instance; NULL: local */
	char *path;
	int is_archive; /* "-" */
};

static void copy_side_release(struct copy_side *side)
{
	free(side->name);
	free(side->path);
}

/* NAME:PATH is in an instance; what begins with / or . or has no colon is local. */
static int copy_parse_side(const char *text, struct copy_side *ret, struct err *err)
{
	size_t len = strcspn(text, ":");

	if (!strcmp(text, "-")) {
		ret->is_archive = 1;
		ret->path = mem_strdup(text);
		return 0;
	}
	if (!*text)
		return err_set(err, -EINVAL, "an empty path cannot be copied");
	if (*text == '/' || *text == '.' || !text[len]) {
		ret->path = mem_strdup(text);
		return 0;
	}
	if (!len || !text[len + 1])
		return err_set(err, -EINVAL, "'%.64s' is no NAME:PATH", text);
	ret->name = mem_strndup(text, len);
	ret->path = mem_printf("%s%s", text[len + 1] == '/' ? "" : "/", text + len + 1);
	return 0;
}

/* The path with our working directory, for a root that is the file system's. */
static int copy_make_absolute(struct copy_side *side, struct err *err)
{
	_cleanup_free_ char *cwd = NULL, *path = side->path;

	if (*path == '/' || side->is_archive) {
		side->path = take_ptr(path);
		return 0;
	}
	side->path = NULL;
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return err_errno(err, -errno, "cannot tell the current folder");
	side->path = mem_printf("%s/%s", cwd, path);
	return 0;
}

static int copy_ends_with(const char *path, const char *end)
{
	size_t len = strlen(path), end_len = strlen(end);

	return len >= end_len && !strcmp(path + len - end_len, end);
}

/* SRC/. stands for what is in SRC. */
static unsigned int copy_source_flags(const struct copy_values *v, struct copy_side *source)
{
	unsigned int flags = v->follow ? TREE_FOLLOW : 0;

	if (copy_ends_with(source->path, "/.")) {
		source->path[strlen(source->path) - 1] = '\0';
		flags |= TREE_CONTENTS;
	}
	return flags;
}

struct copy {
	const struct instance_home *home;
	struct copy_side source, target;
	unsigned int send_flags, receive_flags;
};

static void copy_release(struct copy *copy)
{
	copy_side_release(&copy->source);
	copy_side_release(&copy->target);
}

static int copy_local(const struct copy *copy, int stream, struct err *err)
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (copy->source.is_archive)
		return tree_tar_read(STDIN_FILENO, copy->home->root, stream, err);
	if (copy->target.is_archive)
		return tree_tar_write(stream, copy->home->root, STDOUT_FILENO, err);
	if (root < 0)
		return err_errno(err, -errno, "cannot open /");
	return copy->target.name
		       ? tree_send(root, copy->source.path, copy->send_flags, stream, err)
		       : tree_receive(root, copy->target.path, copy->receive_flags, stream, err);
}

static _noreturn_ void copy_child(const struct copy *copy, int stream, int report)
{
	struct err err = ERR_INIT;
	int r = copy_local(copy, stream, &err);

	if (r < 0 && write(report, &err, sizeof(err)) != (ssize_t)sizeof(err))
		_exit(2);
	_exit(r < 0);
}

static int copy_instance(const struct copy *copy, int stream, struct err *err)
{
	if (copy->target.name)
		return instance_tree_put(copy->home, copy->target.name, copy->target.path,
					 copy->receive_flags, stream, err);
	return instance_tree_get(copy->home, copy->source.name, copy->source.path, copy->send_flags,
				 stream, err);
}

/* The child's result: 0, or its error. */
static int copy_collect(pid_t pid, int report, struct err *err)
{
	struct err failure = ERR_INIT;
	int status = 0;

	if (read(report, &failure, sizeof(failure)) != (ssize_t)sizeof(failure))
		failure = ERR_INIT;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (err_is_set(&failure)) {
		*err = failure;
		return failure.code;
	}
	return status ? err_set(err, -EIO, "the local end of the copy was killed") : 0;
}

/*
 * Both ends fail when one does; the one that failed by itself has the reason. The sender sees a broken
 * pipe, the receiver a stream that is cut, if it was the other's fault.
 */
static int copy_verdict(int sender_r, const struct err *sender, int receiver_r,
			const struct err *receiver, struct err *err)
{
	if (sender_r < 0 && (sender_r != -EPIPE || receiver_r == 0)) {
		*err = *sender;
		return sender_r;
	}
	if (receiver_r < 0)
		*err = *receiver;
	return receiver_r;
}

static int copy_run(const struct copy *copy, struct err *err)
{
	_cleanup_close_ int read_end = -EBADF, write_end = -EBADF, report = -EBADF,
			    their_report = -EBADF;
	struct err ours = ERR_INIT, theirs = ERR_INIT;
	int fds[2], ours_r, theirs_r, put = copy->target.name != NULL;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot make a pipe");
	read_end = fds[0];
	write_end = fds[1];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot make a pipe");
	report = fds[0];
	their_report = fds[1];
	pid = fork();
	if (pid < 0)
		return err_errno(err, -errno, "cannot start a process");
	if (!pid) {
		fd_close(put ? read_end : write_end);
		copy_child(copy, put ? write_end : read_end, their_report);
	}
	their_report = fd_close(their_report);
	if (put)
		write_end = fd_close(write_end);
	else
		read_end = fd_close(read_end);
	ours_r = copy_instance(copy, put ? read_end : write_end, &ours);
	read_end = fd_close(read_end);
	write_end = fd_close(write_end);
	theirs_r = copy_collect(pid, report, &theirs);
	return put ? copy_verdict(theirs_r, &theirs, ours_r, &ours, err)
		   : copy_verdict(ours_r, &ours, theirs_r, &theirs, err);
}

static int copy_cp(const struct cli_context *cli, const void *values, char **args, struct err *err)
{
	const struct instance_home home = home_of(cli);
	const struct copy_values *v = values;
	_cleanup_(copy_release) struct copy copy = { .home = &home };
	_cleanup_instance_ struct instance record = { 0 };
	int r = copy_parse_side(args[0], &copy.source, err);

	if (r == 0)
		r = copy_parse_side(args[1], &copy.target, err);
	if (r < 0)
		return r;
	if (!copy.source.name == !copy.target.name)
		return err_set(err, -EINVAL,
			       "%s; one of the two is NAME:PATH, the other a local path",
			       copy.source.name ? "both sides are in an instance"
						: "neither side is in an instance");
	if (copy.target.is_archive && isatty(STDOUT_FILENO))
		return err_set(err, -EINVAL,
			       "an archive is nothing for a terminal; send it to a file or a pipe");
	copy.send_flags = copy_source_flags(v, &copy.source);
	copy.receive_flags = v->archive ? TREE_ARCHIVE : 0;
	r = copy_make_absolute(copy.source.name ? &copy.target : &copy.source, err);
	if (r == 0)
		r = instance_load(&home, copy.source.name ? copy.source.name : copy.target.name,
				  &record, err);
	if (r < 0)
		return r;
	r = copy_run(&copy, err);
	return r < 0 ? err_wrap(err, "cannot copy %.100s to %.100s", args[0], args[1]) : 0;
}

static const struct option copy_options[] = {
	{ "archive", 'a', OPTION_FLAG, NULL,
	  "keep owners; else all belongs to whom brig runs as there",
	  offsetof(struct copy_values, archive) },
	{ "follow-link", 'L', OPTION_FLAG, NULL, "copy what a symlink SOURCE points to",
	  offsetof(struct copy_values, follow) },
	OPTION_END,
};

static const char *const copy_examples[] = {
	"brig cp site.conf web:/etc/nginx/conf.d/",
	"a file into a running or stopped container",
	"brig cp web:/var/log/. logs",
	"all that is in a folder, into the local folder 'logs'",
	"brig cp web:/etc - | tar -t",
	"what is in a folder, as an archive",
	NULL,
};

const struct verb cli_copy_verbs[] = {
	{ .name = "cp",
	  .group = "Go inside",
	  .args = "SOURCE TARGET",
	  .summary = "Copy files into or out of an instance",
	  .description =
		  "One of SOURCE and TARGET is NAME:PATH. A folder is copied with all below "
		  "it; SOURCE/. stands for "
		  "what is in the folder. If TARGET is a folder, SOURCE comes into it, else "
		  "TARGET is its new "
		  "name. The other may be '-': a tar archive, read from standard input, plain "
		  "or compressed, into the folder TARGET; or written to standard output, "
		  "with all owners. A virtual machine has to run for it.",
	  .examples = copy_examples,
	  .options = copy_options,
	  .min_args = 2,
	  .max_args = 2,
	  .values_size = sizeof(struct copy_values),
	  .complete = "copy",
	  .run = copy_cp },
	{ .name = NULL },
};
