/*
 * What real servers said, recorded by other projects. The recordings are not part
 * of this tree: IMAPFS_THIRD_PARTY names their directory, or it stands at
 * ../shared/third-party-imap beside the tree; without either this is skipped. They
 * are unpacked into a temporary directory.
 *
 * Every recorded response is fed in each cut of transcript.h. All cuts must give
 * the same events, none may be fatal, and no FETCH may be lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transcript.h"
#include "util/file.h"
#include "util/slice.h"

#define RECORDING_CAP (64u << 20)

static char unpacked[64];
static size_t recordings, skipped;

static int unpack(void **state)
{
	const char *directory = getenv("IMAPFS_THIRD_PARTY");
	char command[4096];

	if (!directory || !*directory)
		directory = IMAPFS_TEST_DATA "/../../../shared/third-party-imap";
	snprintf(command, sizeof(command), "%s/responses.tar.xz", directory);
	if (access(command, R_OK) != 0)
		return 0;
	snprintf(unpacked, sizeof(unpacked), "/tmp/imapfs-test-XXXXXX");
	if (!mkdtemp(unpacked))
		return -1;
	snprintf(command, sizeof(command), "tar -C '%s' -xJf '%s/responses.tar.xz'", unpacked,
		 directory);
	return system(command);
}

static int clean_up(void **state)
{
	char command[128];

	if (!*unpacked)
		return 0;
	snprintf(command, sizeof(command), "rm -rf '%s'", unpacked);
	return system(command);
}

/* How often a line of a transcript begins with `word`. */
static size_t count_lines(const char *text, const char *word)
{
	size_t count = 0;

	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		count += slice_casestarts(slice_of(text), word);
	}
	return count;
}

static void check_recording(const char *path)
{
	struct transcript first, next;
	struct buf said;

	buf_init(&said, RECORDING_CAP);
	if (file_read(path, false, &said) != 0)
		fail_msg("%s: cannot be read", path);
	transcript_init(&first);
	transcript_feed(&first, said.ptr, said.len, &transcript_cuts[0]);
	if (first.result || first.uid_conflict)
		fail_msg("%s: %d", path, first.result);
	for (size_t cut = 1; cut < transcript_cut_count; cut++) {
		transcript_init(&next);
		transcript_feed(&next, said.ptr, said.len, &transcript_cuts[cut]);
		if (next.result || strcmp(buf_cstr(&first.text), buf_cstr(&next.text)) != 0)
			fail_msg("%s: %s differs", path, transcript_cuts[cut].name);
		transcript_release(&next);
	}
	skipped += count_lines(buf_cstr(&first.text), "SKIPPED");
	recordings++;
	transcript_release(&first);
	buf_release(&said);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	size_t len = strlen(path);

	if (type == FTW_F && len > 4 && strcmp(path + len - 4, ".txt") == 0)
		check_recording(path);
	return 0;
}

static void recorded_servers(void **state)
{
	char path[128];

	if (!*unpacked) {
		print_message("recorded_servers: no recordings here\n");
		skip();
	}
	snprintf(path, sizeof(path), "%s/mailkit", unpacked);
	assert_int_equal(nftw(path, visit, 16, FTW_PHYS), 0);
	assert_true(recordings > 100);
	/* All of it is what servers really say: we read it all. */
	assert_int_equal(skipped, 0);
	print_message("%zu recordings\n", recordings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_servers),
	};

	return cmocka_run_group_tests(tests, unpack, clean_up);
}
