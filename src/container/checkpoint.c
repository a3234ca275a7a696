// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/checkpoint-internal.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "container/checkpoint_binds.h"
#include "container/namespaces.h"
#include "sys/child.h"
#include "sys/inroot.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#define CHECKPOINT_FILE "file["

const struct checkpoint_external checkpoint_externals[CHECKPOINT_EXTERNALS] = {
	{ CLONE_NEWNET, "net", "extRootNetNS" },
	{ CLONE_NEWPID, "pid", "extRootPidNS" },
};

void checkpoint_release(struct checkpoint *checkpoint)
{
	fd_close(checkpoint->images);
	fd_close(checkpoint->work);
	buf_release(&checkpoint->request);
}

void checkpoint_put_flag(struct checkpoint *checkpoint, enum criu_option option, int value)
{
	if (value)
		criu_wire_put_number(&checkpoint->request, option, 1);
}

static int checkpoint_open_folder(const char *path, int make, struct err *err)
{
	int r = make ? file_mkdir_p(path, 0700) : 0;
	int fd = r < 0 ? r : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, r < 0 ? r : -errno, "cannot open the folder %s", path);
	return fd;
}

/* The locking of TCP connections meanwhile; CRIU's own way is by a tool that not every host has. */
static void checkpoint_put_network(struct checkpoint *checkpoint)
{
	_cleanup_free_ char *tool = child_find("iptables-restore");

	if (!tool)
		criu_wire_put_number(&checkpoint->request, CRIU_NETWORK_LOCK, CRIU_LOCK_NFTABLES);
}

/* Of enum criu_cg_mode. Without a group of its own, all that its caller's group has below it would be saved. */
static unsigned int checkpoint_cgroups_mode(const struct checkpoint *checkpoint)
{
	static const unsigned int modes[] = {
		[CHECKPOINT_CGROUPS_SOFT] = 3,
		[CHECKPOINT_CGROUPS_FULL] = 4,
		[CHECKPOINT_CGROUPS_STRICT] = 5,
		[CHECKPOINT_CGROUPS_IGNORE] = 0,
	};

	return checkpoint->spec->cgroup_path ? modes[checkpoint->options->cgroups] : 0;
}

static void checkpoint_put_options(struct checkpoint *checkpoint)
{
	const struct checkpoint_options *options = checkpoint->options;
	struct buf *request = &checkpoint->request;

	checkpoint_put_flag(checkpoint, CRIU_TCP_ESTABLISHED, options->tcp_established);
	checkpoint_put_flag(checkpoint, CRIU_TCP_SKIP_IN_FLIGHT, options->tcp_skip_in_flight);
	checkpoint_put_flag(checkpoint, CRIU_TCP_CLOSE, options->tcp_close);
	checkpoint_put_flag(checkpoint, CRIU_EXT_UNIX_SK, options->ext_unix_sockets);
	checkpoint_put_flag(checkpoint, CRIU_SHELL_JOB, options->shell_job);
	checkpoint_put_flag(checkpoint, CRIU_FILE_LOCKS, options->file_locks);
	checkpoint_put_flag(checkpoint, CRIU_LINK_REMAP, options->link_remap);
	checkpoint_put_flag(checkpoint, CRIU_LAZY_PAGES, options->lazy_pages);
	checkpoint_put_flag(checkpoint, CRIU_AUTO_DEDUP, options->auto_dedup);
	/* the other end of a terminal is with who made the container */
	checkpoint_put_flag(checkpoint, CRIU_ORPHAN_PTS_MASTER, 1);
	criu_wire_put_number(request, CRIU_CGROUPS_MODE, checkpoint_cgroups_mode(checkpoint));
	/* whoever makes its interfaces makes them again */
	if (options->empty_network || checkpoint->spec->wired)
		criu_wire_put_number(request, CRIU_EMPTY_NS, CLONE_NEWNET);
	if (options->parent)
		criu_wire_put_string(request, CRIU_PARENT_IMAGES, options->parent);
	if (options->lsm_profile)
		criu_wire_put_string(request, CRIU_LSM_PROFILE, options->lsm_profile);
	if (options->lsm_mount_context)
		criu_wire_put_string(request, CRIU_LSM_MOUNT_CONTEXT, options->lsm_mount_context);
	checkpoint_put_network(checkpoint);
}

