/*
 * Responses other than FETCH: what is said, what servers say instead, and what is
 * skipped. Each text is fed in every cut of transcript.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include "transcript.h"

struct response_case {
	const char *said, *heard;
};

static void assert_heard(const struct response_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t cut = 0; cut < transcript_cut_count; cut++) {
			struct transcript transcript;

			transcript_init(&transcript);
			transcript_feed(&transcript, cases[i].said, strlen(cases[i].said),
					&transcript_cuts[cut]);
			if (transcript.result ||
			    strcmp(buf_cstr(&transcript.text), cases[i].heard) != 0)
				fail_msg("%s\n(%s, result %d) gave\n%sinstead of\n%s",
					 cases[i].said, transcript_cuts[cut].name,
					 transcript.result, buf_cstr(&transcript.text),
					 cases[i].heard);
			transcript_release(&transcript);
		}
	}
}

#define ASSERT_HEARD(cases) assert_heard(cases, ARRAY_SIZE(cases))

static void status(void **state)
{
	static const struct response_case cases[] = {
		{ "* OK ready\r\n", "STATUS OK text=\"ready\"\n" },
		{ "* ok\r\n", "STATUS OK text=\"\"\n" },
		{ "* OK \r\n", "STATUS OK text=\"\"\n" },
		{ "* BYE see you \r\n", "STATUS BYE text=\"see you\"\n" },
		{ "* PREAUTH hello\r\n", "STATUS PREAUTH text=\"hello\"\n" },
		{ "* OK [UIDVALIDITY 3857529045] UIDs valid\r\n",
		  "STATUS OK code=UIDVALIDITY data=\"3857529045\" number=3857529045 text=\"UIDs "
		  "valid\"\n" },
		{ "* OK [UIDVALIDITY 0]\r\n", "STATUS OK code=UIDVALIDITY data=\"0\" text=\"\"\n" },
		{ "* OK [UIDVALIDITY 99999999999999999999] x\r\n",
		  "STATUS OK code=UIDVALIDITY data=\"99999999999999999999\" text=\"x\"\n" },
		{ "* OK [HIGHESTMODSEQ 715194045007]no space\r\n",
		  "STATUS OK code=HIGHESTMODSEQ data=\"715194045007\" number=715194045007 "
		  "text=\"no space\"\n" },
		{ "* OK [PERMANENTFLAGS (\\Seen a]b \\*)] limited\r\n",
		  "STATUS OK code=PERMANENTFLAGS data=\"(\\x5cSeen a]b \\x5c*)\" "
		  "text=\"limited\"\n" },
		{ "* NO [BADCHARSET (\"a]\\\"b\" utf-8)] x\r\n",
		  "STATUS NO code=BADCHARSET data=\"(\\x22a]\\x5c\\x22b\\x22 utf-8)\" "
		  "text=\"x\"\n" },
		{ "* OK [X (unbalanced] text\r\n",
		  "STATUS OK code=other:X data=\"(unbalanced\" text=\"text\"\n" },
		{ "* OK [no end\r\n", "STATUS OK text=\"[no end\"\n" },
		{ "* OK [] x\r\n", "STATUS OK text=\"x\"\n" },
		{ "* OK [Read-Only] x\r\n", "STATUS OK code=Read-Only text=\"x\"\n" },
		{ "* OK text [ALERT] more\r\n", "STATUS OK text=\"text [ALERT] more\"\n" },
		/* Literals are none of a text's business, nor are quotes. */
		{ "* OK text {5}\r\n* 1 EXISTS\r\n", "STATUS OK text=\"text {5}\"\nEXISTS 1\n" },
		{ "* BAD \"half {-1}\r\n", "STATUS BAD text=\"\\x22half {-1}\"\n" },
		/* The OK is missing. */
		{ "* [COPYUID 55 31 6]\r\n",
		  "STATUS OK code=COPYUID data=\"55 31 6\" number=55 text=\"\"\n" },
		{ "* OK [CAPABILITY IMAP4rev1  IDLE ] hi\r\n",
		  "CAPABILITY \"IMAP4rev1\" \"IDLE\"\n"
		  "STATUS OK code=CAPABILITY data=\"IMAP4rev1  IDLE\" text=\"hi\"\n" },
		{ "* OK [CAPABILITY]\r\n", "CAPABILITY\nSTATUS OK code=CAPABILITY text=\"\"\n" },
	};

	ASSERT_HEARD(cases);
}

