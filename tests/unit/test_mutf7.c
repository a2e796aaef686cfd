/* imap/mutf7.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include <imap/mutf7.h>

#include "util/attr.h"
#include "util/slice.h"
#include "util/utf8.h"

static const struct {
	const char *encoded, *utf8;
} pairs[] = {
	{ "", "" },
	{ "INBOX", "INBOX" },
	{ "&-", "&" },
	{ "a&-b", "a&b" },
	{ "&-&-", "&&" },
	{ "&AOQ-", "\xc3\xa4" },
	{ "Entw&APw-rfe", "Entw\xc3\xbcrfe" },
	{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
	  "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
	{ "&2D3eAA-", "\xf0\x9f\x98\x80" },
	{ "&AOQA9g-&-&APw-", "\xc3\xa4\xc3\xb6&\xc3\xbc" },
	{ "&AAk-", "\t" },
	{ "&AH8-", "\x7f" },
	{ "&AOQ--", "\xc3\xa4-" },
};

static const char *const invalid[] = {
	"&",
	"a&",
	"&AOQ",
	"&AO-",
	"&A-",
	"&AOR-" /* padding not zero */,
	"&AOQA-",
	"&AOQ=-",
	"&AO/-",
	"&AGE-" /* a */,
	"&AC8-" /* slash */,
	"&AAA-" /* NUL */,
	"&ACY-" /* & */,
	"&2D0-" /* half a pair */,
	"&3gA-" /* the other half */,
	"&2D0AYQ-",
	"&2D3YPQ-",
	"&AOQ-&APY-" /* two runs */,
	"\xc3\xa4",
	"a\tb",
	"a\x7f",
	"&AOQ!-",
	"& -",
	"&AOQ-&",
};

static void both_ways(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		char text[200];

		assert_int_equal(imap_mutf7_decode(slice_of(pairs[i].encoded), text, sizeof(text)),
				 strlen(pairs[i].utf8));
		assert_string_equal(text, pairs[i].utf8);
		assert_int_equal(imap_mutf7_encode(slice_of(pairs[i].utf8), text, sizeof(text)),
				 strlen(pairs[i].encoded));
		assert_string_equal(text, pairs[i].encoded);
	}
}

static void refuses(void **state)
{
	char text[200];

	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++) {
		size_t len = strlen(invalid[i]);
		char *exact = malloc(len);

		memcpy(exact, invalid[i], len);
		if (imap_mutf7_decode((struct slice){ exact, len }, text, sizeof(text)) != -EILSEQ)
			fail_msg("'%s' was accepted", invalid[i]);
		free(exact);
	}
	assert_int_equal(imap_mutf7_encode((struct slice){ "a\0b", 3 }, text, sizeof(text)),
			 -EILSEQ);
	assert_int_equal(imap_mutf7_encode(SLICE_LIT("\xff"), text, sizeof(text)), -EILSEQ);
	assert_int_equal(imap_mutf7_encode(SLICE_LIT("\xed\xa0\x80"), text, sizeof(text)), -EILSEQ);
	assert_int_equal(imap_mutf7_decode((struct slice){ "a\0b", 3 }, text, sizeof(text)),
			 -EILSEQ);
}

static void keeps_to_its_room(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		size_t encoded = strlen(pairs[i].encoded), utf8 = strlen(pairs[i].utf8);

		for (size_t size = 0; size <= encoded + 1; size++) {
			char *exact = malloc(size + !size);
			long len = imap_mutf7_encode(slice_of(pairs[i].utf8), exact, size);

			assert_int_equal(len, size > encoded ? (long)encoded : -ENAMETOOLONG);
			len = imap_mutf7_decode(slice_of(pairs[i].encoded), exact, size);
			assert_int_equal(len, size > utf8 ? (long)utf8 : -ENAMETOOLONG);
			free(exact);
		}
	}
}

static void every_character(void **state)
{
	for (uint32_t ch = 1; ch <= 0x10ffff; ch++) {
		char utf8[8] = "x", encoded[32], again[8];
		size_t len = utf8_put(ch, utf8 + 1);
		long size;

		if (len == 0)
			continue;
		size = imap_mutf7_encode((struct slice){ utf8, len + 1 }, encoded, sizeof(encoded));
		assert_true(size > 0);
		assert_int_equal(imap_mutf7_decode((struct slice){ encoded, (size_t)size }, again,
						   sizeof(again)),
				 len + 1);
		assert_memory_equal(again, utf8, len + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(refuses),
		cmocka_unit_test(keeps_to_its_room),
		cmocka_unit_test(every_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
