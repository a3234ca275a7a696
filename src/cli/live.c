// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/live.h"

#include <string.h>

static void live_format(struct live *live, struct buf *out)
{
	struct meter *meter = &live->meter;
	size_t vms = 0;

	for (size_t i = 0; i < meter->n; i++)
		vms += meter->rows[i].view.record.kind == INSTANCE_VM;
	if (live->keys)
		buf_printf(out, "%zu containers, %zu VMs; by %s%s (keys: %s)\n", meter->n - vms,
			   vms, meter_key_name(live->sort),
			   live->turned ? ", the smallest first" : "", meter_keys);
	(void)meter_sort(meter, live->sort);
	if (live->turned)
		meter_turn(meter);
	meter_format(meter, 1, out);
}

static void live_draw(void *ctx)
{
	struct live *live = ctx;
	_cleanup_buf_ struct buf text = BUF_INIT;

	live_format(live, &text);
	if (screen_draw(live->screen, text.data) < 0)
		loop_exit(live->loop, 0);
}

static void live_on_timer(void *ctx)
{
	struct live *live = ctx;

	if (meter_read(&live->meter, METER_CPU_SINCE_LAST, &live->err) < 0) {
		loop_exit(live->loop, live->err.code);
		return;
	}
	live_draw(live);
	loop_timer_set(live->timer, live->interval_ms);
}

static void live_on_key(void *ctx, char key)
{
	struct live *live = ctx;

	if (key == 'q') {
		loop_exit(live->loop, 0);
		return;
	}
	if (!live->keys || !meter_key_name(key))
		return;
	live->turned = key == live->sort && !live->turned;
	live->sort = key;
	live_draw(live);
}

static int live_watch(struct live *live, struct err *err)
{
	static const struct screen_ops ops = { .key = live_on_key, .redraw = live_draw };
	int r = meter_read(&live->meter, METER_CPU_SINCE_START, err);

	if (r == 0)
		r = screen_new(live->loop, &ops, live, &live->screen, err);
	if (r < 0)
		return r;
	live->timer = loop_add_timer(live->loop, live_on_timer, live);
	if (!live->timer)
		return err_errno(err, -errno, "cannot make a timer");
	loop_timer_set(live->timer, live->interval_ms);
	live_draw(live);
	return loop_run(live->loop);
}

int live_run(struct live *live, struct err *err)
{
	int r = loop_new(&live->loop, err);

	if (r < 0)
		return r;
	r = live_watch(live, err);
	loop_source_free(live->timer);
	live->screen = screen_free(live->screen);
	loop_free(live->loop);
	if (err_is_set(&live->err))
		*err = live->err;
	if (r == 0 && !live->keys) {
		_cleanup_buf_ struct buf text = BUF_INIT;

		live_format(live, &text);
		fwrite(text.data, 1, text.len, stdout);
	}
	meter_release(&live->meter);
	return r;
}
