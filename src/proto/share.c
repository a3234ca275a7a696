// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/share.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/strv.h"
#include "base/utf8.h"

#include <string.h>

/* mount(8)'s */
static const char *const share_mount_words[] = {
	"ro",	   "rw",    "exec",   "noexec",	  "suid",   "nosuid",  "bind", "rbind",
	"private", "slave", "shared", "rprivate", "rslave", "rshared", NULL,
};

void share_release(struct share *share)
{
	free(share->source);
	free(share->target);
	strv_free(share->options);
	*share = (struct share){ .source = NULL };
}

static int share_refuse_option(const char *word, struct err *err)
{
	_cleanup_free_ char *words = strv_join((char *const *)share_mount_words, ", ");

	return err_set(err, -EINVAL, "'%.64s' is none of its options: %s, noidmap, nocopy", word,
		       words);
}

static int share_add_option(struct share *share, const char *word, struct err *err)
{
	if (!strcmp(word, "noidmap"))
		share->noidmap = 1;
	else if (!strcmp(word, "nocopy"))
		share->nocopy = 1;
	else if (strv_has((char *const *)share_mount_words, word))
		strv_add(&share->options, word);
	else
		return share_refuse_option(word, err);
	return 0;
}

int share_is_target(const char *path)
{
	_cleanup_strv_ char **parts = strv_split(path, "/");

	return *path == '/' && parts && !strv_has(parts, "..") && utf8_valid(path);
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
	if (r == 0 && !share_is_target(share.target))
		r = err_set(err, -EINVAL,
			    "'%.64s' is no path inside: a whole one, below / and without '..'",
			    share.target);
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

int share_check_vm(const struct share *share, struct err *err)
{
	static const char *const words[] = { "shared", "rshared", "slave", "rslave" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strv_has(share->options, words[i]))
			return err_set(err, -EOPNOTSUPP,
				       "'%s' is for containers: the host's kernel cannot mount "
				       "anything in a VM's",
				       words[i]);
	}
	return 0;
}

char *share_volume_path(const char *root, const char *volume)
{
	return mem_printf("%s/volumes/%s/data", root, volume);
}

char *share_path(const struct share *share, const char *root)
{
	return share->is_volume ? share_volume_path(root, share->source)
				: mem_strdup(share->source);
}

static unsigned int share_depth(const struct share *share)
{
	unsigned int depth = 0;

	for (const char *at = share->target; *at; at++)
		depth += at[0] == '/' && at[1] && at[1] != '/';
	return depth;
}

/* Stable: few, and mostly in order. */
static void share_list_sort(struct share_list *list)
{
	for (size_t i = 1; i < list->n; i++) {
		struct share share = list->items[i];
		size_t at = i;

		while (at && share_depth(&list->items[at - 1]) > share_depth(&share)) {
			list->items[at] = list->items[at - 1];
			at--;
		}
		list->items[at] = share;
	}
}

int share_list_parse(char *const *texts, struct share_list *ret, struct err *err)
{
	_cleanup_share_list_ struct share_list list = { 0 };

	list.items = mem_zalloc((strv_len(texts) + 1) * sizeof(*list.items));
	strv_for_each(text, texts) {
		if (share_parse(*text, &list.items[list.n], err) < 0)
			return err_wrap(err, "volume %.200s", *text);
		list.n++;
	}
	share_list_sort(&list);
	*ret = list;
	list = (struct share_list){ .n = 0 };
	return 0;
}

void share_list_release(struct share_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		share_release(&list->items[i]);
	free(list->items);
	*list = (struct share_list){ .n = 0 };
}
