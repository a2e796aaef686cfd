/*
 * Flag lists. System flags are bits, keywords text; a backslash before anything
 * else is some server's private flag and dropped, which also takes care of a lone
 * backslash.
 */
#include "imap/flags.h"

#include <errno.h>

#include "imap/token.h"
#include "util/slice.h"

static const struct {
	struct slice name;
	enum imap_flag flag;
} system_flags[] = {
	{ SLICE_LIT("\\Seen"), IMAP_FLAG_SEEN },
	{ SLICE_LIT("\\Answered"), IMAP_FLAG_ANSWERED },
	{ SLICE_LIT("\\Flagged"), IMAP_FLAG_FLAGGED },
	{ SLICE_LIT("\\Deleted"), IMAP_FLAG_DELETED },
	{ SLICE_LIT("\\Draft"), IMAP_FLAG_DRAFT },
	{ SLICE_LIT("\\Recent"), IMAP_FLAG_RECENT },
};

static uint32_t system_flag(struct slice name)
{
	for (size_t i = 0; i < sizeof(system_flags) / sizeof(system_flags[0]); i++)
		if (slice_caseeq(name, system_flags[i].name))
			return system_flags[i].flag;
	return 0;
}

/* flag-list = "(" [flag *(SP flag)] ")" */
int imap_flags_read(struct token *token, struct imap_event_flags *ret_flags)
{
	struct token_slices keywords = { 0 };
	struct imap_event_flags flags = { 0 };

	if (!imap_token_char(token, '('))
		return -EINVAL;
	for (;;) {
		struct slice flag;
		int err;

		imap_token_spaces(token);
		if (imap_token_char(token, ')'))
			break;
		err = imap_token_atom(token, &flag);
		if (err)
			return err;
		if (flag.ptr[0] != '\\')
			err = imap_token_slices_add(token, &keywords, flag);
		else if (slice_eqs(flag, "\\*"))
			flags.any = true;
		else
			flags.flags |= system_flag(flag);
		if (err)
			return err;
	}
	flags.keywords = keywords.items;
	flags.keyword_count = keywords.count;
	*ret_flags = flags;
	return 0;
}