int checkpoint_begin(struct checkpoint *checkpoint, const struct spec *spec,
		     const struct checkpoint_options *options, int make, struct err *err)
{
	const char *work = options->work ? options->work : options->images;

	*checkpoint = (struct checkpoint){
		.spec = spec,
		.options = options,
		.images = -EBADF,
		.work = -EBADF,
	};
	checkpoint->images = checkpoint_open_folder(options->images, make, err);
	if (checkpoint->images < 0)
		return checkpoint->images;
	checkpoint->work = checkpoint_open_folder(work, 1, err);
	if (checkpoint->work < 0)
		return checkpoint->work;
	checkpoint_put_options(checkpoint);
	checkpoint->call = (struct criu_call){
		.options = &checkpoint->request,
		.images = checkpoint->images,
		.images_path = options->images,
		.work = checkpoint->work,
		.work_path = work,
		.in_session = options->shell_job,
	};
	return 0;
}

/* What CRIU would save as if it were the container's own, or cannot make again. */
static int checkpoint_check(const struct spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->n_joins; i++) {
		uint64_t type = spec->joins[i].type;

		if (type == CLONE_NEWNS || type == CLONE_NEWUSER || type == CLONE_NEWCGROUP)
			return err_set(err, -EOPNOTSUPP,
				       "a container that shares its mount, user or cgroup "
				       "namespace with others cannot be checkpointed");
	}
	if (spec->init)
		return err_set(err, -EOPNOTSUPP,
			       "a container made with --init cannot be checkpointed: its first "
			       "process is a program of brig's, not of its own");
	if (spec->notifies)
		return err_set(err, -EOPNOTSUPP,
			       "a container whose system calls somebody is asked about "
			       "(SCMP_ACT_NOTIFY) cannot be checkpointed");
	return 0;
}

/* "net[4026532000]:extRootNetNS" for those that are joined, and so stay as they are. */
static int checkpoint_put_namespaces(struct checkpoint *checkpoint, pid_t pid, struct err *err)
{
	const struct spec *spec = checkpoint->spec;

	for (size_t i = 0; i < spec->n_joins * CHECKPOINT_EXTERNALS; i++) {
		const struct checkpoint_external *external =
			&checkpoint_externals[i % CHECKPOINT_EXTERNALS];
		_cleanup_free_ char *path = mem_printf("/proc/%d/ns/%s", pid, external->name);
		_cleanup_free_ char *text = NULL;
		struct stat st;

		if (spec->joins[i / CHECKPOINT_EXTERNALS].type != external->type)
			continue;
		if (stat(path, &st) < 0)
			return err_errno(err, -errno, "cannot look at %s", path);
		text = mem_printf("%s[%llu]:%s", external->name, (unsigned long long)st.st_ino,
				  external->key);
		criu_wire_put_string(&checkpoint->request, CRIU_EXTERNAL, text);
	}
	return 0;
}

/* Where the place is really mounted, links followed; NULL if nothing is. */
static const char *checkpoint_find_mount(const struct mountinfo *mounts, int root,
					 const char *place)
{
	_cleanup_close_ int fd = inroot_open(root, place, O_PATH);
	struct statx st;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0 ||
	    !(st.stx_mask & STATX_MNT_ID) || !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return NULL;
	return mountinfo_place(mounts, st.stx_mnt_id);
}

static int checkpoint_put_mounts(struct checkpoint *checkpoint, pid_t pid, struct err *err)
{
	_cleanup_mountinfo_ struct mountinfo host = { 0 }, inside = { 0 };
	_cleanup_checkpoint_binds_ struct checkpoint_binds binds = { 0 };
	_cleanup_free_ char *path = mem_printf("/proc/%d/root", pid);
	_cleanup_close_ int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (root < 0)
		return err_errno(err, -errno, "cannot open the container's root");
	r = mountinfo_read(0, &host, err);
	if (r == 0)
		r = mountinfo_read(pid, &inside, err);
	if (r < 0)
		return r;
	checkpoint_binds_of(checkpoint->spec, &host, &binds);
	for (size_t i = 0; i < binds.n; i++) {
		const char *at = checkpoint_find_mount(&inside, root, binds.list[i].place);
		struct stat st;

		/* a masked folder is an empty one of the container's own */
		if (!at ||
		    (!strcmp(binds.list[i].name, CHECKPOINT_NULL) &&
		     fstatat(root, at + 1, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)))
			continue;
		criu_wire_put_pair(&checkpoint->request, CRIU_EXT_MOUNT, at, binds.list[i].name);
	}
	return 0;
}

/* What a stream is called: a pipe by its link, a file that is not the container's as CRIU has it ("file[MOUNT:INODE]",
 * in base 16), else its path, which says nothing here. Caller frees. */
static char *checkpoint_name_stream(pid_t pid, int i, const struct mountinfo *inside)
{
	char link[64], target[PATH_MAX];
	struct statx st;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, i);
	n = readlink(link, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	if (*target != '/' || statx(AT_FDCWD, link, 0, STATX_MNT_ID | STATX_INO, &st) < 0 ||
	    mountinfo_place(inside, st.stx_mnt_id))
		return mem_strdup(target);
	return mem_printf(CHECKPOINT_FILE "%llx:%llx]", (unsigned long long)st.stx_mnt_id,
			  (unsigned long long)st.stx_ino);
}

