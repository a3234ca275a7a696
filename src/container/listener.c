// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/listener.h"
#include "base/json.h"
#include "sys/spawn.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LISTENER_MEMBER "linux.seccomp.listenerPath"

int listener_open(const struct spec *spec, const char *status, pid_t pid, struct listener *ret,
		  struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = spec->listener.path;

	*ret = LISTENER_INIT;
	if (!path || !*path)
		return 0;
	ret->spec = spec;
	ret->status = status;
	ret->pid = pid;
	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       LISTENER_MEMBER ": a socket's path has at most %zu bytes",
			       sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	ret->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ret->sock < 0 || connect(ret->sock, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_errno(err, -errno, LISTENER_MEMBER ": %s", path);
	return 0;
}

static char *listener_text(const struct listener *listener, pid_t pid)
{
	const struct spec *spec = listener->spec;
	_cleanup_json_ struct json *all = json_new_object();
	struct json *fds = json_new_array();

	json_array_add(fds, json_new_string("seccompFd"));
	json_object_add(all, "ociVersion", json_new_string(spec->hooks.version));
	json_object_add(all, "fds", fds);
	json_object_add(all, "pid", json_new_int(pid));
	if (spec->listener.metadata)
		json_object_add(all, "metadata", json_new_string(spec->listener.metadata));
	json_object_add(all, "state", spec_state(spec, listener->status, listener->pid));
	return json_text(all, 0);
}

int listener_send(struct listener *listener, pid_t pid, int fd, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r;

	if (listener->sock < 0 || fd < 0)
		return err_set(err, -EPROTO, "the process told of a filter that nobody listens to");
	text = listener_text(listener, pid);
	/* a stream that is waited for takes it all, or fails */
	r = spawn_send(listener->sock, text, strlen(text), fd);
	listener->sock = fd_close(listener->sock);
	return r < 0 ? err_errno(err, r, LISTENER_MEMBER ": %s", listener->spec->listener.path) : 0;
}

void listener_release(struct listener *listener)
{
	listener->sock = fd_close(listener->sock);
}
