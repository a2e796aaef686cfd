/*
 * Secrets live in pages of their own: mlock() and MADV_DONTDUMP work by the page,
 * and a neighbour on the heap would be locked or unlocked along.
 */
#include "util/secret.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t secret_pages(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (sizeof(struct secret) + len + 1 + page - 1) / page * page;
}

int secret_new(const void *data, size_t len, struct secret **ret_secret)
{
	struct secret *secret;
	size_t size;

	if (len > SIZE_MAX / 2)
		return -ENOMEM;
	size = secret_pages(len);
	secret = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (secret == MAP_FAILED)
		return -ENOMEM;
	/* Both are wishes: RLIMIT_MEMLOCK may be 0. */
	(void)mlock(secret, size);
	(void)madvise(secret, size, MADV_DONTDUMP);
	secret->len = len;
	if (len)
		memcpy(secret->ptr, data, len);
	secret->ptr[len] = '\0';
	*ret_secret = secret;
	return 0;
}

void secret_free(struct secret **secret)
{
	size_t size;

	if (!secret || !*secret)
		return;
	size = secret_pages((*secret)->len);
	secret_wipe(*secret, size);
	munmap(*secret, size);
	*secret = NULL;
}

void secret_wipe(void *data, size_t len)
{
	explicit_bzero(data, len);
}
