/*
 * The parser as a machine: cuts, stops, what is fatal, and every limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <time.h>

#include <imap/limits.h>
#include <imap/parser.h>

#include "transcript.h"

/* ---- fatal ---------------------------------------------------------------------------- */

static void fatal(void **state)
{
	static const struct {
		const char *said;
		int result;
		const char *heard;
	} cases[] = {
		/* Literals that cannot be framed. */
		{ "* LIST () \"/\" {4294967296}\r\n", -EMSGSIZE, "" },
		{ "* LIST () \"/\" {99999999999999999999}\r\n", -EMSGSIZE, "" },
		{ "* LIST () \"/\" {-1}\r\n", -EPROTO, "" },
		{ "* LIST () \"/\" {}\r\n", -EPROTO, "" },
		{ "* LIST () \"/\" {01}\r\n", -EPROTO, "" },
		{ "* LIST () \"/\" {1 }\r\n", -EPROTO, "" },
		{ "* LIST () \"/\" {1x}\r\n", -EPROTO, "" },
		{ "* LIST () \"/\" {+}\r\n", -EPROTO, "" },
		{ "* 1 FETCH (BODY[] {4294967296}\r\n", -EMSGSIZE, "" },
		{ "* 1 FETCH (BODY[] {99999999999999999999}\r\n", -EMSGSIZE, "" },
		{ "* 1 FETCH (BODY[] {-1}\r\n", -EPROTO, "" },
		{ "* 1 FETCH (BODY[] {01}\r\n", -EPROTO, "" },
		{ "* LIST () \"/\" {4194305}\r\n", -EMSGSIZE, "" },
		/* Quoted strings do not go over lines. */
		{ "* LIST () \"/\" \"a\r\n* 1 EXISTS\r\n", -EPROTO, "" },
		{ "* LIST () \"/\" \"a\nb\"\r\n", -EPROTO, "" },
		{ "* LIST () \"/\" \"a\\\r\nb\"\r\n", -EPROTO, "" },
		{ "* LIST () \"/\" \"a\\\"\r\n", -EPROTO, "" },
		{ "* LIST () \"/\" \"a {3}\r\nb\"c\r\n", -EPROTO, "" },
		{ "* LIST () \"/\" \"a\rb\"\r\n", -EPROTO, "" },
		{ "* 1 FETCH (UID 5 X \"a\r\n", -EPROTO, "" },
		{ "* 1 FETCH (UID 5 ENVELOPE (\"a\r\n", -EPROTO, "" },
		{ "* 1 FETCH (UID 5 FLAGS (\\Seen \"a\r\n", -EPROTO, "" },
		{ "* X \"a\r\n", -EPROTO, "" },
		/* A lone CR. */
		{ "* OK a\rb\r\n", -EPROTO, "" },
		{ "* 1 EXISTS\r\r\n", -EPROTO, "" },
		{ "* 1 EXISTS\r\n* 2 EXISTS\r* 3 EXISTS\r\n", -EPROTO, "EXISTS 1\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t cut = 0; cut < transcript_cut_count; cut++) {
			struct transcript transcript;

			transcript_init(&transcript);
			transcript_feed(&transcript, cases[i].said, strlen(cases[i].said),
					&transcript_cuts[cut]);
			if (transcript.result != cases[i].result ||
			    strcmp(buf_cstr(&transcript.text), cases[i].heard) != 0)
				fail_msg("%s\n(%s) gave %d\n%s", cases[i].said,
					 transcript_cuts[cut].name, transcript.result,
					 buf_cstr(&transcript.text));
			transcript_release(&transcript);
		}
	}
}

static int ignore(void *user, const struct imap_event *event)
{
	return 0;
}

static void an_error_is_final_and_has_a_reason(void **state)
{
	struct imap_parser *parser = NULL;

	assert_int_equal(imap_parser_new(ignore, NULL, &parser), 0);
	assert_string_equal(imap_parser_error(parser), "");
	assert_int_equal(imap_parser_feed(parser, "* X {01}\r\n", 10), -EPROTO);
	assert_string_equal(imap_parser_error(parser), "a malformed literal");
	assert_int_equal(imap_parser_feed(parser, "* 1 EXISTS\r\n", 12), -EPROTO);
	imap_parser_free(&parser);
	assert_null(parser);
	imap_parser_free(&parser);
}

