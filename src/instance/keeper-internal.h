/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_KEEPER_INTERNAL_H
#define INSTANCE_KEEPER_INTERNAL_H

#include "base/buf.h"
#include "base/stream.h"
#include "instance/instance.h"
#include "instance/limits.h"
#include "instance/logs.h"
#include "net/attach.h"
#include "proto/drive.h"
#include "sys/cgroup.h"

/* Shared by keeper.c (life of the instance) and keeper_session.c (its clients). */

enum keeper_session_kind {
	KEEPER_SESSION_NEW,	 /* has asked for nothing yet */
	KEEPER_SESSION_ATTACHED, /* to the main workload */
	KEEPER_SESSION_PROCESS,	 /* has a channel of its own in the driver */
	KEEPER_SESSION_STOP,	 /* waits for the end, then OK */
	KEEPER_SESSION_SET,	 /* waits for its setting to hold, then OK */
	KEEPER_SESSION_HOLD,	 /* the instance stands still for as long as it lasts */
};

struct keeper_session {
	struct keeper *keeper;
	struct keeper_session *next;
	struct stream stream; /* in: received, not yet handled; out: not yet written */
	enum keeper_session_kind kind;
	uint32_t channel; /* 0 for ATTACHED */
	int takes_stdin, wants_output;
	int holds;	   /* HOLD: it counts among the keeper's */
	int lock;	   /* that came with the request; -EBADF: none */
	int closing;	   /* gone once out is written */
	int handling;	   /* inside keeper_session_handle() */
	size_t unconsumed; /* PROCESS: delivered to us by the driver, not yet given back */
};

enum keeper_phase {
	KEEPER_STARTING, /* until STARTED or ERROR */
	KEEPER_RUNNING,
	KEEPER_ENDING,	/* EXIT or ERROR came, ended() not yet */
	KEEPER_WAITING, /* for the next try of the restart policy */
	KEEPER_DONE,
};

/* What of the record a setting of an instance that runs changes. */
struct keeper_settings {
	char **networks, **ports, **volumes, **drives;
	int64_t disk_size;
};

/* What it was started with, and what a VM takes beside the guest's memory. */
struct keeper_limits {
	int64_t memory, vcpus, overhead;
	int has_more; /* the group may have more than its driver knows of */
};

/* A setting that a guest, or a process in a container, has a part in: it holds, or has failed, some time later. */
struct keeper_change {
	int active;
	struct keeper_session *session; /* who is to hear of it; NULL: is gone */
	struct keeper_settings before;	/* the record's */
	char *network;			/* the one that comes or goes; NULL: it is another device */
	int comes;
	struct attach_card card;
	char *share, *setup, *name; /* what struct driver_device borrows */
	struct drive drive;
	int drive_fd; /* 0: none */
	int lock;     /* of what the record does not name yet: held until it does; 0: none */
};

/* Of the current run: what it lacks (keeper_watch.c). */
struct keeper_watch {
	struct cgroup *cgroup; /* NULL: there is none */
	struct cgroup_oom oom;
	struct loop_source *oom_source, *settle_timer, *throttled_timer;
	int log;	/* the kernel's, behind what was there before the start */
	int64_t kills;	/* by want of memory, that were told */
	int64_t window; /* of monotonic time: from then on so many were */
	int told;
	int64_t throttled, periods; /* at the last look */
	int is_throttled;
};

struct keeper {
	struct instance_home home;
	struct loop *loop;
	enum keeper_phase phase;

	struct instance record;
	struct instance_run run;
	char *state_dir, *run_dir;
	const char *restore; /* of main's arguments */
	char **layer_paths;
	char *vmlinux, *initramfs;
	int state_fd, run_fd, mark_fd, listen_fd;

	const struct driver_ops *ops;
	struct driver *driver;
	struct driver_host host;

	struct keeper_change change;
	struct keeper_limits limits;
	struct attach *attach;	   /* its networks; NULL: none */
	struct userlink *userlink; /* instead of them: a user's; NULL: none */
	int netns;		   /* another instance's, which it shares */
	struct keeper_stewards {   /* of the networks */
		int fds[ATTACH_STEWARDS];
		struct loop_source *sources[ATTACH_STEWARDS], *timer;
		size_t n;
	} stewards;
	struct logs_writer *log;
	size_t unconsumed; /* output of channel 0 that slow clients have not taken yet */
	struct keeper_session *sessions;
	uint32_t next_channel;

	struct loop_source *listen_source, *signal_source, *stop_timer, *restart_timer;
	struct loop_source *end_timer;
	int stop_requested, stopped_by_user;
	struct keeper_watch watch;
	unsigned int holds; /* sessions that keep it paused */
	int rebooted; /* a whole system, by itself: it is started again, whatever the policy */
	int64_t restart_delay_ms;
	struct err failure; /* why the start failed or the machine ended badly */
};

