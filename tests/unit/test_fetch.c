/*
 * FETCH: each item, streamed literals, and broken items that must not cost another.
 * Each text is fed in every cut of transcript.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include <imap/limits.h>

#include "transcript.h"

struct fetch_case {
	const char *said, *heard;
};

static void assert_heard(const struct fetch_case *cases, size_t count)
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

static void items(void **state)
{
	static const struct fetch_case cases[] = {
		{ "* 12 FETCH (UID 5 FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" "
		  "RFC822.SIZE 4286)\r\n",
		  "FETCH 12 UID=5 FLAGS=(\\Seen) DATE=837596665 SIZE=4286\n" },
		{ "* 12 fetch (uid 5 flags ())\r\n", "FETCH 12 UID=5 FLAGS=()\n" },
		{ "* 1 FETCH ( UID  5   FLAGS ( \\Seen  kw ) )  \r\n",
		  "FETCH 1 UID=5 FLAGS=(\\Seen kw)\n" },
		{ "* 1 FETCH (FLAGS (a b c d e f g h i j \\Draft \\Recent))\r\n",
		  "FETCH 1 FLAGS=(\\Draft \\Recent a b c d e f g h i j)\n" },
		{ "* 1 FETCH ()\r\n", "FETCH 1\n" },
		{ "* 0 FETCH (UID 5)\r\n", "FETCH 0 UID=5\n" },
		{ "* 1 FETCH (RFC822.SIZE 18446744073709551615 UID 4294967295)\r\n",
		  "FETCH 1 UID=4294967295 SIZE=18446744073709551615\n" },
		{ "* 1 FETCH (MODSEQ (624140003) UID 5)\r\n", "FETCH 1 UID=5 MODSEQ=624140003\n" },
		{ "* 1 FETCH (MODSEQ 0 EMAILID (M6d99) THREADID (T64) SAVEDATE \"01-Jan-1970 "
		  "00:00:09 +0000\")\r\n",
		  "FETCH 1 MODSEQ=0 EMAILID=\"M6d99\" THREADID=\"T64\" SAVEDATE=9\n" },
		{ "* 1 FETCH (THREADID NIL SAVEDATE NIL UID 5)\r\n", "FETCH 1 UID=5\n" },
		{ "* 1 FETCH (INTERNALDATE {26}\r\n 8-Feb-2024 10:00:00 +0100 UID 5)\r\n",
		  "FETCH 1 UID=5 DATE=1707382800\n" },
		{ "* 1 FETCH (BODYSTRUCTURE (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"x\") NIL NIL "
		  "\"7BIT\" 3 1) UID 5)\r\n",
		  "FETCH 1 UID=5 STRUCTURE=(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"x\") NIL NIL "
		  "\"7BIT\" 3 1)\n" },
		{ "* 1 FETCH (BODY ((\"a\")(\"b\") \"MIXED\"))\r\n",
		  "FETCH 1 STRUCTURE=((\"a\") (\"b\") \"MIXED\")\n" },
		/* Unknown items pass by quietly, whatever their values. */
		{ "* 1 FETCH (X-GM-MSGID 12788 X-GM-LABELS (\"\\\\Inbox\" \\Sent {2}\r\na) (())) "
		  "BINARY.SIZE[1] 5 UID 5)\r\n",
		  "FETCH 1 UID=5\n" },
		{ "* 1 FETCH (PREVIEW NIL X-EMPTY UID 5 X-LAST)\r\n", "FETCH 1 UID=5\n" },
	};

	ASSERT_HEARD(cases);
}

