/* Names of mailboxes and messages: tables of what servers and senders really wrote, and
 * properties over random input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <errno.h>
#include <glib.h>

#include "store/boxname.h"
#include "store/msgname.h"
#include "util/attr.h"
#include "util/utf8.h"

/* ---- mailboxes ------------------------------------------------------------------- */

static const struct {
	const char *wire, *entry;
} box_cases[] = {
	{ "INBOX", "INBOX" },
	{ "Entw&APw-rfe", "Entw\xc3\xbcrfe" },
	{ "a&-b", "a&b" },
	{ "..", "%2E." },
	{ ".hidden", "%2Ehidden" },
	{ "a/b", "a%2Fb" },
	{ "100%", "100%" },
	{ "%41", "%2541" },
	{ "%4g", "%4g" },
	{ "a&AAo-b", "a%0Ab" },       /* a line feed, encoded */
	{ "a&IC4-b", "a%E2%80%AEb" }, /* U+202E */
	{ "a&", "%61%26" },           /* an open shift */
	{ "x&AC8-", "%78%26AC8-" },   /* '/' may not be shifted */
	{ "x&AAA-", "%78%26AAA-" },   /* nor NUL */
	{ "a\xe9", "%61%E9" },        /* Latin-1 */
	{ "\xc3\xa9", "%C3%A9" },     /* UTF-8 where none was agreed */
	{ "a~b c", "a~b c" },
	{ "a%~0123abcd", "a%25~0123abcd" }, /* only looks like a cut name */
	{ "%~0123abcd", "%25~0123abcd" },
};

static void test_box_table(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(box_cases); i++) {
		char entry[BOXNAME_MAX + 1], wire[1024];
		long len;

		assert_int_equal(boxname_entry(slice_of(box_cases[i].wire), entry),
				 strlen(box_cases[i].entry));
		assert_string_equal(entry, box_cases[i].entry);
		len = boxname_wire(slice_of(entry), '|', wire, sizeof(wire));
		assert_true(len >= 0);
		assert_string_equal(wire, box_cases[i].wire);
	}
}

static void test_box_refused(void **state)
{
	static const char *const entries[] = { "", "a\xff", "a|b", "a%7Cb" };
	char wire[1024];

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		assert_int_equal(boxname_wire(slice_of(entries[i]), '|', wire, sizeof(wire)),
				 -EILSEQ);
	assert_int_equal(boxname_wire((struct slice){ "a\0b", 3 }, '|', wire, sizeof(wire)),
			 -EILSEQ);
	/* What a person types need not be how we would write it. */
	assert_int_equal(boxname_wire(slice_of("%41b"), '|', wire, sizeof(wire)), 2);
	assert_string_equal(wire, "Ab");
}

static void check_entry(const char *entry, size_t len)
{
	assert_in_range(len, 1, BOXNAME_MAX);
	assert_int_equal(strlen(entry), len);
	assert_null(strchr(entry, '/'));
	assert_int_not_equal(entry[0], '.');
	assert_true(utf8_valid(slice_of(entry)));
	for (size_t i = 0; i < len; i++)
		assert_true((unsigned char)entry[i] >= 0x20 && entry[i] != 0x7f);
}

/* Puts `text` behind the first `start` characters, `times` over. */
static void repeat(char *wire, size_t start, const char *text, int times)
{
	size_t len = strlen(text);

	for (int i = 0; i < times; i++)
		memcpy(wire + start + (size_t)i * len, text, len);
	wire[start + (size_t)times * len] = '\0';
}

