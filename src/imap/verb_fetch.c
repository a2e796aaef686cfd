/*
 * The commands about messages. UIDs only, never sequence numbers. A set that is too long
 * for a line becomes several commands, some of them under way at a time.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <imap/limits.h>
#include <imap/verb.h>

#include "util/attr.h"
#include "util/slice.h"
#include "verb_impl.h"

/* The rest of the line is the command's. */
#define SET_MAX (IMAP_LIMIT_COMMAND_LINE - 1000)
#define UNDER_WAY 8

/* ---- search ---------------------------------------------------------------- */

struct search {
	struct imap_set *set;
	int error;
};

static bool search_event(void *user, const struct imap_event *event)
{
	struct search *search = user;

	if (event->type != IMAP_EVENT_SEARCH && event->type != IMAP_EVENT_ESEARCH)
		return false;
	if (event->type == IMAP_EVENT_ESEARCH && !event->search.uid)
		return true;
	for (size_t i = 0; !search->error && event->search.set && i < event->search.set->count;
	     i++) {
		const struct imap_range *range = &event->search.set->ranges[i];

		search->error = imap_set_add_range(search->set, range->first, range->last);
	}
	return true;
}

int imap_uid_search_all(struct imap_conn *conn, struct imap_set *set,
			struct imap_answer *ret_answer)
{
	struct search search = { set, 0 };
	struct imap_request request = { .event = search_event, .user = &search };
	struct imap_command *command = imap_command_new("UID SEARCH");
	int err;

	imap_set_clear(set);
	if (imap_has(imap_conn_capabilities(conn), IMAP_CAP_ESEARCH))
		imap_command_atom(command, "RETURN (ALL)");
	imap_command_atom(command, "ALL");
	err = imap_conn_run(conn, &command, &request, 1);
	if (!err)
		err = verb_result(&request.answer, ret_answer);
	return err ? err : search.error;
}

/* ---- fetch ----------------------------------------------------------------- */

static void put_fetch_items(struct imap_command *command, const struct imap_capabilities *caps,
			    uint32_t items)
{
	static const struct {
		uint32_t item;
		int capability;
		const char *name;
	} names[] = {
		{ IMAP_FETCH_FLAGS, -1, "FLAGS" },
		{ IMAP_FETCH_INTERNALDATE, -1, "INTERNALDATE" },
		{ IMAP_FETCH_SIZE, -1, "RFC822.SIZE" },
		{ IMAP_FETCH_MODSEQ, IMAP_CAP_CONDSTORE, "MODSEQ" },
		{ IMAP_FETCH_EMAILID, IMAP_CAP_OBJECTID, "EMAILID" },
		{ IMAP_FETCH_THREADID, IMAP_CAP_OBJECTID, "THREADID" },
		{ IMAP_FETCH_SAVEDATE, IMAP_CAP_SAVEDATE, "SAVEDATE" },
		{ IMAP_FETCH_ENVELOPE, -1, "ENVELOPE" },
		{ IMAP_FETCH_BODYSTRUCTURE, -1, "BODYSTRUCTURE" },
	};

	imap_command_open(command);
	imap_command_atom(command, "UID");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(items & names[i].item))
			continue;
		if (names[i].capability < 0 ||
		    imap_has(caps, (enum imap_capability)names[i].capability))
			imap_command_atom(command, names[i].name);
	}
	imap_command_close(command);
}

/* One more command, for as much of the set as fits a line. */
static int fetch_send(struct imap_conn *conn, const struct imap_set *set, size_t *pos,
		      uint32_t items, struct imap_request *request)
{
	struct imap_command *command = imap_command_new("UID FETCH");
	char text[SET_MAX];

	imap_set_format(set, pos, text, sizeof(text));
	imap_command_atom(command, text);
	put_fetch_items(command, imap_conn_capabilities(conn), items);
	return imap_conn_send(conn, &command, request);
}

int imap_uid_fetch(struct imap_conn *conn, const struct imap_set *set, uint32_t items,
		   imap_event_fn *fn, void *user, struct imap_answer *ret_answer)
{
	struct verb verb = { fn, user, VERB_TYPE(IMAP_EVENT_FETCH) };
	struct imap_request requests[UNDER_WAY];
	size_t sent = 0, done = 0, pos = 0;
	int err = 0, result = 0;

	/* The requests live on this stack: all that were sent are waited for, or the connection is over. */
	while (done < sent || (pos < set->count && !result)) {
		struct imap_request *request = &requests[sent % UNDER_WAY];

		if (pos < set->count && !result && sent - done < UNDER_WAY) {
			*request = (struct imap_request){ .event = verb_event, .user = &verb };
			err = fetch_send(conn, set, &pos, items, request);
			if (err && imap_conn_alive(conn)) {
				result = err; /* out of memory, nothing was sent */
				continue;
			}
			sent++;
		} else {
			request = &requests[done++ % UNDER_WAY];
			err = imap_conn_wait(conn, request, 1);
			if (!err && !result)
				result = verb_result(&request->answer, ret_answer);
		}
		if (err)
			return err;
	}
	return result;
}

/* A section is put together by code of ours, and may hold names of header fields. */
static bool section_valid(const char *section)
{
	for (const char *c = section; *c; c++)
		if (*c < ' ' || *c > '~' || strchr("[]{}\"\\%*", *c))
			return false;
	return true;
}

int imap_uid_fetch_body_send(struct imap_conn *conn, const struct imap_set *set,
			     const char *section, uint64_t offset, uint32_t length,
			     struct imap_request *request)
{
	struct imap_command *command;
	char text[1024];
	int len;

	if (!section_valid(section))
		return -EINVAL;
	if (length)
		len = snprintf(text, sizeof(text), "BODY.PEEK[%s]<%" PRIu64 ".%" PRIu32 ">",
			       section, offset, length);
	else
		len = snprintf(text, sizeof(text), "BODY.PEEK[%s]", section);
	if (len < 0 || (size_t)len >= sizeof(text))
		return -EMSGSIZE;
	command = imap_command_new("UID FETCH");
	imap_command_set(command, set);
	imap_command_open(command);
	imap_command_atom(command, "UID");
	imap_command_atom(command, text);
	imap_command_close(command);
	return imap_conn_send(conn, &command, request);
}
