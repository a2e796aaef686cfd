/*
 * A slice: text that is not NUL-terminated, as it stands in somebody else's
 * memory. A slice never owns; whoever hands one out says how long it lives.
 * Part of libimap's face; src/util/slice.h adds helpers.
 */
#ifndef IMAP_SLICE_H
#define IMAP_SLICE_H

#include <stddef.h>

struct slice {
	const char *ptr; /* NULL means absent (NIL); "" with len 0 means empty */
	size_t len;
};

#define SLICE_NIL ((struct slice){ NULL, 0 })
#define SLICE_LIT(s) ((struct slice){ (s), sizeof(s) - 1 })

#endif
