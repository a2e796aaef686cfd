/*
 * The commands about the account and its mailboxes. Each decides what to ask for from
 * what the server offers; what comes back is for the caller to make sense of.
 */
#include <imap/verb.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conn_impl.h"
#include "util/clock.h"
#include "util/slice.h"
#include "verb_impl.h"

#define LOGOUT_MS 2000

int imap_answer_errno(const struct imap_answer *answer)
{
	switch (answer->code) {
	case IMAP_CODE_OVERQUOTA: return -EDQUOT;
	case IMAP_CODE_NOPERM:
	case IMAP_CODE_AUTHENTICATIONFAILED:
	case IMAP_CODE_AUTHORIZATIONFAILED:
	case IMAP_CODE_EXPIRED:
	case IMAP_CODE_PRIVACYREQUIRED: return -EACCES;
	case IMAP_CODE_NONEXISTENT:
	case IMAP_CODE_TRYCREATE: return -ENOENT;
	case IMAP_CODE_ALREADYEXISTS: return -EEXIST;
	case IMAP_CODE_TOOBIG: return -EFBIG;
	case IMAP_CODE_LIMIT: return -ENOSPC;
	case IMAP_CODE_INUSE: return -EBUSY;
	case IMAP_CODE_CANNOT: return -EPERM;
	case IMAP_CODE_HASCHILDREN: return -ENOTEMPTY;
	case IMAP_CODE_READ_ONLY: return -EROFS;
	default: return -EIO;
	}
}

/* ---- what all of them share ------------------------------------------------ */

bool verb_event(void *user, const struct imap_event *event)
{
	struct verb *verb = user;

	if (!(verb->types & VERB_TYPE(event->type)))
		return false;
	if (verb->fn)
		verb->fn(verb->user, event);
	return true;
}

int verb_result(const struct imap_answer *answer, struct imap_answer *ret_answer)
{
	if (ret_answer)
		*ret_answer = *answer;
	return answer->status == IMAP_OK ? 0 : -EREMOTEIO;
}

int verb_run(struct imap_conn *conn, struct imap_command **command, struct verb *verb, int patience,
	     struct imap_answer *ret_answer)
{
	struct imap_request request = { .event = verb_event, .user = verb };
	int err = imap_conn_run(conn, command, &request, patience);

	return err ? err : verb_result(&request.answer, ret_answer);
}

static int simple(struct imap_conn *conn, const char *name)
{
	struct imap_command *command = imap_command_new(name);
	struct verb verb = { 0 };

	return verb_run(conn, &command, &verb, 1, NULL);
}

/* ---- the connection -------------------------------------------------------- */

int imap_capability(struct imap_conn *conn)
{
	return imap_conn_capabilities(conn)->known ? 0 : simple(conn, "CAPABILITY");
}

int imap_noop(struct imap_conn *conn)
{
	return simple(conn, "NOOP");
}

int imap_logout(struct imap_conn *conn)
{
	struct imap_command *command = imap_command_new("LOGOUT");
	struct imap_request request = { .done = false };
	int64_t deadline = clock_ms() + LOGOUT_MS;
	const bool never = false;
	int err;

	conn->logging_out = true;
	err = imap_conn_send(conn, &command, &request);
	if (!err)
		err = conn_wait_until(conn, &request.done, deadline);
	if (!err)
		conn_wait_until(conn, &never, deadline); /* the end of the stream */
	return err;
}

int imap_id(struct imap_conn *conn, const char *name, const char *version, imap_event_fn *fn,
	    void *user)
{
	struct verb verb = { fn, user, VERB_TYPE(IMAP_EVENT_ID) };
	struct imap_command *command;

	if (!imap_has(imap_conn_capabilities(conn), IMAP_CAP_ID))
		return -EOPNOTSUPP;
	command = imap_command_new("ID");
	imap_command_open(command);
	imap_command_string(command, SLICE_LIT("name"));
	imap_command_string(command, slice_of(name));
	imap_command_string(command, SLICE_LIT("version"));
	imap_command_string(command, slice_of(version));
	imap_command_close(command);
	return verb_run(conn, &command, &verb, 1, NULL);
}

