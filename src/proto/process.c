// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/process.h"
#include "base/file.h"
#include "base/mem.h"
#include "proto/wire.h"

#include <ctype.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* Debian's default of login(1) for root, which docker gives as well */
#define PROCESS_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define PROCESS_TERM "xterm"

/* more than any real /etc/passwd or /etc/group */
#define PROCESS_DATABASE_MAX   (1 << 20)
#define PROCESS_DATABASE_SMALL 4000

/* (uid_t)-1 means "no change" to the kernel and is nobody's. */
#define PROCESS_ID_MAX (UINT32_MAX - 1)

enum { PROCESS_CANNOT_EXECUTE = 126, PROCESS_NOT_FOUND = 127 };

void process_release(struct process *process)
{
	strv_free(process->argv);
	strv_free(process->env);
	free(process->cwd);
	free(process->user);
	strv_free(process->groups);
	memset(process, 0, sizeof(*process));
}

void process_put(struct buf *payload, const struct process *process)
{
	wire_put_strv(payload, process->argv);
	wire_put_strv(payload, process->env);
	wire_put_str(payload, process->cwd);
	wire_put_str(payload, process->user);
	wire_put_strv(payload, process->groups);
	wire_put_u8(payload, !!process->tty);
	wire_put_u8(payload, !!process->interactive);
	wire_put_u8(payload, !!process->no_new_privs);
	wire_put_u8(payload, !!process->privileged);
	wire_put_u16(payload, process->rows);
	wire_put_u16(payload, process->columns);
}

int process_get(const struct frame *frame, struct process *ret)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);

	ret->argv = wire_get_strv(&r);
	ret->env = wire_get_strv(&r);
	ret->cwd = wire_get_str(&r);
	ret->user = wire_get_str(&r);
	ret->groups = wire_get_strv(&r);
	ret->tty = wire_get_u8(&r);
	ret->interactive = wire_get_u8(&r);
	ret->no_new_privs = wire_get_u8(&r);
	ret->privileged = wire_get_u8(&r);
	ret->rows = wire_get_u16(&r);
	ret->columns = wire_get_u16(&r);
	return ret->argv ? wire_end(&r) : -EBADMSG;
}

/* A piece of text that is not terminated. */
struct process_span {
	const char *p;
	size_t len;
};

static struct process_span process_span(const char *s)
{
	return (struct process_span){ .p = s, .len = strlen(s) };
}

/* Cuts off what stands before the separator (or everything), and the separator. */
static struct process_span process_cut(struct process_span *rest, char separator)
{
	const char *end = rest->len ? memchr(rest->p, separator, rest->len) : NULL;
	struct process_span piece = *rest;

	if (end)
		piece.len = (size_t)(end - rest->p);
	rest->p += piece.len + !!end;
	rest->len -= piece.len + !!end;
	return piece;
}

static int process_span_is(struct process_span a, struct process_span b)
{
	return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}

static int process_all_digits(struct process_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!isdigit((unsigned char)s.p[i]))
			return 0;
	}
	return s.len > 0;
}

/* Digits only, whole and in range: "1abc", "-1", " 1" and 2^32 + 0 are no ids. */
static int process_parse_id(struct process_span s, uint32_t *ret)
{
	uint64_t value = 0;

	if (!process_all_digits(s))
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		value = value * 10 + (uint64_t)(s.p[i] - '0');
		if (value > PROCESS_ID_MAX)
			return -ERANGE;
	}
	*ret = (uint32_t)value;
	return 0;
}

/* A string with a NUL in it, or one too long for its place, is left out. */
static void process_copy(char *to, size_t size, struct process_span from)
{
	if (from.len && from.len < size && !memchr(from.p, '\0', from.len)) {
		memcpy(to, from.p, from.len);
		to[from.len] = '\0';
	}
}

struct process_passwd {
	struct process_span name;
	uint32_t uid, gid;
	struct process_span home, shell;
};

/* name:password:uid:gid:gecos:home:shell; 0 if the line is one. */
static int process_parse_passwd(struct process_span line, struct process_passwd *ret)
{
	ret->name = process_cut(&line, ':');
	process_cut(&line, ':');
	if (process_parse_id(process_cut(&line, ':'), &ret->uid) < 0 ||
	    process_parse_id(process_cut(&line, ':'), &ret->gid) < 0)
		return -EINVAL;
	process_cut(&line, ':');
	ret->home = process_cut(&line, ':');
	ret->shell = process_cut(&line, ':');
	return ret->name.len ? 0 : -EINVAL;
}