/* keeper.c */
/* by_user: and not by the host, whose shutdown is no word on whether it shall run. */
void keeper_stop(struct keeper *keeper, int64_t timeout_ms, int by_user);
void keeper_signal(struct keeper *keeper, int number);
int keeper_pause(struct keeper *keeper, int paused, struct err *err);
/*
 * For a session that holds the instance: pauses it, unless it is so already. 1: keeper_hold_end() is to follow, and the
 * last one lets the instance go on, which nothing else does meanwhile but a stop. 0: somebody has paused it by PAUSE, and
 * it stays so.
 */
int keeper_hold(struct keeper *keeper, struct err *err);
void keeper_hold_end(struct keeper *keeper);
/* A setting, as KEY=VALUE (instance/settings.h), into the record. 1: keeper_session_changed() is to follow. */
int keeper_set(struct keeper *keeper, const char *assignment, struct err *err);
void keeper_change_release(struct keeper_change *change);
/* What it has done so far is kept, and whoever asked is told; err NULL: it holds. */
void keeper_change_done(struct keeper *keeper, const struct err *err);
int keeper_press(struct keeper *keeper, enum message_button button, struct err *err);

/* keeper_disk.c, keeper_drive.c, keeper_share.c: the record has changed from this, as keeper_network_change() has it. */
int keeper_disk_change(struct keeper *keeper, int64_t before, struct err *err);
int keeper_share_change(struct keeper *keeper, char *const *volumes, int forced, struct err *err);
int keeper_drive_change(struct keeper *keeper, char *const *drives, int forced, struct err *err);

/* keeper_limits.c: before each start; as in struct driver_host_ops; and after it. */
int keeper_limits_begin(struct keeper *keeper, struct err *err);
int keeper_limits_set(void *ctx, int64_t overhead, int has_group, const char *missing,
		      struct err *err);
void keeper_limits_started(struct keeper *keeper);
/* And after its end. */
void keeper_limits_ended(struct keeper *keeper);
/* A new value: holds, or is kept in the record for the next start. */
int keeper_limits_change(struct keeper *keeper, const struct limits_row *row, const char *value,
			 struct err *err);

/* keeper_device.c: whether a device can come or go now; else: what happens instead with an engine that cannot. */
int keeper_device_ready(const struct keeper *keeper, const char *instead, struct err *err);
/* The engine's part of keeper->change, which is active. 1, or what it borrows is free again. */
int keeper_device_begin(struct keeper *keeper, const struct driver_device *device, int forced,
			struct err *err);

/* keeper_network.c */
int keeper_network_up(struct keeper *keeper, struct err *err);
/* Before each start of its engine. */
int keeper_network_begin(struct keeper *keeper, struct err *err);
int keeper_network_wire(void *ctx, pid_t pid, struct err *err);
void keeper_network_down(struct keeper *keeper);
/* What of it takes longer, after everybody has heard of the end. */
void keeper_network_release(struct keeper *keeper);
/* The record's have changed from these: makes that hold, or nothing has changed. 1: keeper->change does it. */
int keeper_network_change(struct keeper *keeper, char *const *networks, char *const *ports,
			  int forced, struct err *err);
/* What the machine has come to with keeper->change; then its keeper_change_done(). */
void keeper_network_changed(void *ctx, const struct err *err);
void keeper_save_run(struct keeper *keeper);

/* keeper_watch.c: before the start; once it runs; a line of a guest's kernel; before and after its group goes. */
void keeper_watch_begin(struct keeper *keeper);
void keeper_watch_started(struct keeper *keeper);
void keeper_watch_guest(struct keeper *keeper, const void *payload, size_t len);
void keeper_watch_look(struct keeper *keeper);
void keeper_watch_end(struct keeper *keeper);

/* keeper_session.c */
struct keeper_session *keeper_session_new(struct keeper *keeper, int fd);
void keeper_session_accept(struct keeper *keeper);
/* Sends a message to one session, or to every attached one. */
void keeper_session_put(struct keeper_session *session, uint16_t type, const void *payload,
			size_t len);
void keeper_session_put_attached(struct keeper *keeper, uint16_t type, const void *payload,
				 size_t len);
/* How a setting that took its time has ended; err NULL: it holds. */
void keeper_session_changed(struct keeper_session *session, const struct err *err);
/* A frame of a driver's channel other than 0. */
void keeper_session_deliver(struct keeper *keeper, uint32_t channel, uint16_t type,
			    const void *payload, size_t len);
/* The channel takes input again. */
void keeper_session_writable(struct keeper *keeper, uint32_t channel);
/* Gives output of channel 0 back to the driver once no attached session lags behind. */
void keeper_session_settle(struct keeper *keeper);
/* Tells every session the end, writes out what can be, and frees them. */
void keeper_session_end_all(struct keeper *keeper);
/* Ends the sessions of processes: the machine they ran in is gone. */
void keeper_session_end_processes(struct keeper *keeper);

#endif