int imap_namespace(struct imap_conn *conn, imap_event_fn *fn, void *user)
{
	struct verb verb = { fn, user, VERB_TYPE(IMAP_EVENT_NAMESPACE) };
	struct imap_command *command;

	if (!imap_has(imap_conn_capabilities(conn), IMAP_CAP_NAMESPACE))
		return -EOPNOTSUPP;
	command = imap_command_new("NAMESPACE");
	return verb_run(conn, &command, &verb, 1, NULL);
}

/* ---- the tree -------------------------------------------------------------- */

static const struct {
	uint32_t item;
	int capability; /* needed; -1: none */
	const char *name;
} status_items[] = {
	{ IMAP_STATUS_MESSAGES, -1, "MESSAGES" },
	{ IMAP_STATUS_RECENT, -1, "RECENT" },
	{ IMAP_STATUS_UIDNEXT, -1, "UIDNEXT" },
	{ IMAP_STATUS_UIDVALIDITY, -1, "UIDVALIDITY" },
	{ IMAP_STATUS_UNSEEN, -1, "UNSEEN" },
	{ IMAP_STATUS_HIGHESTMODSEQ, IMAP_CAP_CONDSTORE, "HIGHESTMODSEQ" },
	{ IMAP_STATUS_SIZE, IMAP_CAP_STATUS_SIZE, "SIZE" },
	{ IMAP_STATUS_DELETED, IMAP_CAP_IMAP4REV2, "DELETED" },
	{ IMAP_STATUS_MAILBOXID, IMAP_CAP_OBJECTID, "MAILBOXID" },
};

#define LIST_STATUS_ITEMS                                                                          \
	(IMAP_STATUS_MESSAGES | IMAP_STATUS_RECENT | IMAP_STATUS_UIDNEXT |                         \
	 IMAP_STATUS_UIDVALIDITY | IMAP_STATUS_UNSEEN | IMAP_STATUS_HIGHESTMODSEQ)

static void put_status_items(struct imap_command *command, const struct imap_capabilities *caps,
			     uint32_t items)
{
	imap_command_open(command);
	for (size_t i = 0; i < ARRAY_SIZE(status_items); i++) {
		int capability = status_items[i].capability;

		if (!(items & status_items[i].item))
			continue;
		if (capability < 0 || imap_has(caps, (enum imap_capability)capability))
			imap_command_atom(command, status_items[i].name);
	}
	imap_command_close(command);
}

/* RFC 5258 §3.2, RFC 6154 §2, RFC 5819 §2. */
static void put_list_return(struct imap_command *command, const struct imap_capabilities *caps,
			    uint32_t options)
{
	imap_command_atom(command, "RETURN");
	imap_command_open(command);
	imap_command_atom(command, "SUBSCRIBED");
	imap_command_atom(command, "CHILDREN");
	if (imap_has(caps, IMAP_CAP_SPECIAL_USE))
		imap_command_atom(command, "SPECIAL-USE");
	if (options & IMAP_LIST_STATUS && imap_has(caps, IMAP_CAP_LIST_STATUS)) {
		imap_command_atom(command, "STATUS");
		put_status_items(command, caps, LIST_STATUS_ITEMS);
	}
	imap_command_close(command);
}

/* list-mailbox: the wildcards must not be in a literal; quoted is fine everywhere. */
int imap_list(struct imap_conn *conn, struct slice reference, struct slice pattern,
	      uint32_t options, imap_event_fn *fn, void *user, struct imap_answer *ret_answer)
{
	const struct imap_capabilities *caps = imap_conn_capabilities(conn);
	bool extended = imap_has(caps, IMAP_CAP_LIST_EXTENDED);
	bool subscribed = options & IMAP_LIST_SUBSCRIBED;
	struct verb verb = { fn, user,
			     VERB_TYPE(IMAP_EVENT_LIST) | VERB_TYPE(IMAP_EVENT_LSUB) |
				     VERB_TYPE(IMAP_EVENT_MAILBOX_STATUS) };
	struct imap_command *command;

	command = imap_command_new(subscribed && !extended ? "LSUB" : "LIST");
	if (subscribed && extended) {
		imap_command_open(command);
		imap_command_atom(command, "SUBSCRIBED");
		imap_command_close(command);
	}
	imap_command_string(command, reference);
	imap_command_string(command, pattern);
	if (extended)
		put_list_return(command, caps, options);
	return verb_run(conn, &command, &verb, 1, ret_answer);
}