/* The first entry with that name, or, if name is empty, with that uid. */
static int process_find_passwd(struct process_span text, struct process_span name, uint32_t uid,
			       struct process_passwd *ret)
{
	while (text.len) {
		struct process_passwd entry = { 0 };

		if (process_parse_passwd(process_cut(&text, '\n'), &entry) < 0)
			continue;
		if (name.len ? process_span_is(entry.name, name) : entry.uid == uid) {
			*ret = entry;
			return 0;
		}
	}
	return -ENOENT;
}

struct process_group {
	struct process_span name;
	uint32_t gid;
	struct process_span members;
};

/* name:password:gid:member,member */
static int process_parse_group(struct process_span line, struct process_group *ret)
{
	ret->name = process_cut(&line, ':');
	process_cut(&line, ':');
	if (process_parse_id(process_cut(&line, ':'), &ret->gid) < 0)
		return -EINVAL;
	ret->members = process_cut(&line, ':');
	return ret->name.len ? 0 : -EINVAL;
}

static int process_find_group(struct process_span text, struct process_span name, uint32_t *ret)
{
	while (text.len) {
		struct process_group entry = { 0 };

		if (process_parse_group(process_cut(&text, '\n'), &entry) == 0 &&
		    process_span_is(entry.name, name)) {
			*ret = entry.gid;
			return 0;
		}
	}
	return -ENOENT;
}

static int process_group_has(struct process_group entry, struct process_span name)
{
	while (entry.members.len) {
		if (process_span_is(process_cut(&entry.members, ','), name))
			return 1;
	}
	return 0;
}

static void process_find_memberships(struct process_span text, struct process_span name,
				     struct process_identity *identity)
{
	while (text.len && identity->n_groups < PROCESS_GROUPS_MAX) {
		struct process_group entry = { 0 };

		if (process_parse_group(process_cut(&text, '\n'), &entry) == 0 &&
		    entry.gid != identity->gid && process_group_has(entry, name))
			identity->groups[identity->n_groups++] = entry.gid;
	}
}

/* Fills uid, gid, home and shell; *ret_name is empty if the user has no entry. */
static int process_resolve_user(struct process_span user, struct process_span passwd,
				struct process_identity *ret, struct process_span *ret_name,
				struct err *err)
{
	struct process_passwd entry = { 0 };
	struct process_span name = { 0 };
	uint32_t uid = 0;
	int r;

	if (process_all_digits(user)) {
		r = process_parse_id(user, &uid);
		if (r < 0)
			return err_set(err, r, "user id %.*s is too large", (int)user.len, user.p);
	} else {
		name = user;
	}
	ret->uid = uid;
	process_copy(ret->home, sizeof(ret->home), process_span("/"));
	process_copy(ret->shell, sizeof(ret->shell), process_span("/bin/sh"));
	if (process_find_passwd(passwd, name, uid, &entry) < 0) {
		if (name.len)
			return err_set(err, -ENOENT,
				       "there is no user '%.*s' in the image's /etc/passwd; "
				       "give a name from there, or a number",
				       (int)user.len, user.p);
		return 0;
	}
	ret->uid = entry.uid;
	ret->gid = entry.gid;
	process_copy(ret->home, sizeof(ret->home), entry.home);
	process_copy(ret->shell, sizeof(ret->shell), entry.shell);
	*ret_name = entry.name;
	return 0;
}

static int process_resolve_group(struct process_span name, struct process_span group,
				 struct process_identity *ret, struct err *err)
{
	uint32_t gid = 0;
	int r = process_all_digits(name) ? process_parse_id(name, &gid)
					 : process_find_group(group, name, &gid);

	if (r == -ERANGE)
		return err_set(err, r, "group id %.*s is too large", (int)name.len, name.p);
	if (r < 0)
		return err_set(err, -ENOENT,
			       "there is no group '%.*s' in the image's /etc/group; "
			       "give a name from there, or a number",
			       (int)name.len, name.p);
	ret->gid = gid;
	return 0;
}

int process_identify_text(const char *user, const char *passwd, size_t passwd_len,
			  const char *group, size_t group_len, struct process_identity *ret,
			  struct err *err)
{
	struct process_span groups = { .p = group, .len = group_len };
	struct process_span rest = process_span(user ? user : ""), name = { 0 };
	int has_group = user && strchr(user, ':');
	struct process_identity identity = { 0 };
	int r;