static void tagged(void **state)
{
	static const struct response_case cases[] = {
		{ "a1 OK done\r\n", "TAGGED tag=\"a1\" OK text=\"done\"\n" },
		{ "a1 no\r\n", "TAGGED tag=\"a1\" NO text=\"\"\n" },
		{ "a1 OK [APPENDUID 38505 3955] done\r\n",
		  "TAGGED tag=\"a1\" OK code=APPENDUID data=\"38505 3955\" number=38505 "
		  "text=\"done\"\n" },
		{ "a1 OK [CAPABILITY IMAP4rev1] Logged in {3}\r\na2 BAD no\r\n",
		  "CAPABILITY \"IMAP4rev1\"\n"
		  "TAGGED tag=\"a1\" OK code=CAPABILITY data=\"IMAP4rev1\" text=\"Logged in {3}\"\n"
		  "TAGGED tag=\"a2\" BAD text=\"no\"\n" },
		{ "a1\r\n", "SKIPPED neither tagged nor untagged: text=\"a1\"\n" },
		{ "a1 DONE\r\n", "SKIPPED neither tagged nor untagged: text=\"a1 DONE\"\n" },
		{ "\r\n", "SKIPPED neither tagged nor untagged: text=\"\"\n" },
		{ " OK\r\n", "SKIPPED neither tagged nor untagged: text=\" OK\"\n" },
		{ "+ idling\r\n", "CONTINUE text=\"idling\"\n" },
		{ "+ {3}\r\n", "CONTINUE text=\"{3}\"\n" },
		{ "+ \r\n+\r\n", "CONTINUE text=\"\"\nCONTINUE text=\"\"\n" },
		/* Lone line feeds end lines; NULs between responses vanish. */
		{ "* 1 EXISTS\na1 OK\n", "EXISTS 1\nTAGGED tag=\"a1\" OK text=\"\"\n" },
	};
	static const char nuls[] =
		"\0\0* 1 EXISTS\r\n\0a1 OK x\0y\r\n* LIST () \"/\" \"a\0b\"\r\n* A\0B\r\n";
	struct transcript transcript;

	ASSERT_HEARD(cases);
	transcript_init(&transcript);
	transcript_feed(&transcript, nuls, sizeof(nuls) - 1, &transcript_cuts[0]);
	assert_string_equal(buf_cstr(&transcript.text),
			    "EXISTS 1\nTAGGED tag=\"a1\" OK text=\"x\\x00y\"\n"
			    "LIST attributes=0 delimiter=/ name=\"a\\x00b\"\n"
			    "SKIPPED no such response, and no grammar: text=\"* A\\x00B\"\n");
	transcript_release(&transcript);
}

static void numbers(void **state)
{
	static const struct response_case cases[] = {
		{ "* 23 EXISTS\r\n", "EXISTS 23\n" },
		{ "*  0 recent \r\n", "RECENT 0\n" },
		{ "* 4294967295 EXPUNGE\r\n", "EXPUNGE 4294967295\n" },
		{ "* 4294967296 EXISTS\r\n",
		  "SKIPPED malformed number: text=\"* 4294967296 EXISTS\"\n" },
		{ "* 9.3736e+06 EXISTS\r\n",
		  "SKIPPED malformed number: text=\"* 9.3736e+06 EXISTS\"\n" },
		{ "* -1 EXISTS\r\n", "OTHER -1 EXISTS\n" },
		{ "* 5\r\n", "SKIPPED a number and nothing: text=\"* 5\"\n" },
		{ "* 5 UIDFETCH (FLAGS (\\Seen))\r\n", "OTHER 5 UIDFETCH (FLAGS (\\x5cSeen))\n" },
	};

	ASSERT_HEARD(cases);
}