static void counts_what_it_skips(void **state)
{
	static const char said[] =
		"* 1 FETCH (UID 5 FLAGS NIL)\r\njunk\r\n* 1 FETCH (UID 5)\r\n* SEARCH x\r\n";
	struct imap_parser *parser;

	assert_int_equal(imap_parser_new(ignore, NULL, &parser), 0);
	assert_int_equal(imap_parser_feed(parser, said, sizeof(said) - 1), sizeof(said) - 1);
	assert_int_equal(imap_parser_skipped(parser), 3);
	imap_parser_free(&parser);
}

static void idle_between_responses(void **state)
{
	static const char said[] = "* 1 FETCH (UID 5 X {2}\r\nab BODY[] {2}\r\nab)\r\n";
	struct imap_parser *parser;

	assert_int_equal(imap_parser_new(ignore, NULL, &parser), 0);
	assert_true(imap_parser_idle(parser));
	for (size_t i = 0; i < sizeof(said) - 1; i++) {
		assert_int_equal(imap_parser_feed(parser, said + i, 1), 1);
		assert_int_equal(imap_parser_idle(parser), i == sizeof(said) - 2);
	}
	imap_parser_free(&parser);
}

/* ---- stopping ------------------------------------------------------------------------- */

struct stopper {
	struct transcript transcript;
	enum imap_event_type at;
};

static int stop_at(void *user, const struct imap_event *event)
{
	struct stopper *stopper = user;

	transcript_event(&stopper->transcript, event);
	return event->type == stopper->at;
}

static void stops_right_behind_an_event(void **state)
{
	static const struct {
		enum imap_event_type at;
		const char *used;
	} cases[] = {
		{ IMAP_EVENT_TAGGED, "a1 OK [CAPABILITY x] go\r\n" },
		{ IMAP_EVENT_CAPABILITY,
		  "a1 OK [CAPABILITY x] go\r\n" }, /* one response, both events */
		{ IMAP_EVENT_EXISTS, "a1 OK [CAPABILITY x] go\r\n* 3 EXISTS\r\n" },
		{ IMAP_EVENT_BODY_BEGIN,
		  "a1 OK [CAPABILITY x] go\r\n* 3 EXISTS\r\n* 1 FETCH (BODY[1] {0}\r\n" },
		{ IMAP_EVENT_BODY_DATA, "a1 OK [CAPABILITY x] go\r\n* 3 EXISTS\r\n* 1 FETCH "
					"(BODY[1] {0}\r\n BODY[2] {3}\r\nabc" },
		{ IMAP_EVENT_BODY_END,
		  "a1 OK [CAPABILITY x] go\r\n* 3 EXISTS\r\n* 1 FETCH (BODY[1] {0}\r\n" },
	};
	static const char said[] = "a1 OK [CAPABILITY x] go\r\n* 3 EXISTS\r\n"
				   "* 1 FETCH (BODY[1] {0}\r\n BODY[2] {3}\r\nabc)\r\n* BYE\r\n";
	struct transcript whole;

	transcript_init(&whole);
	transcript_feed(&whole, said, sizeof(said) - 1, &transcript_cuts[0]);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct stopper stopper = { .at = cases[i].at };
		struct imap_parser *parser;
		ssize_t used, first = 0;

		transcript_init(&stopper.transcript);
		assert_int_equal(imap_parser_new(stop_at, &stopper, &parser), 0);
		for (size_t at = 0; at < sizeof(said) - 1; at += (size_t)used) {
			used = imap_parser_feed(parser, said + at, sizeof(said) - 1 - at);
			assert_true(used >= 0);
			if (!first)
				first = used;
		}
		assert_int_equal(first, strlen(cases[i].used));
		assert_string_equal(buf_cstr(&stopper.transcript.text), buf_cstr(&whole.text));
		imap_parser_free(&parser);
		transcript_release(&stopper.transcript);
	}
	transcript_release(&whole);
}

/* ---- limits --------------------------------------------------------------------------- */

