/* Reading single values of the tree that token.c builds. */
#include <imap/value.h>

#include <errno.h>

#include "util/num.h"
#include "util/slice.h"

bool imap_value_is_atom(const struct imap_value *value, const char *upper)
{
	return value && value->type == IMAP_VALUE_ATOM && slice_caseeqs(value->text, upper);
}

bool imap_value_is_nil(const struct imap_value *value)
{
	return imap_value_is_atom(value, "NIL");
}

int imap_value_u64(const struct imap_value *value, uint64_t *ret_number)
{
	if (!value || value->type != IMAP_VALUE_ATOM)
		return -EINVAL;
	return num_u64(value->text, ret_number);
}

int imap_value_u32(const struct imap_value *value, uint32_t *ret_number)
{
	if (!value || value->type != IMAP_VALUE_ATOM)
		return -EINVAL;
	return num_u32(value->text, ret_number);
}

int imap_value_string(const struct imap_value *value, struct slice *ret_text)
{
	if (!value || (value->type != IMAP_VALUE_ATOM && value->type != IMAP_VALUE_STRING))
		return -EINVAL;
	*ret_text = imap_value_is_nil(value) ? SLICE_NIL : value->text;
	return 0;
}
