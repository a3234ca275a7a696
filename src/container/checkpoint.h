/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_CHECKPOINT_H
#define CONTAINER_CHECKPOINT_H

#include "base/err.h"
#include "container/launch.h"
#include "container/spec.h"
#include "sys/cgroup.h"

/*
 * A container's processes, saved in a folder of images, and made again of those: by CRIU (container/criu.h), which
 * needs root. Images are as trusted as the processes that they become: what is in them decides who these are and
 * what they may do, as with every engine that restores.
 *
 * Besides CRIU's files there is descriptors.json, as other runtimes have it: what the standard streams were.
 */
#define CHECKPOINT_DESCRIPTORS "descriptors.json"
#define CHECKPOINT_DUMP_LOG    "dump.log"
#define CHECKPOINT_RESTORE_LOG "restore.log"

/* What CRIU does with the cgroups that the container's processes are in (criu(8), --manage-cgroups): those that are
 * there already stay as they are, or get what was saved, or must not be there; or the processes stay in CRIU's. */
enum checkpoint_cgroups {
	CHECKPOINT_CGROUPS_SOFT,
	CHECKPOINT_CGROUPS_FULL,
	CHECKPOINT_CGROUPS_STRICT,
	CHECKPOINT_CGROUPS_IGNORE,
};

struct checkpoint_options {
	const char *images;	 /* folder */
	const char *work;	 /* folder of the log; NULL: that of the images */
	const char *parent;	 /* earlier images, seen from this one's folder; NULL: none */
	const char *page_server; /* "ADDRESS:PORT", who takes the memory; NULL: the folder does */
	const char *lsm_profile, *lsm_mount_context; /* NULL: those that it had */
	int leave_running;
	int pre_dump; /* memory alone, and it runs on: for a later one that has this as parent */
	int tcp_established, tcp_skip_in_flight, tcp_close, ext_unix_sockets, shell_job;
	int file_locks, link_remap, lazy_pages, auto_dedup, empty_network;
	int has_status, status_fd; /* that hears when lazy pages can be asked for */
	enum checkpoint_cgroups cgroups;
};

/*
 * Saves the container whose first process is pid. spec: as it was made of its configuration. The folder of images
 * is made if it is not there. What fails leaves the container running.
 */
int checkpoint_dump(const struct spec *spec, pid_t pid, const struct cgroup *cgroup,
		    const struct checkpoint_options *options, struct err *err);

/* What a restore is told besides. */
struct checkpoint_place {
	int stdio[3]; /* for its standard streams, where these were pipes; negative: none */
	/*
	 * Who has to know of the first process is told: once it is there (ready 0), which is before hooks run, and
	 * once all is made and nothing of the container runs yet (ready 1). launch has it.
	 */
	/* NULL: nobody has to */
	int (*found)(void *ctx, const struct launch *launch, int ready, struct err *err);
	void *ctx;
};

/*
 * Makes the container of the images, as launch_run() makes one of its spec: in a cgroup of its own, as our child,
 * which hooks of prestart and createRuntime were run for. launch is LAUNCH_INIT, or has what launch_make_pipes() puts
 * there, and on failure it is still for launch_release(). spec, launch and the strings of options outlive the result.
 */
struct checkpoint_restore;
int checkpoint_restore_begin(const struct spec *spec, const struct checkpoint_options *options,
			     const struct checkpoint_place *place, struct launch *launch,
			     struct checkpoint_restore **ret, struct err *err);
/* Readable when checkpoint_restore_step() has something to do, which then waits for nobody but hooks and found(). */
int checkpoint_restore_fd(const struct checkpoint_restore *restore);
/* 1: there will be more; 0: it runs. *ret_terminal: then the master of its terminal, or -EBADF. */
int checkpoint_restore_step(struct checkpoint_restore *restore, int *ret_terminal, struct err *err);
/* It fails soon, by a step; the container's processes are the caller's to kill. */
void checkpoint_restore_cancel(struct checkpoint_restore *restore);
/* Returns NULL. Before the end of it, that is the end of CRIU. */
struct checkpoint_restore *checkpoint_restore_free(struct checkpoint_restore *restore);

/* All of these: it runs on return. */
int checkpoint_restore(const struct spec *spec, const struct checkpoint_options *options,
		       const struct checkpoint_place *place, struct launch *launch,
		       int *ret_terminal, struct err *err);

/* What images call the i-th standard stream, if it is to be replaced: a pipe, or a file of the host. Else NULL. */
struct json;
const char *checkpoint_stream(const struct json *descriptors, size_t i);

#endif