/* ["pipe:[1]", "pipe:[2]", "/dev/null"]: a restore knows by it which streams are to be replaced. */
static int checkpoint_save_streams(struct checkpoint *checkpoint, pid_t pid, struct err *err)
{
	_cleanup_json_ struct json *streams = json_new_array();
	_cleanup_mountinfo_ struct mountinfo inside = { 0 };
	_cleanup_free_ char *text = NULL;
	int r = mountinfo_read(pid, &inside, err);

	if (r < 0)
		return r;
	for (int i = 0; i < 3; i++) {
		_cleanup_free_ char *name = checkpoint_name_stream(pid, i, &inside);

		if (!strncmp(name, CHECKPOINT_FILE, strlen(CHECKPOINT_FILE)))
			criu_wire_put_string(&checkpoint->request, CRIU_EXTERNAL, name);
		json_array_add(streams, json_new_string(name));
	}
	text = json_text(streams, 0);
	r = file_replace(checkpoint->images, CHECKPOINT_DESCRIPTORS, text, strlen(text), 0600, 0);
	return r < 0 ? err_errno(err, r, "cannot write " CHECKPOINT_DESCRIPTORS) : 0;
}

const char *checkpoint_stream(const struct json *descriptors, size_t i)
{
	const char *name = json_string(json_array_at(descriptors, i));

	return name && (!strncmp(name, "pipe:[", strlen("pipe:[")) ||
			!strncmp(name, CHECKPOINT_FILE, strlen(CHECKPOINT_FILE)))
		       ? name
		       : NULL;
}

static int checkpoint_put_page_server(struct checkpoint *checkpoint, struct err *err)
{
	const char *given = checkpoint->options->page_server;
	const char *colon = given ? strrchr(given, ':') : NULL;
	_cleanup_free_ char *address = NULL;
	struct err reason = ERR_INIT;
	int64_t port = 0;

	if (!given)
		return 0;
	if (!colon || colon == given ||
	    units_parse_int(colon + 1, 1, UINT16_MAX, &port, &reason) < 0)
		return err_set(err, -EINVAL, "--page-server: '%.200s' is not ADDRESS:PORT", given);
	address = mem_strndup(given, (size_t)(colon - given));
	criu_wire_put_numbered(&checkpoint->request, CRIU_PAGE_SERVER, address, (uint64_t)port);
	return 0;
}

static int checkpoint_put_dump(struct checkpoint *checkpoint, pid_t pid,
			       const struct cgroup *cgroup, struct err *err)
{
	const struct checkpoint_options *options = checkpoint->options;
	_cleanup_free_ char *freezer = cgroup ? cgroup_freezer(cgroup) : NULL;
	struct buf *request = &checkpoint->request;
	int r;

	criu_wire_put_number(request, CRIU_PID, (uint64_t)pid);
	checkpoint_put_flag(checkpoint, CRIU_LEAVE_RUNNING, options->leave_running);
	/* what has changed since can be told only of memory that is looked after */
	checkpoint_put_flag(checkpoint, CRIU_TRACK_MEMORY, options->pre_dump || options->parent);
	if (options->has_status)
		criu_wire_put_number(request, CRIU_STATUS_FD, (uint64_t)options->status_fd);
	if (freezer)
		criu_wire_put_string(request, CRIU_FREEZE_CGROUP, freezer);
	r = checkpoint_put_page_server(checkpoint, err);
	if (r == 0)
		r = checkpoint_put_namespaces(checkpoint, pid, err);
	if (r == 0)
		r = checkpoint_put_mounts(checkpoint, pid, err);
	return r;
}

int checkpoint_dump(const struct spec *spec, pid_t pid, const struct cgroup *cgroup,
		    const struct checkpoint_options *options, struct err *err)
{
	_cleanup_checkpoint_ struct checkpoint checkpoint = { .images = -EBADF, .work = -EBADF };
	struct criu_answer answer = { 0 };
	int r = checkpoint_check(spec, err);

	if (r == 0)
		r = checkpoint_begin(&checkpoint, spec, options, 1, err);
	if (r == 0)
		r = checkpoint_put_dump(&checkpoint, pid, cgroup, err);
	if (r == 0)
		r = checkpoint_save_streams(&checkpoint, pid, err);
	if (r < 0)
		return r;
	checkpoint.call.type = options->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP;
	checkpoint.call.log = CHECKPOINT_DUMP_LOG;
	checkpoint.call.fds = &options->status_fd;
	checkpoint.call.n_fds = options->has_status ? 1 : 0;
	return criu_run(&checkpoint.call, &answer, err);
}