static void words(void **state)
{
	static const struct response_case cases[] = {
		{ "* CAPABILITY IMAP4rev1 AUTH=PLAIN  \r\n",
		  "CAPABILITY \"IMAP4rev1\" \"AUTH=PLAIN\"\n" },
		{ "* capability a b c d e f g h i j\r\n",
		  "CAPABILITY \"a\" \"b\" \"c\" \"d\" \"e\" \"f\" \"g\" \"h\" \"i\" \"j\"\n" },
		{ "* CAPABILITY\r\n", "CAPABILITY\n" },
		{ "* ENABLED CONDSTORE UTF8=ACCEPT\r\n",
		  "ENABLED \"CONDSTORE\" \"UTF8=ACCEPT\"\n" },
		{ "* ENABLED\r\n", "ENABLED\n" },
		{ "* ID NIL\r\n", "ID\n" },
		{ "* ID ()\r\n", "ID\n" },
		{ "* ID\r\n", "ID\n" },
		{ "* ID (\"name\" \"Cyrus\" \"version\" NIL \"x\" {3}\r\na\"b ) \r\n",
		  "ID \"name\" \"Cyrus\" \"version\" NIL \"x\" \"a\\x22b\"\n" },
		{ "* ID (\"odd\")\r\n", "ID \"odd\" NIL\n" },
		{ "* ID ((\"x\"))\r\n", "SKIPPED malformed ID: text=\"* ID ((\\x22x\\x22))\"\n" },
		{ "* FLAGS (\\Answered \\seen $Forwarded \\* \\Strange \\ NonJunk)\r\n",
		  "FLAGS (\\Seen \\Answered $Forwarded NonJunk) any\n" },
		{ "* FLAGS ()\r\n", "FLAGS ()\n" },
		{ "* FLAGS NIL\r\n", "SKIPPED malformed FLAGS: text=\"* FLAGS NIL\"\n" },
		{ "* FLAGS (\\Seen\r\n", "SKIPPED malformed FLAGS: text=\"* FLAGS (\\x5cSeen\"\n" },
	};

	ASSERT_HEARD(cases);
}

static void lists(void **state)
{
	static const struct response_case cases[] = {
		{ "* LIST (\\HasNoChildren) \"/\" INBOX\r\n",
		  "LIST attributes=10 delimiter=/ name=\"INBOX\"\n" },
		{ "* List () \".\" \"a b\"\r\n", "LIST attributes=0 delimiter=. name=\"a b\"\n" },
		{ "* LSUB (\\subscribed) NIL x\r\n", "LSUB attributes=80 delimiter= name=\"x\"\n" },
		{ "* LIST (\\drafts \\NOSELECT \\HasChildren) \"\\\\\" \"back\\\\slash "
		  "\\\"q\\\"\"\r\n",
		  "LIST attributes=4000a delimiter=\\ name=\"back\\x5cslash \\x22q\\x22\"\n" },
		{ "* LIST (\\NonExistent) \"\" x\r\n",
		  "LIST attributes=6 delimiter= name=\"x\"\n" },
		{ "* LIST ( \\HasNoChildren \\) \"|\" x \r\n",
		  "LIST attributes=10 delimiter=| name=\"x\"\n" },
		{ "* LIST NIL NIL NIL\r\n", "LIST attributes=0 delimiter= name=\"NIL\"\n" },
		{ "* LIST () \"/\" {5}\r\na\r\nb\"\r\n",
		  "LIST attributes=0 delimiter=/ name=\"a\\x0d\\x0ab\\x22\"\n" },
		{ "* LIST () \"/\" {0}\r\n\r\n", "LIST attributes=0 delimiter=/ name=\"\"\n" },
		{ "* LIST () \"/\" ~{1+}\r\nx\r\n", "LIST attributes=0 delimiter=/ name=\"x\"\n" },
		{ "* LIST () \"/\" [Gmail]/Sent%x*&-\x01(y)\r\n",
		  "LIST attributes=0 delimiter=/ name=\"[Gmail]/Sent%x*&-\\x01(y)\"\n" },
		{ "* LIST () \"/\" \xc3\xa4\r\n",
		  "LIST attributes=0 delimiter=/ name=\"\\xc3\\xa4\"\n" },
		{ "* LIST () \"/\" \"x\" (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (\"y\"))\r\n",
		  "LIST attributes=0 delimiter=/ name=\"x\" extended=(\"CHILDINFO\" "
		  "(\"SUBSCRIBED\") \"OLDNAME\" (\"y\"))\n" },
		{ "* XLIST (\\AllMail) \"/\" x\r\n",
		  "LIST attributes=10000 delimiter=/ name=\"x\"\n" },
		{ "* LIST () \"//\" x\r\n",
		  "SKIPPED malformed LIST: text=\"* LIST () \\x22//\\x22 x\"\n" },
		{ "* LIST () \"/\" a b\r\n",
		  "SKIPPED malformed LIST: text=\"* LIST () \\x22/\\x22 a b\"\n" },
		{ "* LIST () \"/\"\r\n",
		  "SKIPPED malformed LIST: text=\"* LIST () \\x22/\\x22\"\n" },
		{ "* LIST x \"/\" y\r\n",
		  "SKIPPED malformed LIST: text=\"* LIST x \\x22/\\x22 y\"\n" },
	};

	ASSERT_HEARD(cases);
}

