/* From one whole response to the event or events it stands for. */
#ifndef IMAP_RESPONSE_H
#define IMAP_RESPONSE_H

#include "imap/token.h"
#include <imap/event.h>

struct response {
	struct token token;
	imap_uid framed_uid;  /* FETCH: the UID that BODY_BEGIN has named, or 0 */
	struct imap_set *set; /* scratch; cleared by the caller afterwards */
	imap_event_fn *fn;
	void *user;
	bool stop;          /* the callback has said so */
	bool broken;        /* a FETCH with a broken item */
	const char *reason; /* of a failure; static text */
};

/* 0 when an event was emitted; -EINVAL: it does not parse, nothing was emitted; else fatal. */
int imap_response_read(struct response *response);

void imap_response_emit(struct response *response, const struct imap_event *event);

#endif
