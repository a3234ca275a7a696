// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A round is, for each kind in turn, the life of one instance: create, start, exec, the works, stop, clone, remove. Each
 * step is a command of ours, timed from before its start to its end (or to the first byte that it says).
 *
 * Invariants:
 *   1. One bench at a time for a root: BENCH_LOCK is held throughout. So what bears the names of its instances and its
 *      label is of one that was killed, and is removed.
 *   2. Signals that end are blocked, and looked for wherever a command is waited for: that is killed, the instances are
 *      removed, and only then bench_run() returns.
 *   3. Commands have a process group of their own: a key pressed at the terminal reaches bench alone.
 */
#include "instance/bench.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/meminfo.h"
#include "base/units.h"
#include "instance/bench_work.h"
#include "instance/host.h"
#include "instance/stats.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BENCH_LOCK    "bench.lock"
#define BENCH_LABEL   "brig.bench=yes"
#define BENCH_PROGRAM "/.brig-bench" /* ours, inside */
/* It ends when it is told to, without an init: in one of ours a user who is not root cannot exec. */
#define BENCH_SCRIPT	 "trap 'exit 0' TERM; echo ready; sleep 1000000 & wait"
#define BENCH_EXECS	 3
#define BENCH_TIMEOUT_MS 300000
#define BENCH_OUTPUT_MAX 4096
#define BENCH_WIDE	 0.5 /* of the median, between the least and the most */

const char *const bench_place_names[] = { "host", "container", "vm", NULL };

enum { CREATE, START, EXEC, STOP, CLONE, REMOVE, MEMORY, WORKS };

const struct bench_measure bench_measures[BENCH_MEASURES] = {
	[CREATE] = { "create", "create it", BENCH_NS, NULL },
	[START] = { "start", "start it, to its first output", BENCH_NS, NULL },
	[EXEC] = { "exec", "exec of a program", BENCH_NS, NULL },
	[STOP] = { "stop", "stop it", BENCH_NS, NULL },
	[CLONE] = { "clone", "clone it", BENCH_NS, NULL },
	[REMOVE] = { "remove", "remove it", BENCH_NS, NULL },
	[MEMORY] = { "memory", "memory, idle", BENCH_BYTES, NULL },
	[WORKS] = { "cpu", "1000 rounds of arithmetic", BENCH_PER_SECOND, "cpu" },
	{ "syscall", "system calls", BENCH_PER_SECOND, "syscall" },
	{ "switch", "switches of process", BENCH_PER_SECOND, "switch" },
	{ "fault", "page faults", BENCH_PER_SECOND, "fault" },
	{ "fork", "forks", BENCH_PER_SECOND, "fork" },
};

struct bench_state {
	const struct instance_home *home;
	struct bench *bench;
	char *program;
	int signals; /* signalfd */
};

/* What is run, and what is wanted of it. */
struct bench_command {
	char *const *argv;
	int first; /* the time to its first byte, after which it is killed */
	char output[BENCH_OUTPUT_MAX];
	int64_t ns; /* that it took */
};

void bench_add(struct bench *bench, size_t measure, enum bench_place place, double sample)
{
	struct bench_series *series = &bench->series[measure][place];

	series->samples = mem_realloc(series->samples, series->n + 1, sizeof(*series->samples));
	series->samples[series->n++] = sample;
}

static int bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int bench_spread(const struct bench_series *series, struct bench_spread *ret)
{
	_cleanup_free_ double *sorted = NULL;
	size_t n = series->n;

	if (!n)
		return 0;
	sorted = mem_realloc(NULL, n, sizeof(*sorted));
	memcpy(sorted, series->samples, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), bench_compare);
	*ret = (struct bench_spread){ .median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2,
				      .min = sorted[0],
				      .max = sorted[n - 1] };
	return 1;
}

void bench_note_spread(struct bench *bench)
{
	_cleanup_strv_ char **wide = NULL;

	for (size_t i = 0; i < BENCH_MEASURES; i++) {
		for (int place = 0; place < BENCH_PLACES; place++) {
			struct bench_spread spread;

			if (bench_spread(&bench->series[i][place], &spread) &&
			    spread.max - spread.min > BENCH_WIDE * spread.median) {
				strv_add(&wide, bench_measures[i].id);
				break;
			}
		}
	}
	if (wide) {
		_cleanup_free_ char *list = strv_join(wide, ", ");

		strv_add_take(
			&bench->notes,
			mem_printf("The samples of %s are far apart: the host had more to do, "
				   "or --rounds are few",
				   list));
	}
}

