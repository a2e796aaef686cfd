/*
 * The one table of capabilities: what a server offers, less what the user switched off.
 */
#ifndef IMAP_CAPABILITY_H
#define IMAP_CAPABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include <imap/slice.h>

/* The order is the order of the table in capability.c. */
enum imap_capability {
	IMAP_CAP_IMAP4REV1,
	IMAP_CAP_IMAP4REV2,
	IMAP_CAP_STARTTLS,
	IMAP_CAP_LOGINDISABLED,
	IMAP_CAP_AUTH_PLAIN,
	IMAP_CAP_AUTH_LOGIN,
	IMAP_CAP_SASL_IR,
	IMAP_CAP_LITERAL_PLUS,
	IMAP_CAP_LITERAL_MINUS,
	IMAP_CAP_ID,
	IMAP_CAP_ENABLE,
	IMAP_CAP_IDLE,
	IMAP_CAP_NAMESPACE,
	IMAP_CAP_CHILDREN,
	IMAP_CAP_UNSELECT,
	IMAP_CAP_UIDPLUS,
	IMAP_CAP_MOVE,
	IMAP_CAP_CONDSTORE,
	IMAP_CAP_QRESYNC,
	IMAP_CAP_ESEARCH,
	IMAP_CAP_LIST_EXTENDED,
	IMAP_CAP_LIST_STATUS,
	IMAP_CAP_SPECIAL_USE,
	IMAP_CAP_STATUS_SIZE,
	IMAP_CAP_OBJECTID,
	IMAP_CAP_SAVEDATE,
	IMAP_CAP_UTF8_ACCEPT,
	IMAP_CAP_X_GM_EXT_1,
	IMAP_CAP_AUTH_CRAM_MD5,
	IMAP_CAP_AUTH_SCRAM_SHA_1,
	IMAP_CAP_AUTH_SCRAM_SHA_256,
	IMAP_CAP_COUNT,
};

struct imap_capabilities {
	bool known;    /* a CAPABILITY was seen since the last reset */
	uint64_t bits; /* 1 << enum imap_capability */
	uint64_t off;  /* switched off: never reported by imap_has() */
};

static inline bool imap_has(const struct imap_capabilities *caps, enum imap_capability cap)
{
	return (caps->bits & ~caps->off) >> cap & 1;
}

/* -1 when unknown. Case-insensitive. */
int imap_capability_find(struct slice name);
const char *imap_capability_name(enum imap_capability cap);
/* Forgets what was offered (TLS started, logged in); what is off stays off. */
void imap_capabilities_reset(struct imap_capabilities *caps);
void imap_capabilities_add(struct imap_capabilities *caps, struct slice name);
/* "NAME,NAME" as in the mount option; unknown names are fine. */
void imap_capabilities_disable(struct imap_capabilities *caps, struct slice names);

#endif
