/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_HOOKS_H
#define CONTAINER_HOOKS_H

#include "base/json.h"
#include "container/config.h"

/*
 * Programs that run at certain times of a container's life: config.md, "POSIX-platform Hooks". Each runs in the
 * namespaces of whoever calls this, with the container's state on stdin, nothing on stdout, its env alone, and dies
 * with the caller.
 *
 * By runtime.md, "Lifecycle", what fails at a time up to and with poststart ends the container (hooks_run()); what
 * fails at poststop does not (hooks_run_all()).
 */

/* runtime.md, "State"; strings that are NULL are shown as "". */
struct hooks_state {
	const char *version, *id, *status, *bundle;
	pid_t pid; /* as the reader sees it; negative: is not said */
};

/* As hooks, listeners of a filter and brig-oci's `state` show it; takes the annotations, an object. Caller frees. */
struct json *hooks_state(const struct hooks_state *state, struct json *annotations);

/* "hooks.prestart", by enum config_hook_time: what messages call them. */
extern const char *const hooks_names[CONFIG_HOOK_TIMES];

/* What config_read() does not see: a path that is not absolute, a variable without "=". */
int hooks_check(const struct config_hooks hooks[CONFIG_HOOK_TIMES], struct err *err);

/*
 * One after the other, up to the first that fails: "hooks.prestart[1]: /path failed with status 1: its last line of
 * stderr". -ETIMEDOUT: it did not end within its time, and was killed with its process group.
 */
int hooks_run(const struct config_hooks *hooks, const char *name, const char *state,
	      struct err *err);

/* All of them; fail hears of each that fails. */
void hooks_run_all(const struct config_hooks *hooks, const char *name, const char *state,
		   void (*fail)(void *ctx, const struct err *err), void *ctx);

#endif