void bench_release(struct bench *bench)
{
	for (size_t i = 0; i < BENCH_MEASURES; i++) {
		for (int place = 0; place < BENCH_PLACES; place++)
			free(bench->series[i][place].samples);
	}
	strv_free(bench->notes);
	free(bench->image);
	*bench = (struct bench){ 0 };
}

/* --- commands --- */

static int bench_spawn(const struct bench_command *command, int out, int said, pid_t *ret,
		       struct err *err)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, said, STDERR_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	r = posix_spawnp(ret, command->argv[0], &files, &attributes, command->argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return r ? err_errno(err, -r, "cannot run %s", command->argv[0]) : 0;
}

/* The last line that it said on stderr. */
static int bench_say_failure(const struct bench_command *command, int said, int status,
			     struct err *err)
{
	char text[BENCH_OUTPUT_MAX] = "", *line;
	ssize_t n = pread(said, text, sizeof(text) - 1, 0);

	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	if (!strncmp(line, "brig: ", 6))
		line += 6;
	if (*line)
		return err_set(err, -EREMOTEIO, "%s", line);
	return err_set(err, -EREMOTEIO, "'%s' ended with status %d", command->argv[0], status);
}

/* Until it ends, or has said the byte that is waited for. 0, or what to kill it for. */
static int bench_watch(struct bench_state *state, struct bench_command *command, int out, int pidfd,
		       int64_t start, struct err *err)
{
	struct pollfd fds[] = { { .fd = out, .events = POLLIN },
				{ .fd = pidfd, .events = POLLIN },
				{ .fd = state->signals, .events = POLLIN } };
	size_t len = 0;

	for (;;) {
		int64_t left = BENCH_TIMEOUT_MS - (units_monotonic() - start) / 1000000;
		int n = left > 0 ? poll(fds, ARRAY_SIZE(fds), (int)left) : 0;

		if (n == 0)
			return err_set(err, -ETIMEDOUT, "'%s' has not ended in %d s",
				       command->argv[0], BENCH_TIMEOUT_MS / 1000);
		if (n > 0 && fds[2].revents)
			return err_set(err, -EINTR, "interrupted");
		command->ns = units_monotonic() - start;
		if (n > 0 && fds[0].revents) {
			ssize_t got =
				read(out, command->output + len, sizeof(command->output) - 1 - len);

			if (got > 0)
				len += (size_t)got;
			if (command->first && got > 0)
				return 0;
			if (got <= 0 || len == sizeof(command->output) - 1)
				fds[0].fd = -1;
		} else if (n > 0 && fds[1].revents) {
			return 0;
		}
	}
}

static int bench_command(struct bench_state *state, struct bench_command *command, struct err *err)
{
	_cleanup_close_ int out = -EBADF, in = -EBADF, pidfd = -EBADF;
	_cleanup_close_ int said = memfd_create("bench", MFD_CLOEXEC);
	int64_t start = units_monotonic();
	int ends[2], status = 0, r;
	pid_t pid;

	memset(command->output, 0, sizeof(command->output));
	if (said < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot run %s", command->argv[0]);
	out = ends[0];
	in = ends[1];
	r = bench_spawn(command, in, said, &pid, err);
	if (r < 0)
		return r;
	in = fd_close(in);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	r = pidfd < 0 ? err_errno(err, -errno, "cannot watch %s", command->argv[0])
		      : bench_watch(state, command, out, pidfd, start, err);
	if (r < 0 || command->first)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (r < 0 || (command->first && command->output[0]))
		return r;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return bench_say_failure(
			command, said,
			WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), err);
	return command->first ? err_set(err, -EREMOTEIO, "it has said nothing") : 0;
}

/* A verb of ours with these words, ended by NULL. */
static int bench_verb(struct bench_state *state, char *const *words, struct bench_command *command,
		      struct err *err)
{
	_cleanup_strv_ char **argv = NULL;
	int r;

	strv_add(&argv, state->program);
	strv_add(&argv, "--root");
	strv_add(&argv, state->home->root);
	strv_add(&argv, "--run");
	strv_add(&argv, state->home->run);
	strv_for_each(word, words)
		strv_add(&argv, *word);
	command->argv = argv;
	r = bench_command(state, command, err);
	command->argv = NULL;
	return r < 0 ? err_wrap(err, "brig %s", words[0]) : 0;
}

#define WORDS(...) ((char **)(const char *[]){ __VA_ARGS__, NULL })

static int bench_timed(struct bench_state *state, size_t measure, enum bench_place place,
		       char *const *words, struct err *err)
{
	struct bench_command command = { .first = measure == START };
	int r = bench_verb(state, words, &command, err);

	if (r == 0)
		bench_add(state->bench, measure, place, (double)command.ns);
	return r;
}

