// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/kaslr.h"
#include "vmm/boot/load.h"

#include <endian.h>
#include <string.h>

/* The low half of KASLR_BASE: a word less this is a physical address as linked. */
#define KASLR_WORD_BASE ((uint32_t)KASLR_BASE)

/* Each word lies in the kernel or is one of 3 zeroes, or of 2 where the middle list is missing. */
static int kaslr_find_lists(struct kaslr *kaslr, size_t n, uint32_t start, uint32_t end)
{
	size_t zeroes[KASLR_LISTS], found = 0;
	uint32_t room = end - start - sizeof(uint64_t);

	if (kaslr->words[0])
		return 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t word = le32toh(kaslr->words[i]), at = word - KASLR_WORD_BASE - start;

		if (at <= room)
			continue;
		if (word || found == KASLR_LISTS)
			return 0;
		zeroes[found++] = i;
	}
	if (found < 2)
		return 0;
	kaslr->lists[KASLR_RAISED64].first = 1;
	kaslr->lists[KASLR_RAISED64].end = zeroes[1];
	if (found == KASLR_LISTS) {
		kaslr->lists[KASLR_LOWERED32].first = zeroes[1] + 1;
		kaslr->lists[KASLR_LOWERED32].end = zeroes[2];
	}
	kaslr->lists[KASLR_RAISED32].first = zeroes[found - 1] + 1;
	kaslr->lists[KASLR_RAISED32].end = n;
	return 1;
}

int kaslr_read(int fd, uint64_t offset, uint64_t size, uint64_t start, uint64_t end,
	       struct kaslr *ret)
{
	uint64_t len = size - offset;
	int r;

	*ret = (struct kaslr){ .words = NULL };
	if (offset >= size || len % sizeof(uint32_t) || len > KASLR_TABLE_MAX ||
	    end > KASLR_IMAGE_SIZE || end - start < sizeof(uint64_t) || start % KASLR_ALIGN)
		return 0;
	ret->words = malloc(len);
	if (!ret->words)
		return -ENOMEM;
	r = load_read(fd, offset, ret->words, len);
	if (r < 0)
		return r;
	return kaslr_find_lists(ret, len / sizeof(uint32_t), (uint32_t)start, (uint32_t)end);
}

void kaslr_release(struct kaslr *kaslr)
{
	free(kaslr->words);
	*kaslr = (struct kaslr){ .words = NULL };
}

uint64_t kaslr_choose(uint64_t start, uint64_t len, uint64_t limit, uint64_t random)
{
	uint64_t places;

	if (limit < start || limit - start < len)
		return 0;
	places = (limit - start - len) / KASLR_ALIGN + 1;
	/* of 2^64 numbers: the first ones are likelier by less than one in 2^50 */
	return random % places * KASLR_ALIGN;
}

/* Adds to each 32-bit value of a list. */
static void kaslr_add32(const struct kaslr *kaslr, enum kaslr_list list, uint8_t *image,
			uint32_t base, uint32_t offset)
{
	for (size_t i = kaslr->lists[list].first; i < kaslr->lists[list].end; i++) {
		uint8_t *at = image + (le32toh(kaslr->words[i]) - base);
		uint32_t value;

		memcpy(&value, at, sizeof(value));
		value = htole32(le32toh(value) + offset);
		memcpy(at, &value, sizeof(value));
	}
}

static void kaslr_add64(const struct kaslr *kaslr, enum kaslr_list list, uint8_t *image,
			uint32_t base, uint64_t offset)
{
	for (size_t i = kaslr->lists[list].first; i < kaslr->lists[list].end; i++) {
		uint8_t *at = image + (le32toh(kaslr->words[i]) - base);
		uint64_t value;

		memcpy(&value, at, sizeof(value));
		value = htole64(le64toh(value) + offset);
		memcpy(at, &value, sizeof(value));
	}
}

void kaslr_apply(const struct kaslr *kaslr, void *image, uint64_t start, uint64_t offset)
{
	uint32_t base = KASLR_WORD_BASE + (uint32_t)start;

	if (!offset)
		return;
	kaslr_add32(kaslr, KASLR_RAISED32, image, base, (uint32_t)offset);
	kaslr_add32(kaslr, KASLR_LOWERED32, image, base, -(uint32_t)offset);
	kaslr_add64(kaslr, KASLR_RAISED64, image, base, offset);
}
