/* SPDX-License-Identifier: MIT */
#include "config/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One to five digits. */
static bool parse_port(const char *text, in_port_t *ret_port)
{
	size_t n = strspn(text, "0123456789");
	long port = strtol(text, NULL, 10);

	if (n == 0 || n > 5 || text[n] || port > 65535)
		return false;
	*ret_port = htons((in_port_t)port);
	return true;
}

static bool parse4(const char *host, in_port_t port, struct sockaddr_storage *a, socklen_t *len)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = port };

	if (inet_pton(AF_INET, host, &in.sin_addr) != 1 || ntohl(in.sin_addr.s_addr) >> 24 != 127)
		return false;
	memcpy(a, &in, sizeof(in));
	*len = sizeof(in);
	return true;
}

static bool parse6(const char *host, in_port_t port, struct sockaddr_storage *a, socklen_t *len)
{
	struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_port = port };

	if (inet_pton(AF_INET6, host, &in.sin6_addr) != 1 || !IN6_IS_ADDR_LOOPBACK(&in.sin6_addr))
		return false;
	memcpy(a, &in, sizeof(in));
	*len = sizeof(in);
	return true;
}

bool loopback_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	in_port_t port;
	size_t n;

	if (!colon || !parse_port(colon + 1, &port) || (size_t)(colon - text) >= sizeof(host))
		return false;
	n = (size_t)(colon - text);
	memcpy(host, text, n);
	host[n] = '\0';
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		return parse6(host + 1, port, ret_address, ret_len);
	}
	return parse4(host, port, ret_address, ret_len);
}
