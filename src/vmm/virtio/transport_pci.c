// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: each part of BAR 0 has pages of its own, so the notify page is all that ioeventfds share. The
 * common configuration is a table of fields: a write reaches those that it holds whole, a read copies out
 * of all of them as they are now, so any width and alignment is fine.
 *
 * Invariants:
 *  1. An ioeventfd is on only while the driver is ready, its queue is enabled and the BAR is somewhere;
 *     transport_wire() makes it so after every change of these, before the device hears of a reset.
 *  2. A kick is never lost: what no ioeventfd catches is a write to the notify page.
 *  3. From a reset on no vector is set, so nothing raises an interrupt until the driver chose anew.
 */
#include "vmm/virtio/transport_pci.h"
#include "base/mem.h"
#include "vmm/bus/msix.h"

#include <string.h>
#include <sys/eventfd.h>

/* BAR 0, in pages. */
#define TRANSPORT_PAGE	 0x1000U
#define TRANSPORT_COMMON 0x0000U
#define TRANSPORT_ISR	 0x1000U
#define TRANSPORT_CONFIG 0x2000U
#define TRANSPORT_NOTIFY 0x3000U
#define TRANSPORT_TABLE	 0x4000U
#define TRANSPORT_PBA	 0x5000U
#define TRANSPORT_BAR	 0x8000U

#define TRANSPORT_NOTIFY_STRIDE 4U

#define TRANSPORT_VENDOR      0x1af4
#define TRANSPORT_DEVICE_BASE 0x1040

/* virtio 1.2, 4.1.4: a vendor capability's body, behind its id and next, and the kinds of it. */
#define TRANSPORT_CAPABILITY	   0x09
#define TRANSPORT_CAPABILITY_LEN   14
#define TRANSPORT_CAPABILITY_BAR   2
#define TRANSPORT_CAPABILITY_START 6
#define TRANSPORT_CAPABILITY_SIZE  10
#define TRANSPORT_CAPABILITY_MORE  14 /* the notify stride; the window's data */
#define TRANSPORT_CAP_COMMON	   1
#define TRANSPORT_CAP_NOTIFY	   2
#define TRANSPORT_CAP_ISR	   3
#define TRANSPORT_CAP_CONFIG	   4
#define TRANSPORT_CAP_WINDOW	   5

#define TRANSPORT_ISR_QUEUE  1U
#define TRANSPORT_ISR_CONFIG 2U

/* The common configuration: virtio 1.2, 4.1.4.3. */
enum transport_register {
	REG_OFFERED_SELECT = 0x00,
	REG_OFFERED = 0x04,
	REG_ACCEPTED_SELECT = 0x08,
	REG_ACCEPTED = 0x0c,
	REG_CONFIG_VECTOR = 0x10,
	REG_QUEUES = 0x12,
	REG_STATUS = 0x14,
	REG_GENERATION = 0x15,
	REG_QUEUE_SELECT = 0x16,
	REG_QUEUE_SIZE = 0x18,
	REG_QUEUE_VECTOR = 0x1a,
	REG_QUEUE_ENABLE = 0x1c,
	REG_QUEUE_NOTIFY = 0x1e,
	REG_QUEUE_DESCRIPTORS = 0x20,
	REG_QUEUE_DRIVER = 0x28,
	REG_QUEUE_DEVICE = 0x30,
	REG_QUEUE_NOTIFY_DATA = 0x38,
	REG_QUEUE_RESET = 0x3a,
	REG_END = 0x3c,
};

struct transport_queue {
	struct transport_pci *transport;
	unsigned int index;
	struct queue_setup setup;
	uint16_t vector;
	int kick;
	struct loop_source *watch; /* of kick */
	uint8_t taken;		   /* kicks go to the device, not to who holds the descriptor */
	uint64_t wired;		   /* where the ioeventfd is on; 0: nowhere */
};