	/* longer ones are no names, and would cut the message short */
	if (rest.len > NAME_MAX)
		return err_set(err, -EINVAL, "the user's name is longer than %d bytes", NAME_MAX);
	r = process_resolve_user(process_cut(&rest, ':'),
				 (struct process_span){ .p = passwd, .len = passwd_len }, &identity,
				 &name, err);
	if (r < 0)
		return r;
	if (has_group) {
		r = process_resolve_group(rest, groups, &identity, err);
		if (r < 0)
			return r;
	} else if (name.len) {
		process_find_memberships(groups, name, &identity);
	}
	*ret = identity;
	return 0;
}

/* Only a regular file is read: a pipe or a device of the image could block us or never end. */
static int process_read_database(const char *path, struct buf *ret, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t room = PROCESS_DATABASE_SMALL;
	struct stat st;
	ssize_t n = 1;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, -errno, "cannot read the image's %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "the image's %s is not a file", path);
	if (st.st_size > PROCESS_DATABASE_SMALL)
		room = st.st_size > PROCESS_DATABASE_MAX ? PROCESS_DATABASE_MAX + 1
							 : (size_t)st.st_size + 1;
	for (; n > 0 && ret->len <= PROCESS_DATABASE_MAX; room = PROCESS_DATABASE_SMALL) {
		buf_reserve(ret, room);
		n = read(fd, ret->data + ret->len, room);
		if (n < 0)
			return err_errno(err, -errno, "cannot read the image's %s", path);
		ret->len += (size_t)n;
	}
	if (ret->len > PROCESS_DATABASE_MAX)
		return err_set(err, -EFBIG, "the image's %s is larger than 1 MiB", path);
	return 0;
}

int process_identify(const char *user, struct process_identity *ret, struct err *err)
{
	_cleanup_buf_ struct buf passwd = BUF_INIT, group = BUF_INIT;
	int r;

	r = process_read_database("/etc/passwd", &passwd, err);
	if (r < 0)
		return r;
	r = process_read_database("/etc/group", &group, err);
	if (r < 0)
		return r;
	return process_identify_text(user, passwd.data, passwd.len, group.data, group.len, ret,
				     err);
}

int process_identify_groups(const struct process *process, struct process_identity *ret,
			    struct err *err)
{
	int r = process_identify(process->user, ret, err);

	strv_for_each(group, process->groups) {
		uint32_t gid = 0;

		if (r < 0)
			return r;
		if (ret->n_groups == PROCESS_GROUPS_MAX ||
		    process_parse_id(process_span(*group), &gid) < 0)
			return err_set(err, -EINVAL, "group '%.32s' is no number, or one too many",
				       *group);
		ret->groups[ret->n_groups++] = gid;
	}
	return r;
}

void process_find_home(struct process_identity *identity)
{
	const struct process_span nobody = { 0 };
	_cleanup_buf_ struct buf passwd = BUF_INIT;
	struct process_passwd entry = { 0 };
	struct err ignored = ERR_INIT;

	process_copy(identity->home, sizeof(identity->home), process_span("/"));
	if (process_read_database("/etc/passwd", &passwd, &ignored) < 0)
		return;
	if (process_find_passwd((struct process_span){ .p = passwd.data, .len = passwd.len },
				nobody, identity->uid, &entry) == 0)
		process_copy(identity->home, sizeof(identity->home), entry.home);
}

int process_become(const struct process_identity *identity, struct err *err)
{
	const gid_t *groups = identity->all_groups ? identity->all_groups : identity->groups;

	if (setgroups(identity->n_groups, groups) < 0 &&
	    (errno != EPERM || identity->n_groups || !identity->keep_groups))
		return err_errno(err, -errno, "cannot set the supplementary groups");
	if (setresgid(identity->gid, identity->gid, identity->gid) < 0)
		return err_errno(err, -errno, "cannot become group %u", identity->gid);
	if (setresuid(identity->uid, identity->uid, identity->uid) < 0)
		return err_errno(err, -errno, "cannot become user %u", identity->uid);
	return 0;
}

static int process_fail(struct err *err, int code, int exit_status)
{
	err->exit_status = exit_status;
	return code;
}

static int process_enter_cwd(const char *cwd, struct err *err)
{
	char path[PATH_MAX];
	/* what is no whole path begins at the root */
	int whole = cwd && *cwd == '/';
	int r = !whole && chdir("/") < 0 ? -errno : 0;

	if (r == 0 && cwd && *cwd && chdir(cwd) < 0)
		r = -errno;
	if (r == -ENOENT && cwd) {
		r = file_mkdir_p(cwd, 0755);
		if (r == 0 && chdir(cwd) < 0)
			r = -errno;
	}
	if (r < 0)
		return err_errno(err, r, "cannot use '%.200s' as the working directory", cwd);
	/* A descriptor's path could lead out of the root; then there is no way up to it. */
	if (!getcwd(path, sizeof(path)))
		return err_errno(err, -errno,
				 "the working directory '%.200s' is outside of the root", cwd);
	return 0;
}