static void test_box_long(void **state)
{
	char wire[1200], other[1200], entry[BOXNAME_MAX + 1], entry2[BOXNAME_MAX + 1], back[2048];

	for (size_t len = 200; len < 1100; len += 7) {
		memset(wire, 'x', len);
		memcpy(other, wire, len);
		other[len - 1] = 'y';
		check_entry(entry, boxname_entry((struct slice){ wire, len }, entry));
		check_entry(entry2, boxname_entry((struct slice){ other, len }, entry2));
		assert_string_not_equal(entry, entry2);
		if (len > BOXNAME_MAX)
			assert_int_equal(boxname_wire(slice_of(entry), '/', back, sizeof(back)),
					 -EILSEQ);
	}
	/* A cut never leaves half a character or half an escape. */
	for (size_t start = 0; start < 3; start++) {
		memset(wire, 'x', start);
		/* the euro sign, three bytes */
		repeat(wire, start, "&IKw-", 100);
		check_entry(entry, boxname_entry(slice_of(wire), entry));
		repeat(wire, start, "\xe9", 100);
		check_entry(entry, boxname_entry(slice_of(wire), entry));
		for (const char *c = strchr(entry, '%'); c != NULL && c[1] != '~';
		     c = strchr(c + 1, '%'))
			assert_true(g_ascii_isxdigit(c[1]) && g_ascii_isxdigit(c[2]));
	}
}

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16;
}

static void test_box_random(void **state)
{
	static const char alphabet[] = "aA.%&-+,/~ 2Fé\x01\x7f\xe9\xc3\xa9IKwAC";
	unsigned seed = 7;
	GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

	for (int round = 0; round < 200000; round++) {
		char wire[16], entry[BOXNAME_MAX + 1], back[256];
		size_t len = 1 + next_random(&seed) % 7;
		const char *before;

		for (size_t i = 0; i < len; i++)
			wire[i] = alphabet[next_random(&seed) % (sizeof(alphabet) - 1)];
		wire[len] = '\0';
		check_entry(entry, boxname_entry((struct slice){ wire, len }, entry));
		before = g_hash_table_lookup(seen, entry);
		if (before != NULL)
			assert_string_equal(before, wire); /* unique */
		else
			g_hash_table_insert(seen, g_strdup(entry), g_strdup(wire));
		if (strstr(entry, "%~") != NULL &&
		    boxname_wire(slice_of(entry), '|', back, sizeof(back)) == -EILSEQ)
			continue; /* told apart by a hash */
		assert_true(boxname_wire(slice_of(entry), '|', back, sizeof(back)) >= 0);
		assert_string_equal(back, wire); /* reversible */
	}
	g_hash_table_destroy(seen);
}

/* ---- messages -------------------------------------------------------------------- */

#define DATE 1700000000 /* 2023-11-14 22:13:20 UTC */

static void name_of(struct slice from, struct slice subject, char name[static MSGNAME_SIZE])
{
	struct imap_address address = { .name = from,
					.mailbox = SLICE_LIT("joe"),
					.host = SLICE_LIT("example.org") };
	struct imap_envelope envelope = { .subject = subject, .from = { &address, 1 } };
	size_t len = msgname_readable(DATE, &envelope, 42, name);

	assert_int_equal(len, strlen(name));
	assert_in_range(len, 1, MSGNAME_MAX);
}