static void envelopes(void **state)
{
	static const struct fetch_case cases[] = {
		{ "* 1 FETCH (ENVELOPE (\"date\" \"sub\\\"ject\" ((\"T G\" NIL \"gray\" "
		  "\"x.org\")) NIL NIL "
		  "((NIL NIL \"a\" \"b\") (NIL NIL \"c\" \"d\")) () \"\" NIL {3}\r\n<i>) UID "
		  "5)\r\n",
		  "FETCH 1 UID=5 ENVELOPE={\"date\" subject=\"sub\\x22ject\" from=((\"T G\" NIL "
		  "\"gray\" \"x.org\")) "
		  "to=((NIL NIL \"a\" \"b\") (NIL NIL \"c\" \"d\")) in-reply-to=NIL "
		  "message-id=\"<i>\"}\n" },
		{ "* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL))\r\n",
		  "FETCH 1 ENVELOPE={NIL subject=NIL in-reply-to=NIL message-id=NIL}\n" },
		/* Group syntax. */
		{ "* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL ((NIL NIL \"all\" NIL)(NIL NIL NIL "
		  "NIL)) NIL NIL NIL NIL))\r\n",
		  "FETCH 1 ENVELOPE={NIL subject=NIL to=((NIL NIL \"all\" NIL) (NIL NIL NIL NIL)) "
		  "in-reply-to=NIL message-id=NIL}\n" },
		{ "* 1 FETCH (ENVELOPE (NIL \"short\" NIL) UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (ENVELOPE ((NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)) UID 5)\r\n",
		  "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (ENVELOPE NIL UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (ENVELOPE (NIL NIL (\"a\") NIL NIL NIL NIL NIL NIL NIL) UID 5)\r\n",
		  "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (ENVELOPE (NIL NIL ((\"a\" NIL)) NIL NIL NIL NIL NIL NIL NIL) UID "
		  "5)\r\n",
		  "FETCH 1 UID=5 BROKEN\n" },
	};

	ASSERT_HEARD(cases);
}

static void streams(void **state)
{
	static const struct fetch_case cases[] = {
		{ "* 1 FETCH (UID 5 BODY[] {10}\r\nab\r\n)\r\n* 1)\r\n* 2 EXISTS\r\n",
		  "BODY 1 UID=5 [] size=10 ab\\x0d\\x0a)\\x0d\\x0a* 1 END\nFETCH 1 UID=5 "
		  "[]=10\nEXISTS 2\n" },
		{ "* 1 FETCH (BODY[] {1}\r\nx UID 5)\r\n",
		  "BODY 1 UID=0 [] size=1 x END\nFETCH 1 UID=5 []=1\n" },
		{ "* 1 FETCH (BODY[] {0}\r\n UID 5)\r\n",
		  "BODY 1 UID=0 [] size=0  END\nFETCH 1 UID=5 []=0\n" },
		{ "* 7 FETCH (UID 5 BODY[1.TEXT]<1024> {2}\r\nab BODY[HEADER.FIELDS (FROM "
		  "\"x]y\")] {2}\r\ncd)\r\n",
		  "BODY 7 UID=5 [1.TEXT]<1024> size=2 ab END\n"
		  "BODY 7 UID=5 [HEADER.FIELDS (FROM \\x22x]y\\x22)] size=2 cd END\n"
		  "FETCH 7 UID=5 [1.TEXT]<1024>=2 [HEADER.FIELDS (FROM \\x22x]y\\x22)]=2\n" },
		{ "* 1 FETCH (binary[1] ~{2}\r\n\x01\xff rfc822 {1}\r\na RFC822.HEADER {1}\r\nb "
		  "RFC822.TEXT {1}\r\nc)\r\n",
		  "BODY 1 UID=0 [1] size=2 \\x01\\xff END\nBODY 1 UID=0 [] size=1 a END\n"
		  "BODY 1 UID=0 [HEADER] size=1 b END\nBODY 1 UID=0 [TEXT] size=1 c END\n"
		  "FETCH 1 [1]=2 []=1 [HEADER]=1 [TEXT]=1\n" },
		{ "* 1 FETCH (FLAGS (\\Seen \"UID\") ENVELOPE (\"UID\" {6}\r\n\"UID 9) UID 5 X "
		  "(UID 6 (UID 7)) BODY[] {1}\r\nx)\r\n",
		  "BODY 1 UID=5 [] size=1 x END\nFETCH 1 UID=5 []=1 BROKEN\n" },
		/* Not streamed: quoted, NIL. */
		{ "* 1 FETCH (BODY[1] \"a\\\"b\" BODY[2]<3> NIL RFC822.TEXT \"\" UID 5)\r\n",
		  "FETCH 1 UID=5 [1] =\"a\\x22b\" [2]<3>=NIL [TEXT] =\"\"\n" },
		/* A literal that follows no body is kept, in whatever place. */
		{ "* 1 FETCH (X {2}\r\nab UID {1}\r\n5 UID 6)\r\n", "FETCH 1 UID=6 BROKEN\n" },
		{ "* 1 FETCH ((BODY[] {2}\r\nab) UID 6)\r\n", "FETCH 1 UID=6 [] =\"ab\"\n" },
		/* A section with a literal in its name is not followed any further. */
		{ "* 1 FETCH (UID 5 BODY[HEADER.FIELDS ({4}\r\nFrom)] {1}\r\nx)\r\n",
		  "FETCH 1 UID=5\n" },
	};

	ASSERT_HEARD(cases);
}

