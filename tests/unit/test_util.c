/* util: bytes, numbers, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "util/arena.h"
#include "util/attr.h"
#include "util/buf.h"
#include "util/num.h"
#include "util/secret.h"
#include "util/slice.h"
#include "util/utf8.h"

/* ---- slice ------------------------------------------------------------------------ */

static void slice_compare(void **state)
{
	assert_true(slice_eqs(SLICE_LIT("abc"), "abc"));
	assert_false(slice_eqs(SLICE_LIT("abc"), "abcd"));
	assert_false(slice_eqs(SLICE_LIT("abc"), "abC"));
	assert_true(slice_caseeqs(SLICE_LIT("InBoX"), "INBOX"));
	assert_false(slice_caseeqs(SLICE_LIT("InBo"), "INBOX"));
	assert_false(slice_caseeqs(SLICE_LIT("\xc4"), "\xe4")); /* no locale's letters */
	assert_false(slice_caseeqs(SLICE_LIT("@["), "`{"));     /* neighbours of the letters */
	assert_true(slice_eq(SLICE_NIL, SLICE_LIT("")));
	assert_true(slice_starts(SLICE_LIT("abc"), SLICE_LIT("ab")));
	assert_false(slice_starts(SLICE_LIT("a"), SLICE_LIT("ab")));
	assert_true(slice_casestarts(SLICE_LIT("BODY[]"), "body["));
	assert_false(slice_casestarts(SLICE_LIT("BOD"), "body["));
}

static void slice_trim_and_dup(void **state)
{
	char *copy;

	assert_true(slice_eqs(slice_trim(SLICE_LIT(" \t\r\na b\n ")), "a b"));
	assert_int_equal(slice_trim(SLICE_LIT(" \t ")).len, 0);
	assert_int_equal(slice_trim(SLICE_NIL).len, 0);
	copy = slice_dup((struct slice){ "a\0b", 3 });
	assert_memory_equal(copy, "a\0b", 4);
	free(copy);
	copy = slice_dup(SLICE_NIL);
	assert_string_equal(copy, "");
	free(copy);
}

/* ---- num -------------------------------------------------------------------------- */

static void num_strict(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint64_t number;
	} cases[] = {
		{ "0", 0, 0 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 },
		{ "99999999999999999999999x", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t number = 77;

		assert_int_equal(num_u64(slice_of(cases[i].text), &number), cases[i].err);
		assert_int_equal(number, cases[i].err ? 77 : cases[i].number);
	}
}

static void num_narrow_and_sizes(void **state)
{
	uint32_t small = 7;
	uint64_t size = 7;

	assert_int_equal(num_u32(SLICE_LIT("4294967295"), &small), 0);
	assert_int_equal(small, UINT32_MAX);
	assert_int_equal(num_u32(SLICE_LIT("4294967296"), &small), -ERANGE);
	assert_int_equal(num_size(SLICE_LIT("512"), &size), 0);
	assert_int_equal(size, 512);
	assert_int_equal(num_size(SLICE_LIT("64K"), &size), 0);
	assert_int_equal(size, 65536);
	assert_int_equal(num_size(SLICE_LIT("2G"), &size), 0);
	assert_true(size == UINT64_C(2) << 30);
	assert_int_equal(num_size(SLICE_LIT("16777215T"), &size), 0);
	assert_int_equal(num_size(SLICE_LIT("16777216T"), &size), -ERANGE);
	assert_int_equal(num_size(SLICE_LIT("K"), &size), -EINVAL);
	assert_int_equal(num_size(SLICE_LIT(""), &size), -EINVAL);
	assert_int_equal(num_size(SLICE_LIT("1KB"), &size), -EINVAL);
}

/* ---- buf -------------------------------------------------------------------------- */

static void buf_grows_to_its_cap(void **state)
{
	struct buf buf;

	buf_init(&buf, 1000);
	assert_string_equal(buf_cstr(&buf), "");
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_append_char(&buf, 'x'), 0);
	assert_int_equal(strlen(buf_cstr(&buf)), 1000);
	assert_true(buf.size <= 1001);
	assert_int_equal(buf_append_char(&buf, 'x'), -EMSGSIZE);
	/* Remembered, and nothing more is appended. */
	assert_int_equal(buf_append(&buf, "", 0), -EMSGSIZE);
	assert_null(buf_cstr(&buf));
	assert_int_equal(buf.len, 1000);
	buf_clear(&buf);
	assert_int_equal(buf_appendf(&buf, "%d-%s", 12, "ab"), 0);
	assert_string_equal(buf_cstr(&buf), "12-ab");
	buf_release(&buf);
	assert_int_equal(buf.cap, 1000);
}

static void buf_pieces(void **state)
{
	struct buf buf;
	char *room;

	buf_init(&buf, SIZE_MAX);
	assert_int_equal(buf_append_str(&buf, "hello "), 0);
	room = buf_reserve(&buf, 5);
	memcpy(room, "world", 5);
	buf_commit(&buf, 5);
	buf_consume(&buf, 6);
	assert_true(slice_eqs(buf_slice(&buf), "world"));
	buf_consume(&buf, 99);
	assert_int_equal(buf.len, 0);
	assert_null(buf_reserve(&buf, SIZE_MAX));
	assert_int_equal(buf.error, -EMSGSIZE);
	buf_release(&buf);
}