/* --- a round --- */

static int bench_work_sample(struct bench_state *state, size_t measure, enum bench_place place,
			     const struct bench_command *command, struct err *err)
{
	_cleanup_free_ char *text = mem_strndup(command->output, strcspn(command->output, "\n"));
	struct err ignored = ERR_INIT;
	int64_t rate;

	if (units_parse_int(text, 1, INT64_MAX, &rate, &ignored) < 0)
		return err_set(err, -EREMOTEIO, "no figure came of the work '%s'",
			       bench_measures[measure].work);
	bench_add(state->bench, measure, place, (double)rate);
	return 0;
}

static int bench_host_round(struct bench_state *state, struct err *err)
{
	struct bench_command command = { .argv = WORDS("true") };
	int r = bench_command(state, &command, err);

	if (r == 0)
		bench_add(state->bench, EXEC, BENCH_HOST, (double)command.ns);
	for (size_t i = WORKS; r == 0 && i < BENCH_MEASURES; i++) {
		struct bench_command work = { .argv = WORDS(state->program, BENCH_WORK_ROLE,
							    bench_measures[i].work) };

		r = bench_command(state, &work, err);
		if (r == 0)
			r = bench_work_sample(state, i, BENCH_HOST, &work, err);
	}
	return r;
}

/* What the keeper alone costs, which no control group of the instance's counts. */
static int64_t bench_keeper_memory(int64_t pid)
{
	_cleanup_free_ char *path = mem_printf("/proc/%jd/smaps_rollup", (intmax_t)pid);
	_cleanup_free_ char *text = NULL;
	int64_t bytes;

	if (file_read(AT_FDCWD, path, BENCH_OUTPUT_MAX, &text, NULL) < 0)
		return 0;
	bytes = meminfo_bytes(text, "\nPss");
	return bytes < 0 ? 0 : bytes;
}

static int bench_memory(struct bench_state *state, const char *name, enum bench_place place,
			struct err *err)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	struct stats_item item = { .view = &view };
	int r = instance_view(state->home, name, &view, err);

	if (r < 0)
		return r;
	stats_read(state->home, 0, &item, 1);
	if (item.stats.memory_host > 0)
		bench_add(state->bench, MEMORY, place,
			  (double)(item.stats.memory_host +
				   bench_keeper_memory(view.run.keeper_pid)));
	return 0;
}

static int bench_works(struct bench_state *state, const char *name, enum bench_place place,
		       struct err *err)
{
	_cleanup_free_ char *there = mem_printf("%s:" BENCH_PROGRAM, name);
	struct bench_command copy = { 0 };
	int r = bench_verb(state, WORDS("cp", state->program, there), &copy, err);

	for (size_t i = WORKS; r == 0 && i < BENCH_MEASURES; i++) {
		struct bench_command command = { 0 };

		r = bench_verb(
			state,
			WORDS("exec", name, BENCH_PROGRAM, BENCH_WORK_ROLE, bench_measures[i].work),
			&command, err);
		if (r == 0)
			r = bench_work_sample(state, i, place, &command, err);
	}
	return r;
}

static char *bench_name(enum bench_place place)
{
	return mem_printf("brig-bench-%s", bench_place_names[place]);
}

static int bench_running(struct bench_state *state, const char *name, enum bench_place place,
			 struct err *err)
{
	int r = bench_timed(state, START, place, WORDS("start", "--attach", name), err);

	for (int i = 0; r == 0 && i < BENCH_EXECS; i++)
		r = bench_timed(state, EXEC, place, WORDS("exec", name, "true"), err);
	if (r == 0)
		r = bench_memory(state, name, place, err);
	if (r == 0)
		r = bench_works(state, name, place, err);
	return r < 0 ? r : bench_timed(state, STOP, place, WORDS("stop", name), err);
}

static int bench_round(struct bench_state *state, enum bench_place place, struct err *err)
{
	_cleanup_free_ char *name = bench_name(place), *clone = mem_printf("%s-clone", name);
	const char *kind = place == BENCH_VM ? "--vm" : "--container";
	int r = bench_timed(state, CREATE, place,
			    WORDS("create", kind, "--name", name, "--label", BENCH_LABEL,
				  "--network", "none", state->bench->image, "sh", "-c",
				  BENCH_SCRIPT),
			    err);

	if (r == 0)
		r = bench_running(state, name, place, err);
	if (r == 0)
		r = bench_timed(state, CLONE, place, WORDS("copy", name, clone), err);
	return r < 0 ? r : bench_timed(state, REMOVE, place, WORDS("rm", name, clone), err);
}

/* --- the whole --- */

