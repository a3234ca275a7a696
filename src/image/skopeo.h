/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_SKOPEO_H
#define IMAGE_SKOPEO_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"

/*
 * skopeo, which speaks with registries: its registries.conf, policy.json, certs.d and auth files hold. What it
 * brings is checked by who has asked for it.
 */

/* How a registry is spoken with. */
struct registry_access {
	const char *authfile; /* NULL: podman's or else docker's */
	const char *cert_dir; /* NULL: /etc/containers/certs.d/HOST, /etc/docker/certs.d/HOST */
	int insecure;	      /* no TLS, or any certificate */
};

struct skopeo {
	const struct registry_access *access;
	const char *reference; /* for messages */
	const char *host;      /* likewise */
	int64_t stall_ms;      /* without headway, it is killed; 0: never */
	int in_fd;	       /* its stdin; negative: /dev/null */
	int is_interactive;    /* it may speak with who is at our terminal */
	struct buf *out;       /* gets its stdout; NULL: nobody */
	size_t out_max;
	int (*watch)(void *ctx, struct err *err); /* see sys/child.h; may be NULL */
	int watch_fd;
	void *watch_ctx;
};

/*
 * Begins its command line. Its own registries.conf holds unless $CONTAINERS_REGISTRIES_CONF names another one,
 * which podman looks at too.
 */
void skopeo_begin(char ***argv, const char *verb);
/* Whether a folder can be told to it: it takes a colon for the end. */
int skopeo_check_path(const char *path, struct err *err);
/* side: "", "src-" or "dest-": the end that is a registry. */
void skopeo_add_access(char ***argv, const struct registry_access *access, const char *side);

/*
 * Runs it. -ENOENT: not installed, or no such image; -EACCES: not logged in, or not allowed; -EHOSTUNREACH: no
 * registry there; -ETIMEDOUT: one that stalls; -EPROTO: no TLS, or a certificate that nobody vouches for; -ENOSPC; else -EREMOTEIO. All with
 * a message that says what to do.
 */
int skopeo_run(const struct skopeo *skopeo, char *const *argv, struct err *err);

/*
 * What it says of its failure: the text of the last line of level "fatal" in what it wrote to stderr, without
 * what could move a terminal's cursor; caller frees.
 */
char *skopeo_reason(const char *text, size_t len);

#endif
