/*
 * TLS on another stream, by OpenSSL: 1.2 or newer, no session kept or reused. Who the
 * peer is, is checked by tls_verify.c before the handshake counts as done.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "stream.h"
#include "tls_verify.h"

/* A record is 16 KiB; several in one read of the socket save system calls. */
#define READ_AHEAD (64u * 1024)

struct tls {
	struct imap_stream stream;
	struct imap_stream *lower;
	SSL_CTX *context;
	SSL *ssl;
	struct tls_verify verify;
	char *host, *port;
	int lower_error; /* why the stream below failed, 0: it did not */
	bool lower_end;
};

/* ---- OpenSSL's view of the stream below ------------------------------------ */

static int bio_result(BIO *bio, ssize_t moved)
{
	struct tls *tls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (moved > 0)
		return (int)moved;
	if (moved == -EAGAIN) {
		if (tls->lower->want == POLLIN)
			BIO_set_retry_read(bio);
		else
			BIO_set_retry_write(bio);
	} else if (moved == 0) {
		tls->lower_end = true;
	} else {
		tls->lower_error = (int)moved;
	}
	return moved == 0 ? 0 : -1;
}

static int bio_read(BIO *bio, char *data, int len)
{
	struct tls *tls = BIO_get_data(bio);

	return len > 0 ? bio_result(bio, stream_read(tls->lower, data, (size_t)len)) : 0;
}

static int bio_write(BIO *bio, const char *data, int len)
{
	struct tls *tls = BIO_get_data(bio);

	return len > 0 ? bio_result(bio, stream_write(tls->lower, data, (size_t)len)) : 0;
}

static long bio_ctrl(BIO *bio, int command, long number, void *ptr)
{
	struct tls *tls = BIO_get_data(bio);

	if (command == BIO_CTRL_EOF)
		return tls->lower_end;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void bio_method_make(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
					  "imap stream");

	if (!method)
		return;
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
	bio_method = method;
}

static BIO *bio_new(struct tls *tls)
{
	BIO *bio;

	pthread_once(&bio_once, bio_method_make);
	bio = bio_method ? BIO_new(bio_method) : NULL;
	if (bio) {
		BIO_set_data(bio, tls);
		BIO_set_init(bio, 1);
	}
	return bio;
}

/* ---- moving bytes ---------------------------------------------------------- */

/* What an unfinished call of OpenSSL means. */
static ssize_t tls_result(struct tls *tls, int ret)
{
	switch (SSL_get_error(tls->ssl, ret)) {
	case SSL_ERROR_WANT_READ: tls->stream.want = POLLIN; return -EAGAIN;
	case SSL_ERROR_WANT_WRITE: tls->stream.want = POLLOUT; return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN: return 0;
	default:
		if (tls->lower_error)
			return tls->lower_error;
		return tls->lower_end ? 0 : -EPROTO;
	}
}

static ssize_t tls_read(struct imap_stream *stream, void *data, size_t len)
{
	struct tls *tls = (struct tls *)stream;
	size_t got;
	int ret;

	ERR_clear_error();
	ret = SSL_read_ex(tls->ssl, data, len, &got);
	return ret > 0 ? (ssize_t)got : tls_result(tls, ret);
}

static ssize_t tls_write(struct imap_stream *stream, const void *data, size_t len)
{
	struct tls *tls = (struct tls *)stream;
	ssize_t result;
	size_t sent;
	int ret;

	ERR_clear_error();
	ret = SSL_write_ex(tls->ssl, data, len, &sent);
	if (ret > 0)
		return (ssize_t)sent;
	result = tls_result(tls, ret);
	return result ? result : -ECONNRESET;
}

static void tls_free(struct imap_stream *stream)
{
	struct tls *tls = (struct tls *)stream;

	SSL_free(tls->ssl); /* with its BIO */
	SSL_CTX_free(tls->context);
	tls_verify_release(&tls->verify);
	stream_free(&tls->lower);
	free(tls->host);
	free(tls->port);
	free(tls);
}

