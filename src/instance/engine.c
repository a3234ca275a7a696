// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/engine.h"
#include "base/mem.h"
#include "sys/kvm_probe.h"

static int engine_has_kvm(const struct instance_home *home, struct kvm_probe_result *ret)
{
	_cleanup_free_ char *cache = mem_printf("%s/cache", home->root);

	return kvm_probe(cache, ret) == KVM_PROBE_OK;
}

static int engine_choose_kvm(const struct driver_ops *kvm, const struct kvm_probe_result *probe,
			     const struct driver_ops **ret, struct err *err)
{
	if (!kvm)
		return err_set(err, -EOPNOTSUPP,
			       "this brig was built without the engine 'kvm'; use --engine qemu or "
			       "auto");
	if (probe->verdict != KVM_PROBE_OK)
		return err_set(err, -EOPNOTSUPP,
			       "the engine 'kvm' does not run here: %s; use --engine qemu or auto",
			       probe->reason);
	*ret = kvm;
	return 0;
}

/* Nothing is said where QEMU runs on the host's KVM: what is lost there is little. */
static int engine_choose_vm(const struct instance_home *home, int engine,
			    const struct driver_ops **ret, char *notice, struct err *err)
{
	const struct driver_ops *kvm = instance_driver(home, INSTANCE_VM, "kvm");
	const struct driver_ops *qemu = instance_driver(home, INSTANCE_VM, "qemu");
	struct kvm_probe_result probe = { 0 };
	int has_kvm = engine != INSTANCE_ENGINE_QEMU && engine_has_kvm(home, &probe);

	if (engine == INSTANCE_ENGINE_KVM || (has_kvm && kvm))
		return engine_choose_kvm(kvm, &probe, ret, err);
	if (!qemu)
		return err_set(err, -EOPNOTSUPP, "this brig was built without QEMU%s%s",
			       *probe.reason ? ", and the engine 'kvm' does not run here: " : "",
			       probe.reason);
	if (engine == INSTANCE_ENGINE_AUTO && !has_kvm)
		snprintf(notice, ENGINE_NOTICE_MAX, "VMs are emulated by QEMU here: %s",
			 probe.reason);
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
