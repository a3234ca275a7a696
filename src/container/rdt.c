// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/rdt.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"

#include <fcntl.h>
#include <mntent.h>
#include <string.h>
#include <sys/stat.h>

#define RDT_MEMBER	"linux.intelRdt"
#define RDT_MEMORY	"MB:"
#define RDT_FILE_MAX	(1U << 20)
#define RDT_STATUS_FILE "info/last_cmd_status"

void rdt_release(struct rdt *rdt)
{
	free(rdt->group);
	free(rdt->monitor);
	strv_free(rdt->make);
	free(rdt->schemata);
	*rdt = (struct rdt){ 0 };
}

static int rdt_is_given(const char *text)
{
	return text && *text;
}

int rdt_check(const struct config_intel_rdt *config, struct err *err)
{
	/* the kernel's own folders beside those of classes */
	static const char *const taken[] = { ".", "..", "info", "mon_groups", "mon_data" };
	const char *clos = config->clos, *memory = config->memory_schema;
	size_t i;

	for (i = 0; rdt_is_given(clos) && i < ARRAY_SIZE(taken); i++) {
		if (!strcmp(clos, taken[i]))
			break;
	}
	if (rdt_is_given(clos) &&
	    (i < ARRAY_SIZE(taken) || (strpbrk(clos, "/\n") && strcmp(clos, "/") != 0)))
		return err_set(err, -EINVAL, RDT_MEMBER ".closID: '%.64s' is no name of a class",
			       clos);
	if (!rdt_is_given(memory))
		return 0;
	if (strncmp(memory, RDT_MEMORY, strlen(RDT_MEMORY)) != 0 || strchr(memory, '\n'))
		return err_set(err, -EINVAL,
			       RDT_MEMBER ".memBwSchema: it is one line that begins with MB:");
	return 0;
}

