/*
 * Response text:
 *
 *   resp-text      = ["[" resp-text-code "]" SP] [text]
 *   resp-text-code = atom [SP 1*<any TEXT-CHAR except "]">]
 *
 * Servers leave the text out, the space, and sometimes the closing bracket; and
 * flags and quoted strings in codes may hold a "]".
 */
#include "imap/status.h"

#include "imap/token.h"
#include "util/num.h"
#include "util/slice.h"

static const struct {
	const char *name;
	enum imap_code code;
} codes[] = {
	{ "ALERT", IMAP_CODE_ALERT },
	{ "ALREADYEXISTS", IMAP_CODE_ALREADYEXISTS },
	{ "APPENDUID", IMAP_CODE_APPENDUID },
	{ "AUTHENTICATIONFAILED", IMAP_CODE_AUTHENTICATIONFAILED },
	{ "AUTHORIZATIONFAILED", IMAP_CODE_AUTHORIZATIONFAILED },
	{ "BADCHARSET", IMAP_CODE_BADCHARSET },
	{ "CANNOT", IMAP_CODE_CANNOT },
	{ "CAPABILITY", IMAP_CODE_CAPABILITY },
	{ "CLIENTBUG", IMAP_CODE_CLIENTBUG },
	{ "CLOSED", IMAP_CODE_CLOSED },
	{ "CONTACTADMIN", IMAP_CODE_CONTACTADMIN },
	{ "COPYUID", IMAP_CODE_COPYUID },
	{ "CORRUPTION", IMAP_CODE_CORRUPTION },
	{ "EXPIRED", IMAP_CODE_EXPIRED },
	{ "EXPUNGEISSUED", IMAP_CODE_EXPUNGEISSUED },
	{ "HASCHILDREN", IMAP_CODE_HASCHILDREN },
	{ "HIGHESTMODSEQ", IMAP_CODE_HIGHESTMODSEQ },
	{ "INUSE", IMAP_CODE_INUSE },
	{ "LIMIT", IMAP_CODE_LIMIT },
	{ "MAILBOXID", IMAP_CODE_MAILBOXID },
	{ "MODIFIED", IMAP_CODE_MODIFIED },
	{ "NOMODSEQ", IMAP_CODE_NOMODSEQ },
	{ "NONEXISTENT", IMAP_CODE_NONEXISTENT },
	{ "NOPERM", IMAP_CODE_NOPERM },
	{ "OVERQUOTA", IMAP_CODE_OVERQUOTA },
	{ "PARSE", IMAP_CODE_PARSE },
	{ "PERMANENTFLAGS", IMAP_CODE_PERMANENTFLAGS },
	{ "PRIVACYREQUIRED", IMAP_CODE_PRIVACYREQUIRED },
	{ "READ-ONLY", IMAP_CODE_READ_ONLY },
	{ "READ-WRITE", IMAP_CODE_READ_WRITE },
	{ "REFERRAL", IMAP_CODE_REFERRAL },
	{ "SERVERBUG", IMAP_CODE_SERVERBUG },
	{ "TOOBIG", IMAP_CODE_TOOBIG },
	{ "TRYCREATE", IMAP_CODE_TRYCREATE },
	{ "UIDNEXT", IMAP_CODE_UIDNEXT },
	{ "UIDNOTSTICKY", IMAP_CODE_UIDNOTSTICKY },
	{ "UIDVALIDITY", IMAP_CODE_UIDVALIDITY },
	{ "UNAVAILABLE", IMAP_CODE_UNAVAILABLE },
	{ "UNKNOWN-CTE", IMAP_CODE_UNKNOWN_CTE },
	{ "UNSEEN", IMAP_CODE_UNSEEN },
};

static enum imap_code code_find(struct slice name)
{
	if (name.len == 0)
		return IMAP_CODE_NONE;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (slice_caseeqs(name, codes[i].name))
			return codes[i].code;
	return IMAP_CODE_OTHER;
}

bool imap_status_find(struct slice word, enum imap_status *ret_status)
{
	static const char *const words[] = {
		[IMAP_OK] = "OK",   [IMAP_NO] = "NO",           [IMAP_BAD] = "BAD",
		[IMAP_BYE] = "BYE", [IMAP_PREAUTH] = "PREAUTH",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!slice_caseeqs(word, words[i]))
			continue;
		*ret_status = (enum imap_status)i;
		return true;
	}
	return false;
}

/* The offset of the bracket that closes a code: outside of parentheses and quotes if these are
 * balanced, else the first there is; len when there is none. */
static size_t code_end(struct slice text)
{
	const char *first;
	unsigned depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		switch (text.ptr[i]) {
		case ']':
			if (depth == 0)
				return i;
			break;
		case '(': depth++; break;
		case ')': depth -= depth > 0; break;
		case '"':
			for (i++; i < text.len && text.ptr[i] != '"'; i++)
				if (text.ptr[i] == '\\')
					i++;
		}
	}
	first = text.len ? memchr(text.ptr, ']', text.len) : NULL;
	return first ? (size_t)(first - text.ptr) : text.len;
}

/* The number that begins the data of the codes that have one; 0 if it is none. */
static uint64_t code_number(enum imap_code code, struct slice data)
{
	size_t len = 0;
	uint64_t number;

	switch (code) {
	case IMAP_CODE_APPENDUID:
	case IMAP_CODE_COPYUID:
	case IMAP_CODE_HIGHESTMODSEQ:
	case IMAP_CODE_UIDNEXT:
	case IMAP_CODE_UIDVALIDITY:
	case IMAP_CODE_UNSEEN:
		while (len < data.len && data.ptr[len] != ' ')
			len++;
		return num_u64((struct slice){ data.ptr, len }, &number) == 0 ? number : 0;
	default: return 0;
	}
}

static void code_read(struct slice code, struct imap_event_status *status)
{
	size_t len = 0;

	code = slice_trim(code);
	while (len < code.len && code.ptr[len] != ' ')
		len++;
	status->code_name = (struct slice){ code.ptr, len };
	status->code_data = slice_trim((struct slice){ code.ptr + len, code.len - len });
	status->code = code_find(status->code_name);
	status->code_number = code_number(status->code, status->code_data);
}

void imap_status_text(struct token *token, struct imap_event_status *status)
{
	struct slice text;

	imap_token_spaces(token);
	text = imap_token_rest(token);
	if (text.len && text.ptr[0] == '[') {
		struct slice code = { text.ptr + 1, text.len - 1 };
		size_t end = code_end(code);

		if (end < code.len) {
			code.len = end;
			code_read(code, status);
			text.ptr += end + 2;
			text.len -= end + 2;
		}
	}
	status->text = slice_trim(text);
}
