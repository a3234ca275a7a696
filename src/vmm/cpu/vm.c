// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/vm.h"
#include "base/mem.h"
#include "vmm/layout.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#define VM_API 12 /* the one there has been since Linux 2.6.22 */

struct vm {
	int kvm, fd;
	/* Routes as KVM takes them, always all at once: header and entries. */
	struct kvm_irq_routing *routes;
};

struct vm_capability {
	int number;
	const char *what;
};

/* All are there since Linux 4.4. */
static const struct vm_capability vm_capabilities[] = {
	{ KVM_CAP_USER_MEMORY, "memory slots" },
	{ KVM_CAP_SPLIT_IRQCHIP, "a split interrupt chip" },
	{ KVM_CAP_IRQFD, "interrupts by eventfd" },
	{ KVM_CAP_IOEVENTFD, "doorbells by eventfd" },
	{ KVM_CAP_SIGNAL_MSI, "message-signalled interrupts" },
	{ KVM_CAP_IRQ_ROUTING, "interrupt routes" },
	{ KVM_CAP_EXT_CPUID, "CPUID lists" },
	{ KVM_CAP_IMMEDIATE_EXIT, "immediate exits" },
};

static int vm_check(int kvm, struct err *err)
{
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != VM_API)
		return err_set(err, -ENODEV, "/dev/kvm is no KVM");
	for (size_t i = 0; i < ARRAY_SIZE(vm_capabilities); i++) {
		if (ioctl(kvm, KVM_CHECK_EXTENSION, vm_capabilities[i].number) <= 0)
			return err_set(err, -EOPNOTSUPP,
				       "this host's KVM has no %s; use --engine qemu",
				       vm_capabilities[i].what);
	}
	return 0;
}

/* What a VM is made with. */
struct vm_site {
	const struct ram *ram;
	const struct vm_window *window;
};

static int vm_create(struct vm *vm, const struct vm_site *site _unused_, struct err *err)
{
	do
		vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	while (vm->fd < 0 && errno == EINTR);
	return vm->fd < 0 ? err_errno(err, -errno, "KVM makes no VM") : 0;
}

static int vm_add_memory(struct vm *vm, const struct vm_site *site, struct err *err)
{
	const struct ram_region *regions;
	size_t n = ram_regions(site->ram, &regions);

	for (size_t i = 0; i < n; i++) {
		struct kvm_userspace_memory_region slot = {
			.slot = (uint32_t)i,
			.guest_phys_addr = regions[i].gpa,
			.memory_size = regions[i].size,
			.userspace_addr = (uint64_t)(uintptr_t)regions[i].host,
		};

		if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
			return err_errno(err, -errno, "KVM takes no memory of %ju MiB",
					 (uintmax_t)(regions[i].size >> 20));
	}
	return 0;
}

/* A KVM without such memory (KVM_CAP_READONLY_MEM) does without: then the reads come out too. */
static int vm_add_window(struct vm *vm, const struct vm_site *site, struct err *err)
{
	const struct vm_window *window = site->window;
	struct kvm_userspace_memory_region slot = { .slot = RAM_REGIONS_MAX,
						    .flags = KVM_MEM_READONLY };

	if (!window || ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM) <= 0)
		return 0;
	slot.guest_phys_addr = window->gpa;
	slot.memory_size = window->size;
	slot.userspace_addr = (uint64_t)(uintptr_t)window->host;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return err_errno(err, -errno, "KVM takes no memory that is only read");
	return 0;
}

/* Pages that only some Intel CPUs need, while a vCPU is in real mode. AMD's KVM takes them as well. */
static int vm_place_pages(struct vm *vm, const struct vm_site *site _unused_, struct err *err)
{
	uint64_t identity = LAYOUT_IDENTITY_MAP;

	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 ||
	    ioctl(vm->fd, KVM_SET_TSS_ADDR, LAYOUT_TSS) < 0)
		return err_errno(err, -errno, "KVM does not place its pages");
	return 0;
}

static int vm_add_interrupts(struct vm *vm, const struct vm_site *site _unused_, struct err *err)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { LAYOUT_PINS } };

	if (ioctl(vm->fd, KVM_ENABLE_CAP, &split) < 0)
		return err_errno(err, -errno, "KVM makes no local interrupt controllers");
	return 0;
}

static int (*const vm_steps[])(struct vm *vm, const struct vm_site *site, struct err *err) = {
	vm_create, vm_add_memory, vm_add_window, vm_place_pages, vm_add_interrupts,
};

