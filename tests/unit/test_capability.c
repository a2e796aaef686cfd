/* imap/capability.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <imap/capability.h>

#include "util/slice.h"

static void every_name_finds_itself(void **state)
{
	for (int cap = 0; cap < IMAP_CAP_COUNT; cap++) {
		const char *name = imap_capability_name((enum imap_capability)cap);

		assert_non_null(name);
		assert_int_equal(imap_capability_find(slice_of(name)), cap);
	}
	assert_int_equal(imap_capability_find(SLICE_LIT("imap4REV1")), IMAP_CAP_IMAP4REV1);
	assert_int_equal(imap_capability_find(SLICE_LIT("IDL")), -1);
	assert_int_equal(imap_capability_find(SLICE_LIT("")), -1);
}

static void what_is_off_stays_off(void **state)
{
	struct imap_capabilities caps = { 0 };

	imap_capabilities_disable(&caps, SLICE_LIT("move, X-UNKNOWN,,Idle"));
	assert_false(caps.known);
	imap_capabilities_add(&caps, SLICE_LIT("MOVE"));
	imap_capabilities_add(&caps, SLICE_LIT("IDLE"));
	imap_capabilities_add(&caps, SLICE_LIT("uidplus"));
	imap_capabilities_add(&caps, SLICE_LIT("X-OTHER"));
	assert_true(caps.known);
	assert_false(imap_has(&caps, IMAP_CAP_MOVE));
	assert_false(imap_has(&caps, IMAP_CAP_IDLE));
	assert_true(imap_has(&caps, IMAP_CAP_UIDPLUS));
	imap_capabilities_reset(&caps);
	assert_false(caps.known);
	assert_false(imap_has(&caps, IMAP_CAP_UIDPLUS));
	imap_capabilities_add(&caps, SLICE_LIT("MOVE"));
	assert_false(imap_has(&caps, IMAP_CAP_MOVE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_finds_itself),
		cmocka_unit_test(what_is_off_stays_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
