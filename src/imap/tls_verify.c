/*
 * The checks of a server's certificate: chain and name, or a pinned fingerprint instead
 * of both. OpenSSL does the checking; here is what it is asked to check, and the words
 * for what came out of it.
 */
#include "tls_verify.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <imap/text.h>

#include "util/buf.h"
#include "util/slice.h"

#define FINGERPRINT_TEXT (sizeof("sha256:") + 2 * TLS_FINGERPRINT_LEN)

/* ---- the pin --------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "sha256:" and 64 hex digits; colons between them are how openssl(1) prints it. */
static int pin_parse(const char *text, unsigned char pin[static TLS_FINGERPRINT_LEN])
{
	size_t digits = 0;

	if (!slice_casestarts(slice_of(text), "sha256:"))
		return -EINVAL;
	for (const char *c = text + strlen("sha256:"); *c; c++) {
		int digit = hex_digit(*c);

		if (*c == ':')
			continue;
		if (digit < 0 || digits == 2 * TLS_FINGERPRINT_LEN)
			return -EINVAL;
		pin[digits / 2] = (unsigned char)(digits % 2 ? pin[digits / 2] | digit
							     : digit << 4);
		digits++;
	}
	return digits == 2 * TLS_FINGERPRINT_LEN ? 0 : -EINVAL;
}

static const char *fingerprint_text(const struct tls_verify *verify,
				    char buf[static FINGERPRINT_TEXT])
{
	int at = snprintf(buf, FINGERPRINT_TEXT, "sha256:");

	for (size_t i = 0; i < TLS_FINGERPRINT_LEN; i++)
		at += snprintf(buf + at, FINGERPRINT_TEXT - (size_t)at, "%02x",
			       verify->fingerprint[i]);
	return buf;
}

/* ---- set up ---------------------------------------------------------------- */

int tls_verify_init(struct tls_verify *verify, const struct stream_tls_params *params,
		    char **ret_error)
{
	size_t len;

	verify->host = strdup(params->host);
	if (!verify->host)
		return -ENOMEM;
	/* "host." is the same host; certificates never have the dot. */
	len = strlen(verify->host);
	if (len > 1 && verify->host[len - 1] == '.')
		verify->host[len - 1] = '\0';
	if (!params->fingerprint)
		return 0;
	verify->pinned = true;
	if (pin_parse(params->fingerprint, verify->pin))
		return stream_fail(ret_error, -EKEYREJECTED,
				   "tls_fingerprint has to be sha256: and 64 hexadecimal digits");
	return 0;
}

void tls_verify_release(struct tls_verify *verify)
{
	free(verify->host);
	verify->host = NULL;
}

static const char *openssl_reason(void)
{
	unsigned long error = ERR_peek_error(); /* the first: what follows are its consequences */
	const char *reason = NULL;

	if (ERR_SYSTEM_ERROR(error))
		reason = strerror(ERR_GET_REASON(error));
	else if (error)
		reason = ERR_reason_error_string(error);
	return reason ? reason : "no reason given";
}

static int no_passphrase(char *buf, int size, int rwflag, void *user)
{
	return 0; /* a daemon asks nobody */
}

static int setup_client_cert(SSL_CTX *context, const struct stream_tls_params *params,
			     char **ret_error)
{
	const char *key = params->key_file ? params->key_file : params->cert_file;

	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	if (SSL_CTX_use_certificate_chain_file(context, params->cert_file) != 1)
		return stream_fail(ret_error, -EKEYREJECTED,
				   "cannot use the client certificate %s: %s", params->cert_file,
				   openssl_reason());
	if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		return stream_fail(ret_error, -EKEYREJECTED, "cannot use the client key %s: %s",
				   key, openssl_reason());
	return 0;
}

int tls_verify_setup_context(SSL_CTX *context, const struct stream_tls_params *params,
			     char **ret_error)
{
	bool own = params->ca_file || params->ca_dir;

	ERR_clear_error();
	if (params->ca_file && SSL_CTX_load_verify_file(context, params->ca_file) != 1)
		return stream_fail(ret_error, -EKEYREJECTED, "cannot read certificates from %s: %s",
				   params->ca_file, openssl_reason());
	if (params->ca_dir && SSL_CTX_load_verify_dir(context, params->ca_dir) != 1)
		return stream_fail(ret_error, -EKEYREJECTED,
				   "cannot use the certificates in %s: %s", params->ca_dir,
				   openssl_reason());
	if (!own && SSL_CTX_set_default_verify_paths(context) != 1)
		return stream_fail(ret_error, -EKEYREJECTED,
				   "cannot use the system's certificates: %s", openssl_reason());
	return params->cert_file ? setup_client_cert(context, params, ret_error) : 0;
}

