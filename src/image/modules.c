// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/modules.h"
#include "base/file.h"
#include "base/mem.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/*
 * A depth-first walk over modules.dep from each wanted module, dependencies first. An entry is
 * MODULES_BUSY while the walk is below it, so a circle is seen. The sizes of the indexes, the numbers
 * of entries, of selected modules and of what one needs, and the depth are bounded, so no index makes
 * the walk long.
 */
#define MODULES_ENTRIES_MAX  32768
#define MODULES_SELECTED_MAX 256
#define MODULES_DEPTH_MAX    32
#define MODULES_NEEDS_MAX    128
#define MODULES_LINE_MAX     4096 /* of softdep and alias */
#define MODULES_NAME_MAX     64

enum modules_need {
	MODULES_REQUIRED,
	MODULES_OPTIONAL,
	MODULES_LATER,	/* optional, and of no use to the start */
	MODULES_SHARES, /* optional, and of use where folders are shared */
	MODULES_NETS,	/* optional, and of use where there are network cards */
};

/* What root and the agent need, in the order in which it is good to have it. */
static const struct modules_wanted {
	const char *name;
	enum modules_need need;
	const char *option; /* of the kernel's configuration, for the message */
} modules_wanted[] = {
	{ "virtio_pci", MODULES_REQUIRED, "VIRTIO_PCI" },
	{ "virtio_mmio", MODULES_OPTIONAL, "VIRTIO_MMIO" },
	{ "virtio_blk", MODULES_REQUIRED, "VIRTIO_BLK" },
	{ "virtio_console", MODULES_REQUIRED, "VIRTIO_CONSOLE" },
	{ "erofs", MODULES_REQUIRED, "EROFS_FS" },
	{ "overlay", MODULES_REQUIRED, "OVERLAY_FS" },
	{ "ext4", MODULES_REQUIRED, "EXT4_FS" },
	{ "pvpanic_mmio", MODULES_OPTIONAL, "PVPANIC_MMIO" },
	{ "virtio_rng", MODULES_LATER, "HW_RANDOM_VIRTIO" },
	{ "virtio_balloon", MODULES_LATER, "VIRTIO_BALLOON" },
	{ "vmw_vsock_virtio_transport", MODULES_LATER, "VIRTIO_VSOCKETS" },
	{ "virtiofs", MODULES_SHARES, "VIRTIO_FS" },
	{ "virtio_net", MODULES_NETS, "VIRTIO_NET" },
	{ "ipv6", MODULES_NETS, "IPV6" },
	{ "af_packet", MODULES_NETS, "PACKET" }, /* DHCP clients */
};

/* max is several times what the fullest distribution kernel has. */
static const struct {
	const char *name;
	size_t max;
} modules_files[] = {
	[MODULES_DEP] = { "modules.dep", 8U << 20 },
	[MODULES_BUILTIN] = { "modules.builtin", 1U << 20 },
	[MODULES_SOFTDEP] = { "modules.softdep", 128U << 10 },
	[MODULES_ALIAS] = { "modules.alias", 8U << 20 },
};

enum modules_state { MODULES_NEW, MODULES_BUSY, MODULES_DONE };

struct modules_entry {
	char *path, *deps; /* into the text */
	enum modules_state state;
};

struct modules {
	const struct modules_index *index;
	char *text;		       /* modules.dep, cut up */
	struct modules_entry *entries; /* sorted by path */
	size_t n;
	struct modules_list list;
	char ***into;		   /* where in the list what is visited goes */
	size_t n_selected, n_soft; /* selected; looked up for another's sake */
};

void modules_list_release(struct modules_list *list)
{
	list->first = strv_free(list->first);
	list->later = strv_free(list->later);
	list->shares = strv_free(list->shares);
	list->nets = strv_free(list->nets);
}

static void modules_release(struct modules *modules)
{
	free(modules->text);
	free(modules->entries);
	modules_list_release(&modules->list);
}

void modules_index_release(struct modules_index *index)
{
	for (size_t i = 0; i < MODULES_FILES; i++)
		free(take_ptr(index->text[i]));
}

