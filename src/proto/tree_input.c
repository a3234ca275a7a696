// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/tree-internal.h"

#include <string.h>
#include <unistd.h>

void tree_input_release(struct tree_input *input)
{
	buf_release(&input->in);
}

int tree_input_broken(struct tree_input *input)
{
	return err_set(input->err, -EBADMSG, "the files arrived broken");
}

/* Makes n bytes available at in.data + done. */
static int tree_input_fill(struct tree_input *input, size_t n)
{
	struct buf *in = &input->in;

	if (input->done) {
		buf_consume(in, input->done);
		input->done = 0;
	}
	while (in->len < n) {
		ssize_t got;

		buf_reserve(in, TREE_STREAM_DATA_MAX);
		got = read(input->fd, in->data + in->len, TREE_STREAM_DATA_MAX);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(input->err, -errno, "cannot receive the files");
		if (!got)
			return err_set(input->err, -EPIPE, "the copy broke off");
		in->len += (size_t)got;
	}
	return 0;
}

int tree_input_next(struct tree_input *input, struct wire_reader *ret)
{
	struct wire_reader head;
	uint32_t len;
	int r, type;

	if (input->in.len - input->done < TREE_RECORD_HEAD) {
		r = tree_input_fill(input, TREE_RECORD_HEAD);
		if (r < 0)
			return r;
	}
	head = wire_read(input->in.data + input->done, TREE_RECORD_HEAD);
	type = wire_get_u8(&head);
	len = wire_get_u32(&head);
	if (!type || len > TREE_RECORD_MAX)
		return tree_input_broken(input);
	if (input->in.len - input->done < TREE_RECORD_HEAD + len) {
		r = tree_input_fill(input, TREE_RECORD_HEAD + len);
		if (r < 0)
			return r;
	}
	*ret = wire_read(input->in.data + input->done + TREE_RECORD_HEAD, len);
	input->done += TREE_RECORD_HEAD + len;
	return type;
}

int tree_input_start(struct tree_input *input, unsigned int *ret_flags)
{
	struct wire_reader r = { 0 };
	int type = tree_input_next(input, &r);

	if (type < 0)
		return type;
	if (type != TREE_RECORD_START || wire_get_u32(&r) != TREE_MAGIC)
		return tree_input_broken(input);
	if (wire_get_u16(&r) != TREE_VERSION)
		return err_set(input->err, -EPROTO,
			       "the files come from another version of brig; restart the instance");
	*ret_flags = wire_get_u8(&r);
	return wire_end(&r) < 0 ? tree_input_broken(input) : 0;
}
