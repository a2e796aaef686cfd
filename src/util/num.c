/*
 * Numbers as text, all or nothing: no sign, no space, no rest. "01" is a number
 * here; whoever minds leading zeros looks for them.
 */
#include "util/num.h"

#include <errno.h>

int num_u64(struct slice text, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (text.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return -EINVAL;
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned)(text.ptr[i] - '0');

		if (number > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		number = number * 10 + digit;
	}
	*ret_number = number;
	return 0;
}

int num_u32(struct slice text, uint32_t *ret_number)
{
	uint64_t number;
	int err = num_u64(text, &number);

	if (err)
		return err;
	if (number > UINT32_MAX)
		return -ERANGE;
	*ret_number = (uint32_t)number;
	return 0;
}

int num_size(struct slice text, uint64_t *ret_bytes)
{
	unsigned shift = 0;
	uint64_t number;
	int err;

	if (text.len == 0)
		return -EINVAL;
	switch (text.ptr[text.len - 1]) {
	case 'K':
	case 'k': shift = 10; break;
	case 'M':
	case 'm': shift = 20; break;
	case 'G':
	case 'g': shift = 30; break;
	case 'T':
	case 't': shift = 40; break;
	}
	if (shift)
		text.len--;
	err = num_u64(text, &number);
	if (err)
		return err;
	if (number > UINT64_MAX >> shift)
		return -ERANGE;
	*ret_bytes = number << shift;
	return 0;
}