static const struct {
	const char *from, *subject, *name;
} name_cases[] = {
	{ "Ann Lee", "Re: Hello  World", "Ann_Lee.Re:_Hello_World" },
	{ NULL, "x", "joe@example.org.x" },
	{ "Ann", NULL, "Ann.no-subject" },
	{ "Ann", " \t\r\n ", "Ann.no-subject" },
	{ "Ann", "AC/DC \\ x|y", "Ann.AC_DC_x_y" },
	{ "\"Q\" O'Neil", "a*b?c[d]{e}<f>&g;h\"i'j$k`l", "Q_ONeil.abcdefghijkl" },
	{ "Ann", "\x1b]0;owned\x07red", "Ann.0ownedred" },
	{ "Ann",
	  "a\xe2\x80\xae"
	  "b\xe2\x81\xa6"
	  "c\xe2\x80\xa8"
	  "d\xef\xbb\xbf"
	  "e\xc2\x85"
	  "f",
	  "Ann.abcdef" },
	{ "Ann", "\xe2\x80\x8c\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac",
	  "Ann.\xe2\x80\x8c\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac" },
	{ "Ann", "bad \xff\xfe bytes", "Ann.bad_\xef\xbf\xbd\xef\xbf\xbd_bytes" },
	{ "=?UTF-8?Q?J=C3=BCrgen?=", "=?utf-8?B?R3LDvMOfZQ==?=",
	  "J\xc3\xbcrgen.Gr\xc3\xbc\xc3\x9f"
	  "e" },
	{ "Ann", "=?iso-8859-1?Q?Gr=FC=DFe_an_alle?=",
	  "Ann.Gr\xc3\xbc\xc3\x9f"
	  "e_an_alle" },
	{ "Ann",
	  "=?utf-8?B?4oI=?= =?utf-8?B?rA==?=", "Ann.\xe2\x82\xac" }, /* cut inside a character */
	{ "Ann", "=?utf-8?Q?a?= =?iso-8859-1?Q?=E9?= b", "Ann.a\xc3\xa9_b" },
	{ "Ann", "=?utf-8?Q?=FF=41?=",
	  "Ann.\xef\xbf\xbd"
	  "A" },
	{ "Ann", "=?x-unknown?Q?abc=E9?=", "Ann.abc\xef\xbf\xbd" },
	{ "Ann", "=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "Ann.\xe6\x97\xa5\xe6\x9c\xac" },
	{ "Ann", "=?koi8-r?B?8NLJ18XU?=", "Ann.\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82" },
	{ "Ann", "=?utf-8?Q?a=2Fb=00c=0Ad?=", "Ann.a_bc_d" },
	{ "Ann", "=?utf-8?Q?open", "Ann.=utf-8Qopen" },
	{ "Ann", "=?utf-8*en?Q?lang?=", "Ann.lang" },
	{ "Ann", "..", "Ann..." },
	{ "=?utf-8?Q?=2E=2E=2F=2E=2E?=", "x", ".._...x" },
};

static void test_name_table(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(name_cases); i++) {
		char name[MSGNAME_SIZE], expected[512];

		name_of(slice_of(name_cases[i].from), slice_of(name_cases[i].subject), name);
		snprintf(expected, sizeof(expected), "20231114-2213.%s.42.eml", name_cases[i].name);
		assert_string_equal(name, expected);
	}
}

static void test_name_parts(void **state)
{
	char name[MSGNAME_SIZE];
	struct imap_address group[] = {
		{ .mailbox = SLICE_LIT("friends") },
		{ .name = SLICE_LIT("Bob"), .mailbox = SLICE_LIT("b"), .host = SLICE_LIT("h") },
	};
	struct imap_envelope envelope = { .from = { group, 2 } };
	bool avoided;

	msgname_readable(0, NULL, 4294967295u, name);
	assert_string_equal(name, "19700101-0000.unknown.no-subject.4294967295.eml");
	msgname_readable(INT64_MAX, NULL, 1, name);
	assert_string_equal(name, "00000101-0000.unknown.no-subject.1.eml");
	msgname_readable(DATE, &envelope, 1, name);
	assert_string_equal(name, "20231114-2213.Bob.no-subject.1.eml");
	envelope.from.count = 1;
	msgname_readable(DATE, &envelope, 1, name);
	assert_string_equal(name, "20231114-2213.friends.no-subject.1.eml");

	assert_int_equal(msgname_avoid(msgname_uid(5, name), name), 7);
	assert_string_equal(name, "5~2.eml");
	assert_int_equal(msgname_parse(slice_of("5~2.eml"), &avoided), 5);
	assert_true(avoided);
	assert_int_equal(msgname_parse(slice_of("5.eml"), &avoided), 5);
	assert_false(avoided);
	assert_int_equal(msgname_parse(slice_of("2023.x.17.eml"), &avoided), 17);
	static const char *const none[] = { ".eml", "x.eml", "05.eml",         "a5.eml", "5.emlx",
					    "5",    "",      "4294967296.eml", "~2.eml", "-5.eml" };
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_int_equal(msgname_parse(slice_of(none[i]), &avoided), 0);
}

