/*
 * Names of messages: "YYYYMMDD-HHMM.From.Subject.UID.eml" where they are readable, else
 * "UID.eml". Whatever a sender wrote, a name is valid UTF-8, holds no '/', no control or
 * bidi character and nothing a shell would act on, and has at most 200 bytes. The UID
 * makes it unique. Where a child mailbox has the name, "~2" stands behind the UID.
 */
#ifndef STORE_MSGNAME_H
#define STORE_MSGNAME_H

#include <stdbool.h>
#include <stdint.h>

#include <imap/envelope.h>
#include <imap/types.h>

#include "util/slice.h"

#define MSGNAME_MAX 200
#define MSGNAME_SIZE (MSGNAME_MAX + 3) /* "~2" and NUL */

/* `envelope` NULL: no readable ENVELOPE, both placeholders. NUL-terminated; the length. Any thread.
 */
size_t msgname_readable(int64_t internaldate, const struct imap_envelope *envelope, imap_uid uid,
			char name[static MSGNAME_SIZE]);
size_t msgname_uid(imap_uid uid, char name[static MSGNAME_SIZE]);
/* Puts "~2" in front of ".eml". */
size_t msgname_avoid(size_t len, char name[static MSGNAME_SIZE]);
/* The UID in front of ".eml", a "~2" skipped; 0 where there is none. *ret_avoided: "~2" was there.
 */
imap_uid msgname_parse(struct slice name, bool *ret_avoided);

#endif
