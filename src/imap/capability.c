/*
 * The one table of capabilities. A word that is not here is none of ours; what the
 * words mean is decided by who asks imap_has().
 */
#include <imap/capability.h>

#include "util/slice.h"

static const char *const capability_names[IMAP_CAP_COUNT] = {
	[IMAP_CAP_IMAP4REV1] = "IMAP4rev1",
	[IMAP_CAP_IMAP4REV2] = "IMAP4rev2",
	[IMAP_CAP_STARTTLS] = "STARTTLS",
	[IMAP_CAP_LOGINDISABLED] = "LOGINDISABLED",
	[IMAP_CAP_AUTH_PLAIN] = "AUTH=PLAIN",
	[IMAP_CAP_AUTH_LOGIN] = "AUTH=LOGIN",
	[IMAP_CAP_SASL_IR] = "SASL-IR",
	[IMAP_CAP_LITERAL_PLUS] = "LITERAL+",
	[IMAP_CAP_LITERAL_MINUS] = "LITERAL-",
	[IMAP_CAP_ID] = "ID",
	[IMAP_CAP_ENABLE] = "ENABLE",
	[IMAP_CAP_IDLE] = "IDLE",
	[IMAP_CAP_NAMESPACE] = "NAMESPACE",
	[IMAP_CAP_CHILDREN] = "CHILDREN",
	[IMAP_CAP_UNSELECT] = "UNSELECT",
	[IMAP_CAP_UIDPLUS] = "UIDPLUS",
	[IMAP_CAP_MOVE] = "MOVE",
	[IMAP_CAP_CONDSTORE] = "CONDSTORE",
	[IMAP_CAP_QRESYNC] = "QRESYNC",
	[IMAP_CAP_ESEARCH] = "ESEARCH",
	[IMAP_CAP_LIST_EXTENDED] = "LIST-EXTENDED",
	[IMAP_CAP_LIST_STATUS] = "LIST-STATUS",
	[IMAP_CAP_SPECIAL_USE] = "SPECIAL-USE",
	[IMAP_CAP_STATUS_SIZE] = "STATUS=SIZE",
	[IMAP_CAP_OBJECTID] = "OBJECTID",
	[IMAP_CAP_SAVEDATE] = "SAVEDATE",
	[IMAP_CAP_UTF8_ACCEPT] = "UTF8=ACCEPT",
	[IMAP_CAP_X_GM_EXT_1] = "X-GM-EXT-1",
	[IMAP_CAP_AUTH_CRAM_MD5] = "AUTH=CRAM-MD5",
	[IMAP_CAP_AUTH_SCRAM_SHA_1] = "AUTH=SCRAM-SHA-1",
	[IMAP_CAP_AUTH_SCRAM_SHA_256] = "AUTH=SCRAM-SHA-256",
};

int imap_capability_find(struct slice name)
{
	for (int i = 0; i < IMAP_CAP_COUNT; i++)
		if (slice_caseeqs(name, capability_names[i]))
			return i;
	return -1;
}

const char *imap_capability_name(enum imap_capability cap)
{
	return capability_names[cap];
}

void imap_capabilities_reset(struct imap_capabilities *caps)
{
	caps->known = false;
	caps->bits = 0;
}

void imap_capabilities_add(struct imap_capabilities *caps, struct slice name)
{
	int cap = imap_capability_find(name);

	caps->known = true;
	if (cap >= 0)
		caps->bits |= UINT64_C(1) << cap;
}

void imap_capabilities_disable(struct imap_capabilities *caps, struct slice names)
{
	while (names.len) {
		const char *comma = memchr(names.ptr, ',', names.len);
		size_t len = comma ? (size_t)(comma - names.ptr) : names.len;
		int cap = imap_capability_find(slice_trim((struct slice){ names.ptr, len }));

		if (cap >= 0)
			caps->off |= UINT64_C(1) << cap;
		len += comma ? 1 : 0;
		names.ptr += len;
		names.len -= len;
	}
}
