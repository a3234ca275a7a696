/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_EVENTS_H
#define INSTANCE_EVENTS_H

#include "base/json.h"
#include "instance/instance.h"

/*
 * What happened to instances that run, as lines of JSON in ROOT/events.jsonl (docs/formats.md), written by their keepers, and
 * of an end that a keeper could not note by whoever finds or makes it. It
 * outlives them, and a boot; the oldest go when there are more than EVENTS_SIZE_MAX bytes, twice.
 */
#define EVENTS_FILE	"events.jsonl"
#define EVENTS_OLD_FILE "events.old.jsonl"
#define EVENTS_SIZE_MAX (1 << 20)
#define EVENTS_LINE_MAX 4096

enum events_kind {
	EVENTS_START,
	EVENTS_END,
	EVENTS_RESTART, /* it has ended, and will be started again */
	EVENTS_PAUSE,
	EVENTS_RESUME,
	EVENTS_OOM,	 /* want of memory killed something of it */
	EVENTS_THROTTLE, /* its limit keeps it from running for much of the time, from now on */
	EVENTS_UNTHROTTLE,
};

extern const char *const events_kind_names[];

/*
 * Notes it, with one line of text for people and what else a script may want (an object, or NULL), which is taken over.
 * It costs one write; on a full disk there is no event.
 */
void events_note(const struct instance_home *home, const struct instance *record,
		 enum events_kind kind, const char *text, struct json *details);

/* The same of an end, whose record has its exit status, and an error if it was none of its own. */
void events_note_end(const struct instance_home *home, const struct instance *record);

struct events_wanted {
	char *const *names;	    /* of instances; NULL: of all */
	char *const *kinds;	    /* names of events; NULL: all */
	int64_t since_ns, until_ns; /* since the epoch; 0: any */
	int follow;		    /* go on with those that come, until each() wants no more */
	int only_new;
};

/* Calls each() for every event, the oldest first, until it returns non-zero; returns that, 0, or -errno. */
int events_read(const struct instance_home *home, const struct events_wanted *wanted,
		int (*each)(const struct json *event, void *ctx), void *ctx, struct err *err);

#endif