static void mailbox_status(void **state)
{
	static const struct response_case cases[] = {
		{ "* STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)\r\n",
		  "MAILBOX name=\"blurdybloop\" MESSAGES=231 UIDNEXT=44292\n" },
		{ "* STATUS \"x\" ()\r\n", "MAILBOX name=\"x\"\n" },
		{ "* STATUS {3}\r\na b (unseen 1 recent 2 size 99999999999 deleted 3 uidvalidity 0 "
		  ") \r\n",
		  "MAILBOX name=\"a b\" RECENT=2 UIDVALIDITY=0 UNSEEN=1 SIZE=99999999999 "
		  "DELETED=3\n" },
		{ "* STATUS x (HIGHESTMODSEQ 7011231777 MAILBOXID (F2212) APPENDLIMIT NIL NEW (a "
		  "b) MESSAGES 1)\r\n",
		  "MAILBOX name=\"x\" MESSAGES=1 HIGHESTMODSEQ=7011231777 MAILBOXID=\"F2212\"\n" },
		/* One wrong number costs only itself. */
		{ "* STATUS x (MESSAGES -1 UIDNEXT 9.3e+06 UNSEEN 4294967296 RECENT \"1\" "
		  "UIDVALIDITY 5)\r\n",
		  "MAILBOX name=\"x\" UIDVALIDITY=5\n" },
		{ "* STATUS x (MESSAGES 1 UIDNEXT)\r\n", "MAILBOX name=\"x\" MESSAGES=1\n" },
		{ "* STATUS x\r\n", "SKIPPED malformed STATUS: text=\"* STATUS x\"\n" },
		{ "* STATUS x 5\r\n", "SKIPPED malformed STATUS: text=\"* STATUS x 5\"\n" },
	};

	ASSERT_HEARD(cases);
}

static void namespaces(void **state)
{
	static const struct response_case cases[] = {
		{ "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n", "NAMESPACE personal=\"\"/\n" },
		{ "* NAMESPACE ((\"\" \"/\") (\"#mh/\" \"/\" \"X-PARAM\" (\"F\" \"G\"))) ((\"~\" "
		  "NIL)) ((\"#a.\" \".\")(\"b\" \"\"))\r\n",
		  "NAMESPACE personal=\"\"/ personal=\"#mh/\"/ other=\"~\" shared=\"#a.\". "
		  "shared=\"b\"\n" },
		{ "* NAMESPACE NIL NIL NIL\r\n", "NAMESPACE\n" },
		{ "* NAMESPACE ((INBOX. \".\"))\r\n", "NAMESPACE personal=\"INBOX.\".\n" },
		{ "* NAMESPACE\r\n", "SKIPPED malformed NAMESPACE: text=\"* NAMESPACE\"\n" },
		{ "* NAMESPACE (\"\" \"/\") NIL NIL\r\n",
		  "SKIPPED malformed NAMESPACE: text=\"* NAMESPACE (\\x22\\x22 \\x22/\\x22) NIL "
		  "NIL\"\n" },
		{ "* NAMESPACE ((\"x\")) NIL NIL\r\n",
		  "SKIPPED malformed NAMESPACE: text=\"* NAMESPACE ((\\x22x\\x22)) NIL NIL\"\n" },
	};

	ASSERT_HEARD(cases);
}

