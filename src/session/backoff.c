/* See backoff.h. */
#include "session/backoff.h"

#include <stdlib.h>
#include <sys/random.h>

#define FIRST_MS 1000
#define LAST_MS 60000

int64_t backoff_next_ms(struct backoff *backoff)
{
	int64_t ms = FIRST_MS;
	uint32_t chance = 0;

	for (uint32_t i = 0; i < backoff->tries && ms < LAST_MS; i++)
		ms *= 2;
	if (ms > LAST_MS)
		ms = LAST_MS;
	backoff->tries++;
	/* Without a random number the wait is merely the longest. */
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) != (ssize_t)sizeof(chance))
		chance = 0;
	return ms - (int64_t)(chance % (uint32_t)(ms / 2));
}