struct transport_pci {
	struct hv hv;
	struct virtio *virtio;
	struct pci_device *device;
	struct msix *msix;
	uint64_t base; /* of BAR 0; 0: nowhere */
	uint32_t offered_select, accepted_select;
	uint16_t config_vector, queue_select;
	uint8_t isr, running;
	uint8_t window[TRANSPORT_CAPABILITY_MORE + 4];
	unsigned int n_queues;
	struct transport_queue queues[];
};

static struct queue *transport_core(const struct transport_queue *queue)
{
	return virtio_queue(queue->transport->virtio, queue->index);
}

static uint64_t transport_wanted(const struct transport_queue *queue)
{
	const struct transport_pci *transport = queue->transport;

	if (!transport->running || !transport->base || !queue_enabled(transport_core(queue)) ||
	    virtio_queue_resetting(transport->virtio, queue->index))
		return 0;
	return transport->base + TRANSPORT_NOTIFY +
	       (uint64_t)TRANSPORT_NOTIFY_STRIDE * queue->index;
}

static void transport_wire_queue(struct transport_queue *queue, uint64_t wanted)
{
	const struct hv *hv = &queue->transport->hv;

	if (queue->wired == wanted)
		return;
	if (queue->wired)
		(void)hv->ops->ioeventfd(hv->ctx, queue->wired, 0, queue->kick, 0);
	queue->wired = 0;
	/* of any length: those KVM finds without decoding the instruction; without one, kicks are exits */
	if (wanted && hv->ops->ioeventfd(hv->ctx, wanted, 0, queue->kick, 1) == 0)
		queue->wired = wanted;
}

static void transport_wire(struct transport_pci *transport)
{
	for (unsigned int i = 0; i < transport->n_queues; i++)
		transport_wire_queue(&transport->queues[i],
				     transport_wanted(&transport->queues[i]));
}

static void transport_moved(void *ctx, uint64_t base)
{
	struct transport_pci *transport = ctx;

	transport->base = base;
	transport_wire(transport);
}

static void transport_clear_queue(struct transport_queue *queue)
{
	queue->setup = (struct queue_setup){ .size = queue_size_max(transport_core(queue)) };
	queue->vector = VIRTIO_NO_VECTOR;
}

static void transport_clear(struct transport_pci *transport)
{
	transport->offered_select = transport->accepted_select = 0;
	transport->queue_select = 0;
	transport->config_vector = VIRTIO_NO_VECTOR;
	transport->isr = 0;
	for (unsigned int i = 0; i < transport->n_queues; i++)
		transport_clear_queue(&transport->queues[i]);
}

/* What the core asks of its transport. */

static void transport_raise(void *ctx, int queue)
{
	struct transport_pci *transport = ctx;
	uint16_t vector = queue < 0 ? transport->config_vector : transport->queues[queue].vector;

	transport->isr |= queue < 0 ? TRANSPORT_ISR_CONFIG : TRANSPORT_ISR_QUEUE;
	if (vector != VIRTIO_NO_VECTOR)
		msix_raise(transport->msix, vector);
}

static void transport_take_kicks(void *ctx, unsigned int queue, int take)
{
	struct transport_pci *transport = ctx;

	transport->queues[queue].taken = take != 0;
	loop_source_set_events(transport->queues[queue].watch, take ? EPOLLIN : 0);
}

static int transport_kick_fd(void *ctx, unsigned int queue)
{
	return ((struct transport_pci *)ctx)->queues[queue].kick;
}

static int transport_call_fd(void *ctx, unsigned int queue)
{
	struct transport_pci *transport = ctx;

	return msix_fd(transport->msix, transport->queues[queue].vector);
}

static const struct virtio_transport_ops transport_ops = {
	.raise = transport_raise,
	.take_kicks = transport_take_kicks,
	.kick_fd = transport_kick_fd,
	.call_fd = transport_call_fd,
};

