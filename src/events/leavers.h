/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Peers that close their connection before libnng 1.5.2 (Debian 12) has sent its greeting. libnng
 * takes the error of its write, EPIPE, for the end of its listener and accepts nobody any more; and
 * of those who wait in a listener that is closed it keeps connection and memory for ever. Told
 * ECONNRESET instead, it goes on with the next.
 */

/* Errors on sockets of this path are told so from now on; "": on none. */
void leavers_at(const char *path);
