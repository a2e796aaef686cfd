/*
 * The commands, typed. Each sends one command and waits for its end, unless its name
 * ends in _send. Results: 0 when the server said OK; -EREMOTEIO when it said NO or BAD (the answer
 * tells more: imap_answer_errno() maps it); a final connection error of conn.h; -EOPNOTSUPP where the
 * server lacks it. `ret_answer` may be NULL.
 */
#ifndef IMAP_VERB_H
#define IMAP_VERB_H

#include <imap/conn.h>

/* What earlier logins to the same server taught, so that the next takes one try. Zero-initialise; one login at a
 * time. */
struct imap_login_memory {
	uint32_t failed; /* mechanisms (bits) that the server refused as such, or did not answer */
	uint32_t worked; /* the one that did, or 0 */
};

struct imap_login {
	const char *user;
	const void *password;
	size_t password_len;
	const char *mechanism;            /* "auto", "LOGIN" (the command), "PLAIN", ... */
	const char *authzid;              /* or NULL */
	struct imap_login_memory *memory; /* or NULL */
};

/* What an answer means to a caller of the filesystem: OVERQUOTA -EDQUOT, NOPERM -EACCES, NONEXISTENT -ENOENT, ... else -EIO. */
int imap_answer_errno(const struct imap_answer *answer);

/* Logs in by AUTHENTICATE or LOGIN and makes sure that the capabilities are those after login. -EACCES: refused (AUTHENTICATIONFAILED or NO);
 * -EPERM: policy (LOGINDISABLED, no TLS off loopback); -EREMOTEIO: refused for now (UNAVAILABLE, LIMIT). ret_answer->text
 * says why in all these cases. "auto" gives a mechanism 5 s: -ETIMEDOUT with login->memory->failed grown means that a new
 * connection should be tried at once, and will not try that one again. */
int imap_login(struct imap_conn *conn, const struct imap_login *login,
	       struct imap_answer *ret_answer);
int imap_logout(
	struct imap_conn *conn); /* LOGOUT, waits for BYE and the end of the stream, at most 2 s */
int imap_capability(struct imap_conn *conn); /* asks where not known */
int imap_noop(struct imap_conn *conn);
int imap_id(struct imap_conn *conn, const char *name, const char *version, imap_event_fn *fn,
	    void *user);
int imap_namespace(struct imap_conn *conn, imap_event_fn *fn, void *user); /* one NAMESPACE event */

enum imap_list_option {
	IMAP_LIST_STATUS =
		1
		<< 0, /* also ask MESSAGES UIDNEXT UIDVALIDITY UNSEEN RECENT [HIGHESTMODSEQ] where LIST-STATUS is offered */
	IMAP_LIST_SUBSCRIBED =
		1 << 1, /* only the subscribed (LSUB where LIST-EXTENDED is missing) */
};
/* LIST "" pattern with RETURN (SUBSCRIBED CHILDREN SPECIAL-USE STATUS (...)) as far as offered. `fn` gets LIST (or LSUB) and MAILBOX_STATUS events. */
int imap_list(struct imap_conn *conn, struct slice reference, struct slice pattern,
	      uint32_t options, imap_event_fn *fn, void *user, struct imap_answer *ret_answer);

struct imap_selected {
	bool read_only;
	bool uid_not_sticky;
	uint32_t exists, recent, uidvalidity, uidnext, unseen; /* 0: not sent */
	uint64_t highestmodseq;                                /* 0: none */
	char mailboxid[128];
};
/* EXAMINE or SELECT (CONDSTORE where offered). */
int imap_select(struct imap_conn *conn, struct slice mailbox, bool read_only,
		struct imap_selected *ret_selected, struct imap_answer *ret_answer);
/* UNSELECT, or CLOSE after EXAMINE where UNSELECT is missing. */
int imap_unselect(struct imap_conn *conn);
/* STATUS of a mailbox that is not selected: items of enum imap_status_item. One MAILBOX_STATUS event. */
int imap_status_of(struct imap_conn *conn, struct slice mailbox, uint32_t items, imap_event_fn *fn,
		   void *user, struct imap_answer *ret_answer);

/* All UIDs of the selected mailbox: UID SEARCH RETURN (ALL) ALL with ESEARCH, else UID SEARCH ALL. `set` is replaced. */
int imap_uid_search_all(struct imap_conn *conn, struct imap_set *set,
			struct imap_answer *ret_answer);

/* UID FETCH set (items): items from enum imap_fetch_item, of which those the server lacks are left out. FETCH events go to `fn`; a set that
 * does not fit a line is split into several commands, pipelined. */
int imap_uid_fetch(struct imap_conn *conn, const struct imap_set *set, uint32_t items,
		   imap_event_fn *fn, void *user, struct imap_answer *ret_answer);

/* UID FETCH set (UID BODY.PEEK[section]<offset.length>); length 0: whole. Only sends: pipelining is the caller's; wait with
 * imap_conn_wait(). request->event gets BODY_* and FETCH events; the set must fit a line (-EMSGSIZE else). */
int imap_uid_fetch_body_send(struct imap_conn *conn, const struct imap_set *set,
			     const char *section, uint64_t offset, uint32_t length,
			     struct imap_request *request);

#endif
