/*
 * Responses by name. Each reader below stands under the grammar it reads; lists of
 * mailboxes have a file of their own (mailbox.c), and so have FETCH and the texts
 * of OK, NO and BAD.
 */
#include "imap/response.h"

#include <errno.h>
#include <string.h>

#include "imap/fetch.h"
#include "imap/flags.h"
#include "imap/mailbox.h"
#include "imap/set_build.h"
#include "imap/status.h"
#include "util/slice.h"

void imap_response_emit(struct response *response, const struct imap_event *event)
{
	if (response->fn(response->user, event))
		response->stop = true;
}

/* ---- words ---------------------------------------------------------------------- */

/* *(SP atom), leniently: whatever stands between spaces. Emits `type` with them. */
static int words_read(struct response *response, enum imap_event_type type)
{
	struct token_slices words = { 0 };
	struct imap_event event = { .type = type };

	for (;;) {
		int err;

		imap_token_spaces(&response->token);
		if (imap_token_at_end(&response->token))
			break;
		err = imap_token_slices_add(&response->token, &words,
					    imap_token_word(&response->token));
		if (err)
			return err;
	}
	event.atoms.items = words.items;
	event.atoms.count = words.count;
	imap_response_emit(response, &event);
	return 0;
}

/* capability-data = "CAPABILITY" *(SP capability) */
static int read_capability(struct response *response)
{
	return words_read(response, IMAP_EVENT_CAPABILITY);
}

/* enable-data = "ENABLED" *(SP capability) */
static int read_enabled(struct response *response)
{
	return words_read(response, IMAP_EVENT_ENABLED);
}

/* id-response = "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil) */
static int read_id(struct response *response)
{
	struct imap_event event = { .type = IMAP_EVENT_ID };
	struct token_slices fields = { 0 };
	const struct imap_value *value;
	int err;

	imap_token_spaces(&response->token);
	if (imap_token_at_end(&response->token)) {
		imap_response_emit(response, &event);
		return 0;
	}
	err = imap_token_value(&response->token, &value);
	if (err)
		return err;
	if (value->type != IMAP_VALUE_LIST && !imap_value_is_nil(value))
		return -EINVAL;
	for (value = value->child; value && !err; value = value->next) {
		struct slice text;

		err = imap_value_string(value, &text);
		if (!err)
			err = imap_token_slices_add(&response->token, &fields, text);
	}
	if (!err && fields.count % 2)
		err = imap_token_slices_add(&response->token, &fields, SLICE_NIL);
	if (err)
		return err;
	event.atoms.items = fields.items;
	event.atoms.count = fields.count;
	imap_response_emit(response, &event);
	return 0;
}

/* "FLAGS" SP flag-list */
static int read_flags(struct response *response)
{
	struct imap_event event = { .type = IMAP_EVENT_FLAGS };
	int err;

	imap_token_spaces(&response->token);
	err = imap_flags_read(&response->token, &event.flags);
	if (err)
		return err;
	imap_response_emit(response, &event);
	return 0;
}

/* ---- searches ------------------------------------------------------------------- */

/* A set as a server may say it: no "*", which would mean nothing or everything. */
static int set_read(struct token *token, struct imap_set *set)
{
	struct slice text;
	int err = imap_token_atom(token, &text);

	if (err)
		return err;
	if (memchr(text.ptr, '*', text.len))
		return -EINVAL;
	err = imap_set_parse(text, set);
	return err == -E2BIG ? -EMSGSIZE : err;
}

/* mailbox-data =/ "SEARCH" *(SP nz-number) [SP "(" "MODSEQ" SP mod-sequence-value ")"] */
static int read_search(struct response *response)
{
	struct imap_event event = { .type = IMAP_EVENT_SEARCH };
	struct token *token = &response->token;

	for (;;) {
		uint32_t number;
		int err;

		imap_token_spaces(token);
		if (imap_token_at_end(token))
			break;
		if (*token->pos == '(') {
			const struct imap_value *value;

			err = imap_token_value(token, &value);
			if (!err && imap_value_is_atom(value->child, "MODSEQ"))
				(void)imap_value_u64(value->child->next, &event.search.modseq);
		} else {
			err = imap_token_u32(token, &number);
			if (!err)
				err = imap_set_append(response->set, number, number);
		}
		if (err)
			return err == -E2BIG ? -EMSGSIZE : err;
	}
	imap_set_normalise(response->set);
	event.search.set = response->set;
	imap_response_emit(response, &event);
	return 0;
}