int rdt_open_root(struct err *err)
{
	FILE *table = setmntent("/proc/self/mounts", "re");
	int root = -ENOENT;
	struct mntent *entry;

	while (table && root == -ENOENT && (entry = getmntent(table))) {
		if (strcmp(entry->mnt_type, "resctrl") != 0)
			continue;
		root = open(entry->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		root = root < 0 ? -errno : root;
	}
	if (table)
		endmntent(table);
	if (root == -ENOENT)
		return err_set(err, root,
			       RDT_MEMBER ": there is no resctrl file system here: mount one at "
					  "/sys/fs/resctrl, if the CPU has resource control");
	return root < 0 ? err_errno(err, root, RDT_MEMBER ": cannot open the resctrl file system")
			: root;
}

static int rdt_has(int root, const char *path)
{
	struct stat st;

	return fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void rdt_add_line(struct buf *text, const char *line)
{
	buf_add_str(text, line);
	buf_add_str(text, "\n");
}

/* l3CacheSchema without what memBwSchema says, and that. */
static char *rdt_own_lines(const struct config_intel_rdt *config)
{
	const char *l3 = config->l3_schema ? config->l3_schema : "";
	_cleanup_strv_ char **lines = strv_split(l3, "\n");
	int has_memory = rdt_is_given(config->memory_schema);
	struct buf text = BUF_INIT;

	strv_for_each(line, lines) {
		if (!has_memory || strncmp(*line, RDT_MEMORY, strlen(RDT_MEMORY)) != 0)
			rdt_add_line(&text, *line);
	}
	if (has_memory)
		rdt_add_line(&text, config->memory_schema);
	return text.data;
}

static char *rdt_schemata(const char *own, char *const *others)
{
	struct buf text = BUF_INIT;

	if (own)
		buf_add_str(&text, own);
	strv_for_each(line, others)
		rdt_add_line(&text, *line);
	return text.data;
}

/* The kernel fills numbers up with zeros or spaces, and takes masks with 0x. */
static const char *rdt_number(const char *text)
{
	text += strspn(text, " ");
	if (!strncasecmp(text, "0x", 2))
		text += 2;
	while (text[0] == '0' && text[1])
		text++;
	return text;
}

/* Whether "0=7f0" is among "0=7f0;1=1f". */
static int rdt_has_domain(char *const *domains, const char *wanted)
{
	size_t len = strcspn(wanted, "=");

	strv_for_each(domain, domains) {
		if (strcspn(*domain, "=") == len && !strncmp(*domain, wanted, len) && wanted[len] &&
		    !strcasecmp(rdt_number(*domain + len + 1), rdt_number(wanted + len + 1)))
			return 1;
	}
	return 0;
}

/* Whether the class has what a line wants: "L3:0=7f0;1=1f", of one resource. */
static int rdt_has_line(char *const *there, const char *wanted)
{
	size_t len = strcspn(wanted, ":");
	_cleanup_strv_ char **domains = strv_split(wanted[len] ? wanted + len + 1 : "", ";");

	strv_for_each(line, there) {
		const char *text = *line + strspn(*line, " ");
		_cleanup_strv_ char **has = NULL;
		int all = domains != NULL;

		if (strcspn(text, ":") != len || strncmp(text, wanted, len) != 0 || !text[len])
			continue;
		has = strv_split(text + len + 1, ";");
		strv_for_each(domain, domains)
			all &= rdt_has_domain(has, *domain);
		return all;
	}
	return 0;
}

/* A class that is there already has what its containers want of it, or they are wrong here. */
static int rdt_compare(int root, const char *group, const char *own, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/schemata", group), *text = NULL;
	_cleanup_strv_ char **there = NULL, **lines = strv_split(own, "\n");
	int r = file_read(root, path, RDT_FILE_MAX, &text, NULL);

	if (r < 0)
		return err_errno(err, r, RDT_MEMBER ".closID: %s", path);
	there = strv_split(text, "\n");
	strv_for_each(line, lines) {
		if (!rdt_has_line(there, *line))
			return err_set(err, -EEXIST,
				       RDT_MEMBER ".closID: '%.64s' is there already, without "
						  "'%.128s'",
				       group, *line);
	}
	return 0;
}

void rdt_name(const struct config_intel_rdt *config, const char *id, struct rdt *ret)
{
	const char *clos = rdt_is_given(config->clos) ? config->clos : id;

	*ret = (struct rdt){ .group = mem_strdup(strcmp(clos, "/") ? clos : ".") };
	if (config->monitoring)
		ret->monitor = mem_printf("%s/mon_groups/%s", ret->group, id);
}

int rdt_plan(int root, const struct config_intel_rdt *config, const char *id, struct rdt *ret,
	     struct err *err)
{
	const char *clos = rdt_is_given(config->clos) ? config->clos : NULL;
	_cleanup_free_ char *own = rdt_own_lines(config);
	int exists;

	rdt_name(config, id, ret);
	ret->schemata = rdt_schemata(own, config->schemata);
	exists = rdt_has(root, ret->group);
	if (clos && !exists && !ret->schemata)
		return err_set(err, -ENOENT,
			       RDT_MEMBER ".closID: there is no class '%.64s', nor anything to "
					  "make one of",
			       clos);
	if (clos && exists && own) {
		if (rdt_compare(root, ret->group, own, err) < 0)
			return err->code;
		/* it has that already, and others live by it */
		free(ret->schemata);
		ret->schemata = rdt_schemata(NULL, config->schemata);
	}
	if (!exists)
		strv_add(&ret->make, ret->group);
	if (ret->monitor && !rdt_has(root, ret->monitor))
		strv_add(&ret->make, ret->monitor);
	return 0;
}

int rdt_make(int root, const struct rdt *rdt, struct err *err)
{
	strv_for_each(path, rdt->make) {
		if (mkdirat(root, *path, 0755) < 0)
			return err_errno(err, -errno, RDT_MEMBER ": cannot make resctrl's %s",
					 *path);
	}
	return 0;
}

/* What the kernel says about the last command that failed: Documentation/filesystems/resctrl.rst */
static int rdt_refused(int root, int code, const char *path, struct err *err)
{
	_cleanup_free_ char *status = NULL;

	if (file_read(root, RDT_STATUS_FILE, RDT_FILE_MAX, &status, NULL) < 0)
		return err_errno(err, code, RDT_MEMBER ": cannot write %s", path);
	status[strcspn(status, "\n")] = '\0';
	return err_errno(err, code, RDT_MEMBER ": cannot write %s (%.160s)", path, status);
}

int rdt_write(int root, const struct rdt *rdt, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/schemata", rdt->group);
	int r = rdt->schemata ? file_write_value(root, path, rdt->schemata) : 0;

	return r < 0 ? rdt_refused(root, r, path, err) : 0;
}

static int rdt_add_task(int root, const char *group, pid_t pid, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/tasks", group);
	char text[16];
	int r;

	snprintf(text, sizeof(text), "%d\n", pid);
	r = file_write_value(root, path, text);
	return r < 0 ? rdt_refused(root, r, path, err) : 0;
}

/* A monitoring group takes only who is in its class. */
int rdt_join(int root, const struct rdt *rdt, pid_t pid, struct err *err)
{
	int r = rdt_add_task(root, rdt->group, pid, err);

	return r < 0 || !rdt->monitor ? r : rdt_add_task(root, rdt->monitor, pid, err);
}

/* The kernel would put them into the root's class. */
static int rdt_is_used(int root, const char *group)
{
	_cleanup_free_ char *path = mem_printf("%s/tasks", group), *text = NULL;

	return file_read(root, path, RDT_FILE_MAX, &text, NULL) != -ENOENT && text && *text;
}

void rdt_remove(int root, char *const *made)
{
	for (size_t i = strv_len(made); i-- > 0;) {
		if (!rdt_is_used(root, made[i]) && unlinkat(root, made[i], AT_REMOVEDIR) < 0 &&
		    errno != ENOENT)
			log_notice("cannot remove resctrl's %s: %s", made[i], strerror(errno));
	}
}
