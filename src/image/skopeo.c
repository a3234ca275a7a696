// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/skopeo.h"
#include "base/mem.h"
#include "sys/child.h"

#include <string.h>

#define SKOPEO_MESSAGE "level=fatal msg="
#define SKOPEO_HINT    "apt install skopeo"

void skopeo_begin(char ***argv, const char *verb)
{
	const char *registries = getenv("CONTAINERS_REGISTRIES_CONF");

	strv_add(argv, "skopeo");
	if (registries && *registries)
		strv_add_printf(argv, "--registries-conf=%s", registries);
	strv_add(argv, verb);
}

int skopeo_check_path(const char *path, struct err *err)
{
	return strchr(path, ':') ? err_set(err, -EINVAL,
					   "skopeo cannot be told of the folder %.200s, since its "
					   "path has a colon: choose another --root",
					   path)
				 : 0;
}

void skopeo_add_access(char ***argv, const struct registry_access *access, const char *side)
{
	if (access->authfile)
		strv_add_printf(argv, "--%sauthfile=%s", side, access->authfile);
	if (access->cert_dir)
		strv_add_printf(argv, "--%scert-dir=%s", side, access->cert_dir);
	if (access->insecure)
		strv_add_printf(argv, "--%stls-verify=false", side);
}

/* Where the last message begins: after msg=. */
static const char *skopeo_last_message(const char *text, const char *end)
{
	const char *found = NULL;
	size_t len = strlen(SKOPEO_MESSAGE);

	for (const char *p = text; (size_t)(end - p) >= len; p++) {
		if ((p == text || p[-1] == ' ' || p[-1] == '\n') && !memcmp(p, SKOPEO_MESSAGE, len))
			found = p + len;
	}
	return found;
}

/* One level of Go's quotes is taken off; what they hide of control characters stays hidden. */
char *skopeo_reason(const char *text, size_t len)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	const char *end = text + len, *p = skopeo_last_message(text, end);
	int quoted = p && p < end && *p == '"';

	if (!p)
		return mem_strdup("it gives no reason");
	for (p += quoted; p < end; p++) {
		char c = *p;

		if (c == '\n' || (quoted && c == '"'))
			break;
		if (quoted && c == '\\' && p + 1 < end && strchr("\"\\", p[1]) && p[1])
			c = *++p;
		if ((unsigned char)c < ' ' || c == 0x7f)
			c = '?';
		buf_add(&out, &c, 1);
	}
	return out.len ? buf_take(&out) : mem_strdup("it gives no reason");
}

static const struct skopeo_failure {
	const char *word;
	int code;
	const char *text; /* $h: the host, $i: the image, $r: skopeo's reason */
} skopeo_failures[] = {
	{ "no space left on device", -ENOSPC, "$r" },
	{ "disk quota exceeded", -EDQUOT, "$r" },
	{ "not logged in", -ENOENT, "nobody is logged in to $h" },
	{ "manifest unknown", -ENOENT, "the registry $h has no image '$i'" },
	{ "name unknown", -ENOENT, "the registry $h has no image '$i'" },
	{ "name not known", -ENOENT, "the registry $h has no image '$i'" },
	{ "invalid username/password", -EACCES,
	  "the registry $h does not take this name and password" },
	{ "unauthorized", -EACCES,
	  "the registry $h gives '$i' to nobody whom it does not know: 'brig login $h', or "
	  "there is no such image" },
	{ "authentication required", -EACCES,
	  "the registry $h wants to know who asks for '$i': 'brig login $h'" },
	{ "requested access to the resource is denied", -EACCES,
	  "the registry $h does not let us at '$i': 'brig login $h', or there is no such "
	  "image" },
	{ "server gave HTTP response to HTTPS", -EPROTO,
	  "the registry $h speaks without TLS, which --tls-verify=false allows" },
	{ "x509: ", -EPROTO,
	  "nobody vouches for the certificate of the registry $h: put its authority's in "
	  "/etc/containers/certs.d/$h/ca.crt ($r)" },
	{ "connection refused", -EHOSTUNREACH, "no registry answers at $h: connection refused" },
	{ "no such host", -EHOSTUNREACH, "there is no host $h" },
	{ "server misbehaving", -EHOSTUNREACH, "the name $h cannot be looked up: $r" },
	{ "network is unreachable", -EHOSTUNREACH, "the registry $h cannot be reached" },
	{ "no route to host", -EHOSTUNREACH, "the registry $h cannot be reached" },
	{ "i/o timeout", -EHOSTUNREACH, "the registry $h does not answer in time" },
	{ "Digest did not match", -EBADMSG,
	  "the registry $h sends something else than it has announced: $r" },
	{ "is not accepted", -EACCES, "/etc/containers/policy.json does not let '$i' in: $r" },
};

/* Drops what repeats the command line: `Error parsing image name "docker://...": `. */
static const char *skopeo_core(const char *reason)
{
	const char *end =
		strncmp(reason, "Error ", strlen("Error ")) ? NULL : strstr(reason, "\": ");

	return end ? end + strlen("\": ") : reason;
}

static char *skopeo_fill(const char *text, const struct skopeo *skopeo, const char *reason)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	for (const char *p = text; *p; p++) {
		if (*p == '$' && p[1] == 'h')
			buf_add_str(&out, skopeo->host);
		else if (*p == '$' && p[1] == 'i')
			buf_add_str(&out, skopeo->reference);
		else if (*p == '$' && p[1] == 'r')
			buf_add_str(&out, reason);
		else
			buf_add(&out, p, 1);
		p += *p == '$';
	}
	return buf_take(&out);
}

static int skopeo_fail(const struct skopeo *skopeo, const struct buf *said, struct err *err)
{
	_cleanup_free_ char *reason = skopeo_reason(said->data ? said->data : "", said->len);
	const char *core = skopeo_core(reason);

	for (size_t i = 0; i < ARRAY_SIZE(skopeo_failures); i++) {
		const struct skopeo_failure *row = &skopeo_failures[i];
		_cleanup_free_ char *text = NULL;

		if (!strcasestr(reason, row->word))
			continue;
		text = skopeo_fill(row->text, skopeo, core);
		return err_set(err, row->code, "%.400s", text);
	}
	return err_set(err, -EREMOTEIO, "%.400s", core);
}

int skopeo_run(const struct skopeo *skopeo, char *const *argv, struct err *err)
{
	_cleanup_buf_ struct buf said = BUF_INIT;
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err tool = ERR_INIT;
	int r;

	spec.argv = argv;
	spec.in_fd = skopeo->in_fd;
	spec.out_fd = skopeo->is_interactive ? STDOUT_FILENO : -EBADF;
	spec.show_stderr = skopeo->is_interactive;
	spec.stall_ms = skopeo->stall_ms;
	spec.out = skopeo->out;
	spec.out_max = skopeo->out_max;
	spec.said = &said;
	spec.hint = SKOPEO_HINT;
	spec.watch = skopeo->watch;
	spec.watch_fd = skopeo->watch_fd;
	spec.watch_ctx = skopeo->watch_ctx;
	r = child_run(&spec, &tool);
	if (r == -EREMOTEIO && said.len)
		return skopeo_fail(skopeo, &said, err);
	if (r == -ETIMEDOUT)
		return err_set(err, r, "the registry %s stalls: hardly a byte in %g s",
			       skopeo->host, (double)skopeo->stall_ms / 1000);
	return r < 0 ? err_set(err, r, "%s", tool.msg) : 0;
}