static void broken_items_cost_themselves(void **state)
{
	static const struct fetch_case cases[] = {
		{ "* 1 FETCH (INTERNALDATE \"00-Jan-0000 00:00:00 +0000\" UID 5)\r\n",
		  "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (MODSEQ (-1) UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (MODSEQ -1 UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (MODSEQ (9223372036854775808) UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (FLAGS NIL UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (FLAGS (\"\\\\Seen\") UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (FLAGS (\\Seen (nested)) UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (FLAGS \"\\\\Seen\" UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (RFC822.SIZE 9.3736e+06 UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (RFC822.SIZE -1 UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (RFC822.SIZE \"12\" UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (RFC822.SIZE UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (UID 5 BODY[2] )\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (BODY[2]  UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (BODY[2] BODY[1] {1}\r\nx UID 5)\r\n",
		  "BODY 1 UID=0 [1] size=1 x END\nFETCH 1 UID=5 [1]=1 BROKEN\n" },
		/* No names of sections: unknown items. */
		{ "* 1 FETCH (BODY[1 {1}\r\nx UID 5)\r\n", "FETCH 1 UID=5\n" },
		{ "* 1 FETCH (BODY[]<x> {1}\r\nx UID 5)\r\n", "FETCH 1 UID=5\n" },
		{ "* 1 FETCH (UID 0 FLAGS (\\Seen))\r\n", "FETCH 1 FLAGS=(\\Seen) BROKEN\n" },
		{ "* 1 FETCH (UID 4294967296 FLAGS (\\Seen))\r\n",
		  "FETCH 1 FLAGS=(\\Seen) BROKEN\n" },
		{ "* 1 FETCH (UID 5 UID 6)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (UID 5 UID 5)\r\n", "FETCH 1 UID=5\n" },
		/* Brackets round an item, too few, too many. */
		{ "* 1 FETCH (UID 5 (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)) FLAGS "
		  "())\r\n",
		  "FETCH 1 UID=5 FLAGS=() ENVELOPE={NIL subject=NIL in-reply-to=NIL "
		  "message-id=NIL}\n" },
		{ "* 1 FETCH ((UID 5 FLAGS ()))\r\n", "FETCH 1 UID=5 FLAGS=()\n" },
		{ "* 1 FETCH (UID 5 FLAGS ()\r\n", "FETCH 1 UID=5 FLAGS=() BROKEN\n" },
		{ "* 1 FETCH (UID 5))\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (UID 5) FLAGS ()\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (UID 5 ENVELOPE (((\r\n", "FETCH 1 UID=5 BROKEN\n" },
		{ "* 1 FETCH (\"junk\" UID 5 {2}\r\nxx FLAGS ())\r\n",
		  "FETCH 1 UID=5 FLAGS=() BROKEN\n" },
		{ "* 1 FETCH (\x01\x02 UID 5)\r\n", "FETCH 1 UID=5 BROKEN\n" },
		/* The next message is not touched. */
		{ "* 1 FETCH UID 5\r\n* 2 FETCH (UID 6)\r\n",
		  "SKIPPED malformed FETCH: text=\"* 1 FETCH UID 5\"\nFETCH 2 UID=6\n" },
		{ "* 9.9e+06 FETCH (UID 5)\r\n* 2 FETCH (UID 6)\r\n",
		  "SKIPPED malformed number: text=\"* 9.9e+06 FETCH (UID 5)\"\nFETCH 2 UID=6\n" },
	};

	ASSERT_HEARD(cases);
}

