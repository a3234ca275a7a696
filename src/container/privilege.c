// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/privilege.h"
#include "sys/caps.h"

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

int privilege_drop(const struct privilege *privilege, const struct process_identity *identity,
		   struct err *err)
{
	int r = caps_limit(privilege->caps, err);

	privilege_new_keyring();
	/* Without no_new_privs the filter needs CAP_SYS_ADMIN, so it comes before that goes. */
	if (r == 0 && privilege->filter && !privilege->no_new_privs)
		r = filter_install(privilege->filter, err);
	if (r == 0)
		r = process_become(identity, err);
	if (r == 0)
		r = caps_set(identity->uid ? 0 : privilege->caps, err);
	if (r < 0)
		return r;
	if (privilege->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, -errno, "cannot set no_new_privs");
	/* a change of credentials clears it, so it comes after the last one */
	if (prctl(PR_SET_PDEATHSIG, privilege->death_signal) < 0)
		return err_errno(err, -errno, "cannot tie the container to its keeper");
	if (privilege->filter && privilege->no_new_privs)
		r = filter_install(privilege->filter, err);
	return r;
}
