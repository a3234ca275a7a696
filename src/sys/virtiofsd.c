// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/virtiofsd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "sys/idmap.h"
#include "sys/mnt.h"
#include "sys/spawn.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* where distributions keep it, since nobody calls it by hand */
static const char *const virtiofsd_programs[] = {
	"/usr/libexec/virtiofsd",
	"/usr/lib/qemu/virtiofsd",
	"/usr/lib/virtiofsd",
	NULL,
};

/* the descriptor that it takes its connection from */
#define VIRTIOFSD_SOCKET 3

static const char *virtiofsd_find(void)
{
	for (size_t i = 0; virtiofsd_programs[i]; i++) {
		if (access(virtiofsd_programs[i], X_OK) == 0)
			return virtiofsd_programs[i];
	}
	return NULL;
}

/* A listening socket with our connection waiting at it, and no name any more. */
static int virtiofsd_connect(const char *run_dir, int *ret_listen, int *ret_socket, struct err *err)
{
	_cleanup_close_ int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int ours = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/share.sock", run_dir);
	int r = 0;

	if (listening < 0 || ours < 0)
		return err_errno(err, -errno, "cannot make a socket");
	if (len < 0 || (size_t)len >= sizeof(address.sun_path))
		return err_set(err, -ENAMETOOLONG, "%s is too long a path for a socket", run_dir);
	(void)unlink(address.sun_path);
	if (bind(listening, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listening, 1) < 0 ||
	    connect(ours, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = err_errno(err, -errno, "cannot make the socket %s", address.sun_path);
	(void)unlink(address.sun_path);
	if (r < 0)
		return r;
	*ret_listen = take_fd(&listening);
	*ret_socket = take_fd(&ours);
	return 0;
}

/*
 * Permissions are the host's kernel's to check; xattrs are the guest's, as ids are. A device file that a guest made
 * would be one on the host.
 */
static char **virtiofsd_arguments(const char *program, const char *folder)
{
	char **args = NULL;

	strv_add(&args, program);
	strv_add_printf(&args, "--fd=%d", VIRTIOFSD_SOCKET);
	strv_add(&args, "-o");
	strv_add_printf(&args, "source=%s", folder);
	strv_add(&args, "-o");
	strv_add(&args, "sandbox=namespace,xattr,cache=auto,modcaps=-mknod");
	strv_add(&args, "-f");
	/* it wants a million descriptors, which a user may not have: he has what virtiofsd_raise_files() got */
	if (geteuid())
		strv_add(&args, "--rlimit-nofile=0");
	return args;
}

/* The place of a file: in a folder that is seen in this mount namespace alone, where nothing else can be made. */
static int virtiofsd_make_folder(const char *path, int *ret_place, struct err *err)
{
	static const char *const options[] = { "size=4k", "mode=0755", NULL };
	_cleanup_close_ int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), mount = -EBADF;
	int r;

	if (folder < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	r = mnt_new("tmpfs", "tmpfs", (char *const *)options, 0, &mount, err);
	if (r == 0)
		r = mnt_attach(mount, folder, err);
	if (r < 0)
		return r;
	if (mknodat(mount, VIRTIOFSD_FILE, S_IFREG | 0600, 0) < 0)
		return err_errno(err, -errno, "cannot make a file");
	*ret_place = openat(mount, VIRTIOFSD_FILE, O_PATH | O_CLOEXEC);
	if (*ret_place < 0)
		return err_errno(err, -errno, "cannot open a file");
	r = mnt_set_attributes(mount, MOUNT_ATTR_RDONLY, 0, 0);
	return r < 0 ? err_errno(err, r, "cannot make a mount read-only") : 0;
}

/* In a mount namespace of its own, from which it makes that of its jail. */
static int virtiofsd_make_view(const struct virtiofsd_share *share, const char *folder,
			       struct err *err)
{
	_cleanup_close_ int view = -EBADF, place = -EBADF;
	int r = 0;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(err, -errno, "cannot make a mount namespace");
	if (mnt_clone_with(AT_FDCWD, share->source, !share->alone,
			   share->read_only ? MOUNT_ATTR_RDONLY : 0, 0, &view, err) < 0)
		return err->code;
	if (folder != share->source)
		r = virtiofsd_make_folder(folder, &place, err);
	else
		place = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r == 0 && place < 0)
		r = err_errno(err, -errno, "cannot open %s", folder);
	return r < 0 ? r : mnt_attach(view, place, err);
}

struct virtiofsd_child {
	const struct virtiofsd_spec *spec;
	const struct virtiofsd_share *share;
	const char *folder; /* what is served: the share's own, or that for its file */
	char **args;
	int listening;
	int userns; /* of a user, with his ids; -EBADF: root needs none */
	pid_t parent;
};

/* Each file that the guest's kernel has in mind is one. */
static void virtiofsd_raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

/* A user's server is root of his ids, as his containers are: what they say that a file's owner is, the guest is told,
 * too. The cgroup is joined before it, since it is not of that namespace. */
static int virtiofsd_become_user(const struct virtiofsd_child *child, struct err *err)
{
	int r;

	if (child->userns < 0)
		return 0;
	virtiofsd_raise_files();
	r = userns_enter(child->userns);
	return r < 0 ? err_errno(err, r, "cannot become root of your ids") : 0;
}

_noreturn_ static void virtiofsd_become(const struct virtiofsd_child *child)
{
	static char *const env[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin",
				     (char *)(uintptr_t) "LC_ALL=C", NULL };
	const struct virtiofsd_spec *spec = child->spec;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct err err = ERR_INIT;
	int listening;

	spawn_reset_signals();
	/* above those that are given away, so that none of them is lost */
	listening = fcntl(child->listening, F_DUPFD_CLOEXEC, VIRTIOFSD_SOCKET + 1);
	if (null < 0 || listening < 0 || dup2(spec->errors_fd, 2) < 0)
		_exit(1);
	if ((spec->prepare && spec->prepare(spec->ctx, &err) < 0) ||
	    virtiofsd_become_user(child, &err) < 0 ||
	    virtiofsd_make_view(child->share, child->folder, &err) < 0) {
		dprintf(2, "virtiofsd: %s\n", err.msg);
		_exit(1);
	}
	/* after the change of ids, which takes it away */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != child->parent)
		_exit(1);
	(void)file_write_value(AT_FDCWD, "/proc/self/oom_score_adj", "1000");
	if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(listening, VIRTIOFSD_SOCKET) < 0)
		_exit(1);
	(void)execve(child->args[0], child->args, env);
	_exit(1);
}

