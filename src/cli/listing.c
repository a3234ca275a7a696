// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/listing.h"

#include <stdio.h>

const struct option listing_options_table[] = { LISTING_OPTIONS, OPTION_END };

void listing_init(struct listing *listing, const struct listing_kind *kind,
		  const struct listing_options *options)
{
	*listing = (struct listing){ .kind = kind,
				     .options = options,
				     .table = table_new(kind->headings),
				     .array = json_new_array() };
}

void listing_release(struct listing *listing)
{
	listing->table = table_free(listing->table);
	json_free(listing->array);
	listing->array = NULL;
}

void listing_add(struct listing *listing, const void *item)
{
	if (listing->options->json)
		json_array_add(listing->array, listing->kind->json(item));
	else if (listing->options->quiet)
		puts(listing->kind->name(item));
	else
		listing->kind->row(item, listing->table);
}

void listing_print(const struct listing *listing)
{
	if (listing->options->json)
		json_print(listing->array);
	else if (!listing->options->quiet)
		table_print(listing->table, !listing->options->no_header);
}