static void transport_on_kick(void *ctx, uint32_t events _unused_)
{
	struct transport_queue *queue = ctx;
	uint64_t count;

	if (read(queue->kick, &count, sizeof(count)) == (ssize_t)sizeof(count))
		virtio_kicked(queue->transport->virtio, queue->index);
}

/* A kick that came as an access. */
static void transport_notify(struct transport_pci *transport, uint64_t index)
{
	const uint64_t one = 1;
	struct transport_queue *queue;
	ssize_t n;

	if (index >= transport->n_queues)
		return;
	queue = &transport->queues[index];
	if (queue->taken) {
		virtio_kicked(transport->virtio, queue->index);
		return;
	}
	n = write(queue->kick, &one, sizeof(one)); /* fails only when it is full of kicks */
	(void)n;
}

/* The common configuration. */

/* The queue that the driver has selected, or NULL. */
static struct transport_queue *transport_selected(struct transport_pci *transport)
{
	return transport->queue_select < transport->n_queues
		       ? &transport->queues[transport->queue_select]
		       : NULL;
}

static uint32_t transport_half(uint64_t features, uint32_t half)
{
	return half > 1 ? 0 : (uint32_t)(features >> (32 * half));
}

static void transport_fill_queue(const struct transport_queue *queue, uint8_t *registers)
{
	int resetting = virtio_queue_resetting(queue->transport->virtio, queue->index);

	bus_set_value(registers + REG_QUEUE_SIZE, 2, queue->setup.size);
	bus_set_value(registers + REG_QUEUE_VECTOR, 2, queue->vector);
	bus_set_value(registers + REG_QUEUE_ENABLE, 2,
		      !resetting && queue_enabled(transport_core(queue)));
	bus_set_value(registers + REG_QUEUE_NOTIFY, 2, queue->index);
	bus_set_value(registers + REG_QUEUE_DESCRIPTORS, 8, queue->setup.descriptors);
	bus_set_value(registers + REG_QUEUE_DRIVER, 8, queue->setup.driver);
	bus_set_value(registers + REG_QUEUE_DEVICE, 8, queue->setup.device);
	bus_set_value(registers + REG_QUEUE_NOTIFY_DATA, 2, queue->index);
	bus_set_value(registers + REG_QUEUE_RESET, 2, (uint64_t)resetting);
}

static void transport_fill(struct transport_pci *transport, uint8_t *registers)
{
	const struct virtio *virtio = transport->virtio;
	const struct transport_queue *queue = transport_selected(transport);

	memset(registers, 0, REG_END);
	bus_set_value(registers + REG_OFFERED_SELECT, 4, transport->offered_select);
	bus_set_value(registers + REG_OFFERED, 4,
		      transport_half(virtio_offered(virtio), transport->offered_select));
	bus_set_value(registers + REG_ACCEPTED_SELECT, 4, transport->accepted_select);
	bus_set_value(registers + REG_ACCEPTED, 4,
		      transport_half(virtio_accepted(virtio), transport->accepted_select));
	bus_set_value(registers + REG_CONFIG_VECTOR, 2, transport->config_vector);
	bus_set_value(registers + REG_QUEUES, 2, transport->n_queues);
	registers[REG_STATUS] = virtio_status(virtio);
	registers[REG_GENERATION] = virtio_generation(virtio);
	bus_set_value(registers + REG_QUEUE_SELECT, 2, transport->queue_select);
	bus_set_value(registers + REG_QUEUE_VECTOR, 2, VIRTIO_NO_VECTOR);
	if (queue)
		transport_fill_queue(queue, registers);
}

static void transport_common_read(struct transport_pci *transport, uint64_t offset, void *data,
				  size_t len)
{
	uint8_t registers[REG_END];

	if (offset >= REG_END)
		return;
	transport_fill(transport, registers);
	memcpy(data, registers + offset, len < REG_END - offset ? len : REG_END - offset);
}

