/* What the verbs share. */
#ifndef IMAP_VERB_IMPL_H
#define IMAP_VERB_IMPL_H

#include <imap/verb.h>

#define VERB_TYPE(type) (1u << (type))

/* Keeps events of some types for the caller's function. */
struct verb {
	imap_event_fn *fn; /* may be NULL */
	void *user;
	uint32_t types; /* VERB_TYPE(IMAP_EVENT_x) | ... */
};

bool verb_event(void *user, const struct imap_event *event);
int verb_result(const struct imap_answer *answer, struct imap_answer *ret_answer);
int verb_run(struct imap_conn *conn, struct imap_command **command, struct verb *verb, int patience,
	     struct imap_answer *ret_answer);

#endif
