/* Time that does not jump, in milliseconds. */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <pthread.h>
#include <stdint.h>

int64_t clock_ms(void);     /* CLOCK_MONOTONIC */
int64_t clock_wall_s(void); /* seconds since 1970 */
/* A condition variable that waits by clock_ms(). 0 or -errno. */
int clock_cond_init(pthread_cond_t *cond);
/* Waits until signalled (0) or until deadline_ms has passed (-ETIMEDOUT). */
int clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_ms);

#endif
