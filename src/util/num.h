/* Strict numbers: the whole text, digits alone. 0, -EINVAL, -ERANGE. */
#ifndef UTIL_NUM_H
#define UTIL_NUM_H

#include <stdint.h>

#include "util/slice.h"

int num_u32(struct slice text, uint32_t *ret_number);
int num_u64(struct slice text, uint64_t *ret_number);
/* "512", "64K", "2G": binary multiples. */
int num_size(struct slice text, uint64_t *ret_bytes);

#endif
