// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/share.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/strv.h"
#include "base/utf8.h"

#include <string.h>

#define SHARE_WORDS                                                                           \
	"ro, rw, exec, noexec, suid, nosuid, bind, rbind, private, slave, shared, rprivate, " \
	"rslave, rshared, "                                                                   \
	"noidmap, nocopy"

void share_release(struct share *share)
{
	free(share->source);
	free(share->target);
	strv_free(share->options);
	*share = (struct share){ .source = NULL };
}

static int share_add_option(struct share *share, const char *word, struct err *err)
{
	static const char *const words[] = { "ro",     "rw",	   "exec",   "noexec",	"suid",
					     "nosuid", "bind",	   "rbind",  "private", "slave",
					     "shared", "rprivate", "rslave", "rshared", NULL };

	if (!strcmp(word, "noidmap")) {
		share->noidmap = 1;
		return 0;
	}
	if (!strcmp(word, "nocopy")) {
		share->nocopy = 1;
		return 0;
	}
	for (size_t i = 0; words[i]; i++) {
		if (!strcmp(word, words[i])) {
			strv_add(&share->options, word);
			return 0;
		}
	}
	return err_set(err, -EINVAL, "'%.64s' is none of its options: " SHARE_WORDS, word);
}

static int share_check_target(const char *target, struct err *err)
{
	_cleanup_strv_ char **parts = strv_split(target, "/");

	if (*target == '/' && parts && !strv_has(parts, "..") && utf8_valid(target))
		return 0;
	return err_set(err, -EINVAL,
		       "'%.64s' is no path inside: a whole one, below / and without '..'", target);
}

static int share_check_source(const struct share *share, struct err *err)
{
	if (share->is_volume)
		return name_check("volume", share->source, err);
	return utf8_valid(share->source)
		       ? 0
		       : err_set(err, -EILSEQ, "the path on the host is not valid UTF-8");
}

int share_parse(const char *text, struct share *ret, struct err *err)
{
	_cleanup_share_ struct share share = { 0 };
	size_t source = strcspn(text, ":"),
	       target = text[source] ? strcspn(text + source + 1, ":") : 0;
	const char *options = target ? text + source + 1 + target : "";
	_cleanup_strv_ char **words = *options ? strv_split(options + 1, ",") : NULL;
	int r;

	if (!source || !target || strchr(*options ? options + 1 : "", ':'))
		return err_set(err, -EINVAL,
			       "'%.64s': say SOURCE:PATH[:OPTION,...], where SOURCE is a volume's "
			       "name or a path on the host",
			       text);
	share.source = mem_strndup(text, source);
	share.target = mem_strndup(text + source + 1, target);
	share.is_volume = share.source[0] != '/';
	r = share_check_source(&share, err);
	if (r == 0)
		r = share_check_target(share.target, err);
	strv_for_each(word, words) {
		if (r == 0)
			r = share_add_option(&share, *word, err);
	}
	if (r < 0)
		return r;
	*ret = share;
	share = (struct share){ .source = NULL };
	return 0;
}

char *share_path(const struct share *share, const char *root)
{
	return share->is_volume ? mem_printf("%s/volumes/%s/data", root, share->source)
				: mem_strdup(share->source);
}