static void names_collect(struct tls_verify *verify, X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	struct buf buf;

	buf_init(&buf, sizeof(verify->names) * 4);
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		char text[INET6_ADDRSTRLEN] = "";

		if (name->type == GEN_DNS) {
			buf_appendf(&buf, "%s%.*s", buf.len ? ", " : "",
				    ASN1_STRING_length(name->d.dNSName),
				    (const char *)ASN1_STRING_get0_data(name->d.dNSName));
		} else if (name->type == GEN_IPADD) {
			int family = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET
										: AF_INET6;

			if (family == AF_INET || ASN1_STRING_length(name->d.iPAddress) == 16)
				inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), text,
					  sizeof(text));
			buf_appendf(&buf, "%s%s", buf.len ? ", " : "", text);
		}
	}
	GENERAL_NAMES_free(names);
	if (!buf.len) {
		char common[256] = "";

		X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, common,
					  sizeof(common));
		buf_append_str(&buf, common);
	}
	imap_text_escape(buf_slice(&buf), verify->names, sizeof(verify->names));
	buf_release(&buf);
}

static void peer_note(struct tls_verify *verify, X509 *cert)
{
	unsigned int len = TLS_FINGERPRINT_LEN;

	if (verify->seen || !cert)
		return;
	verify->seen = X509_digest(cert, EVP_sha256(), verify->fingerprint, &len) == 1;
	names_collect(verify, cert);
}

static int verify_callback(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_verify *verify = SSL_get_app_data(ssl);

	peer_note(verify, X509_STORE_CTX_get0_cert(store));
	if (!ok && !verify->error)
		verify->error = X509_STORE_CTX_get_error(store);
	return ok;
}

int tls_verify_setup(struct tls_verify *verify, SSL *ssl)
{
	unsigned char address[16];
	bool is_address = inet_pton(AF_INET, verify->host, address) == 1 ||
			  inet_pton(AF_INET6, verify->host, address) == 1;

	SSL_set_app_data(ssl, verify);
	if (!is_address && SSL_set_tlsext_host_name(ssl, verify->host) != 1)
		return -ENOMEM;
	if (verify->pinned) {
		SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
		return 0;
	}
	SSL_set_verify(ssl, SSL_VERIFY_PEER, verify_callback);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_address)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), verify->host) == 1
			       ? 0
			       : -ENOMEM;
	return SSL_set1_host(ssl, verify->host) == 1 ? 0 : -ENOMEM;
}

/* ---- the outcome ----------------------------------------------------------- */

int tls_verify_peer(struct tls_verify *verify, SSL *ssl, char **ret_error)
{
	X509 *cert = SSL_get1_peer_certificate(ssl);
	char text[FINGERPRINT_TEXT];

	if (!cert)
		return stream_fail(ret_error, -EKEYREJECTED, "%s showed no certificate",
				   verify->host);
	peer_note(verify, cert);
	X509_free(cert);
	if (verify->pinned) {
		if (verify->seen &&
		    !CRYPTO_memcmp(verify->pin, verify->fingerprint, TLS_FINGERPRINT_LEN))
			return 0;
		return stream_fail(
			ret_error, -EKEYREJECTED,
			"the certificate of %s is not the one that tls_fingerprint= pins: "
			"this one is %s",
			verify->host, fingerprint_text(verify, text));
	}
	/* The handshake would have failed; a second look costs nothing. */
	if (SSL_get_verify_result(ssl) == X509_V_OK)
		return 0;
	verify->error = (int)SSL_get_verify_result(ssl);
	tls_verify_refused(verify, ret_error);
	return -EKEYREJECTED;
}

static const char *trust_reason(int error)
{
	switch (error) {
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return "self-signed certificate";
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return "its authority is unknown here";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return "its issuer is unknown here";
	default: return X509_verify_cert_error_string(error);
	}
}

bool tls_verify_refused(struct tls_verify *verify, char **ret_error)
{
	char pin[FINGERPRINT_TEXT];

	if (!verify->error)
		return false;
	fingerprint_text(verify, pin);
	switch (verify->error) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		stream_fail(ret_error, 0,
			    "the certificate of %s is for other names (%s): connect by one of "
			    "them, or pin it "
			    "with tls_fingerprint=%s",
			    verify->host, verify->names, pin);
		break;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		stream_fail(ret_error, 0,
			    "the certificate of %s has expired: ask whoever runs the server to "
			    "renew it, or pin it "
			    "with tls_fingerprint=%s",
			    verify->host, pin);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		stream_fail(ret_error, 0,
			    "the certificate of %s is not valid yet: is the clock right?",
			    verify->host);
		break;
	default:
		stream_fail(ret_error, 0,
			    "the certificate of %s is not trusted (%s) - give the CA with ca_file= "
			    "or pin it with "
			    "tls_fingerprint=%s",
			    verify->host, trust_reason(verify->error), pin);
		break;
	}
	return true;
}