static int virtiofsd_check(const struct virtiofsd_share *share, const char *run_dir,
			   const char **ret_folder, struct err *err)
{
	const char *source = share->source;
	struct stat st;

	if (stat(source, &st) < 0)
		return err_errno(err, -errno, "cannot share %s", source);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(
			err, -EINVAL,
			"%s is neither a folder nor a file, and a VM can be shown nothing else",
			source);
	*ret_folder = S_ISDIR(st.st_mode) ? source : run_dir;
	if (strchr(*ret_folder, ','))
		return err_set(err, -EINVAL,
			       "%s: the path of a folder with a comma cannot be shared with a VM",
			       *ret_folder);
	return 0;
}

/* -EBADF without an error: root needs none. It gives its groups up, which one id alone may not. */
static int virtiofsd_open_userns(struct err *err)
{
	struct idmap map;
	int fd = -EBADF;

	if (!geteuid())
		return fd;
	idmap_of_user(&map);
	if (idmap_is_single(&map))
		err_set(err, -EPERM,
			"a VM is shown folders with ids of your own, and you have none: install "
			"uidmap, and have root add you to /etc/subuid and /etc/subgid (see 'brig "
			"doctor')");
	else
		fd = idmap_make_userns(&map, err);
	idmap_release(&map);
	return fd;
}

static void virtiofsd_release_one(struct virtiofsd_server *server)
{
	fd_close(server->socket);
	if (server->pid > 0) {
		(void)pidfd_send_signal(server->pidfd, SIGKILL, NULL, 0);
		(void)spawn_wait(server->pidfd);
	}
	fd_close(server->pidfd);
}

static int virtiofsd_start(struct virtiofsd_server *server, struct virtiofsd_child *child,
			   struct err *err)
{
	_cleanup_close_ int listening = -EBADF, userns = virtiofsd_open_userns(err);
	int r = err_is_set(err)
			? err->code
			: virtiofsd_connect(child->spec->run_dir, &listening, &server->socket, err);

	if (r < 0)
		return r;
	child->listening = listening;
	child->userns = userns;
	child->parent = getpid();
	server->pid = spawn_clone(0, child->spec->into_cgroup, &server->pidfd);
	if (server->pid < 0)
		return err_errno(err, (int)server->pid, "cannot start virtiofsd");
	if (!server->pid)
		virtiofsd_become(child);
	return 0;
}

int virtiofsd_add(struct virtiofsd *virtiofsd, const struct virtiofsd_share *share,
		  const struct virtiofsd_spec *spec, struct err *err)
{
	struct virtiofsd_server server = { .pidfd = -EBADF, .socket = -EBADF };
	struct virtiofsd_child child = { .spec = spec, .share = share };
	const char *program = virtiofsd_find();
	_cleanup_strv_ char **args = NULL;
	int r = virtiofsd_check(share, spec->run_dir, &child.folder, err);

	if (r < 0)
		return r;
	if (!program)
		return err_set(err, -ENOENT,
			       "virtiofsd is not installed, which shows a VM folders of the host: "
			       "install qemu-system-common or virtiofsd");
	args = virtiofsd_arguments(program, child.folder);
	child.args = args;
	r = virtiofsd_start(&server, &child, err);
	if (r < 0) {
		virtiofsd_release_one(&server);
		return r;
	}
	virtiofsd->servers = mem_realloc(virtiofsd->servers, virtiofsd->n + 1, sizeof(server));
	virtiofsd->servers[virtiofsd->n++] = server;
	return 0;
}

void virtiofsd_remove(struct virtiofsd *virtiofsd, size_t place)
{
	virtiofsd_release_one(&virtiofsd->servers[place]);
	virtiofsd->n--;
	memmove(virtiofsd->servers + place, virtiofsd->servers + place + 1,
		(virtiofsd->n - place) * sizeof(*virtiofsd->servers));
}

void virtiofsd_release(struct virtiofsd *virtiofsd)
{
	for (size_t i = 0; i < virtiofsd->n; i++)
		virtiofsd_release_one(&virtiofsd->servers[i]);
	free(virtiofsd->servers);
	*virtiofsd = (struct virtiofsd){ .n = 0 };
}
