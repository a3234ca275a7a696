// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/foreground.h"
#include "base/log.h"
#include "instance/session.h"
#include "proto/frame.h"
#include "proto/message.h"

int foreground_run(int session, const struct foreground *foreground, struct err *err)
{
	const struct session_options options = {
		.stdio = { foreground->take_stdin ? STDIN_FILENO : -EBADF, STDOUT_FILENO,
			   STDERR_FILENO },
		.tty = foreground->tty,
		.pass_signals = 1,
		.detach_keys =
			foreground->take_stdin && foreground->tty ? foreground->detach_keys : NULL,
	};
	int status = 0;
	int r = session_run(session, &options, &status, err);

	if (r < 0)
		return r;
	if (status != SESSION_DETACHED)
		return status;
	log_notice("detached from '%s', which runs on; 'brig attach %s' comes back",
		   foreground->name, foreground->name);
	return 0;
}

int foreground_attach(const struct instance_home *home, const struct foreground *foreground,
		      struct err *err)
{
	const uint8_t request[2] = { (uint8_t)foreground->take_stdin, 0 };
	_cleanup_close_ int session = -EBADF;
	int r = instance_connect(home, foreground->name, &session, err);

	if (r < 0)
		return r;
	r = frame_send(session, 0, MESSAGE_ATTACH, request, sizeof(request));
	if (r < 0)
		return err_errno(err, r, "cannot attach to '%s'", foreground->name);
	return foreground_run(take_fd(&session), foreground, err);
}
