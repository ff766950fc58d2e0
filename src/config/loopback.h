/* SPDX-License-Identifier: MIT */
#pragma once
/* Addresses that only this machine reaches. */

#include <stdbool.h>
#include <sys/socket.h>

/* 127.0.0.1:PORT or [::1]:PORT, and no name, which would have to be looked up. Port 0: any. */
bool loopback_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len);
