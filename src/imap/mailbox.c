/*
 * What servers say of mailboxes. Names are left as they are on the wire: a name is
 * whatever the server accepts back, and "NIL" is one.
 */
#include "imap/mailbox.h"

#include <errno.h>

#include "imap/response.h"
#include "util/slice.h"

/* ---- LIST, LSUB --------------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t bits;
} attributes[] = {
	{ "\\Noinferiors", IMAP_ATTR_NOINFERIORS },
	{ "\\Noselect", IMAP_ATTR_NOSELECT },
	{ "\\NonExistent", IMAP_ATTR_NONEXISTENT | IMAP_ATTR_NOSELECT },
	{ "\\HasChildren", IMAP_ATTR_HASCHILDREN },
	{ "\\HasNoChildren", IMAP_ATTR_HASNOCHILDREN },
	{ "\\Marked", IMAP_ATTR_MARKED },
	{ "\\Unmarked", IMAP_ATTR_UNMARKED },
	{ "\\Subscribed", IMAP_ATTR_SUBSCRIBED },
	{ "\\Remote", IMAP_ATTR_REMOTE },
	{ "\\All", IMAP_ATTR_ALL },
	{ "\\AllMail", IMAP_ATTR_ALL }, /* XLIST */
	{ "\\Archive", IMAP_ATTR_ARCHIVE },
	{ "\\Drafts", IMAP_ATTR_DRAFTS },
	{ "\\Flagged", IMAP_ATTR_FLAGGED },
	{ "\\Starred", IMAP_ATTR_FLAGGED }, /* XLIST */
	{ "\\Important", IMAP_ATTR_IMPORTANT },
	{ "\\Junk", IMAP_ATTR_JUNK },
	{ "\\Spam", IMAP_ATTR_JUNK }, /* XLIST */
	{ "\\Sent", IMAP_ATTR_SENT },
	{ "\\Trash", IMAP_ATTR_TRASH },
};

static uint32_t attribute_find(struct slice name)
{
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
		if (slice_caseeqs(name, attributes[i].name))
			return attributes[i].bits;
	return 0;
}

/* A delimiter: one character, or none (NIL, ""). */
static int delimiter_read(struct slice text, char *ret_delimiter)
{
	if (text.len > 1)
		return -EINVAL;
	*ret_delimiter = text.len ? text.ptr[0] : 0;
	return 0;
}

static int value_delimiter(const struct imap_value *value, char *ret_delimiter)
{
	struct slice text;
	int err = imap_value_string(value, &text);

	return err ? err : delimiter_read(text, ret_delimiter);
}

/* mbx-list-flags = "(" [*(mbx-list-oflag SP)] ")", or NIL */
static int attributes_read(struct token *token, uint32_t *ret_attributes)
{
	const struct imap_value *value;
	int err;

	imap_token_spaces(token);
	err = imap_token_value(token, &value);
	if (err)
		return err;
	if (value->type != IMAP_VALUE_LIST && !imap_value_is_nil(value))
		return -EINVAL;
	for (value = value->child; value; value = value->next)
		if (value->type == IMAP_VALUE_ATOM)
			*ret_attributes |= attribute_find(value->text);
	return 0;
}

/* mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox
 *                [SP mbox-list-extended] */
static int list_read(struct response *response, enum imap_event_type type)
{
	struct imap_event event = { .type = type };
	struct token *token = &response->token;
	const struct imap_value *value;
	int err = attributes_read(token, &event.list.attributes);

	if (err)
		return err;
	err = imap_token_value(token, &value);
	if (!err)
		err = value_delimiter(value, &event.list.delimiter);
	if (err)
		return err;
	imap_token_spaces(token);
	err = imap_token_astring(token, &event.list.name);
	if (err)
		return err;
	imap_token_spaces(token);
	if (!imap_token_at_end(token)) {
		if (*token->pos != '(')
			return -EINVAL;
		err = imap_token_value(token, &event.list.extended);
		if (err)
			return err;
	}
	imap_response_emit(response, &event);
	return 0;
}

int imap_list_read(struct response *response)
{
	return list_read(response, IMAP_EVENT_LIST);
}

int imap_lsub_read(struct response *response)
{
	return list_read(response, IMAP_EVENT_LSUB);
}

/* ---- STATUS --------------------------------------------------------------------- */