int modules_open(int fd, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	_cleanup_close_ int file = (int)syscall(SYS_openat2, fd, path, &how, sizeof(how));
	struct stat st;

	if (file < 0 || fstat(file, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? take_fd(&file) : -EINVAL;
}

int modules_read(int fd, struct modules_index *ret, struct err *err)
{
	_cleanup_modules_index_ struct modules_index index = { { NULL } };

	for (size_t i = 0; i < MODULES_FILES; i++) {
		const char *name = modules_files[i].name;
		_cleanup_close_ int text = modules_open(fd, name);
		_cleanup_free_ char *path = mem_printf("/proc/self/fd/%d", text);
		int r = text;

		if (text >= 0)
			r = file_read(AT_FDCWD, path, modules_files[i].max, &index.text[i], NULL);
		else if (r == -ENOENT)
			index.text[i] = mem_strdup("");
		if (r < 0 && r != -ENOENT)
			return err_errno(err, r, "cannot read the kernel's %s", name);
	}
	*ret = index;
	index = (struct modules_index){ { NULL } };
	return 0;
}

int modules_write(int fd, const struct modules_index *index, struct err *err)
{
	for (size_t i = 0; i < MODULES_FILES; i++) {
		const char *name = modules_files[i].name, *text = index->text[i];
		int r = file_replace(fd, name, text, strlen(text), 0644, 0);

		if (r < 0)
			return err_errno(err, r, "cannot write the kernel's %s", name);
	}
	return 0;
}

/* Cuts the next line off *text; NULL at the end. */
static char *modules_next_line(char **text)
{
	char *line = *text, *end;

	if (!line || !*line)
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end++ = '\0';
	*text = end;
	return line;
}

static int modules_path_ok(const char *path)
{
	const char *suffix = strstr(path, ".ko");

	for (const char *p = path; *p; p++) {
		if (!isgraph((unsigned char)*p))
			return 0;
	}
	return suffix && (!suffix[3] || suffix[3] == '.') && !strchr(suffix, '/') && *path != '/' &&
	       strncmp(path, "../", 3) && !strstr(path, "/../") && strlen(path) < PATH_MAX / 4;
}

static int modules_compare(const void *a, const void *b)
{
	return strcmp(((const struct modules_entry *)a)->path,
		      ((const struct modules_entry *)b)->path);
}

static int modules_parse(struct modules *modules, struct err *err)
{
	char *rest = modules->text, *line;
	size_t room = 0;

	while ((line = modules_next_line(&rest))) {
		char *colon = strchr(line, ':');

		if (!colon)
			return err_set(err, -EINVAL, "modules.dep has a line without a colon");
		*colon = '\0';
		if (!modules_path_ok(line) || modules->n == MODULES_ENTRIES_MAX)
			return err_set(err, -EINVAL, "modules.dep has a wrong path or too many");
		if (modules->n == room) {
			room = room ? 2 * room : 1024;
			modules->entries =
				mem_realloc(modules->entries, room, sizeof(*modules->entries));
		}
		modules->entries[modules->n++] =
			(struct modules_entry){ line, colon + 1, MODULES_NEW };
	}
	if (modules->n)
		qsort(modules->entries, modules->n, sizeof(*modules->entries), modules_compare);
	return 0;
}

/* The name of a module from its path or another spelling: up to ".ko", '-' as '_'. */
static void modules_name(const char *path, size_t len, char ret[MODULES_NAME_MAX])
{
	const char *slash = memrchr(path, '/', len), *suffix;
	size_t n;

	if (slash) {
		len -= (size_t)(slash + 1 - path);
		path = slash + 1;
	}
	suffix = memmem(path, len, ".ko", 3);
	n = suffix ? (size_t)(suffix - path) : len;
	if (n >= MODULES_NAME_MAX)
		n = MODULES_NAME_MAX - 1;
	memcpy(ret, path, n);
	ret[n] = '\0';
	for (char *p = ret; *p; p++) {
		if (*p == '-')
			*p = '_';
	}
}

static struct modules_entry *modules_find(const struct modules *modules, const char *name)
{
	for (size_t i = 0; i < modules->n; i++) {
		char found[MODULES_NAME_MAX];

		modules_name(modules->entries[i].path, strlen(modules->entries[i].path), found);
		if (!strcmp(found, name))
			return &modules->entries[i];
	}
	return NULL;
}

/* Calls fn for the lines of an index until it returns non-zero; returns that. */
static int modules_each_line(const char *text, int (*fn)(const char *line, size_t len, void *ctx),
			     void *ctx)
{
	while (*text) {
		size_t len = (size_t)(strchrnul(text, '\n') - text);
		int r = fn(text, len, ctx);

		if (r)
			return r;
		text += len + (text[len] == '\n');
	}
	return 0;
}

static int modules_is_builtin_line(const char *line, size_t len, void *ctx)
{
	char name[MODULES_NAME_MAX];

	modules_name(line, len, name);
	return !strcmp(name, ctx);
}

static int modules_is_builtin(const struct modules *modules, const char *name)
{
	return modules_each_line(modules->index->text[MODULES_BUILTIN], modules_is_builtin_line,
				 (void *)(uintptr_t)name);
}

/* The words of a line, or NULL if the first is not keyword. */
static char **modules_words(const char *line, size_t len, const char *keyword)
{
	_cleanup_free_ char *copy = NULL;
	size_t n = strlen(keyword);

	if (len <= n || len > MODULES_LINE_MAX || memcmp(line, keyword, n) || line[n] != ' ')
		return NULL;
	copy = mem_strndup(line, len);
	return strv_split(copy, " ");
}

struct modules_query {
	const char *name;
	char **found;
};

static int modules_softdep_line(const char *line, size_t len, void *ctx)
{
	struct modules_query *query = ctx;
	_cleanup_strv_ char **words = modules_words(line, len, "softdep");
	char name[MODULES_NAME_MAX];
	int before = 0;

	if (strv_len(words) < 3)
		return 0;
	modules_name(words[1], strlen(words[1]), name);
	if (strcmp(name, query->name))
		return 0;
	strv_for_each(word, words + 2) {
		if (!strcmp(*word, "pre:") || !strcmp(*word, "post:"))
			before = **word == 'p' && (*word)[1] == 'r';
		else if (before)
			strv_add(&query->found, *word);
	}
	return strv_len(query->found) > MODULES_NEEDS_MAX;
}

static int modules_alias_line(const char *line, size_t len, void *ctx)
{
	struct modules_query *query = ctx;
	_cleanup_strv_ char **words = modules_words(line, len, "alias");

	if (strv_len(words) != 3 || strcmp(words[1], query->name))
		return 0;
	strv_add(&query->found, words[2]);
	return 1;
}

static int modules_visit(struct modules *modules, struct modules_entry *entry, int depth,
			 struct err *err);

/*
 * A module that another one asks for at run time, by name or alias, as libcrc32c asks for "crc32c" or
 * btrfs for "crypto-crc32c". What is built in, or comes as NAME_generic and so runs on every CPU, will
 * do; not to find any is no error.
 */
static int modules_visit_soft(struct modules *modules, const char *alias, int depth,
			      struct err *err)
{
	_cleanup_strv_ char **names = NULL;
	struct modules_query query = { NULL };

	if (!strncmp(alias, "crypto-", strlen("crypto-")))
		alias += strlen("crypto-");
	query.name = alias;
	strv_add(&names, alias);
	strv_add_printf(&names, "%s_generic", alias);
	modules_each_line(modules->index->text[MODULES_ALIAS], modules_alias_line, &query);
	if (query.found)
		strv_add_take(&names, take_ptr(query.found[0]));
	free(query.found);
	if (++modules->n_soft > MODULES_SELECTED_MAX)
		return err_set(err, -EINVAL, "modules.softdep makes modules need too many others");
	strv_for_each(word, names) {
		char name[MODULES_NAME_MAX];
		struct modules_entry *entry;

		modules_name(*word, strlen(*word), name);
		if (modules_is_builtin(modules, name))
			return 0;
		entry = modules_find(modules, name);
		if (entry)
			return modules_visit(modules, entry, depth, err);
	}
	return 0;
}

static int modules_visit_softdeps(struct modules *modules, const struct modules_entry *entry,
				  int depth, struct err *err)
{
	char name[MODULES_NAME_MAX];
	struct modules_query query = { .name = name };
	_cleanup_strv_ char **found = NULL;
	int r = 0;

	modules_name(entry->path, strlen(entry->path), name);
	modules_each_line(modules->index->text[MODULES_SOFTDEP], modules_softdep_line, &query);
	found = query.found;
	strv_for_each(soft, found) {
		if (r == 0)
			r = modules_visit_soft(modules, *soft, depth, err);
	}
	return r;
}

/* modules.dep lists what a module needs with the deepest need last. */
static int modules_visit_deps(struct modules *modules, const struct modules_entry *entry, int depth,
			      struct err *err)
{
	_cleanup_strv_ char **deps = NULL;
	size_t n = 0;

	for (const char *p = entry->deps; *p; p++)
		n += *p == ' ';
	if (n > MODULES_NEEDS_MAX)
		return err_set(err, -EINVAL, "the module %s needs too many others", entry->path);
	deps = strv_split(entry->deps, " ");
	n = strv_len(deps);
	while (n--) {
		struct modules_entry key = { .path = deps[n] };
		struct modules_entry *found =
			bsearch(&key, modules->entries, modules->n, sizeof(key), modules_compare);

		if (!found)
			return err_set(err, -EINVAL, "modules.dep does not list %s, which %s needs",
				       deps[n], entry->path);
		if (modules_visit(modules, found, depth, err) < 0)
			return err->code;
	}
	return 0;
}

static int modules_visit(struct modules *modules, struct modules_entry *entry, int depth,
			 struct err *err)
{
	int r = 0;

	if (entry->state == MODULES_DONE)
		return 0;
	if (entry->state == MODULES_BUSY || depth == MODULES_DEPTH_MAX)
		return err_set(err, -ELOOP, "the module %s needs itself", entry->path);
	if (modules->n_selected == MODULES_SELECTED_MAX)
		return err_set(err, -EINVAL, "root needs more than %d modules",
			       MODULES_SELECTED_MAX);
	entry->state = MODULES_BUSY;
	r = modules_visit_softdeps(modules, entry, depth + 1, err);
	if (r == 0)
		r = modules_visit_deps(modules, entry, depth + 1, err);
	if (r < 0)
		return r;
	entry->state = MODULES_DONE;
	strv_add(modules->into, entry->path);
	modules->n_selected++;
	return 0;
}

static int modules_want(struct modules *modules, const struct modules_wanted *wanted,
			struct err *err)
{
	struct modules_entry *entry;

	if (modules_is_builtin(modules, wanted->name))
		return 0;
	modules->into = wanted->need == MODULES_LATER	 ? &modules->list.later
			: wanted->need == MODULES_SHARES ? &modules->list.shares
			: wanted->need == MODULES_NETS	 ? &modules->list.nets
							 : &modules->list.first;
	entry = modules_find(modules, wanted->name);
	if (entry)
		return modules_visit(modules, entry, 0, err);
	if (wanted->need != MODULES_REQUIRED)
		return 0;
	return err_set(err, -ENOENT,
		       "the kernel has no %s, neither as a module nor built in: a VM needs "
		       "CONFIG_%s",
		       wanted->name, wanted->option);
}

int modules_select(const struct modules_index *index, struct modules_list *ret, struct err *err)
{
	_cleanup_(modules_release) struct modules modules = {
		.index = index,
		.text = mem_strdup(index->text[MODULES_DEP]),
	};
	int r = modules_parse(&modules, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(modules_wanted); i++)
		r = modules_want(&modules, &modules_wanted[i], err);
	if (r == 0) {
		*ret = modules.list;
		modules.list = MODULES_LIST_INIT;
	}
	return r;
}