static void searches(void **state)
{
	static const struct response_case cases[] = {
		{ "* SEARCH\r\n", "SEARCH set=\n" },
		{ "* SEARCH 2 84 882 \r\n", "SEARCH set=2,84,882\n" },
		{ "* SEARCH 9 8 3 3 4 2 (MODSEQ 917162500)\r\n",
		  "SEARCH modseq=917162500 set=2:4,8:9\n" },
		{ "* SEARCH 1 0\r\n", "SKIPPED malformed SEARCH: text=\"* SEARCH 1 0\"\n" },
		{ "* SEARCH 1 4294967296\r\n",
		  "SKIPPED malformed SEARCH: text=\"* SEARCH 1 4294967296\"\n" },
		{ "* SEARCH 1:5\r\n", "SKIPPED malformed SEARCH: text=\"* SEARCH 1:5\"\n" },
		/* What was skipped leaves nothing behind. */
		{ "* SEARCH 1 x\r\n* SEARCH 5\r\n",
		  "SKIPPED malformed SEARCH: text=\"* SEARCH 1 x\"\nSEARCH set=5\n" },
		{ "* ESEARCH (TAG \"A285\") UID MIN 7 MAX 3800 COUNT 4 ALL 3:7,9 MODSEQ 5 PARTIAL "
		  "(1:2 4,5) NEW x\r\n",
		  "ESEARCH tag=\"A285\" uid min=7 max=3800 count=4 modseq=5 set=3:7,9\n" },
		{ "* ESEARCH\r\n", "ESEARCH\n" },
		{ "* ESEARCH (TAG x) COUNT 0\r\n", "ESEARCH tag=\"x\" count=0\n" },
		{ "* ESEARCH ALL 1:*\r\n",
		  "SKIPPED malformed ESEARCH: text=\"* ESEARCH ALL 1:*\"\n" },
		{ "* ESEARCH COUNT -1\r\n",
		  "SKIPPED malformed ESEARCH: text=\"* ESEARCH COUNT -1\"\n" },
		{ "* VANISHED (EARLIER) 300:310,405\r\n",
		  "VANISHED uid earlier set=300:310,405\n" },
		{ "* VANISHED 7\r\n", "VANISHED uid set=7\n" },
		{ "* VANISHED 1:3,\r\n", "SKIPPED malformed VANISHED: text=\"* VANISHED 1:3,\"\n" },
		{ "* VANISHED 5:\r\n", "SKIPPED malformed VANISHED: text=\"* VANISHED 5:\"\n" },
		{ "* VANISHED *\r\n", "SKIPPED malformed VANISHED: text=\"* VANISHED *\"\n" },
		{ "* VANISHED 1:*\r\n", "SKIPPED malformed VANISHED: text=\"* VANISHED 1:*\"\n" },
		{ "* VANISHED 0\r\n", "SKIPPED malformed VANISHED: text=\"* VANISHED 0\"\n" },
		{ "* VANISHED\r\n", "SKIPPED malformed VANISHED: text=\"* VANISHED\"\n" },
		{ "* VANISHED 1 2\r\n", "SKIPPED malformed VANISHED: text=\"* VANISHED 1 2\"\n" },
		{ "* VANISHED 9:7\r\n", "VANISHED uid set=7:9\n" },
	};

	ASSERT_HEARD(cases);
}

static void others(void **state)
{
	static const struct response_case cases[] = {
		{ "* QUOTA \"\" (STORAGE 10 512)\r\n", "OTHER QUOTA \"\" (STORAGE 10 512)\n" },
		{ "* METADATA \"\" (/shared/comment {2}\r\nhi)\r\n",
		  "OTHER METADATA \"\" (/shared/comment \"hi\")\n" },
		{ "* X-NEW\r\n", "OTHER X-NEW \n" },
		{ "* X BODY[HEADER.FIELDS (FROM)]<0> a[b c\r\n",
		  "OTHER X BODY[HEADER.FIELDS (FROM)]<0> a[b c\n" },
		{ "* X (((a)) ()b)\r\n", "OTHER X (((a)) () b)\n" },
		{ "* X (a\r\n", "SKIPPED no such response, and no grammar: text=\"* X (a\"\n" },
		{ "* X a)\r\n", "SKIPPED no such response, and no grammar: text=\"* X a)\"\n" },
		{ "* X {5} y\r\n",
		  "SKIPPED no such response, and no grammar: text=\"* X {5} y\"\n" },
		{ "* X {word}\r\n* 1 EXISTS\r\n",
		  "SKIPPED no such response, and no grammar: text=\"* X {word}\"\nEXISTS 1\n" },
		/* A literal where none can be read is still framed. */
		{ "* X a\x01{4}\r\n\r\n* \r\n* 1 EXISTS\r\n",
		  "SKIPPED no such response, and no grammar: text=\"* X "
		  "a\\x01{4}\\x0d\\x0a\\x0d\\x0a* \"\nEXISTS 1\n" },
		{ "*\r\n", "SKIPPED an empty response: text=\"*\"\n" },
		{ "* (\r\n", "SKIPPED no name: text=\"* (\"\n" },
	};

	ASSERT_HEARD(cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status),     cmocka_unit_test(tagged),
		cmocka_unit_test(numbers),    cmocka_unit_test(words),
		cmocka_unit_test(lists),      cmocka_unit_test(mailbox_status),
		cmocka_unit_test(namespaces), cmocka_unit_test(searches),
		cmocka_unit_test(others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