static size_t memory_used(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* Feeds `head`, then `piece` again and again, until it fails or `limit` bytes are in. Returns
 * the error or 0; the memory that the parser came to hold is in *ret_memory. */
static int feed_endless(const char *head, const char *piece, uint64_t limit, size_t *ret_memory)
{
	size_t len = strlen(piece), before = memory_used(), most = 0;
	struct imap_parser *parser;
	char block[65536];
	ssize_t used;

	for (size_t i = 0; i + len <= sizeof(block); i += len)
		memcpy(block + i, piece, len);
	assert_int_equal(imap_parser_new(ignore, NULL, &parser), 0);
	used = imap_parser_feed(parser, head, strlen(head));
	for (uint64_t fed = 0; used >= 0 && fed < limit; fed += sizeof(block)) {
		used = imap_parser_feed(parser, block, sizeof(block) / len * len);
		if (memory_used() - before > most)
			most = memory_used() - before;
	}
	imap_parser_free(&parser);
	*ret_memory = most;
	return used < 0 ? (int)used : 0;
}

static void endless_things_end(void **state)
{
	static const struct {
		const char *head, *piece;
		int result;
	} cases[] = {
		{ "* OK ", "a", -EMSGSIZE },
		{ "", "a", -EMSGSIZE },
		{ "* X ", "(", -EMSGSIZE },
		{ "* X \"", "a", -EMSGSIZE },
		{ "* SEARCH", " 1", -EMSGSIZE },
		{ "* LIST () \"/\" ", "a[", -EMSGSIZE },
		/* read over for a while */
		{ "* 1 FETCH (X ", "{1}\r\na ", -EMSGSIZE },
		{ "* 1 FETCH (X (", "\"abcdefg\" ", -EMSGSIZE },
		{ "* 1 FETCH (", "BODY[] {0}\r\n ", -EMSGSIZE },
		{ "* 1 FETCH (UID 5 BODY[", "{1}\r\na [", -EMSGSIZE },
		/* Endless responses are none of the parser's business, but must not pile up. */
		{ "", "* OK\r\n", 0 },
		{ "", "* 1 FETCH (UID 5 BODY[] {1}\r\na)\r\n", 0 },
		{ "* 1 FETCH (BODY[] {2000000000}\r\n", "a", 0 },
		{ "* 1 FETCH (ENVELOPE ({2000000000}\r\n", "a", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t memory;
		int result = feed_endless(cases[i].head, cases[i].piece,
					  IMAP_LIMIT_RESPONSE + IMAP_LIMIT_SKIM + (20u << 20),
					  &memory);

		if (result != cases[i].result || memory > 32u << 20)
			fail_msg("%s%s...: %d, %zu bytes", cases[i].head, cases[i].piece, result,
				 memory);
		if (result == 0 && memory > 1u << 20)
			fail_msg("%s%s...: %zu bytes pile up", cases[i].head, cases[i].piece,
				 memory);
	}
}

/* The real size, once: a gigabyte without an end of line, in one call. */
static void a_gigabyte_without_a_line_end(void **state)
{
	size_t size = (size_t)1 << 30;
	struct imap_parser *parser;
	char *line = calloc(1, size); /* never touched: no memory is spent on it */

	if (!line)
		skip();
	assert_int_equal(imap_parser_new(ignore, NULL, &parser), 0);
	assert_int_equal(imap_parser_feed(parser, line, size), -EMSGSIZE);
	imap_parser_free(&parser);
	free(line);
}

/* Feeds a text whole and in odd pieces; both must end alike. */
static void assert_result(struct buf *said, int result, const char *heard)
{
	static const struct transcript_cut cuts[] = {
		{ "whole", 0, 0, 0 },
		{ "odd", 1777, 0, 1 },
	};

	assert_int_equal(said->error, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		struct transcript transcript;

		transcript_init(&transcript);
		transcript_feed(&transcript, said->ptr, said->len, &cuts[i]);
		assert_int_equal(transcript.result, result);
		if (heard)
			assert_string_equal(buf_cstr(&transcript.text), heard);
		transcript_release(&transcript);
	}
	buf_clear(said);
}

static void put_many(struct buf *out, const char *piece, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_append_str(out, piece);
}

static void the_longest_response(void **state)
{
	struct buf said;

	buf_init(&said, 32u << 20);
	buf_append_str(&said, "* OK ");
	put_many(&said, "a", IMAP_LIMIT_RESPONSE - 7);
	buf_append_str(&said, "\r\n");
	assert_int_equal(said.len, IMAP_LIMIT_RESPONSE);
	assert_result(&said, 0, NULL);
	buf_append_str(&said, "* OK ");
	put_many(&said, "a", IMAP_LIMIT_RESPONSE - 6);
	buf_append_str(&said, "\r\n");
	assert_result(&said, -EMSGSIZE, "");
	buf_release(&said);
}

static void the_largest_inline_literals(void **state)
{
	struct buf said;

	buf_init(&said, 32u << 20);
	buf_appendf(&said, "* METADATA x (a {%u}\r\n", IMAP_LIMIT_INLINE_LITERAL);
	put_many(&said, "16 bytes a line\n", IMAP_LIMIT_INLINE_LITERAL / 16);
	buf_append_str(&said, ")\r\n");
	assert_result(&said, 0, NULL);
	/* Each within its limit, but not together. */
	buf_append_str(&said, "* METADATA x (");
	for (int i = 0; i < 4; i++) {
		buf_appendf(&said, "a {%u}\r\n", IMAP_LIMIT_INLINE_LITERAL);
		put_many(&said, "16 bytes a line\n", IMAP_LIMIT_INLINE_LITERAL / 16);
	}
	buf_append_str(&said, ")\r\n");
	assert_result(&said, -EMSGSIZE, "");
	buf_release(&said);
}

static void the_deepest_nesting(void **state)
{
	struct buf said;

	buf_init(&said, 32u << 20);
	for (unsigned over = 0; over < 2; over++) {
		buf_append_str(&said, "* X ");
		put_many(&said, "(", IMAP_LIMIT_NESTING + over);
		put_many(&said, ")", IMAP_LIMIT_NESTING + over);
		buf_append_str(&said, "\r\n");
		assert_result(&said, over ? -EMSGSIZE : 0, NULL);
	}
	buf_append_str(&said, "* X ");
	put_many(&said, "(", 1000000);
	buf_append_str(&said, "\r\n");
	assert_result(&said, -EMSGSIZE, "");
	buf_append_str(&said, "* OK ");
	put_many(&said, "(", 1000000);
	buf_append_str(&said, "\r\n* 1 FETCH (X ");
	put_many(&said, "(", 1000000);
	put_many(&said, ")", 1000000);
	buf_append_str(&said, " UID 5)\r\n");
	assert_result(&said, 0, NULL);
	buf_release(&said);
}

static void the_most_values(void **state)
{
	static const struct {
		const char *head, *piece, *tail;
		int over; /* the result above the limit */
	} cases[] = {
		{ "* X", " a", "\r\n", -EMSGSIZE },
		{ "* X (", "()", ")\r\n", -EMSGSIZE },
		{ "* CAPABILITY", " a", "\r\n", -EMSGSIZE },
		{ "* FLAGS (", " a", ")\r\n", -EMSGSIZE },
		{ "* LIST (", " a", ") NIL x\r\n", -EMSGSIZE },
		{ "* 1 FETCH (FLAGS (", " a", "))\r\n", 0 },
		{ "* 1 FETCH (", "BODY[] {0}\r\n ", ")\r\n", -EMSGSIZE },
	};
	struct buf said;

	buf_init(&said, 32u << 20);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (unsigned over = 0; over < 2; over++) {
			buf_append_str(&said, cases[i].head);
			put_many(&said, cases[i].piece,
				 over ? IMAP_LIMIT_VALUES + 1 : IMAP_LIMIT_VALUES - 4);
			buf_append_str(&said, cases[i].tail);
			assert_result(&said, over ? cases[i].over : 0, NULL);
		}
	}
	buf_release(&said);
}

static void the_largest_search(void **state)
{
	struct buf said;

	buf_init(&said, 32u << 20);
	for (unsigned over = 0; over < 2; over++) {
		buf_append_str(&said, "* SEARCH");
		for (unsigned i = 0; i < IMAP_LIMIT_SET_RANGES + over; i++)
			buf_appendf(&said, " %u", 1 + 2 * i);
		buf_append_str(&said, "\r\n");
		assert_result(&said, over ? -EMSGSIZE : 0, NULL);
		buf_append_str(&said, "* VANISHED 1");
		for (unsigned i = 1; i < IMAP_LIMIT_SET_RANGES + over; i++)
			buf_appendf(&said, ",%u", 1 + 2 * i);
		buf_append_str(&said, "\r\n");
		assert_result(&said, over ? -EMSGSIZE : 0, NULL);
	}
	/* Names four thousand million messages, costs one range. */
	buf_append_str(&said, "* VANISHED 1:4294967295\r\n");
	assert_result(&said, 0, "VANISHED uid set=1:*\n");
	buf_release(&said);
}

/* ---- time ----------------------------------------------------------------------------- */

static double seconds_of(struct buf *said, size_t piece)
{
	const struct transcript_cut cut = { "", piece, 0, 0 };
	struct transcript transcript;
	struct timespec before, after;

	transcript_init(&transcript);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	transcript_feed(&transcript, said->ptr, said->len, &cut);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	assert_int_equal(transcript.result, 0);
	transcript_release(&transcript);
	return (double)(after.tv_sec - before.tv_sec) +
	       (double)(after.tv_nsec - before.tv_nsec) / 1e9;
}

/* Each of these took minutes if something were done again for every piece: 2 MB of it costs
 * 2 * 10^12 steps. Ten seconds are for sanitizers and busy machines. */
static void nothing_is_quadratic(void **state)
{
	static const struct {
		const char *head, *piece, *tail;
	} cases[] = {
		{ "* 1 FETCH (X (", "{1}\r\na ", ") UID 5)\r\n" },
		{ "* 1 FETCH (UID 5 ", "BODY[] {1}\r\na ", ")\r\n" },
		{ "* LIST () \"/\" {1}\r\na (", "{1}\r\na ", ")\r\n" },
		{ "* OK ", "a", "\r\n" },
		{ "* X", " a[", "\r\n" },
		{ "* X", " a[b]a[b", "\r\n" },
		{ "* X", "a[\"b\" ", "\r\n" },
		{ "* 1 FETCH (X ", "a[", " {1}\r\na)\r\n" },
		{ "* 1 FETCH (", "UID ", ")\r\n" },
		{ "* 1 FETCH (", "FLAGS (a) ", ")\r\n" },
		{ "* 1 FETCH (", "FLAGS (a ", ")\r\n" },
		{ "* 1 FETCH (", "ENVELOPE ((", ")\r\n" },
		{ "* 1 FETCH (", "(", ")\r\n" },
	};
	struct buf said;

	buf_init(&said, 32u << 20);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t count = (i == 1 ? 1300000u : 700000u) / strlen(cases[i].piece);
		double whole, cut;

		buf_append_str(&said, cases[i].head);
		put_many(&said, cases[i].piece, count);
		buf_append_str(&said, cases[i].tail);
		whole = seconds_of(&said, 0);
		cut = seconds_of(&said, 1);
		if (whole > 10 || cut > 10)
			fail_msg("%s%s...: %.1f s whole, %.1f s byte by byte", cases[i].head,
				 cases[i].piece, whole, cut);
		buf_clear(&said);
	}
	buf_release(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fatal),
		cmocka_unit_test(an_error_is_final_and_has_a_reason),
		cmocka_unit_test(counts_what_it_skips),
		cmocka_unit_test(idle_between_responses),
		cmocka_unit_test(stops_right_behind_an_event),
		cmocka_unit_test(endless_things_end),
		cmocka_unit_test(a_gigabyte_without_a_line_end),
		cmocka_unit_test(the_longest_response),
		cmocka_unit_test(the_largest_inline_literals),
		cmocka_unit_test(the_deepest_nesting),
		cmocka_unit_test(the_most_values),
		cmocka_unit_test(the_largest_search),
		cmocka_unit_test(nothing_is_quadratic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