static void transport_set_select(struct transport_pci *transport, unsigned int reg, uint32_t value)
{
	if (reg == REG_OFFERED_SELECT)
		transport->offered_select = value;
	else if (reg == REG_ACCEPTED_SELECT)
		transport->accepted_select = value;
	else
		transport->queue_select = (uint16_t)value;
}

static void transport_set_accepted(struct transport_pci *transport, unsigned int reg _unused_,
				   uint32_t value)
{
	virtio_accept(transport->virtio, transport->accepted_select, value);
}

static void transport_set_status(struct transport_pci *transport, unsigned int reg _unused_,
				 uint32_t value)
{
	if (!value) {
		transport->running = 0;
		transport_wire(transport);
		virtio_set_status(transport->virtio, 0);
		transport_clear(transport);
		return;
	}
	virtio_set_status(transport->virtio, (uint8_t)value);
	transport->running = virtio_active(transport->virtio) != 0;
	transport_wire(transport);
}

/* A vector that there is not reads back as none: 4.1.5.1.2.1. */
static void transport_set_vector(struct transport_pci *transport, unsigned int reg, uint32_t value)
{
	struct transport_queue *queue = transport_selected(transport);
	uint16_t vector =
		value < msix_vectors(transport->msix) ? (uint16_t)value : VIRTIO_NO_VECTOR;

	if (reg == REG_CONFIG_VECTOR)
		transport->config_vector = vector;
	else if (queue)
		queue->vector = vector;
}

/* The selected queue, if it may be set up now. */
static struct transport_queue *transport_open_queue(struct transport_pci *transport)
{
	struct transport_queue *queue = transport_selected(transport);

	return queue && !queue_enabled(transport_core(queue)) ? queue : NULL;
}

static void transport_set_queue_size(struct transport_pci *transport, unsigned int reg _unused_,
				     uint32_t value)
{
	struct transport_queue *queue = transport_open_queue(transport);

	if (queue && value && value <= queue_size_max(transport_core(queue)) &&
	    !(value & (value - 1)))
		queue->setup.size = (uint16_t)value;
}

static void transport_set_queue_address(struct transport_pci *transport, unsigned int reg,
					uint32_t value)
{
	struct transport_queue *queue = transport_open_queue(transport);
	unsigned int shift = reg % 8 ? 32 : 0;
	uint64_t *address;

	if (!queue)
		return;
	if (reg < REG_QUEUE_DRIVER)
		address = &queue->setup.descriptors;
	else
		address = reg < REG_QUEUE_DEVICE ? &queue->setup.driver : &queue->setup.device;
	*address &= ~((uint64_t)UINT32_MAX << shift);
	*address |= (uint64_t)value << shift;
}

static void transport_set_queue_enable(struct transport_pci *transport, unsigned int reg _unused_,
				       uint32_t value)
{
	const struct transport_queue *queue = transport_selected(transport);

	if (!queue || value != 1)
		return;
	virtio_enable_queue(transport->virtio, queue->index, &queue->setup);
	transport_wire(transport);
}

static void transport_set_queue_reset(struct transport_pci *transport, unsigned int reg _unused_,
				      uint32_t value)
{
	struct transport_queue *queue = transport_selected(transport);

	if (!queue || value != 1 || !queue_enabled(transport_core(queue)) ||
	    !virtio_has(transport->virtio, VIRTIO_F_RING_RESET))
		return;
	transport_wire_queue(queue, 0);
	virtio_reset_queue(transport->virtio, queue->index);
	transport_clear_queue(queue);
}