int vm_new(int kvm, const struct ram *ram, const struct vm_window *window, struct vm **ret,
	   struct err *err)
{
	const struct vm_site site = { .ram = ram, .window = window };
	struct vm *vm;
	int r = vm_check(kvm, err);

	if (r < 0)
		return r;
	vm = mem_zalloc(sizeof(*vm));
	*vm = (struct vm){ .kvm = kvm, .fd = -EBADF };
	vm->routes = mem_zalloc(sizeof(*vm->routes));
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(vm_steps); i++)
		r = vm_steps[i](vm, &site, err);
	if (r < 0) {
		vm_free(vm);
		return r;
	}
	*ret = vm;
	return 0;
}

void vm_close(struct vm *vm)
{
	if (vm)
		vm->fd = fd_close(vm->fd);
}

struct vm *vm_free(struct vm *vm)
{
	if (!vm)
		return NULL;
	fd_close(vm->fd);
	free(vm->routes);
	free(vm);
	return NULL;
}

int vm_fd(const struct vm *vm)
{
	return vm->fd;
}

int vm_kvm(const struct vm *vm)
{
	return vm->kvm;
}

static struct kvm_irq_routing_entry *vm_find_route(struct vm *vm, uint32_t gsi)
{
	for (uint32_t i = 0; i < vm->routes->nr; i++) {
		if (vm->routes->entries[i].gsi == gsi)
			return &vm->routes->entries[i];
	}
	return NULL;
}

static int vm_set_routes(struct vm *vm)
{
	return ioctl(vm->fd, KVM_SET_GSI_ROUTING, vm->routes) < 0 ? -errno : 0;
}

static struct kvm_irq_routing_entry *vm_add_route(struct vm *vm, uint32_t gsi)
{
	uint32_t n = vm->routes->nr;
	struct kvm_irq_routing_entry *entry;

	vm->routes = mem_realloc(vm->routes, 1,
				 sizeof(*vm->routes) + (n + 1) * sizeof(*vm->routes->entries));
	entry = &vm->routes->entries[n];
	memset(entry, 0, sizeof(*entry));
	entry->gsi = gsi;
	vm->routes->nr++;
	return entry;
}

static int vm_route(void *ctx, uint32_t gsi, uint64_t address, uint32_t data)
{
	struct vm *vm = ctx;
	struct kvm_irq_routing_entry *entry;

	if (gsi >= VM_GSI_MAX)
		return -ENOSPC;
	entry = vm_find_route(vm, gsi);
	if (!entry)
		entry = vm_add_route(vm, gsi);
	entry->type = KVM_IRQ_ROUTING_MSI;
	entry->u.msi.address_lo = (uint32_t)address;
	entry->u.msi.address_hi = (uint32_t)(address >> 32);
	entry->u.msi.data = data;
	return vm_set_routes(vm);
}

static int vm_unroute(void *ctx, uint32_t gsi)
{
	struct vm *vm = ctx;
	struct kvm_irq_routing_entry *entry = vm_find_route(vm, gsi);

	if (!entry)
		return 0;
	*entry = vm->routes->entries[--vm->routes->nr];
	return vm_set_routes(vm);
}

static int vm_irqfd(void *ctx, uint32_t gsi, int fd, int assign)
{
	const struct vm *vm = ctx;
	struct kvm_irqfd irqfd = { .fd = (uint32_t)fd,
				   .gsi = gsi,
				   .flags = assign ? 0 : KVM_IRQFD_FLAG_DEASSIGN };

	return ioctl(vm->fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

static int vm_ioeventfd(void *ctx, uint64_t gpa, uint32_t len, int fd, int assign)
{
	const struct vm *vm = ctx;
	struct kvm_ioeventfd doorbell = {
		.addr = gpa, .len = len, .fd = fd, .flags = assign ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &doorbell) < 0 ? -errno : 0;
}

static int vm_signal(void *ctx, uint64_t address, uint32_t data)
{
	const struct vm *vm = ctx;
	struct kvm_msi msi = { .address_lo = (uint32_t)address,
			       .address_hi = (uint32_t)(address >> 32),
			       .data = data };

	return ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) < 0 ? -errno : 0;
}

static const struct hv_ops vm_hv_ops = {
	.route = vm_route,
	.unroute = vm_unroute,
	.irqfd = vm_irqfd,
	.ioeventfd = vm_ioeventfd,
	.signal = vm_signal,
};

struct hv vm_hv(struct vm *vm)
{
	return (struct hv){ .ops = &vm_hv_ops, .ctx = vm };
}
