/* See account.h. */
#include "imapfs/account.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imapfs/config.h"
#include "util/file.h"

static int fail(char **ret_error, int err, const char *what, const char *why)
{
	if (!*ret_error && asprintf(ret_error, "%s: %s", what, why) < 0)
		*ret_error = NULL;
	return err;
}

/* Layers below give a line of their own; where memory was too short for it, the errno has to do. */
static int explain(char **ret_error, int err, const char *what)
{
	return fail(ret_error, err, what, strerror(-err));
}

/* The daemon's directory is the root, so no path may stay relative. */
static int make_absolute(char **path)
{
	char *cwd, *joined = NULL;
	int len;

	if (!*path || **path == '/')
		return 0;
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return -errno;
	len = asprintf(&joined, "%s/%s", cwd, *path);
	free(cwd);
	if (len < 0)
		return -ENOMEM;
	free(*path);
	*path = joined;
	return 0;
}

static int resolve_paths(struct options *options)
{
	char **const paths[] = { &options->ca_file,  &options->ca_dir, &options->cert,
				 &options->key,      &options->trace,  &options->password_file,
				 &options->cache_dir };
	int err = 0;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && !err; i++)
		err = make_absolute(paths[i]);
	return err;
}

static int resolve_source(struct options *options, const struct option_list *list, struct url *url,
			  char **ret_error)
{
	const char *text = options->source, *what;
	int err;

	if (!url_is(text)) {
		err = config_apply(options, text, ret_error);
		if (err)
			return explain(ret_error, err, text);
		if (!options->url)
			return fail(ret_error, -EINVAL, text,
				    "its section in the config file has no url =");
		text = options->url;
	}
	err = options_apply_list(options, list, ret_error);
	if (!err)
		err = options_check(options, ret_error);
	if (err)
		return err;
	if (url_parse(text, url, &what))
		/* The text is not repeated: there may be a password in it. */
		return fail(ret_error, -EINVAL, "SOURCE", what);
	return 0;
}

/* As ssh does it: the name here is the name there, unless something says otherwise. */
static int resolve_user(const struct url *url, char **ret_user)
{
	const struct passwd *me;

	if (*url->user)
		*ret_user = strdup(url->user);
	else if (credentials_netrc_user(url->host, ret_user) == 0)
		return 0;
	else if ((me = getpwuid(getuid())))
		*ret_user = strdup(me->pw_name);
	else
		return -ENOENT;
	return *ret_user ? 0 : -ENOMEM;
}

static enum imap_tls_mode resolve_tls(const struct options *options, const struct url *url)
{
	if (!options->tls)
		return url->implicit_tls ? IMAP_TLS_IMPLICIT : IMAP_TLS_STARTTLS;
	if (!strcmp(options->tls, "off"))
		return IMAP_TLS_OFF;
	return !strcmp(options->tls, "starttls") ? IMAP_TLS_STARTTLS : IMAP_TLS_IMPLICIT;
}