static const struct transport_field {
	uint8_t offset, size;
	void (*write)(struct transport_pci *transport, unsigned int reg, uint32_t value);
} transport_fields[] = {
	{ REG_OFFERED_SELECT, 4, transport_set_select },
	{ REG_ACCEPTED_SELECT, 4, transport_set_select },
	{ REG_ACCEPTED, 4, transport_set_accepted },
	{ REG_CONFIG_VECTOR, 2, transport_set_vector },
	{ REG_STATUS, 1, transport_set_status },
	{ REG_QUEUE_SELECT, 2, transport_set_select },
	{ REG_QUEUE_SIZE, 2, transport_set_queue_size },
	{ REG_QUEUE_VECTOR, 2, transport_set_vector },
	{ REG_QUEUE_ENABLE, 2, transport_set_queue_enable },
	{ REG_QUEUE_DESCRIPTORS, 4, transport_set_queue_address },
	{ REG_QUEUE_DESCRIPTORS + 4, 4, transport_set_queue_address },
	{ REG_QUEUE_DRIVER, 4, transport_set_queue_address },
	{ REG_QUEUE_DRIVER + 4, 4, transport_set_queue_address },
	{ REG_QUEUE_DEVICE, 4, transport_set_queue_address },
	{ REG_QUEUE_DEVICE + 4, 4, transport_set_queue_address },
	{ REG_QUEUE_RESET, 2, transport_set_queue_reset },
};

static void transport_common_write(struct transport_pci *transport, uint64_t offset,
				   const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(transport_fields); i++) {
		const struct transport_field *field = &transport_fields[i];

		if (field->offset >= offset && field->offset + field->size <= offset + len)
			field->write(
				transport, field->offset,
				(uint32_t)bus_value(data + (field->offset - offset), field->size));
	}
}

/* BAR 0. */

static void transport_isr_read(struct transport_pci *transport, uint64_t offset, uint8_t *data)
{
	if (offset)
		return;
	data[0] = transport->isr;
	transport->isr = 0;
}

static void transport_bar_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	struct transport_pci *transport = ctx;
	uint64_t within = offset % TRANSPORT_PAGE;

	switch (offset - within) {
	case TRANSPORT_COMMON:
		transport_common_read(transport, within, data, len);
		break;
	case TRANSPORT_ISR:
		transport_isr_read(transport, within, data);
		break;
	case TRANSPORT_CONFIG:
		virtio_config_read(transport->virtio, within, data, len);
		break;
	case TRANSPORT_TABLE:
		msix_table_read(transport->msix, within, data, len);
		break;
	case TRANSPORT_PBA:
		msix_pba_read(transport->msix, within, data, len);
		break;
	default: /* the rest reads as 0 */
		break;
	}
}

static void transport_bar_write(void *ctx, uint64_t offset, const void *data, size_t len)
{
	struct transport_pci *transport = ctx;
	uint64_t within = offset % TRANSPORT_PAGE;

	switch (offset - within) {
	case TRANSPORT_COMMON:
		transport_common_write(transport, within, data, len);
		break;
	case TRANSPORT_CONFIG:
		virtio_config_write(transport->virtio, within, data, len);
		break;
	case TRANSPORT_NOTIFY:
		transport_notify(transport, within / TRANSPORT_NOTIFY_STRIDE);
		break;
	case TRANSPORT_TABLE:
		msix_table_write(transport->msix, within, data, len);
		break;
	default:
		break;
	}
}

static const struct bus_ops transport_bar_ops = { transport_bar_read, transport_bar_write };

/* The window: a guest without access to BAR 0 reaches it by configuration space, 4.1.4.9. */

/* Length of the access that the window stands for; 0 if it makes no sense. */
static size_t transport_window_len(const struct transport_pci *transport, uint64_t *ret_offset)
{
	uint64_t len = bus_value(transport->window + TRANSPORT_CAPABILITY_SIZE, 4);

	*ret_offset = bus_value(transport->window + TRANSPORT_CAPABILITY_START, 4);
	if ((len != 1 && len != 2 && len != 4) || transport->window[TRANSPORT_CAPABILITY_BAR] ||
	    *ret_offset % len || *ret_offset >= TRANSPORT_BAR)
		return 0;
	return (size_t)len;
}