static const struct imap_stream_ops tls_ops = { tls_read, tls_write, tls_free };

/* ---- opening --------------------------------------------------------------- */

static int tls_context(struct tls *tls, const struct stream_tls_params *params, char **ret_error)
{
	tls->context = SSL_CTX_new(TLS_client_method());
	if (!tls->context)
		return -ENOMEM;
	SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
	SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
	/* IMAP frames itself: a missing close_notify cuts nothing unnoticed. */
	SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
						  SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(tls->context,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(tls->context, 1);
	SSL_CTX_set_default_read_buffer_len(tls->context, READ_AHEAD);
	return tls_verify_setup_context(tls->context, params, ret_error);
}

static int tls_ssl(struct tls *tls)
{
	BIO *bio;

	tls->ssl = SSL_new(tls->context);
	if (!tls->ssl)
		return -ENOMEM;
	bio = bio_new(tls);
	if (!bio)
		return -ENOMEM;
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_connect_state(tls->ssl);
	return tls_verify_setup(&tls->verify, tls->ssl);
}

int stream_tls_new(const struct stream_tls_params *params, struct imap_stream *lower,
		   struct imap_stream **ret_stream, char **ret_error)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int err;

	if (!tls) {
		stream_free(&lower);
		return -ENOMEM;
	}
	tls->stream.ops = &tls_ops;
	tls->lower = lower;
	tls->host = strdup(params->host);
	tls->port = strdup(params->port);
	err = tls->host && tls->port ? 0 : -ENOMEM;
	if (!err)
		err = tls_verify_init(&tls->verify, params, ret_error);
	if (!err)
		err = tls_context(tls, params, ret_error);
	if (!err)
		err = tls_ssl(tls);
	if (err) {
		tls_free(&tls->stream);
		return err;
	}
	*ret_stream = &tls->stream;
	return 0;
}

static int handshake_failed(struct tls *tls, ssize_t result, char **ret_error)
{
	unsigned long error = ERR_peek_error();
	const char *reason = ERR_reason_error_string(error);

	if (tls_verify_refused(&tls->verify, ret_error))
		return -EKEYREJECTED;
	switch (ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0) {
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_HTTP_REQUEST:
		return stream_fail(
			ret_error, -EPROTO,
			"%s:%s does not speak TLS: is the port right, or does it want STARTTLS "
			"(imap:// or tls=starttls)?",
			tls->host, tls->port);
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return stream_fail(ret_error, -EPROTO, "%s:%s speaks no TLS newer than 1.1",
				   tls->host, tls->port);
	default: break;
	}
	if (tls->lower_end || (tls->lower_error && tls->lower_error != -EPROTO))
		return stream_fail(ret_error, -ECONNRESET,
				   "%s:%s closed the connection while TLS was being set up",
				   tls->host, tls->port);
	return stream_fail(ret_error, result < 0 ? (int)result : -EPROTO,
			   "TLS with %s:%s failed: %s", tls->host, tls->port,
			   reason ? reason : "no reason given");
}

int stream_tls_handshake(struct imap_stream *stream, char **ret_error)
{
	struct tls *tls = (struct tls *)stream;
	ssize_t result;
	int ret;

	ERR_clear_error();
	ret = SSL_do_handshake(tls->ssl);
	if (ret == 1)
		return tls_verify_peer(&tls->verify, tls->ssl, ret_error);
	result = tls_result(tls, ret);
	return result == -EAGAIN ? -EAGAIN : handshake_failed(tls, result, ret_error);
}

const char *stream_tls_version(struct imap_stream *stream)
{
	return SSL_get_version(((struct tls *)stream)->ssl);
}

const char *stream_tls_cipher(struct imap_stream *stream)
{
	return SSL_get_cipher_name(((struct tls *)stream)->ssl);
}
