/* Who the peer of a TLS connection has to be, and how a person learns that it is not. */
#ifndef IMAP_TLS_VERIFY_H
#define IMAP_TLS_VERIFY_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#include "stream.h"

#define TLS_FINGERPRINT_LEN 32

struct tls_verify {
	char *host;  /* as the user named it */
	bool pinned; /* only the fingerprint counts */
	unsigned char pin[TLS_FINGERPRINT_LEN];
	/* what the peer showed, kept for the message */
	bool seen;
	unsigned char fingerprint[TLS_FINGERPRINT_LEN];
	char names[256];
	int error; /* X509_V_ERR_*, the first */
};

/* `verify` is zeroed storage of the caller's; release it whatever this returns. */
int tls_verify_init(struct tls_verify *verify, const struct stream_tls_params *params,
		    char **ret_error);
void tls_verify_release(struct tls_verify *verify);
/* Trust anchors and a client certificate. */
int tls_verify_setup_context(SSL_CTX *context, const struct stream_tls_params *params,
			     char **ret_error);
/* Name checks and SNI. `verify` must stay as long as `ssl`. */
int tls_verify_setup(struct tls_verify *verify, SSL *ssl);
/* After the handshake: 0, or -EKEYREJECTED with the reason. */
int tls_verify_peer(struct tls_verify *verify, SSL *ssl, char **ret_error);
/* The handshake failed; true when that was our own refusal, and then *ret_error says why. */
bool tls_verify_refused(struct tls_verify *verify, char **ret_error);

#endif
