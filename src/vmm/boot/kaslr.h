/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BOOT_KASLR_H
#define VMM_BOOT_KASLR_H

#include <stddef.h>
#include <stdint.h>

/*
 * Where the kernel is, for Linux that starts without its own unpacker, which else would choose. Two choices
 * that do not depend on each other: the physical one is just where it is loaded, and for the virtual one the
 * kernel's own relocations are applied. Linux finds out both by itself as it starts.
 *
 * The relocations follow the ELF file in what a bzImage holds (arch/x86/boot/compressed/misc.c,
 * arch/x86/tools/relocs.c): 32-bit words, each a virtual address below 4 GiB of the sign-extended end of the
 * address space, in lists that begin with a zero: those of 64-bit addresses, those of 32-bit values to be
 * lowered (no longer there from Linux 6.15 on), those of 32-bit values to be raised.
 *
 * It costs memory: the kernel becomes the machine's own, where without it what the guest only reads is shared
 * with all machines of the same kernel. `nokaslr` on the command line buys that back.
 */

#define KASLR_ALIGN	 ((uint64_t)2 << 20)   /* CONFIG_PHYSICAL_ALIGN */
#define KASLR_IMAGE_SIZE ((uint64_t)1 << 30)   /* KERNEL_IMAGE_SIZE: room at the virtual base */
#define KASLR_BASE	 0xffffffff80000000ULL /* __START_KERNEL_map */
#define KASLR_TABLE_MAX	 ((uint64_t)16 << 20)  /* bytes; Debian's are 0.8 and 1.3 MiB */

enum kaslr_list { KASLR_RAISED64, KASLR_LOWERED32, KASLR_RAISED32, KASLR_LISTS };

struct kaslr {
	uint32_t *words;
	struct {
		size_t first, end; /* in words */
	} lists[KASLR_LISTS];
};

/*
 * Reads the lists between offset and the end of the file, size. start, end: the kernel's physical addresses
 * as linked, in which all relocations have to lie. Returns 1; 0 if there are none or they are not what they
 * should be, then the kernel can be loaded only as linked; or -errno. Release in every case.
 */
int kaslr_read(int fd, uint64_t offset, uint64_t size, uint64_t start, uint64_t end,
	       struct kaslr *ret);
void kaslr_release(struct kaslr *kaslr);

/* A random place for len bytes between start, where they are linked, and limit: how much higher than start,
 * a multiple of KASLR_ALIGN; 0 if there is no choice. */
uint64_t kaslr_choose(uint64_t start, uint64_t len, uint64_t limit, uint64_t random);

/* Makes the kernel run offset bytes higher. image: what is linked for the physical address start, len bytes
 * that begin where kaslr_read()'s start was and end where its end was. */
void kaslr_apply(const struct kaslr *kaslr, void *image, uint64_t start, uint64_t offset);

#endif