/* ---- arena ------------------------------------------------------------------------ */

static void arena_keeps_to_its_cap(void **state)
{
	struct arena arena;
	size_t given = 0;
	void *ptr;

	arena_init(&arena, 1u << 20);
	while ((ptr = arena_alloc(&arena, 1000))) {
		assert_int_equal((uintptr_t)ptr % 8, 0);
		memset(ptr, 0xaa, 1000);
		given += 1000;
	}
	assert_in_range(given, 900000, 1u << 20);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 8));
	arena_release(&arena);
}

static void arena_reset_keeps_one_block(void **state)
{
	struct arena arena;
	void *first;

	arena_init(&arena, 8u << 20);
	first = arena_alloc(&arena, 100);
	arena_reset(&arena);
	assert_ptr_equal(arena_alloc(&arena, 100), first);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 5000; i++)
			assert_non_null(arena_alloc(&arena, 1000));
		arena_reset(&arena);
		assert_ptr_equal(arena.first, arena.current);
	}
	/* A cap that is used up is whole again after a reset. */
	assert_non_null(arena_alloc(&arena, 7u << 20));
	arena_reset(&arena);
	assert_non_null(arena_alloc(&arena, 7u << 20));
	assert_string_equal(arena_dup(&arena, SLICE_LIT("text")), "text");
	arena_release(&arena);
}

/* ---- utf8 ------------------------------------------------------------------------- */

static void utf8_by_the_letter(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{ "plain", true },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", true },
		{ "\xf4\x8f\xbf\xbf", true },
		{ "\xf4\x90\x80\x80", false }, /* over U+10FFFF */
		{ "\xed\xa0\x80", false },     /* surrogate */
		{ "\xc0\xaf", false },
		{ "\xe0\x80\xaf", false }, /* overlong */
		{ "\xf0\x80\x80\xaf", false },
		{ "\x80", false },
		{ "\xc3", false },
		{ "\xe2\x82", false },
		{ "\xff", false },
		{ "\xc3(", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(utf8_valid(slice_of(cases[i].text)), cases[i].valid);
}

static void utf8_all_characters(void **state)
{
	for (uint32_t ch = 0; ch <= 0x110000; ch++) {
		char bytes[4];
		struct slice text = { bytes, utf8_put(ch, bytes) };
		bool is_none = (ch >= 0xd800 && ch <= 0xdfff) || ch > 0x10ffff;

		assert_int_equal(text.len == 0, is_none);
		if (is_none)
			continue;
		assert_int_equal(utf8_next(&text), ch);
		assert_int_equal(text.len, 0);
	}
}

/* The plain definition: the last boundary at or before max, counted from the front. */
static size_t slow_cut(struct slice text, size_t max)
{
	struct slice rest = text;
	size_t end = 0;

	while (rest.len) {
		utf8_next(&rest);
		if (text.len - rest.len > max)
			break;
		end = text.len - rest.len;
	}
	return end;
}

static void utf8_cuts(void **state)
{
	static const char *const texts[] = {
		"",
		"abc",
		"\xc3\xa4\xc3\xb6\xc3\xbc",
		"\xf0\x9f\x98\x80\xf0\x9f\x98\x80x",
		"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
		"a\xe2\x82\xac\xe2\x82",
		"\xff\xc3\xa4\xff",
		"\xf0\x9f\x98\xf0\x9f\x98\xf0\x9f\x98\x80",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		for (size_t max = 0; max < 14; max++)
			assert_int_equal(utf8_cut(slice_of(texts[i]), max),
					 slow_cut(slice_of(texts[i]), max));
}

/* ---- secret ----------------------------------------------------------------------- */

static void secret_holds_bytes(void **state)
{
	struct secret *secret = NULL;
	char big[10000];

	assert_int_equal(secret_new("pa\0ss", 5, &secret), 0);
	assert_int_equal(secret->len, 5);
	assert_memory_equal(secret->ptr, "pa\0ss", 6);
	secret_free(&secret);
	assert_null(secret);
	secret_free(&secret);
	memset(big, 'p', sizeof(big));
	assert_int_equal(secret_new(big, sizeof(big), &secret), 0);
	assert_memory_equal(secret->ptr, big, sizeof(big));
	secret_free(&secret);
	secret_wipe(big, sizeof(big));
	for (size_t i = 0; i < sizeof(big); i++)
		assert_int_equal(big[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slice_compare),
		cmocka_unit_test(slice_trim_and_dup),
		cmocka_unit_test(num_strict),
		cmocka_unit_test(num_narrow_and_sizes),
		cmocka_unit_test(buf_grows_to_its_cap),
		cmocka_unit_test(buf_pieces),
		cmocka_unit_test(arena_keeps_to_its_cap),
		cmocka_unit_test(arena_reset_keeps_one_block),
		cmocka_unit_test(utf8_by_the_letter),
		cmocka_unit_test(utf8_all_characters),
		cmocka_unit_test(utf8_cuts),
		cmocka_unit_test(secret_holds_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