/* A stranger's instance of the name is in the way, and is not ours to remove. */
static int bench_remove(const struct instance_home *home, const char *name, struct err *err)
{
	_cleanup_instance_ struct instance record = { 0 };
	struct err ignored = ERR_INIT;

	instance_init(&record);
	if (instance_load(home, name, &record, &ignored) == -ENOENT)
		return 0;
	if (!strv_has(record.labels, BENCH_LABEL))
		return err_set(err, -EEXIST, "'%s' is an instance that bench has not made", name);
	return instance_remove(home, name, 1, err);
}

static int bench_remove_all(const struct instance_home *home, struct err *err)
{
	int r = 0;

	for (int place = BENCH_CONTAINER; place < BENCH_PLACES; place++) {
		_cleanup_free_ char *name = bench_name((enum bench_place)place);
		_cleanup_free_ char *clone = mem_printf("%s-clone", name);

		if (bench_remove(home, clone, err) < 0 || bench_remove(home, name, err) < 0)
			r = err->code;
	}
	return r;
}

static void bench_note_host(const struct instance_home *home, struct bench *bench)
{
	_cleanup_host_ struct host host = { 0 };
	struct err ignored = ERR_INIT;

	if (!bench->places[BENCH_VM] || host_read(home, &host, &ignored) < 0)
		return;
	if (strcmp(host.vm_engine, "kvm") != 0)
		strv_add_take(
			&bench->notes,
			mem_printf("VMs are emulated here (engine %s), many times slower than on "
				   "KVM: 'brig doctor' says why",
				   host.vm_engine));
}

static int bench_wants(const struct bench_options *options, const char *kind)
{
	return !options->kinds || strv_has(options->kinds, kind);
}

static int bench_rounds(struct bench_state *state, const struct bench_options *options,
			struct err *err)
{
	int *places = state->bench->places;
	int r = 0;

	for (int64_t round = 0; r == 0 && round < options->rounds; round++) {
		if (options->tell)
			options->tell(round + 1, options->rounds);
		r = bench_host_round(state, err);
		for (int place = BENCH_CONTAINER; r == 0 && place < BENCH_PLACES; place++) {
			if (!places[place])
				continue;
			r = bench_round(state, (enum bench_place)place, err);
			/* what was not asked for by name may be missing */
			if (r == -EREMOTEIO && place == BENCH_VM && !options->kinds && !round) {
				strv_add_take(&state->bench->notes,
					      mem_printf("No figures of a VM: %s", err->msg));
				places[place] = 0;
				r = 0;
			}
		}
	}
	return r;
}

static int bench_locked(struct bench_state *state, const struct bench_options *options,
			struct err *err)
{
	struct err left = ERR_INIT;
	int r = bench_remove_all(state->home, err);

	if (r == 0)
		r = bench_rounds(state, options, err);
	if (bench_remove_all(state->home, &left) < 0 && r == 0) {
		*err = left;
		r = left.code;
	}
	return r;
}

static char *bench_program(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	return n > 0 ? mem_strndup(path, (size_t)n) : NULL;
}

int bench_run(const struct instance_home *home, const struct bench_options *options,
	      struct bench *ret, struct err *err)
{
	_cleanup_close_ int lock = -EBADF, signals = -EBADF;
	_cleanup_free_ char *program = bench_program();
	_cleanup_free_ char *path = mem_printf("%s/" BENCH_LOCK, home->root);
	struct bench_state state = { .home = home, .bench = ret, .program = program };
	sigset_t ends, before;
	int r;

	*ret = (struct bench){ .image = mem_strdup(options->image),
			       .rounds = options->rounds,
			       .places = { [BENCH_HOST] = 1 } };
	for (int place = BENCH_CONTAINER; place < BENCH_PLACES; place++)
		ret->places[place] = bench_wants(options, bench_place_names[place]);
	r = file_mkdir_p(home->root, 0700);
	lock = r < 0 ? r : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (!program || lock < 0)
		return err_errno(err, r < 0 ? r : -errno, "cannot lock %s", path);
	if (file_lock(lock, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, -EBUSY, "another 'brig bench' runs");
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, &before);
	signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	state.signals = signals;
	bench_note_host(home, ret);
	r = signals < 0 ? err_errno(err, -errno, "cannot hear signals")
			: bench_locked(&state, options, err);
	bench_note_spread(ret);
	ret->taken = units_now();
	if (r == 0 && ret->places[BENCH_CONTAINER] && ret->places[BENCH_VM])
		bench_save(home, ret);
	/* that which came is dealt with: it would end us before the caller has said so */
	for (struct signalfd_siginfo info; signals >= 0 && read(signals, &info, sizeof(info)) > 0;)
		continue;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}
