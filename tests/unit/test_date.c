/* imap/date.h, against timegm() and gmtime_r(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <imap/date.h>

#include "util/attr.h"
#include "util/slice.h"

static void parses(void **state)
{
	static const struct {
		const char *text;
		int err;
		int64_t seconds;
	} cases[] = {
		{ "01-Jan-1970 00:00:00 +0000", 0, 0 },
		{ "17-Jul-1996 02:44:25 -0700", 0, 837596665 },
		{ " 8-Feb-2024 10:00:00 +0100", 0, 1707382800 },
		{ "08-Feb-2024 10:00:00 +0100", 0, 1707382800 },
		{ "8-Feb-2024 10:00:00 +0100", 0, 1707382800 },
		{ "8-fEB-2024 10:00:00 +0100", 0, 1707382800 },
		{ "29-Feb-2000 23:59:60 +0000", 0, 951868800 },
		{ "31-Dec-1969 23:59:59 +0000", 0, -1 },
		{ "01-Jan-1900 00:00:00 +0000", 0, -2208988800 },
		{ "31-Dec-9999 23:59:59 +0000", 0, 253402300799 },
		{ "01-Jan-2024 00:00:00 +1400", 0, 1704016800 },
		{ "01-Jan-2024 00:00:00 -0030", 0, 1704069000 },
		{ "00-Jan-0000 00:00:00 +0000", -EINVAL, 0 },
		{ "31-Apr-2024 00:00:00 +0000", -EINVAL, 0 },
		{ "29-Feb-1900 00:00:00 +0000", -EINVAL, 0 },
		{ "29-Feb-2023 00:00:00 +0000", -EINVAL, 0 },
		{ "01-Jan-2024 24:00:00 +0000", -EINVAL, 0 },
		{ "01-Jan-2024 00:60:00 +0000", -EINVAL, 0 },
		{ "01-Jan-2024 00:00:61 +0000", -EINVAL, 0 },
		{ "01-Jan-2024 00:00:00 +2400", -EINVAL, 0 },
		{ "01-Jan-2024 00:00:00 +0060", -EINVAL, 0 },
		{ "01-Jan-2024 00:00:00 0000", -EINVAL, 0 },
		{ "01-Jan-2024 00:00:00 +000", -EINVAL, 0 },
		{ "01-Jan-2024 00:00:00 +00000", -EINVAL, 0 },
		{ "01-Jan-2024 00:00:00", -EINVAL, 0 },
		{ "01-Jan-24 00:00:00 +0000", -EINVAL, 0 },
		{ "01-Foo-2024 00:00:00 +0000", -EINVAL, 0 },
		{ "01 Jan 2024 00:00:00 +0000", -EINVAL, 0 },
		{ "1-1-2024 00:00:00 +0000", -EINVAL, 0 },
		{ "  1-Jan-2024 00:00:00 +0000", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "-", -EINVAL, 0 },
		{ "01-Ja", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = strlen(cases[i].text);
		char *exact = malloc(len + !len);
		int64_t seconds = 77;
		int err;

		memcpy(exact, cases[i].text, len);
		err = imap_date_parse((struct slice){ exact, len }, &seconds);
		if (err != cases[i].err || seconds != (err ? 77 : cases[i].seconds))
			fail_msg("'%s': %d, %lld", cases[i].text, err, (long long)seconds);
		free(exact);
	}
}

static void agrees_with_the_c_library(void **state)
{
	/* Every 9 days and some seconds over the years 0 to 9999. */
	for (int64_t seconds = -62167219200; seconds <= 253402300799; seconds += 9 * 86400 + 4242) {
		char text[IMAP_DATE_SIZE], expected[80], month[4];
		time_t time = (time_t)seconds;
		int64_t again;
		struct tm tm;

		assert_non_null(gmtime_r(&time, &tm));
		assert_int_equal(strftime(month, sizeof(month), "%b", &tm), 3);
		snprintf(expected, sizeof(expected), "%2d-%s-%04d %02d:%02d:%02d +0000", tm.tm_mday,
			 month, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
		assert_int_equal(imap_date_format(seconds, text), 0);
		assert_string_equal(text, expected);
		assert_int_equal(imap_date_parse(slice_of(text), &again), 0);
		assert_true(again == seconds);
	}
}

static void formats_no_year_beyond_four_digits(void **state)
{
	char text[IMAP_DATE_SIZE];

	assert_int_equal(imap_date_format(-62167219200, text), 0);
	assert_string_equal(text, " 1-Jan-0000 00:00:00 +0000");
	assert_int_equal(imap_date_format(-62167219201, text), -ERANGE);
	assert_int_equal(imap_date_format(253402300799, text), 0);
	assert_int_equal(imap_date_format(253402300800, text), -ERANGE);
	assert_int_equal(imap_date_format(INT64_MAX, text), -ERANGE);
	assert_int_equal(imap_date_format(INT64_MIN, text), -ERANGE);
	assert_string_equal(text, "31-Dec-9999 23:59:59 +0000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(agrees_with_the_c_library),
		cmocka_unit_test(formats_no_year_beyond_four_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
