// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/confinement.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/privilege.h"
#include "base/strv.h"
#include "base/units.h"
#include "sys/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#define CONFINEMENT_FILE_MAX (1U << 20)

static int confinement_file(pid_t pid, const char *name, char **ret)
{
	_cleanup_free_ char *path = mem_printf("/proc/%d/%s", pid, name);

	return file_read(AT_FDCWD, path, CONFINEMENT_FILE_MAX, ret, NULL);
}

static struct json *confinement_number(const char *text)
{
	struct err ignored = ERR_INIT;
	int64_t value = 0;

	if (units_parse_int(text, INT64_MIN, INT64_MAX, &value, &ignored) < 0)
		return json_new_null();
	return json_new_int(value);
}

/* A set as proc(5) has it, in hexadecimal digits. */
static struct json *confinement_caps(const char *text)
{
	struct json *names = json_new_array();
	uint64_t mask = 0;

	for (; *text; text++) {
		const char *digits = "0123456789abcdef", *at = strchr(digits, *text);

		if (at)
			mask = mask << 4 | (uint64_t)(at - digits);
	}
	for (unsigned int cap = 0; cap < 64 && privilege_capability_name(cap); cap++) {
		_cleanup_free_ char *name = mem_printf("CAP_%s", privilege_capability_name(cap));

		if (mask >> cap & 1)
			json_array_add(names, json_new_string(name));
	}
	return names;
}

static struct json *confinement_flag(const char *text)
{
	return json_new_bool(*text == '1');
}

/* seccomp(2): disabled, strict, filter */
static struct json *confinement_seccomp(const char *text)
{
	static const char *const modes[] = { "none", "strict", "filter" };

	return *text >= '0' && *text <= '2' ? json_new_string(modes[*text - '0']) : json_new_null();
}

/* The lines of /proc/PID/status (proc(5)) that tell. */
static const struct {
	const char *line, *key;
	struct json *(*read)(const char *text);
} confinement_lines[] = {
	{ "CapEff", "capabilities_effective", confinement_caps },
	{ "CapPrm", "capabilities_permitted", confinement_caps },
	{ "CapInh", "capabilities_inheritable", confinement_caps },
	{ "CapAmb", "capabilities_ambient", confinement_caps },
	{ "CapBnd", "capabilities_bounding", confinement_caps },
	{ "NoNewPrivs", "no_new_privs", confinement_flag },
	{ "Seccomp", "seccomp", confinement_seccomp },
	{ "Seccomp_filters", "seccomp_filters", confinement_number },
};

static void confinement_add_line(struct json *json, const char *name, char *value)
{
	while (*value == ' ' || *value == '\t')
		value++;
	/* real, effective, saved and that of files: the effective one acts */
	if (!strcmp(name, "Uid") || !strcmp(name, "Gid")) {
		_cleanup_strv_ char **ids = strv_split(value, "\t ");

		json_object_add(json, *name == 'U' ? "uid" : "gid",
				strv_len(ids) > 1 ? confinement_number(ids[1]) : json_new_null());
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(confinement_lines); i++) {
		if (!strcmp(name, confinement_lines[i].line))
			json_object_add(json, confinement_lines[i].key,
					confinement_lines[i].read(value));
	}
}

void confinement_add_status(struct json *json, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(line, ':');

		if (colon) {
			*colon = '\0';
			confinement_add_line(json, line, colon + 1);
		}
	}
}

struct json *confinement_id_map(char *text)
{
	static const char *const keys[] = { "inside", "outside", "count" };
	struct json *map = json_new_array();
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		_cleanup_strv_ char **words = strv_split(line, " ");
		struct json *range;

		if (strv_len(words) != ARRAY_SIZE(keys))
			continue;
		range = json_new_object();
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			json_object_add(range, keys[i], confinement_number(words[i]));
		json_array_add(map, range);
	}
	return map;
}

static void confinement_add_map(struct json *json, pid_t pid, const char *name)
{
	_cleanup_free_ char *text = NULL;

	json_object_add(json, name,
			confinement_file(pid, name, &text) == 0 ? confinement_id_map(text)
								: json_new_null());
}

static void confinement_add_label(struct json *json, pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	int r = confinement_file(pid, "attr/current", &text);

	if (r == 0)
		text[strcspn(text, "\n")] = '\0';
	json_object_add(json, "label", json_new_string(r == 0 && *text ? text : NULL));
}

/* Whose each is: of its own, or that of who asks. */
static void confinement_add_namespaces(struct json *json, pid_t pid)
{
	static const char *const names[] = { "user", "mnt", "pid",    "net",
					     "ipc",  "uts", "cgroup", "time" };
	struct json *list = json_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *theirs = mem_printf("/proc/%d/ns/%s", pid, names[i]);
		_cleanup_free_ char *ours = mem_printf("/proc/self/ns/%s", names[i]);
		struct stat a, b;
		const char *whose = NULL;

		if (stat(theirs, &a) == 0 && stat(ours, &b) == 0)
			whose = a.st_ino == b.st_ino ? "host" : "own";
		json_object_add(list, names[i], json_new_string(whose));
	}
	json_object_add(json, "namespaces", list);
}

