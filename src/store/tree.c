/*
 * The tree of mailboxes: when and how the server is asked for it. What the answer means for
 * the index is treeapply.c's, which names there are treenode.c's and boxname.c's affair.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/private.h"
#include "store/treenode.h"
#include "util/clock.h"
#include "util/log.h"

#define NAMESPACES_MAX 16
#define FRESHEN_WAIT_MS                                                                            \
	2000 /* a listing waits this long for the tree; what comes later comes as events */
#define RETRY_MS 5000

/* ---- asking ------------------------------------------------------------------------- */

struct lister {
	struct store *store;
	struct tree tree;
	int error;
};

static int on_list(void *user, const struct imap_event *event)
{
	struct lister *lister = user;
	const struct imap_event_mailbox_status *status = &event->mailbox_status;
	struct tree_node *node;
	int r = 0;

	if (event->type == IMAP_EVENT_LIST || event->type == IMAP_EVENT_LSUB) {
		r = tree_add(&lister->tree, event->list.name, event->list.delimiter,
			     event->list.attributes);
	} else if (event->type == IMAP_EVENT_MAILBOX_STATUS &&
		   (node = tree_find(&lister->tree, status->name)) != NULL) {
		node->has_status = (status->present & IMAP_STATUS_MESSAGES) != 0;
		node->messages = status->messages;
		node->unseen = status->present & IMAP_STATUS_UNSEEN ? status->unseen : 0;
		node->recent = status->present & IMAP_STATUS_RECENT ? status->recent : 0;
		node->uidnext = status->present & IMAP_STATUS_UIDNEXT ? status->uidnext : 0;
		node->uidvalidity = status->present & IMAP_STATUS_UIDVALIDITY ? status->uidvalidity
									      : 0;
		node->highestmodseq = status->present & IMAP_STATUS_HIGHESTMODSEQ
					      ? status->highestmodseq
					      : 0;
	}
	if (r != 0 && lister->error == 0) {
		lister->error = r;
		if (r == -E2BIG)
			log_warning(
				"the server lists more than %d mailboxes: the rest is not shown",
				TREE_MAX);
	}
	return 0;
}

static bool any_below(const struct tree *tree, struct slice prefix)
{
	for (size_t i = 1; i < tree->count; i++)
		if (slice_starts(tree->nodes[i].key, prefix))
			return true;
	return false;
}

/* Namespaces of others that "*" did not cover. What fails here is only missing. */
static void list_namespaces(struct lister *lister, struct imap_conn *conn, uint32_t options)
{
	struct session_namespace spaces[NAMESPACES_MAX];
	size_t count = session_namespaces(lister->store->session, spaces, NAMESPACES_MAX);

	for (size_t i = 0; i < count && imap_conn_alive(conn); i++) {
		struct slice prefix = slice_of(spaces[i].prefix);
		char pattern[sizeof(spaces[i].prefix) + 1];

		if (prefix.len == 0 || any_below(&lister->tree, prefix))
			continue;
		snprintf(pattern, sizeof(pattern), "%s*", spaces[i].prefix);
		imap_list(conn, SLICE_LIT(""), slice_of(pattern), options, on_list, lister, NULL);
	}
}

static int do_list(struct lease *lease, void *user)
{
	struct lister *lister = user;
	struct imap_conn *conn = lease_conn(lease);
	uint32_t options = IMAP_LIST_STATUS |
			   (lister->store->subscribed ? IMAP_LIST_SUBSCRIBED : 0);
	struct imap_answer answer;
	int r;

	tree_release(&lister->tree); /* of the try before this one */
	r = tree_init(&lister->tree);
	lister->error = 0;
	if (r == 0)
		r = imap_list(conn, SLICE_LIT(""), SLICE_LIT("*"), options, on_list, lister,
			      &answer);
	if (r == -EREMOTEIO) {
		log_error("the server does not list the mailboxes: %s", answer.text);
		return imap_answer_errno(&answer);
	}
	if (r != 0)
		return r;
	list_namespaces(lister, conn, options);
	/* INBOX is there for everybody, subscribed or not. */
	if (tree_find(&lister->tree, SLICE_LIT("INBOX")) == NULL && imap_conn_alive(conn))
		imap_list(conn, SLICE_LIT(""), SLICE_LIT("INBOX"), IMAP_LIST_STATUS, on_list,
			  lister, NULL);
	return lister->error == -E2BIG ? 0 : lister->error;
}

