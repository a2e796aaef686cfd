/* Databases that are of no use any more, kept for a look: NAME.broken-TIME, one of each. */
#ifndef CACHE_ASIDE_H
#define CACHE_ASIDE_H

/* Renames the database `path` and its log; older ones that were set aside are removed. 0 or -errno. */
int aside_put(const char *path);
/* Removes what was set aside longer than a week ago. */
void aside_expire(const char *path);

#endif
