/*
 * The same bytes, whole and in pieces, must give the same events and the same
 * result; a body must not change its UID. The first byte chooses the cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../support/transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct transcript_cut whole = { "whole", 0, 0, 1 };
	struct transcript_cut cut = { "cut", 1, 0, 1 };
	struct transcript first, second;

	if (size == 0)
		return 0;
	if (data[0] & 1) {
		cut.piece = 2 + (data[0] >> 3);
		cut.seed = data[0] + 1u;
	}
	data++;
	size--;
	transcript_init(&first);
	transcript_init(&second);
	transcript_feed(&first, data, size, &whole);
	transcript_feed(&second, data, size, &cut);
	if (first.uid_conflict || first.result != second.result || !buf_cstr(&first.text) ||
	    strcmp(buf_cstr(&first.text), buf_cstr(&second.text)) != 0)
		abort();
	transcript_release(&first);
	transcript_release(&second);
	return 0;
}
