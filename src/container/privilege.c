// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/privilege.h"
#include "container/inner.h"

#include <linux/capability.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Otherwise the session's keys of whoever called brig could be used inside. A host without keyrings has
 * nothing to lose. */
static void privilege_new_keyring(void)
{
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
}

static struct caps_sets privilege_sets(const struct privilege *privilege,
				       const struct process_identity *identity)
{
	static const struct caps_sets none;

	return privilege->caps_of_root && identity->uid ? none : privilege->caps;
}

/* Without no_new_privs the filter needs CAP_SYS_ADMIN up to the end. */
static int privilege_keeps_admin(const struct privilege *privilege)
{
	return privilege->filter && !privilege->no_new_privs;
}

static int privilege_change_ids(const struct process_identity *identity, struct err *err)
{
	int r;

	/* root stays root, with all of them */
	if (!identity->uid)
		return process_become(identity, err);
	/* capabilities survive the change of ids this once, so that it is for us to say which */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_errno(err, -errno, "cannot keep capabilities");
	r = process_become(identity, err);
	if (r == 0 && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		r = err_errno(err, -errno, "cannot let go of capabilities");
	return r;
}

int privilege_become(const struct privilege *privilege, const struct process_identity *identity,
		     struct err *err)
{
	struct caps_sets sets = privilege_sets(privilege, identity);
	int r = caps_limit(privilege->bounding, err);

	if (!privilege->keep_keyring)
		privilege_new_keyring();
	if (r == 0)
		r = privilege_change_ids(identity, err);
	if (r == 0)
		r = privilege_keeps_admin(privilege)
			    ? caps_set_effective(sets.effective | CAPS_BIT(CAP_SYS_ADMIN), err)
			    : caps_set(&sets, err);
	if (r < 0)
		return r;
	/* a change of credentials clears it, unless it only takes away: so it comes after this one */
	if (prctl(PR_SET_PDEATHSIG, privilege->death_signal) < 0)
		return err_errno(err, -errno, "cannot tie the container to its keeper");
	return 0;
}

static int privilege_filter(const struct privilege *privilege, struct err *err)
{
	struct inner_report report = { .kind = INNER_LISTENER };

	if (!privilege->filter)
		return 0;
	if (privilege->listener_to < 0)
		return filter_install(privilege->filter, privilege->filter_flags, err);
	return filter_install_listener(privilege->filter, privilege->filter_flags,
				       privilege->listener_to, &report, sizeof(report), err);
}

int privilege_finish(const struct privilege *privilege, const struct process_identity *identity,
		     struct err *err)
{
	struct caps_sets sets = privilege_sets(privilege, identity);
	int r;

	if (privilege->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, -errno, "cannot set no_new_privs");
	r = privilege_filter(privilege, err);
	if (r == 0 && privilege_keeps_admin(privilege))
		r = caps_set(&sets, err);
	return r;
}
