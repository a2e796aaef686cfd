/*
 * ENVELOPE (RFC 9051 §7.5.2). All slices are raw header values (RFC 2047 words are
 * not decoded) and live as long as the event that brought them.
 */
#ifndef IMAP_ENVELOPE_H
#define IMAP_ENVELOPE_H

#include <stddef.h>

#include <imap/slice.h>

struct imap_address {
	struct slice name, route, mailbox, host; /* group syntax: host is NIL */
};

struct imap_address_list {
	const struct imap_address *items;
	size_t count;
};

struct imap_envelope {
	struct slice date, subject;
	struct imap_address_list from, sender, reply_to, to, cc, bcc;
	struct slice in_reply_to, message_id;
};

#endif