/* Version 1 tells its rules; of version 2 the kernel only tells that there is a program. */
static void confinement_add_devices(struct json *json, const char *path)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **rules = NULL;
	struct json *value = json_new_string("all");

	if (path && cgroup_open(path, &cgroup) == 0) {
		if (cgroup_read(cgroup, CGROUP_DEVICES, "devices.list", &text) == 0) {
			rules = strv_split(text, "\n");
			if (strv_len(rules) != 1 || strcmp(rules[0], "a *:* rwm") != 0) {
				json_free(value);
				value = json_new_strv(rules);
			}
		} else if (cgroup_has_device_program(cgroup) > 0) {
			json_free(value);
			value = json_new_string("by a program");
		}
	}
	json_object_add(json, "devices", value);
}

/* Fields of /proc/PID/mountinfo, proc(5); behind a lone "-" the file system's. */
enum { CONFINEMENT_ROOT = 3, CONFINEMENT_POINT, CONFINEMENT_OPTIONS, CONFINEMENT_FIXED };

/* Of the file system, behind the lone "-"; NULL: the line is not whole. */
static const char *confinement_type(char *const *words)
{
	for (size_t i = CONFINEMENT_FIXED; words[i]; i++) {
		if (!strcmp(words[i], "-"))
			return words[i + 1];
	}
	return NULL;
}

/*
 * Whether containers can be run inside: the kernel lets a user namespace mount a /proc only beside one that nothing
 * covers. lines: of mountinfo.
 */
static int confinement_can_nest(char *const *lines)
{
	strv_for_each(line, lines) {
		_cleanup_strv_ char **words = strv_split(*line, " ");
		_cleanup_free_ char *below = NULL;
		int covered = 0;

		if (strv_len(words) <= CONFINEMENT_FIXED || !confinement_type(words) ||
		    strcmp(confinement_type(words), "proc") != 0 ||
		    strcmp(words[CONFINEMENT_ROOT], "/") != 0)
			continue;
		below = mem_printf(" %s/", words[CONFINEMENT_POINT]);
		strv_for_each(other, lines)
			covered |= strstr(*other, below) != NULL;
		if (!covered)
			return 1;
	}
	return 0;
}

static void confinement_add_mount(struct json *covered, struct json *read_only, char **words)
{
	_cleanup_strv_ char **options = strv_split(words[CONFINEMENT_OPTIONS], ",");
	const char *root = words[CONFINEMENT_ROOT], *point = words[CONFINEMENT_POINT];
	const char *type = confinement_type(words);
	int below = !strncmp(point, "/proc/", 6) || !strncmp(point, "/sys/", 5);
	int empty = type && !strcmp(type, "tmpfs");

	if (below && (!strcmp(root, "/null") || (empty && !strncmp(point, "/proc/", 6))))
		json_array_add(covered, json_new_string(point));
	else if (strv_has(options, "ro"))
		json_array_add(read_only, json_new_string(point));
}

void confinement_add_mounts(struct json *json, const char *text)
{
	struct json *covered = json_new_array(), *read_only = json_new_array();
	_cleanup_strv_ char **lines = strv_split(text, "\n");

	strv_for_each(line, lines) {
		_cleanup_strv_ char **words = strv_split(*line, " ");

		if (strv_len(words) > CONFINEMENT_FIXED)
			confinement_add_mount(covered, read_only, words);
	}
	json_object_add(json, "covered_paths", covered);
	json_object_add(json, "read_only_mounts", read_only);
	json_object_add(json, "nesting", json_new_bool(confinement_can_nest(lines)));
}

int confinement_read(pid_t pid, const char *cgroup, struct json **ret, struct err *err)
{
	_cleanup_close_ int pidfd = pidfd_open(pid, 0);
	_cleanup_json_ struct json *json = json_new_object();
	_cleanup_free_ char *status = NULL, *mounts = NULL;
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0 || confinement_file(pid, "status", &status) < 0)
		return err_set(err, -ESRCH, "its process has ended");
	json_object_add(json, "pid", json_new_int(pid));
	confinement_add_status(json, status);
	confinement_add_map(json, pid, "uid_map");
	confinement_add_map(json, pid, "gid_map");
	confinement_add_label(json, pid);
	confinement_add_namespaces(json, pid);
	confinement_add_devices(json, cgroup);
	if (confinement_file(pid, "mountinfo", &mounts) == 0)
		confinement_add_mounts(json, mounts);
	/* what was read after its end would be somebody else's */
	if (poll(&ended, 1, 0) != 0)
		return err_set(err, -ESRCH, "its process has ended");
	*ret = take_ptr(json);
	return 0;
}