/* Is any of the window's data among these bytes of the body? */
static int transport_window_data(uint64_t offset, size_t len)
{
	return offset + len > TRANSPORT_CAPABILITY_MORE;
}

static void transport_window_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	struct transport_pci *transport = ctx;
	uint64_t at;
	size_t n = transport_window_len(transport, &at);

	if (n && transport_window_data(offset, len)) {
		memset(transport->window + TRANSPORT_CAPABILITY_MORE, 0, 4);
		transport_bar_read(transport, at, transport->window + TRANSPORT_CAPABILITY_MORE, n);
	}
	memcpy(data, transport->window + offset, len);
}

static void transport_window_write(void *ctx, uint64_t offset, const void *data, size_t len)
{
	struct transport_pci *transport = ctx;
	const uint8_t *bytes = data;
	uint64_t at;
	size_t n;

	for (size_t i = 0; i < len; i++) {
		if (offset + i == TRANSPORT_CAPABILITY_BAR ||
		    offset + i >= TRANSPORT_CAPABILITY_START)
			transport->window[offset + i] = bytes[i];
	}
	n = transport_window_len(transport, &at);
	if (n && transport_window_data(offset, len))
		transport_bar_write(transport, at, transport->window + TRANSPORT_CAPABILITY_MORE,
				    n);
}

static const struct bus_ops transport_window_ops = { transport_window_read,
						     transport_window_write };

/* Making one. */

/* What a system without a driver for virtio sees; PCI Code and ID Assignment Specification. */
static uint32_t transport_class(uint16_t type)
{
	static const struct {
		uint16_t type;
		uint32_t class_code;
	} classes[] = {
		{ 1, 0x020000 },  /* net: Ethernet */
		{ 2, 0x018000 },  /* blk: other mass storage */
		{ 3, 0x078000 },  /* console: other communication */
		{ 8, 0x010000 },  /* scsi */
		{ 16, 0x038000 }, /* gpu: other display */
		{ 18, 0x098000 }, /* input: other input */
		{ 19, 0x078000 }, /* vsock: other communication */
		{ 26, 0x018000 }, /* fs: other mass storage */
	};

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (classes[i].type == type)
			return classes[i].class_code;
	}
	return 0x00ff00; /* older than classes are */
}

static int transport_add_capability(struct transport_pci *transport, uint8_t type, uint32_t start,
				    uint32_t size)
{
	uint8_t body[TRANSPORT_CAPABILITY_MORE + 4] = { 0 };
	uint8_t len = TRANSPORT_CAPABILITY_LEN;
	const struct bus_ops *ops = NULL;

	if (type == TRANSPORT_CAP_NOTIFY || type == TRANSPORT_CAP_WINDOW)
		len += 4;
	body[0] = len + 2;
	body[1] = type;
	bus_set_value(body + TRANSPORT_CAPABILITY_START, 4, start);
	bus_set_value(body + TRANSPORT_CAPABILITY_SIZE, 4, size);
	if (type == TRANSPORT_CAP_NOTIFY)
		bus_set_value(body + TRANSPORT_CAPABILITY_MORE, 4, TRANSPORT_NOTIFY_STRIDE);
	if (type == TRANSPORT_CAP_WINDOW) {
		memcpy(transport->window, body, sizeof(transport->window));
		ops = &transport_window_ops;
	}
	return pci_device_add_capability(transport->device, TRANSPORT_CAPABILITY, body, len, ops,
					 transport);
}

