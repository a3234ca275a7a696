/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_AUTOSTART_H
#define INSTANCE_AUTOSTART_H

#include "instance/instance.h"

/*
 * What starts with the host, and ends with it. An instance whose autostart is "yes" does, and none whose is "no"; of the others those
 * with the restart policy "always", and those with "unless-stopped" that ran until the host stopped them. The lower an
 * instance's order, the earlier it starts; those of one order do so by name.
 */
int autostart_is_due(const struct instance_view *view);
/* Whether it is to start at the next boot, if one that runs now does so until the host stops it. */
int autostart_is_for_boot(const struct instance_view *view);

struct autostart_report {
	void (*started)(const char *name, void *ctx);
	void (*stopped)(const char *name, void *ctx);
	void (*failed)(const char *name, const struct err *why, void *ctx);
	void *ctx;
};

/* One after the other, each with its delay behind it. One that fails keeps no other from it: -EIO then, all are told. */
int autostart_start(const struct instance_home *home, const struct autostart_report *report,
		    struct err *err);
/*
 * All that run, those of the highest order first and at once, then the next. Each has its own time to stop, but all together have
 * timeout_ms: what is not through by then is killed. They are not stopped by the user, so that the next start has them again.
 */
int autostart_stop(const struct instance_home *home, int64_t timeout_ms,
		   const struct autostart_report *report, struct err *err);

#endif
