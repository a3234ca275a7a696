/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_ENGINE_H
#define INSTANCE_ENGINE_H

#include "instance/instance.h"

#define ENGINE_NOTICE_MAX 256

/*
 * The driver that the instance runs on. For a VM, engine auto means our own VMM where the host's KVM can
 * run a stock kernel (a probe decides, see sys/kvm_probe.h), else QEMU; then notice says so in one line.
 * An engine that was asked for and cannot be had is an error. notice is "" otherwise.
 */
int engine_choose(const struct instance_home *home, const struct instance *record,
		  const struct driver_ops **ret, char notice[ENGINE_NOTICE_MAX], struct err *err);

#endif