static int transport_add_capabilities(struct transport_pci *transport, uint32_t config_size,
				      struct err *err)
{
	const struct {
		uint8_t type;
		uint32_t start, size;
	} parts[] = {
		{ TRANSPORT_CAP_COMMON, TRANSPORT_COMMON, REG_END },
		{ TRANSPORT_CAP_NOTIFY, TRANSPORT_NOTIFY,
		  TRANSPORT_NOTIFY_STRIDE * transport->n_queues },
		{ TRANSPORT_CAP_ISR, TRANSPORT_ISR, 1 },
		{ TRANSPORT_CAP_CONFIG, TRANSPORT_CONFIG,
		  config_size < TRANSPORT_PAGE ? config_size : TRANSPORT_PAGE },
		{ TRANSPORT_CAP_WINDOW, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int r;

		if (parts[i].type == TRANSPORT_CAP_CONFIG && !config_size)
			continue;
		r = transport_add_capability(transport, parts[i].type, parts[i].start,
					     parts[i].size);
		if (r < 0)
			return err_errno(err, r, "cannot describe a virtio device");
	}
	return 0;
}

static int transport_open_kicks(struct transport_pci *transport, struct loop *loop, struct err *err)
{
	for (unsigned int i = 0; i < transport->n_queues; i++) {
		struct transport_queue *queue = &transport->queues[i];

		queue->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (queue->kick >= 0)
			queue->watch =
				loop_watch_fd(loop, queue->kick, EPOLLIN, transport_on_kick, queue);
		if (!queue->watch)
			return err_errno(err, -errno, "cannot watch a device's queues");
	}
	return 0;
}

static struct transport_pci *transport_alloc(const struct hv *hv, struct virtio *virtio)
{
	unsigned int n = virtio_kind(virtio)->n_queues;
	struct transport_pci *transport =
		mem_zalloc(sizeof(*transport) + n * sizeof(transport->queues[0]));

	transport->hv = *hv;
	transport->virtio = virtio;
	transport->n_queues = n;
	for (unsigned int i = 0; i < n; i++)
		transport->queues[i] = (struct transport_queue){
			.transport = transport, .index = i, .kick = -EBADF, .taken = 1
		};
	transport_clear(transport);
	return transport;
}

int transport_pci_new(struct pci *pci, struct msi *msi, const struct hv *hv, struct loop *loop,
		      struct virtio *virtio, struct transport_pci **ret, struct err *err)
{
	const struct virtio_kind *kind = virtio_kind(virtio);
	const struct pci_identity identity = {
		.vendor = TRANSPORT_VENDOR,
		.device = (uint16_t)(TRANSPORT_DEVICE_BASE + kind->type),
		.subsystem_vendor = TRANSPORT_VENDOR,
		.subsystem = (uint16_t)(TRANSPORT_DEVICE_BASE + kind->type),
		.class_code = transport_class(kind->type),
		.revision = 1,
	};
	struct transport_pci *transport = transport_alloc(hv, virtio);
	int r;

	r = transport_open_kicks(transport, loop, err);
	if (r == 0)
		r = pci_device_new(pci, &identity, &transport->device, err);
	if (r == 0)
		r = pci_device_set_bar(transport->device, TRANSPORT_BAR, &transport_bar_ops,
				       transport_moved, transport, err);
	if (r == 0)
		r = transport_add_capabilities(transport, kind->config_size, err);
	if (r == 0)
		r = msix_new(msi, transport->device, transport->n_queues + 1, TRANSPORT_TABLE,
			     TRANSPORT_PBA, &transport->msix, err);
	if (r < 0) {
		(void)err_wrap(err, "%s", kind->name);
		transport_pci_free(transport);
		return r;
	}
	virtio_attach(virtio, &transport_ops, transport);
	*ret = transport;
	return 0;
}

struct transport_pci *transport_pci_free(struct transport_pci *transport)
{
	if (!transport)
		return NULL;
	transport->running = 0;
	transport_wire(transport);
	pci_device_free(transport->device);
	virtio_free(transport->virtio);
	for (unsigned int i = 0; i < transport->n_queues; i++) {
		loop_source_free(transport->queues[i].watch);
		fd_close(transport->queues[i].kick);
	}
	msix_free(transport->msix);
	free(transport);
	return NULL;
}