static int resolve_names(struct account *account)
{
	const char *host = account->url.host;
	bool is_v6 = strchr(host, ':') != NULL;
	const char *open = is_v6 ? "[" : "", *close = is_v6 ? "]" : "";

	if (asprintf(&account->key, "%s@%s%s%s:%s", account->user, open, host, close,
		     account->url.port) < 0) {
		account->key = NULL;
		return -ENOMEM;
	}
	if (asprintf(&account->source, "%s://%s/%s", account->url.implicit_tls ? "imaps" : "imap",
		     account->key, account->url.mailbox) < 0) {
		account->source = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* A key as one component of a path. */
static int append_component(struct buf *buf, const char *key)
{
	for (const char *c = key; *c; c++) {
		if (*c == '/' || *c == '%' || (unsigned char)*c < 0x20 || (c == key && *c == '.'))
			buf_appendf(buf, "%%%02X", (unsigned)(unsigned char)*c);
		else
			buf_append_char(buf, *c);
	}
	return buf->error;
}

static uint64_t hash_text(const char *text)
{
	uint64_t hash = 14695981039346656037u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211u;
	return hash;
}

static int xdg_path(const char *var, const char *fallback, const char *key, const char *suffix,
		    char **ret_path)
{
	struct buf path;
	char *base;
	int err = file_xdg_dir(var, fallback, &base);

	if (err)
		return err;
	buf_init(&path, 8192);
	buf_appendf(&path, "%s/", base);
	free(base);
	append_component(&path, key);
	buf_append_str(&path, suffix);
	if (!buf_cstr(&path)) {
		buf_release(&path);
		return -ENOMEM;
	}
	*ret_path = path.ptr;
	return 0;
}

/* The state belongs to the account and the cache directory: two mounts of one account with two caches have two. */
static int resolve_dirs(struct account *account)
{
	char suffix[32];
	int err;

	if (account->options->cache_dir) {
		account->cache_dir = strdup(account->options->cache_dir);
		err = account->cache_dir ? 0 : -ENOMEM;
	} else {
		err = xdg_path("XDG_CACHE_HOME", ".cache", account->key, "", &account->cache_dir);
	}
	if (err)
		return err;
	/* "dir/" and "dir" are one. */
	for (size_t len = strlen(account->cache_dir);
	     len > 1 && account->cache_dir[len - 1] == '/';)
		account->cache_dir[--len] = '\0';
	snprintf(suffix, sizeof(suffix), "-%016llx",
		 (unsigned long long)hash_text(account->cache_dir));
	return xdg_path("XDG_STATE_HOME", ".local/state", account->key, suffix,
			&account->state_dir);
}

int account_resolve(struct options *options, const struct option_list *list,
		    struct account *ret_account, char **ret_error)
{
	struct account account = { .options = options };
	struct credentials_params params;
	int err;

	*ret_error = NULL;
	err = resolve_source(options, list, &account.url, ret_error);
	if (err)
		return err;
	account.tls = resolve_tls(options, &account.url);
	err = resolve_user(&account.url, &account.user);
	if (err)
		return fail(ret_error, err, "SOURCE",
			    "there is no user name in it, nor one for the host in ~/.netrc");
	err = resolve_paths(options);
	if (err == -ENOENT) {
		account_release(&account);
		return fail(ret_error, err, "a relative path",
			    "the working directory does not exist any more");
	}
	if (!err)
		err = resolve_names(&account);
	if (!err)
		err = resolve_dirs(&account);
	params = (struct credentials_params){ .user = account.user,
					      .host = account.url.host,
					      .password_command = options->password_command,
					      .password_file = options->password_file };
	if (!err)
		err = credentials_new(&params, &account.credentials);
	if (err) {
		account_release(&account);
		return fail(ret_error, err, "preparing the account",
			    err == -ENOENT ? "HOME is not set: give cache_dir, and XDG_STATE_HOME"
					   : strerror(-err));
	}
	*ret_account = account;
	return 0;
}

static int open_session(struct account *account, enum session_start start, char **ret_error)
{
	const struct options *options = account->options;
	const struct session_params params = {
		.start = start,
		.conn = { .host = account->url.host,
			  .port = account->url.port,
			  .tls = account->tls,
			  .ca_file = options->ca_file,
			  .ca_dir = options->ca_dir,
			  .fingerprint = options->tls_fingerprint,
			  .cert_file = options->cert,
			  .key_file = options->key,
			  .trace_path = options->trace,
			  .disable = options->disable,
			  .timeout_ms = (int)options->timeout_s * 1000,
			  .stop_fd = -1 },
		.user = account->user,
		.auth = options->auth,
		.authzid = options->authzid,
		.password = credentials_get,
		.password_user = account->credentials,
		.connections = options->connections,
	};
	int err;

	*ret_error = NULL;
	err = session_open(&params, &account->session, ret_error);
	return err ? explain(ret_error, err, account->key) : 0;
}

int account_open_session(struct account *account, char **ret_error)
{
	return open_session(account, SESSION_START_CONNECTED, ret_error);
}

static int open_cache(struct account *account, char **ret_error)
{
	const struct cache_params params = {
		.cache_dir = account->cache_dir,
		.state_dir = account->state_dir,
		.cache_size = account->options->cache_size,
		.lock_wait_ms = (int)account->options->timeout_s * 1000,
	};
	int err = cache_open(&params, &account->cache, ret_error);

	if (err)
		return explain(ret_error, err, account->cache_dir);
	err = cache_state_claim(account->cache, account->key);
	if (err == -EEXIST)
		return fail(ret_error, err, account->state_dir,
			    "it belongs to another account: give this one a cache_dir of its own");
	return err ? explain(ret_error, err, account->state_dir) : 0;
}

static int open_store(struct account *account, const struct store_events *events, void *events_user,
		      char **ret_error)
{
	const struct options *options = account->options;
	const struct store_params params = {
		.session = account->session,
		.cache = account->cache,
		.names = options->names_uid ? STORE_NAMES_UID : STORE_NAMES_READABLE,
		.root_mailbox = *account->url.mailbox ? account->url.mailbox : NULL,
		.subscribed = options->subscribed,
		.poll_s = (int)options->poll_s,
		.timeout_ms = (int)options->timeout_s * 1000,
		.events = events,
		.events_user = events_user,
	};
	int err = store_open(&params, &account->store, ret_error);

	return err ? explain(ret_error, err, account->key) : 0;
}

/* The server was not found, or not heard. All it says itself (a refusal, a certificate) is another matter. */
static bool is_network_error(int err)
{
	switch (err) {
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -ETIMEDOUT:
	case -ENOENT: return true; /* no such host: without a network there is no name service */
	default: return false;
	}
}

/* While there still is a terminal: the daemon could not ask there when the server is back. */
static void ask_password_early(struct account *account)
{
	struct secret *password = NULL;
	char *error = NULL;

	(void)credentials_get(account->credentials, &password, &error);
	secret_free(&password);
	free(error);
}

static void note_offline(struct account *account, const char *unreachable)
{
	int len;

	if (unreachable)
		len = asprintf(&account->offline_note,
			       "offline until the server answers, mail in the cache can be read "
			       "(%s)",
			       unreachable);
	else
		len = asprintf(&account->offline_note,
			       "offline: mail in the cache can be read, and no other");
	if (len < 0)
		account->offline_note = NULL;
}

int account_open(struct account *account, const struct store_events *events, void *events_user,
		 char **ret_error)
{
	bool offline = account->options->offline == OFFLINE_YES;
	char *unreachable = NULL;
	int err, lost = 0;

	err = open_session(account, offline ? SESSION_START_OFFLINE : SESSION_START_CONNECTED,
			   ret_error);
	if (is_network_error(err) && account->options->offline == OFFLINE_AUTO) {
		lost = err;
		unreachable = *ret_error;
		err = open_session(account, SESSION_START_LOST, ret_error);
	}
	if (!err)
		err = open_cache(account, ret_error);
	if (!err)
		err = open_store(account, events, events_user, ret_error);
	if (err && lost) { /* the cache is no help: what matters is why there is no server */
		free(*ret_error);
		*ret_error = unreachable;
		return lost;
	}
	if (!err && lost)
		ask_password_early(account);
	if (!err && (lost || offline))
		note_offline(account, unreachable);
	free(unreachable);
	return err;
}

void account_stop(struct account *account)
{
	if (account->store)
		store_stop(account->store);
	if (account->session)
		session_stop(account->session);
}

void account_release(struct account *account)
{
	account_stop(account);
	if (account->store)
		store_close(&account->store);
	if (account->session)
		session_close(&account->session);
	if (account->cache)
		cache_close(&account->cache);
	credentials_free(&account->credentials);
	free(account->user);
	free(account->key);
	free(account->offline_note);
	free(account->source);
	free(account->cache_dir);
	free(account->state_dir);
	memset(account, 0, sizeof(*account));
}
