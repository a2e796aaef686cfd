/* Host names to addresses, with a deadline. */
#ifndef IMAP_RESOLVE_H
#define IMAP_RESOLVE_H

#include <netdb.h>
#include <stdint.h>

/* 0 and a list for freeaddrinfo(); -ENOENT (no such host), -EAGAIN (the name service does not work), -ETIMEDOUT,
 * -ECANCELED (stop_fd), -ENOMEM. */
int resolve_host(const char *host, const char *port, int64_t deadline_ms, int stop_fd,
		 struct addrinfo **ret_list);

#endif
