/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Meeting points with whoever runs us: outside of our memory cgroup, so it can do what we must not. */
#ifndef MEMPRESS_HOOK_H
#define MEMPRESS_HOOK_H

/* Asks for the hook and waits until it is done; ends the tool if it failed. */
void run_hook(const char *name);

/* With everything still mapped: whoever measures opens the FIFO for writing, and closes it, when we may go on. */
void wait_for_fifo(const char *path);

#endif