static void test_name_hostile(void **state)
{
	unsigned seed = 11;
	char name[MSGNAME_SIZE], text[3000];

	for (int round = 0; round < 30000; round++) {
		size_t len = next_random(&seed) % (round % 10 == 0 ? sizeof(text) : 400);
		struct slice rest;

		for (size_t i = 0; i < len; i++) {
			unsigned kind = next_random(&seed) % 10;
			static const char words[] =
				"=?utf-8?B?=?iso-2022-jp?Q?=?gb18030?b?_?= =?big5?q?";

			text[i] = kind < 3   ? (char)next_random(&seed)
				  : kind < 7 ? words[(i * 7 + kind) % (sizeof(words) - 1)]
					     : (char)(32 + next_random(&seed) % 95);
		}
		char *exact = malloc(len ? len : 1); /* its own block: a read behind it is found */
		memcpy(exact, text, len);
		name_of((struct slice){ exact, len / 3 },
			(struct slice){ exact + len / 3, len - len / 3 }, name);
		free(exact);
		for (rest = slice_of(name); rest.len > 0;) {
			uint32_t ch = utf8_next(&rest);

			assert_true(ch != UINT32_MAX && ch >= 0x20 && ch != 0x7f && ch != '/' &&
				    ch != 0x202e);
			assert_true(ch >= 0x80 || strchr("*?[]{}|<>&;\"'$`\\ ", (int)ch) == NULL);
		}
		assert_string_equal(name + strlen(name) - 7, ".42.eml");
	}
}

static const char *const charsets[] = {
	"utf-8",        "us-ascii",     "iso-8859-1",   "iso-8859-2",   "iso-8859-5",
	"iso-8859-7",   "iso-8859-8",   "iso-8859-9",   "iso-8859-15",  "windows-1250",
	"windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255",
	"windows-1256", "windows-1257", "koi8-r",       "koi8-u",       "gb2312",
	"gbk",          "gb18030",      "big5",         "euc-jp",       "shift_jis",
	"iso-2022-jp",  "euc-kr",       "iso-2022-kr",  "tis-620",      "utf-16be",
	"utf-7",        "cp1258",       "macintosh",
};

static void test_name_charsets(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(charsets); i++) {
		gsize len;
		const char *plain = "abc";
		char *bytes = g_convert(plain, -1, charsets[i], "utf-8", NULL, &len, NULL);
		char *base64, *subject, name[MSGNAME_SIZE];

		assert_non_null(bytes);
		base64 = g_base64_encode((const guchar *)bytes, len);
		subject = g_strdup_printf("=?%s?B?%s?=", charsets[i], base64);
		name_of(SLICE_LIT("Ann"), slice_of(subject), name);
		if (strcmp(name, "20231114-2213.Ann.abc.42.eml") != 0)
			fail_msg("%s: %s", charsets[i], name);
		g_free(bytes);
		g_free(base64);
		g_free(subject);
	}
}

static void test_name_speed(void **state)
{
	char name[MSGNAME_SIZE];
	struct timespec a, b;
	double seconds;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (int i = 0; i < 20000; i++)
		name_of(SLICE_LIT("Some Body"),
			SLICE_LIT("Re: [list] An ordinary subject of some length"), name);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	print_message("%.0f plain names a second\n", 20000 / seconds);
	assert_true(seconds < 4); /* generous: sanitizers, busy machines */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_box_table),    cmocka_unit_test(test_box_refused),
		cmocka_unit_test(test_box_long),     cmocka_unit_test(test_box_random),
		cmocka_unit_test(test_name_table),   cmocka_unit_test(test_name_parts),
		cmocka_unit_test(test_name_hostile), cmocka_unit_test(test_name_charsets),
		cmocka_unit_test(test_name_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