/* search-return-data = "MIN" SP nz-number / "MAX" SP nz-number / "ALL" SP sequence-set /
 *                      "COUNT" SP number / "MODSEQ" SP mod-sequence-value / others */
static int esearch_item(struct response *response, struct slice name, struct imap_event *event)
{
	struct token *token = &response->token;

	imap_token_spaces(token);
	if (slice_caseeqs(name, "MIN")) {
		event->search.present_min = 1;
		return imap_token_u32(token, &event->search.min);
	}
	if (slice_caseeqs(name, "MAX")) {
		event->search.present_max = 1;
		return imap_token_u32(token, &event->search.max);
	}
	if (slice_caseeqs(name, "COUNT")) {
		event->search.present_count = 1;
		return imap_token_u32(token, &event->search.count);
	}
	if (slice_caseeqs(name, "MODSEQ"))
		return imap_token_u64(token, &event->search.modseq);
	if (slice_caseeqs(name, "ALL")) {
		event->search.set = response->set;
		return set_read(token, response->set);
	}
	return imap_token_at_end(token) ? 0 : imap_token_skip(token);
}

/* search-correlator = SP "(" "TAG" SP tag-string ")" */
static int correlator_read(struct token *token, struct slice *ret_tag)
{
	const struct imap_value *value;
	int err;

	imap_token_spaces(token);
	if (imap_token_at_end(token) || *token->pos != '(')
		return 0;
	err = imap_token_value(token, &value);
	if (!err && imap_value_is_atom(value->child, "TAG"))
		err = imap_value_string(value->child->next, ret_tag);
	return err;
}

/* esearch-response = "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data) */
static int read_esearch(struct response *response)
{
	struct imap_event event = { .type = IMAP_EVENT_ESEARCH };
	struct token *token = &response->token;
	int err = correlator_read(token, &event.search.tag);

	while (!err) {
		struct slice name;

		imap_token_spaces(token);
		if (imap_token_at_end(token)) {
			imap_response_emit(response, &event);
			return 0;
		}
		err = imap_token_atom(token, &name);
		if (!err && slice_caseeqs(name, "UID"))
			event.search.uid = true;
		else if (!err)
			err = esearch_item(response, name, &event);
	}
	return err;
}

/* expunged-resp = "VANISHED" [SP "(EARLIER)"] SP known-uids */
static int read_vanished(struct response *response)
{
	struct imap_event event = { .type = IMAP_EVENT_VANISHED };
	struct token *token = &response->token;
	const struct imap_value *value;
	int err;

	event.search.uid = true;
	imap_token_spaces(token);
	if (!imap_token_at_end(token) && *token->pos == '(') {
		err = imap_token_value(token, &value);
		if (err)
			return err;
		event.search.earlier = imap_value_is_atom(value->child, "EARLIER");
		imap_token_spaces(token);
	}
	err = set_read(token, response->set);
	if (err)
		return err;
	imap_token_spaces(token);
	if (!imap_token_at_end(token))
		return -EINVAL;
	event.search.set = response->set;
	imap_response_emit(response, &event);
	return 0;
}

/* ---- which it is ---------------------------------------------------------------- */

static const struct {
	struct slice name;
	int (*read)(struct response *response);
	const char *reason;
} readers[] = {
	{ SLICE_LIT("SEARCH"), read_search, "malformed SEARCH" },
	{ SLICE_LIT("LIST"), imap_list_read, "malformed LIST" },
	{ SLICE_LIT("STATUS"), imap_mailbox_status_read, "malformed STATUS" },
	{ SLICE_LIT("ESEARCH"), read_esearch, "malformed ESEARCH" },
	{ SLICE_LIT("VANISHED"), read_vanished, "malformed VANISHED" },
	{ SLICE_LIT("FLAGS"), read_flags, "malformed FLAGS" },
	{ SLICE_LIT("CAPABILITY"), read_capability, "malformed CAPABILITY" },
	{ SLICE_LIT("ENABLED"), read_enabled, "malformed ENABLED" },
	{ SLICE_LIT("ID"), read_id, "malformed ID" },
	{ SLICE_LIT("NAMESPACE"), imap_namespace_read, "malformed NAMESPACE" },
	{ SLICE_LIT("LSUB"), imap_lsub_read, "malformed LSUB" },
	{ SLICE_LIT("XLIST"), imap_list_read, "malformed XLIST" },
};

/* resp-cond-state and the like; the tag, if any, is read. A CAPABILITY code counts as a response
 * of its own, and comes first: whoever acts on the end of a command knows it by then. */
