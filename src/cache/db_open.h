/* Between db.c and db_open.c only. */
#ifndef CACHE_DB_OPEN_H
#define CACHE_DB_OPEN_H

#include "cache/db.h"

#define DB_DAMAGED 1 /* beside 0 and -errno */

int db_conn_open(struct db *db, uint64_t epoch, bool writer, struct db_conn **ret_conn);
void db_conn_close(struct db_conn **conn);
void db_idle_close(struct db *db);
/* Opens the database again where that failed before; 0 when there is one. */
int db_revive(struct db *db);
int db_revive_locked(struct db *db); /* write_lock is held */

#endif
