// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/engine.h"
#include "base/mem.h"
#include "sys/kvm_probe.h"

/* Nothing is said where QEMU runs on the host's KVM: what is lost there is little. */
static void engine_explain(const struct instance_home *home, char notice[ENGINE_NOTICE_MAX])
{
	_cleanup_free_ char *cache = mem_printf("%s/cache", home->root);
	struct kvm_probe_result probe = { 0 };

	if (kvm_probe(cache, &probe) != KVM_PROBE_OK)
		snprintf(notice, ENGINE_NOTICE_MAX, "VMs are emulated by QEMU here: %s",
			 probe.reason);
}

static int engine_choose_vm(const struct instance_home *home, int engine,
			    const struct driver_ops **ret, char *notice, struct err *err)
{
	const struct driver_ops *kvm = instance_driver(home, INSTANCE_VM, "kvm");
	const struct driver_ops *qemu = instance_driver(home, INSTANCE_VM, "qemu");

	if (engine == INSTANCE_ENGINE_KVM && !kvm)
		return err_set(
			err, -EOPNOTSUPP,
			"the engine 'kvm' is not part of this brig yet; use --engine qemu or auto");
	if (engine != INSTANCE_ENGINE_QEMU && kvm) {
		*ret = kvm;
		return 0;
	}
	if (!qemu)
		return err_set(err, -EOPNOTSUPP, "this brig was built without an engine for VMs");
	if (engine == INSTANCE_ENGINE_AUTO)
		engine_explain(home, notice);
	*ret = qemu;
	return 0;
}

int engine_choose(const struct instance_home *home, const struct instance *record,
		  const struct driver_ops **ret, char notice[ENGINE_NOTICE_MAX], struct err *err)
{
	notice[0] = '\0';
	if (record->kind == INSTANCE_VM)
		return engine_choose_vm(home, record->engine, ret, notice, err);
	*ret = instance_driver(home, INSTANCE_CONTAINER, NULL);
	if (!*ret)
		return err_set(err, -EOPNOTSUPP, "this brig was built without containers");
	return 0;
}
