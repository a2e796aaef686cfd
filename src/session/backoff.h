/* How long to wait before the next try: doubling, jittered, bounded. */
#ifndef SESSION_BACKOFF_H
#define SESSION_BACKOFF_H

#include <stdint.h>

struct backoff {
	uint32_t tries;
};

static inline void backoff_reset(struct backoff *backoff)
{
	backoff->tries = 0;
}

/* 1 s, 2 s, 4 s ... 60 s, each less up to a half by chance: many clients of one server must not come back
 * in step. */
int64_t backoff_next_ms(struct backoff *backoff);

#endif