/* ---- when ----------------------------------------------------------------------------- */

static int refresh(struct store *store, char **ret_error)
{
	struct lister lister = { .store = store };
	struct tree_node *root;
	int r = session_run(store->session, SESSION_INTERACTIVE, SLICE_NIL, do_list, &lister);

	if (r == 0 && store->root_mailbox != NULL) {
		root = tree_find_utf8(&lister.tree, store->root_mailbox);
		if (root == NULL) {
			r = -ENOENT;
			if (ret_error != NULL &&
			    asprintf(ret_error, "there is no mailbox '%s' on the server",
				     store->root_mailbox) < 0)
				*ret_error = NULL;
		} else {
			tree_reroot(&lister.tree, root);
		}
	} else if (r != 0 && ret_error != NULL) {
		if (asprintf(ret_error, "cannot list the mailboxes: %s", strerror(-r)) < 0)
			*ret_error = NULL;
	}
	if (r == 0) {
		r = tree_apply(store, &lister.tree);
		if (r != 0 && ret_error != NULL &&
		    asprintf(ret_error, "cannot write the index: %s", strerror(-r)) < 0)
			*ret_error = NULL;
	}
	tree_release(&lister.tree);
	return r;
}

static bool tree_claim(struct store *store)
{
	bool claimed;

	pthread_mutex_lock(&store->lock);
	claimed = !store->tree_busy;
	store->tree_busy = true;
	pthread_mutex_unlock(&store->lock);
	return claimed;
}

static void tree_done(struct store *store, int r)
{
	pthread_mutex_lock(&store->lock);
	store->tree_busy = false;
	store->tree_tried_ms = clock_ms();
	if (r == 0)
		store->tree_ms = store->tree_tried_ms;
	pthread_mutex_unlock(&store->lock);
	sync_progress(store);
}

int tree_refresh(struct store *store, char **ret_error)
{
	int r;

	if (!tree_claim(store))
		return 0;
	r = refresh(store, ret_error);
	tree_done(store, r);
	return r;
}

static void refresh_job(void *arg)
{
	struct store *store = arg;
	int r = refresh(store, NULL);

	if (r != 0 && r != -ECANCELED && r != -ENOTCONN)
		log_warning("the tree of mailboxes was not refreshed: %s", strerror(-r));
	tree_done(store, r);
}

void tree_refresh_start(struct store *store)
{
	if (!tree_claim(store))
		return;
	if (pool_submit(store->pool, refresh_job, store) != 0)
		tree_done(store, -EAGAIN);
}

int tree_freshen(struct store *store, enum store_mode mode)
{
	int64_t now = clock_ms();
	bool due, busy;
	int r = 0;

	pthread_mutex_lock(&store->lock);
	busy = store->tree_busy;
	due = (store->tree_ms == 0 || now - store->tree_ms > store->poll_ms) &&
	      (store->tree_tried_ms == 0 || now - store->tree_tried_ms > RETRY_MS ||
	       store->tree_tried_ms == store->tree_ms);
	pthread_mutex_unlock(&store->lock);
	if (!due)
		return 0;
	if (mode == STORE_NOWAIT)
		return -EAGAIN;
	if (!busy)
		tree_refresh_start(store);
	pthread_mutex_lock(&store->lock);
	while (store->tree_busy && r == 0 && !atomic_load(&store->stopped))
		r = clock_cond_wait(&store->changed, &store->lock, now + FRESHEN_WAIT_MS);
	pthread_mutex_unlock(&store->lock);
	return atomic_load(&store->stopped) ? -ECANCELED : 0;
}
