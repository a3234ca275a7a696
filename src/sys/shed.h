/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_SHED_H
#define SYS_SHED_H

/*
 * Gives back what the process has in memory and will hardly want again: free memory of the heap, and the program's pages as
 * far as they are its file's. What of those is wanted comes back from the page cache, with a fault each; so call it
 * once what a start takes is over. Takes no system calls but brk and madvise.
 */
void shed(void);

#endif