/* ---- what a message may do to its mailbox: nothing ------------------------------------ */

static void feed_cuts(struct buf *said, const char *heard, const struct transcript_cut *cuts,
		      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct transcript transcript;

		transcript_init(&transcript);
		transcript_feed(&transcript, said->ptr, said->len, &cuts[i]);
		if (transcript.result || strcmp(buf_cstr(&transcript.text), heard) != 0)
			fail_msg("%s: result %d, \"%s\" instead of \"%s\"", cuts[i].name,
				 transcript.result, buf_cstr(&transcript.text), heard);
		transcript_release(&transcript);
	}
	buf_release(said);
}

static void feed_both(struct buf *said, const char *heard)
{
	const struct transcript_cut cuts[] = { transcript_cuts[0], transcript_cuts[2],
					       transcript_cuts[7] };

	feed_cuts(said, heard, cuts, ARRAY_SIZE(cuts));
}

/* What is many megabytes long. */
static void feed_large(struct buf *said, const char *heard)
{
	static const struct transcript_cut cuts[] = { { "whole", 0, 0, 0 },
						      { "odd", 100003, 0, 1 } };

	feed_cuts(said, heard, cuts, ARRAY_SIZE(cuts));
}

static void deep_structure_is_one_broken_item(void **state)
{
	struct buf said;

	buf_init(&said, 8u << 20);
	buf_append_str(&said, "* 1 FETCH (BODYSTRUCTURE ");
	for (unsigned i = 0; i <= IMAP_LIMIT_NESTING; i++)
		buf_append_char(&said, '(');
	for (unsigned i = 0; i <= IMAP_LIMIT_NESTING; i++)
		buf_append_char(&said, ')');
	buf_append_str(&said, " UID 5)\r\n");
	feed_both(&said, "FETCH 1 UID=5 BROKEN\n");
}

static void endless_addresses_are_one_broken_item(void **state)
{
	struct buf said;

	buf_init(&said, 8u << 20);
	buf_append_str(&said, "* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL (");
	for (unsigned i = 0; i < IMAP_LIMIT_VALUES / 5 + 1; i++)
		buf_append_str(&said, "(NIL NIL \"a\" \"b\")");
	buf_append_str(&said, ") NIL NIL NIL NIL) UID 5 BODYSTRUCTURE (\"a\") FLAGS (kw))\r\n");
	feed_both(&said, "FETCH 1 UID=5 FLAGS=(kw) STRUCTURE=(\"a\") BROKEN\n");
}

static void huge_header_is_one_broken_item(void **state)
{
	struct buf said;

	buf_init(&said, 16u << 20);
	buf_appendf(&said, "* 1 FETCH (ENVELOPE (NIL {%u}\r\n", IMAP_LIMIT_INLINE_LITERAL + 1);
	for (unsigned i = 0; i < IMAP_LIMIT_INLINE_LITERAL + 1; i++)
		buf_append_char(&said, '\n');
	buf_append_str(&said, " NIL NIL NIL NIL NIL NIL NIL NIL) UID 5)\r\n");
	feed_both(&said, "FETCH 1 UID=5 BROKEN\n");
}