static char **process_environment(const struct process *process,
				  const struct process_identity *identity)
{
	char **env = strv_dup(process->env);

	if (!strv_env_get(env, "HOME"))
		strv_add_printf(&env, "HOME=%s", identity->home);
	if (process->tty && !strv_env_get(env, "TERM"))
		strv_add(&env, "TERM=" PROCESS_TERM);
	if (!env) /* execve() takes NULL, programs do not */
		env = mem_zalloc(sizeof(*env));
	return env;
}

/* Whether the file could be executed, with finer errors: -EISDIR. */
static int process_check(const char *file)
{
	struct stat st;

	if (stat(file, &st) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, file, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* Tries every folder of PATH; what may not be executed counts only if nothing better follows. */
static int process_search(const char *name, char **env, char **ret)
{
	const char *path = strv_env_get(env, "PATH");
	struct process_span rest = process_span(path ? path : PROCESS_PATH);
	int result = -ENOENT;

	do {
		struct process_span folder = process_cut(&rest, ':');
		_cleanup_free_ char *file = mem_printf("%.*s%s%s", (int)folder.len, folder.p,
						       folder.len ? "/" : "", name);
		int r = process_check(file);

		if (r == 0) {
			*ret = take_ptr(file);
			return 0;
		}
		if (r == -EACCES)
			result = r;
		else if (r != -ENOENT && r != -EISDIR && r != -ENAMETOOLONG && r != -ELOOP)
			return r;
	} while (rest.len);
	return result;
}

struct process_reason {
	int code;
	int exit_status;
	const char *text;
};

/*
 * Says why execve() failed, with the exit status that docker gives for it. Engines whose runtime we are
 * take that status from words in it: "executable file not found", "no such file or directory" and
 * "permission denied".
 */
static int process_explain(const char *name, int code, struct err *err)
{
	static const struct process_reason reasons[] = {
		{ -ENOENT, PROCESS_NOT_FOUND, "no such file or directory" },
		{ -ELIBACC, PROCESS_NOT_FOUND,
		  "no such file or directory: its interpreter is missing" },
		{ -EISDIR, PROCESS_CANNOT_EXECUTE, "permission denied: it is a directory" },
		{ -EACCES, PROCESS_CANNOT_EXECUTE, "permission denied: see the mode of the file" },
		{ -ENOEXEC, PROCESS_CANNOT_EXECUTE,
		  "exec format error: it is no program for this machine, nor a script that "
		  "begins with #!" },
	};
	const char *text = NULL;
	int status = PROCESS_CANNOT_EXECUTE;

	for (size_t i = 0; i < ARRAY_SIZE(reasons) && !text; i++) {
		if (reasons[i].code == code) {
			text = reasons[i].text;
			status = reasons[i].exit_status;
		}
	}
	if (code == -ENOENT && !strchr(name, '/'))
		text = "executable file not found in $PATH";
	if (text)
		err_set(err, code, "cannot run '%.200s': %s", name, text);
	else
		err_errno(err, code, "cannot run '%.200s'", name);
	return process_fail(err, code, status);
}

void process_program_release(struct process_program *program)
{
	free(program->file);
	strv_free(program->env);
	*program = (struct process_program){ 0 };
}

int process_prepare(const struct process *process, const struct process_identity *identity,
		    struct process_program *ret, struct err *err)
{
	const char *name = process->argv[0];
	int r;

	*ret = (struct process_program){ .env = process_environment(process, identity) };
	r = process_enter_cwd(process->cwd, err);
	if (r < 0)
		return process_fail(err, r, PROCESS_CANNOT_EXECUTE);
	if (strchr(name, '/')) {
		ret->file = mem_strdup(name);
		r = process_check(name);
	} else {
		r = *name ? process_search(name, ret->env, &ret->file) : -ENOENT;
	}
	return r < 0 ? process_explain(name, r, err) : 0;
}

int process_run(const struct process *process, const struct process_program *program,
		struct err *err)
{
	int r;

	execve(program->file, process->argv, program->env);
	r = -errno;
	/* it was there: so its interpreter is what is missing */
	return process_explain(process->argv[0], r == -ENOENT ? -ELIBACC : r, err);
}

int process_exec(const struct process *process, const struct process_identity *identity,
		 struct err *err)
{
	_cleanup_process_program_ struct process_program program = { 0 };
	int r = process_prepare(process, identity, &program, err);

	return r < 0 ? r : process_run(process, &program, err);
}
