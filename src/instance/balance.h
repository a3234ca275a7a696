/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_BALANCE_H
#define INSTANCE_BALANCE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Whose memory goes where: the policy alone, over figures, so that a test can play any load against it. A round looks at
 * the host and at all running instances once and gives orders; who carries them out comes back with new figures.
 *
 * The price of an instance's memory is what it has of shares for each byte, where a byte that it did not touch of late
 * counts four times (min-funding revocation with a tax on idle memory: Waldspurger, "Memory Resource Management in
 * VMware ESX Server", 2002, sections 5.2 and 5.3, tax rate 75 %). The cheapest is taken first.
 *
 * An order to a container moves memory. An order to a VM moves its bound: what its guest may use is, when bytes are taken,
 * less by them than what it uses now (so that free memory is not what goes), and more by them when it is given.
 *
 * 1. Nothing is taken of what is promised (min), whatever the need; nothing is given that was not taken.
 * 2. Up to the ceiling only cold memory is taken, and of an instance that waits for memory nothing. Warm memory is
 *    taken above the ceiling, or for one that waits and whose memory is dearer by a quarter.
 * 3. A round moves a step of one instance's memory, never all.
 * 4. For BALANCE_REST rounds nothing is taken of who was given, unless the host is above the ceiling, and nothing given to
 *    whom it was taken from, unless it waits for memory; nor of or to one that is new. Between ease and target nothing is
 *    done without need.
 * 5. Nothing more is taken of who has not done yet what the last order said, for BALANCE_SLOW rounds.
 * 6. Who was asked BALANCE_TRIES times and of whom the host has got nothing (a lying balloon, memory that comes back at
 *    once) is let be for BALANCE_TRUCE rounds. What counts is what the host sees, never what a guest says.
 */
#define BALANCE_REST  8
#define BALANCE_TRIES 3
#define BALANCE_TRUCE 64
#define BALANCE_SLOW  6

/* "some avg10" of the kernel's Documentation/accounting/psi.rst, in hundredths of a percent: from here on it waits. */
#define BALANCE_WAITS 1000
/* An instance's, if the user gave none. */
#define BALANCE_SHARES 100

/* Of the host's memory, in thousandths. */
struct balance_policy {
	unsigned int ease;    /* under it, what was taken is given back unasked */
	unsigned int target;  /* above it, memory is taken */
	unsigned int ceiling; /* nothing is given that leads above it */
};

extern const struct balance_policy balance_policy_default;

struct balance_host {
	uint64_t total, available; /* bytes: MemTotal and MemAvailable of /proc/meminfo */
};

/* Zeroed of an instance that is new, BALANCE_PAST_SETTLED of one that is not but is first seen, then the policy's own. */
struct balance_past {
	int64_t asked; /* bytes that an order was to take, of which it is not known yet what came of it */
	uint64_t host;
	int ordered;		   /* in the last round */
	unsigned int given, taken; /* rounds since then; who is new counts as both */
	unsigned int failed, truce, slow;
};

#define BALANCE_PAST_SETTLED ((struct balance_past){ .given = BALANCE_REST, .taken = BALANCE_REST })

struct balance_member {
	const char *name;
	uint64_t host; /* bytes of the host's memory, as the host counts them, without file pages */
	uint64_t used; /* a container: the same; a VM: what its guest has taken, cache and all */
	uint64_t cold; /* of these, what it can do without: idle memory, a guest's cache */
	uint64_t warm; /* of these, what can be taken more, and it will want back */
	uint64_t
		size; /* what it can use as it is: a VM's memory less its balloon; UINT64_MAX: no bound */
	uint64_t held; /* what the balloon has taken for this policy; a container: 0 */
	uint64_t min;  /* what it was promised */
	uint32_t shares;
	unsigned int pressure; /* BALANCE_WAITS */
	int fixed; /* nothing can be taken: it stands still, says nothing, or the host has no way to */
	struct balance_past past;
};

enum balance_reason {
	BALANCE_HOST_FULL, /* taken: the host is above its target */
	BALANCE_FOR_OTHER, /* taken: another one waits for memory */
	BALANCE_WAITING,   /* given: it waits for memory */
	BALANCE_ROOM,	   /* given: the host has memory to spare */
	BALANCE_UNWILLING, /* 0 bytes: rule 6 */
};

extern const char
	*const balance_reason_names[]; /* "full", "other", "waiting", "room", "unwilling" */

struct balance_order {
	size_t member;
	int64_t bytes; /* to it, or less than 0: from it */
	enum balance_reason reason;
	size_t other; /* BALANCE_FOR_OTHER: for whom */
};

/* orders has room for n; how many there are now, none of two for the same member. */
size_t balance_round(const struct balance_policy *policy, const struct balance_host *host,
		     struct balance_member *members, size_t n, struct balance_order *orders);

#define BALANCE_TEXT_MAX 256
/* What a VM's balloon is to hold once the order is done. */
uint64_t balance_held(const struct balance_order *order, const struct balance_member *member);
/* An order and its reason as one line for people; into text, which is returned. */
const char *balance_explain(const struct balance_order *order, const struct balance_host *host,
			    const struct balance_member *members, char text[BALANCE_TEXT_MAX]);

#endif