/* Longer than what is kept, in the ways that servers have to write it; the responses behind it are in step. */
static void a_fetch_without_bounds_is_one_broken_item(void **state)
{
	static const struct {
		const char *head, *piece;
		size_t size;
		const char *tail, *heard;
	} cases[] = {
		{ "UID 5 RFC822.SIZE 9 ENVELOPE (NIL NIL NIL NIL NIL (", "(NIL NIL \"ab\" \"cde\")",
		  IMAP_LIMIT_RESPONSE + 5000, ") NIL NIL NIL NIL)",
		  "FETCH 1 UID=5 SIZE=9 BROKEN\n" },
		{ "UID 5 RFC822.SIZE 9 ENVELOPE (NIL NIL NIL NIL NIL (",
		  "(NIL NIL {2}\r\na\n {3}\r\n}\r\n)", 2 * IMAP_LIMIT_RESPONSE,
		  ") NIL NIL NIL {12}\r\nA1 OK no OK\n)", "FETCH 1 UID=5 SIZE=9 BROKEN\n" },
		{ "UID 5 FLAGS (kw) ENVELOPE (NIL \"", "a {5} \\\" )(", 2 * IMAP_LIMIT_RESPONSE,
		  "\" NIL NIL NIL NIL NIL NIL NIL NIL)", "FETCH 1 UID=5 FLAGS=(kw) BROKEN\n" },
		{ "ENVELOPE (NIL \"", "aaaaaaaaaaaaaaaaaaaaaaaa", IMAP_LIMIT_RESPONSE,
		  "\" NIL NIL NIL NIL NIL NIL NIL NIL) UID 5", "FETCH 1 BROKEN\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf said, heard;

		buf_init(&said, 64u << 20);
		buf_init(&heard, 1000);
		buf_appendf(&said, "* 1 FETCH (%s", cases[i].head);
		while (said.len < cases[i].size)
			buf_append_str(&said, cases[i].piece);
		buf_appendf(&said, "%s)\r\n* 7 EXISTS\r\n", cases[i].tail);
		buf_appendf(&heard, "%sEXISTS 7\n", cases[i].heard);
		feed_large(&said, buf_cstr(&heard));
		buf_release(&heard);
	}
}

/* Wherever the bound falls: into a header of a literal, into a CRLF, into a quoted pair. */
static void the_bound_of_a_fetch_falls_anywhere(void **state)
{
	const char *tail = "\" {4}\r\na)\r\n \"\\\"\" {3}\r\nabc NIL) UID 6)\r\n* 7 EXISTS\r\n";

	for (size_t at = 0; at < strlen(tail) - strlen("* 7 EXISTS\r\n") - 1; at++) {
		struct buf said;

		buf_init(&said, 16u << 20);
		buf_append_str(&said, "* 1 FETCH (UID 5 ENVELOPE (NIL \"");
		memset(buf_reserve(&said, IMAP_LIMIT_RESPONSE - said.len - at), 'a',
		       IMAP_LIMIT_RESPONSE - said.len - at);
		buf_commit(&said, IMAP_LIMIT_RESPONSE - said.len - at);
		buf_append_str(&said, tail);
		feed_large(&said, "FETCH 1 UID=5 BROKEN\nEXISTS 7\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items),
		cmocka_unit_test(envelopes),
		cmocka_unit_test(streams),
		cmocka_unit_test(broken_items_cost_themselves),
		cmocka_unit_test(deep_structure_is_one_broken_item),
		cmocka_unit_test(endless_addresses_are_one_broken_item),
		cmocka_unit_test(huge_header_is_one_broken_item),
		cmocka_unit_test(a_fetch_without_bounds_is_one_broken_item),
		cmocka_unit_test(the_bound_of_a_fetch_falls_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
