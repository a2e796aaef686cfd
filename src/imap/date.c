/*
 * INTERNALDATE, both ways. The calendar is the proleptic Gregorian one, counted by
 * hand: timegm() and strptime() know a locale and accept what is no date.
 */
#include <imap/date.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "util/slice.h"

static const char month_names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* Days from 1970-01-01 to a date: years begin in March here, so that the leap day is the last
 * of its year; an era is 400 years, 146097 days. Valid for years from 0. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
	unsigned shifted = month > 2 ? month - 3 : month + 9;
	int64_t y = month > 2 ? year : year - 1;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * shifted + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
	int64_t shifted = days + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t of_era = shifted - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	unsigned month = (unsigned)((5 * of_year + 2) / 153);

	*ret_day = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
	*ret_month = month < 10 ? month + 3 : month - 9;
	*ret_year = year + era * 400 + (*ret_month <= 2);
}

static unsigned days_in_month(unsigned year, unsigned month)
{
	static const unsigned char days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Takes exactly `count` digits off the front. */
static bool take_digits(struct slice *text, unsigned count, unsigned *ret_number)
{
	unsigned number = 0;

	if (text->len < count)
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (text->ptr[i] < '0' || text->ptr[i] > '9')
			return false;
		number = number * 10 + (unsigned)(text->ptr[i] - '0');
	}
	text->ptr += count;
	text->len -= count;
	*ret_number = number;
	return true;
}

static bool take_char(struct slice *text, char c)
{
	if (text->len == 0 || text->ptr[0] != c)
		return false;
	text->ptr++;
	text->len--;
	return true;
}

static bool take_month(struct slice *text, unsigned *ret_month)
{
	for (unsigned i = 0; i < 12; i++) {
		if (!slice_casestarts(*text, month_names[i]))
			continue;
		text->ptr += 3;
		text->len -= 3;
		*ret_month = i + 1;
		return true;
	}
	return false;
}

/* date-day-fixed = (SP DIGIT) / 2DIGIT; some servers send one digit alone. */
static bool take_day(struct slice *text, unsigned *ret_day)
{
	if (take_char(text, ' '))
		return take_digits(text, 1, ret_day);
	return take_digits(text, text->len > 1 && text->ptr[1] == '-' ? 1 : 2, ret_day);
}

/* zone = ("+" / "-") 4DIGIT, in minutes east of Greenwich */
static bool take_zone(struct slice *text, int *ret_minutes)
{
	unsigned hours, minutes;
	bool west = take_char(text, '-');

	if (!west && !take_char(text, '+'))
		return false;
	if (!take_digits(text, 2, &hours) || !take_digits(text, 2, &minutes) || hours > 23 ||
	    minutes > 59)
		return false;
	*ret_minutes = (int)(hours * 60 + minutes) * (west ? -1 : 1);
	return true;
}

int imap_date_parse(struct slice text, int64_t *ret_seconds)
{
	unsigned day, month, year, hour, minute, second;
	int zone;

	if (!take_day(&text, &day) || !take_char(&text, '-') || !take_month(&text, &month) ||
	    !take_char(&text, '-') || !take_digits(&text, 4, &year) || !take_char(&text, ' ') ||
	    !take_digits(&text, 2, &hour) || !take_char(&text, ':') ||
	    !take_digits(&text, 2, &minute) || !take_char(&text, ':') ||
	    !take_digits(&text, 2, &second) || !take_char(&text, ' ') || !take_zone(&text, &zone) ||
	    text.len != 0)
		return -EINVAL;
	if (day == 0 || day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 60)
		return -EINVAL;
	*ret_seconds = days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 +
		       second - (int64_t)zone * 60;
	return 0;
}

int imap_date_format(int64_t seconds, char buf[static IMAP_DATE_SIZE])
{
	int64_t days = seconds / 86400, rest = seconds % 86400, year;
	unsigned month, day;

	if (rest < 0) {
		rest += 86400;
		days--;
	}
	if (days < days_from_date(0, 1, 1) || days > days_from_date(9999, 12, 31))
		return -ERANGE;
	date_from_days(days, &year, &month, &day);
	snprintf(buf, IMAP_DATE_SIZE, "%2u-%s-%04u %02u:%02u:%02u +0000", day % 100,
		 month_names[(month - 1) % 12], (unsigned)year % 10000,
		 (unsigned)(rest / 3600) % 24, (unsigned)(rest / 60 % 60), (unsigned)(rest % 60));
	return 0;
}
