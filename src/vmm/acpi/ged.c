// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/acpi/ged.h"
#include "base/mem.h"

struct ged {
	ged_line_fn set_line;
	void *ctx;
	uint8_t events; /* the line is up while there are some */
};

static void ged_set(struct ged *ged, uint8_t events)
{
	int changes = !ged->events != !events;

	ged->events = events;
	if (changes)
		ged->set_line(ged->ctx, events != 0);
}

/* The register is the first byte of its ports; the others read as zero. */
static void ged_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	struct ged *ged = ctx;

	if (offset)
		return;
	bus_set_value(data, len, ged->events);
	ged_set(ged, 0);
}

static void ged_write(void *ctx _unused_, uint64_t offset _unused_, const void *data _unused_,
		      size_t len _unused_)
{
}

const struct bus_ops ged_bus_ops = { .read = ged_read, .write = ged_write };

struct ged *ged_new(ged_line_fn set_line, void *ctx)
{
	struct ged *ged = mem_zalloc(sizeof(*ged));

	ged->set_line = set_line;
	ged->ctx = ctx;
	return ged;
}

struct ged *ged_free(struct ged *ged)
{
	free(ged);
	return NULL;
}

void ged_raise(struct ged *ged, enum ged_event event)
{
	ged_set(ged, ged->events | (uint8_t)event);
}
