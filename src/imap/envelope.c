/*
 * ENVELOPE. The tree has been built already; here is only its shape:
 *
 *   envelope    = "(" date SP subject SP from SP sender SP reply-to SP to SP cc SP bcc
 *                 SP in-reply-to SP message-id ")"
 *   env-from .. = "(" 1*address ")" / nil
 *   address     = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"
 *   all else    = nstring
 *
 * More members than these are let pass, and so are "()" and "" for no addresses.
 */
#include "imap/envelope_read.h"

#include <errno.h>

#include "imap/token.h"

static int take_string(const struct imap_value **value, struct slice *ret_text)
{
	int err = imap_value_string(*value, ret_text);

	if (err)
		return err;
	*value = (*value)->next;
	return 0;
}

static int address_read(const struct imap_value *value, struct imap_address *address)
{
	const struct imap_value *member = value->child;
	int err;

	if (value->type != IMAP_VALUE_LIST)
		return -EINVAL;
	err = take_string(&member, &address->name);
	if (!err)
		err = take_string(&member, &address->route);
	if (!err)
		err = take_string(&member, &address->mailbox);
	if (!err)
		err = take_string(&member, &address->host);
	return err;
}

static int take_addresses(struct token *token, const struct imap_value **value,
			  struct imap_address_list *list)
{
	const struct imap_value *member, *all = *value;
	struct imap_address *items;
	struct slice text;
	size_t count = 0;
	int err = 0;

	if (!all)
		return -EINVAL;
	*value = all->next;
	if (all->type != IMAP_VALUE_LIST) {
		err = imap_value_string(all, &text);
		return err ? err : text.len ? -EINVAL : 0;
	}
	for (member = all->child; member; member = member->next)
		count++;
	if (count == 0)
		return 0;
	items = imap_token_alloc(token, count * sizeof(*items), &err);
	if (!items)
		return err;
	list->items = items;
	list->count = count;
	for (member = all->child; member && !err; member = member->next)
		err = address_read(member, items++);
	return err;
}

int imap_envelope_read(struct token *token, const struct imap_value *value,
		       const struct imap_envelope **ret_envelope)
{
	const struct imap_value *member = value->child;
	struct imap_envelope *env;
	struct imap_address_list *lists[6];
	int err = 0;

	if (value->type != IMAP_VALUE_LIST)
		return -EINVAL;
	env = imap_token_alloc(token, sizeof(*env), &err);
	if (!env)
		return err;
	*env = (struct imap_envelope){ 0 };
	lists[0] = &env->from;
	lists[1] = &env->sender;
	lists[2] = &env->reply_to;
	lists[3] = &env->to;
	lists[4] = &env->cc;
	lists[5] = &env->bcc;
	err = take_string(&member, &env->date);
	if (!err)
		err = take_string(&member, &env->subject);
	for (unsigned i = 0; i < 6 && !err; i++)
		err = take_addresses(token, &member, lists[i]);
	if (!err)
		err = take_string(&member, &env->in_reply_to);
	if (!err)
		err = take_string(&member, &env->message_id);
	if (err)
		return err;
	*ret_envelope = env;
	return 0;
}
