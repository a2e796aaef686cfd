/* What one direction accepts, the other gives back unchanged. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <imap/mutf7.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	size_t room = size * 8 + 8;
	char *there = malloc(room), *back = malloc(room);
	long len;

	if (!there || !back)
		abort();
	len = imap_mutf7_decode(text, there, room);
	if (len >= 0 &&
	    (imap_mutf7_encode((struct slice){ there, (size_t)len }, back, room) != (long)size ||
	     memcmp(back, data, size) != 0))
		abort();
	len = imap_mutf7_encode(text, there, room);
	if (len >= 0 &&
	    (imap_mutf7_decode((struct slice){ there, (size_t)len }, back, room) != (long)size ||
	     memcmp(back, data, size) != 0))
		abort();
	/* The least room that does, and one byte less. */
	if (len >= 0) {
		char *exact = malloc((size_t)len + 1);

		if (!exact || imap_mutf7_encode(text, exact, (size_t)len + 1) != len ||
		    imap_mutf7_encode(text, exact, (size_t)len) >= 0)
			abort();
		free(exact);
	}
	free(there);
	free(back);
	return 0;
}