int imap_status_of(struct imap_conn *conn, struct slice mailbox, uint32_t items, imap_event_fn *fn,
		   void *user, struct imap_answer *ret_answer)
{
	struct verb verb = { fn, user, VERB_TYPE(IMAP_EVENT_MAILBOX_STATUS) };
	struct imap_command *command = imap_command_new("STATUS");

	imap_command_astring(command, mailbox);
	put_status_items(command, imap_conn_capabilities(conn), items);
	return verb_run(conn, &command, &verb, 1, ret_answer);
}

/* ---- one mailbox ----------------------------------------------------------- */

static void select_status(struct imap_selected *selected, const struct imap_event_status *status)
{
	uint32_t number = status->code_number <= UINT32_MAX ? (uint32_t)status->code_number : 0;
	size_t len = status->code_data.len;

	switch (status->code) {
	case IMAP_CODE_UIDVALIDITY: selected->uidvalidity = number; break;
	case IMAP_CODE_UIDNEXT: selected->uidnext = number; break;
	case IMAP_CODE_UNSEEN: selected->unseen = number; break;
	case IMAP_CODE_HIGHESTMODSEQ: selected->highestmodseq = status->code_number; break;
	case IMAP_CODE_NOMODSEQ: selected->highestmodseq = 0; break;
	case IMAP_CODE_UIDNOTSTICKY: selected->uid_not_sticky = true; break;
	case IMAP_CODE_MAILBOXID:
		if (len > 2 && len - 2 < sizeof(selected->mailboxid) &&
		    status->code_data.ptr[0] == '(') {
			memcpy(selected->mailboxid, status->code_data.ptr + 1, len - 2);
			selected->mailboxid[len - 2] = '\0';
		}
		break;
	case IMAP_CODE_CLOSED:
		/* RFC 7162 §3.2.11: what came so far was about the mailbox before. */
		memset(selected, 0, sizeof(*selected));
		break;
	default: break;
	}
}

static bool select_event(void *user, const struct imap_event *event)
{
	struct imap_selected *selected = user;

	switch (event->type) {
	case IMAP_EVENT_EXISTS: selected->exists = event->number; return true;
	case IMAP_EVENT_RECENT: selected->recent = event->number; return true;
	case IMAP_EVENT_FLAGS: return true;
	case IMAP_EVENT_STATUS:
		if (event->status.code == IMAP_CODE_NONE || event->status.code == IMAP_CODE_ALERT)
			return false;
		select_status(selected, &event->status);
		return true;
	default: return false;
	}
}

int imap_select(struct imap_conn *conn, struct slice mailbox, bool read_only,
		struct imap_selected *ret_selected, struct imap_answer *ret_answer)
{
	struct imap_selected selected = { 0 };
	struct imap_request request = { .event = select_event, .user = &selected };
	struct imap_command *command = imap_command_new(read_only ? "EXAMINE" : "SELECT");
	int err;

	imap_command_astring(command, mailbox);
	if (imap_has(imap_conn_capabilities(conn), IMAP_CAP_CONDSTORE)) {
		imap_command_open(command);
		imap_command_atom(command, "CONDSTORE");
		imap_command_close(command);
	}
	err = imap_conn_run(conn, &command, &request, 1);
	if (err)
		return err;
	err = verb_result(&request.answer, ret_answer);
	conn->read_write = !err && !read_only;
	if (err)
		return err;
	selected.read_only = read_only || request.answer.code == IMAP_CODE_READ_ONLY;
	*ret_selected = selected;
	return 0;
}

int imap_unselect(struct imap_conn *conn)
{
	int err;

	if (imap_has(imap_conn_capabilities(conn), IMAP_CAP_UNSELECT))
		err = simple(conn, "UNSELECT");
	else if (conn->read_write)
		return -EOPNOTSUPP; /* CLOSE would expunge */
	else
		err = simple(conn, "CLOSE");
	if (!err)
		conn->read_write = false;
	return err;
}