static int read_status(struct response *response, struct imap_event *event)
{
	imap_status_text(&response->token, &event->status);
	if (event->status.code == IMAP_CODE_CAPABILITY) {
		struct token behind = response->token;
		int err;

		response->token.pos = event->status.code_data.ptr;
		response->token.end = event->status.code_data.ptr + event->status.code_data.len;
		err = read_capability(response);
		response->token = behind;
		if (err)
			return err;
	}
	imap_response_emit(response, event);
	return 0;
}

/* Anything with a name, as a tree. */
static int read_other(struct response *response, struct slice name, uint32_t number)
{
	struct imap_event event = { .type = IMAP_EVENT_OTHER };
	int err;

	response->reason = "no such response, and no grammar";
	event.other.name = name;
	event.other.number = number;
	err = imap_token_values(&response->token, &event.other.values);
	if (err)
		return err;
	imap_response_emit(response, &event);
	return 0;
}

/* message-data = nz-number SP ("EXPUNGE" / "FETCH" SP msg-att); EXISTS and RECENT likewise */
static int read_numbered(struct response *response, uint32_t number)
{
	struct imap_event event = { .type = IMAP_EVENT_FETCH };
	struct token *token = &response->token;
	struct slice name;
	int err;

	imap_token_spaces(token);
	response->reason = "a number and nothing";
	err = imap_token_atom(token, &name);
	if (err)
		return err;
	if (slice_caseeqs(name, "FETCH")) {
		response->reason = "malformed FETCH";
		event.fetch.seq = number;
		err = imap_fetch_read(token, &event.fetch);
		if (err)
			return err;
		/* Bytes have gone out under that UID: it stands, whatever is wrong with the rest. */
		if (response->framed_uid && event.fetch.uid != response->framed_uid) {
			event.fetch.uid = response->framed_uid;
			event.fetch.present |= IMAP_FETCH_UID | IMAP_FETCH_BROKEN;
		}
		response->broken = event.fetch.present & IMAP_FETCH_BROKEN;
	} else {
		if (slice_caseeqs(name, "EXISTS"))
			event.type = IMAP_EVENT_EXISTS;
		else if (slice_caseeqs(name, "EXPUNGE"))
			event.type = IMAP_EVENT_EXPUNGE;
		else if (slice_caseeqs(name, "RECENT"))
			event.type = IMAP_EVENT_RECENT;
		else
			return read_other(response, name, number);
		event.number = number;
	}
	imap_response_emit(response, &event);
	return 0;
}

static int read_untagged(struct response *response)
{
	struct imap_event event = { .type = IMAP_EVENT_STATUS };
	struct token *token = &response->token;
	struct slice name;
	uint32_t number;
	int err;

	imap_token_spaces(token);
	response->reason = "an empty response";
	if (imap_token_at_end(token))
		return -EINVAL;
	if (*token->pos >= '0' && *token->pos <= '9') {
		response->reason = "malformed number";
		err = imap_token_u32(token, &number);
		return err ? err : read_numbered(response, number);
	}
	if (*token->pos == '[') /* some forget the OK */
		return read_status(response, &event);
	response->reason = "no name";
	err = imap_token_atom(token, &name);
	if (err)
		return err;
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		if (!slice_caseeq(name, readers[i].name))
			continue;
		response->reason = readers[i].reason;
		return readers[i].read(response);
	}
	if (imap_status_find(name, &event.status.status))
		return read_status(response, &event);
	return read_other(response, name, 0);
}

/* response-tagged = tag SP ("OK" / "NO" / "BAD") SP resp-text */
static int read_tagged(struct response *response)
{
	struct imap_event event = { .type = IMAP_EVENT_TAGGED };
	struct token *token = &response->token;
	struct slice word;

	response->reason = "neither tagged nor untagged";
	event.status.tag = imap_token_word(token);
	imap_token_spaces(token);
	if (event.status.tag.len == 0 || imap_token_atom(token, &word) != 0 ||
	    !imap_status_find(word, &event.status.status))
		return -EINVAL;
	return read_status(response, &event);
}

int imap_response_read(struct response *response)
{
	struct imap_event event = { .type = IMAP_EVENT_CONTINUE };
	struct token *token = &response->token;

	/* Some servers send NULs between responses. */
	while (imap_token_char(token, '\0'))
		;
	if (imap_token_char(token, '*'))
		return read_untagged(response);
	if (!imap_token_char(token, '+'))
		return read_tagged(response);
	imap_token_char(token, ' ');
	event.status.text = imap_token_rest(token);
	imap_response_emit(response, &event);
	return 0;
}