/* status-att-val; one that is wrong is as good as not sent. */
static void status_item(const struct imap_value *name, const struct imap_value *value,
			struct imap_event_mailbox_status *status)
{
	const struct {
		const char *name;
		enum imap_status_item item;
		uint32_t *u32;
		uint64_t *u64;
	} items[] = {
		{ "MESSAGES", IMAP_STATUS_MESSAGES, &status->messages, NULL },
		{ "RECENT", IMAP_STATUS_RECENT, &status->recent, NULL },
		{ "UIDNEXT", IMAP_STATUS_UIDNEXT, &status->uidnext, NULL },
		{ "UIDVALIDITY", IMAP_STATUS_UIDVALIDITY, &status->uidvalidity, NULL },
		{ "UNSEEN", IMAP_STATUS_UNSEEN, &status->unseen, NULL },
		{ "DELETED", IMAP_STATUS_DELETED, &status->deleted, NULL },
		{ "HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ, NULL, &status->highestmodseq },
		{ "SIZE", IMAP_STATUS_SIZE, NULL, &status->size },
		{ "APPENDLIMIT", IMAP_STATUS_APPENDLIMIT, NULL, &status->appendlimit },
	};

	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		if (!imap_value_is_atom(name, items[i].name))
			continue;
		if (items[i].u32 ? imap_value_u32(value, items[i].u32) == 0
				 : imap_value_u64(value, items[i].u64) == 0)
			status->present |= items[i].item;
		return;
	}
	if (imap_value_is_atom(name, "MAILBOXID") && value->type == IMAP_VALUE_LIST &&
	    imap_value_string(value->child, &status->mailboxid) == 0)
		status->present |= IMAP_STATUS_MAILBOXID;
}

/* mailbox-data =/ "STATUS" SP mailbox SP "(" [status-att-list] ")" */
int imap_mailbox_status_read(struct response *response)
{
	struct imap_event event = { .type = IMAP_EVENT_MAILBOX_STATUS };
	struct token *token = &response->token;
	const struct imap_value *value;
	int err;

	imap_token_spaces(token);
	err = imap_token_astring(token, &event.mailbox_status.name);
	if (err)
		return err;
	imap_token_spaces(token);
	err = imap_token_value(token, &value);
	if (err)
		return err;
	if (value->type != IMAP_VALUE_LIST)
		return -EINVAL;
	for (value = value->child; value && value->next; value = value->next->next)
		status_item(value, value->next, &event.mailbox_status);
	imap_response_emit(response, &event);
	return 0;
}

/* ---- NAMESPACE ------------------------------------------------------------------ */

/* namespace-descr = "(" string SP (DQUOTE QUOTED-CHAR DQUOTE / nil) [extensions] ")" */
static int namespace_read(const struct imap_value *value, struct imap_namespace *namespace)
{
	int err;

	if (value->type != IMAP_VALUE_LIST || !value->child)
		return -EINVAL;
	err = imap_value_string(value->child, &namespace->prefix);
	if (!err)
		err = value_delimiter(value->child->next, &namespace->delimiter);
	return err;
}

/* namespace-response = "NAMESPACE" SP namespace SP namespace SP namespace
 * namespace          = nil / "(" 1*namespace-descr ")" */
int imap_namespace_read(struct response *response)
{
	struct imap_event event = { .type = IMAP_EVENT_NAMESPACE };
	const struct imap_value *kinds, *value;
	struct imap_namespace *items;
	size_t count = 0;
	int kind = IMAP_NAMESPACE_PERSONAL;
	int err = imap_token_values(&response->token, &kinds);

	if (err)
		return err;
	for (const struct imap_value *list = kinds; list; list = list->next)
		for (value = list->child; value; value = value->next)
			count++;
	items = imap_token_alloc(&response->token, (count + 1) * sizeof(*items), &err);
	if (!items)
		return err;
	event.namespaces.items = items;
	for (; kinds && kind <= IMAP_NAMESPACE_SHARED; kinds = kinds->next, kind++) {
		if (kinds->type != IMAP_VALUE_LIST && !imap_value_is_nil(kinds))
			return -EINVAL;
		for (value = kinds->child; value; value = value->next) {
			*items = (struct imap_namespace){ .kind = kind };
			err = namespace_read(value, items++);
			if (err)
				return err;
			event.namespaces.count++;
		}
	}
	if (kind == IMAP_NAMESPACE_PERSONAL)
		return -EINVAL;
	imap_response_emit(response, &event);
	return 0;
}
