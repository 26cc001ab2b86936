/*
 * stream_tls.c - TLS between a stream's bytes and its socket.
 *
 * OpenSSL reads from the bytes of the uv read that is being handled and writes
 * to a buffer that all streams of the loop share (a BIO of our own does both),
 * so that an idle session holds no buffer.  What it wrote leaves in one write
 * when the call that caused it is over.
 *
 * The end can come in the same bytes as what its reader stops at; there it
 * waits, and is told by the session's timer once reading goes on.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/stream_internal.h"

struct stream_tls {
    SSL_CTX *ctx;
    BIO_METHOD *bio;
    unsigned refs;
    bool server;
};

struct stream_session {
    SSL *ssl;
    struct stream_tls *tls;
    struct stream *stream;
    struct wheel_timer timer; /* of the handshake, later of a late end */
    struct span in;           /* ciphertext not read yet, within one call */
    int err;                  /* of an end that is not told yet */
    bool over;                /* there is one: it waits for reading to go on */
};

static int on_bio_read(BIO *bio, char *out, int size)
{
    struct stream_session *session = BIO_get_data(bio);
    size_t len =
        session->in.len < (size_t)size ? session->in.len : (size_t)size;

    BIO_clear_retry_flags(bio);
    if (len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, session->in.ptr, len);
    session->in = span_skip(session->in, len);
    return (int)len;
}

static int on_bio_write(BIO *bio, const char *bytes, int size)
{
    struct stream_session *session = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    buf_append(&session->stream->loop->cipher,
               (struct span){bytes, (size_t)size});
    return size;
}

static long on_bio_control(BIO *bio, int command, long number, void *arg)
{
    (void)bio, (void)number, (void)arg;
    return command == BIO_CTRL_FLUSH;
}

static void explain(char *reason, size_t size, const char *what)
{
    char text[160];

    ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
    snprintf(reason, size, "%s: %s", what, text);
    ERR_clear_error();
}

/* A key with a passphrase is refused, not asked for on the terminal. */
static int on_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return -1;
}

/* No tickets: their key would have to be shared by all workers, and change. */
static void configure(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ctx, on_passphrase);
}

static struct stream_tls *make_tls(const SSL_METHOD *method, bool server)
{
    struct stream_tls *tls = mem_alloc(MEM_CONN, sizeof(*tls));

    ERR_clear_error();
    *tls = (struct stream_tls){
        .ctx = SSL_CTX_new(method),
        .bio = BIO_meth_new(BIO_TYPE_START | BIO_TYPE_SOURCE_SINK, "stream"),
        .refs = 1,
        .server = server};
    if (!tls->ctx || !tls->bio)
        abort(); /* as for any memory */
    BIO_meth_set_read(tls->bio, on_bio_read);
    BIO_meth_set_write(tls->bio, on_bio_write);
    BIO_meth_set_ctrl(tls->bio, on_bio_control);
    configure(tls->ctx);
    return tls;
}

/* The one protocol we speak, if the client offers it; else none is named. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    (void)ssl, (void)arg;
    if (SSL_select_next_proto(&chosen, len, ours, sizeof(ours) - 1, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* NULL, or the file that is at fault. */
static const char *load_identity(SSL_CTX *ctx, const char *cert,
                                 const char *key)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return cert;
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return key;
    return NULL;
}

struct stream_tls *stream_tls_server(const char *cert, const char *key,
                                     char *reason, size_t reason_size)
{
    struct stream_tls *tls = make_tls(TLS_server_method(), true);

    SSL_CTX_set_alpn_select_cb(tls->ctx, on_alpn, NULL);
    const char *bad = load_identity(tls->ctx, cert, key);
    if (!bad)
        return tls;
    explain(reason, reason_size, bad);
    stream_tls_unref(tls);
    return NULL;
}

struct stream_tls *stream_tls_client(const char *ca, char *reason,
                                     size_t reason_size)
{
    struct stream_tls *tls = make_tls(TLS_client_method(), false);

    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
    if ((ca ? SSL_CTX_load_verify_locations(tls->ctx, ca, NULL)
            : SSL_CTX_set_default_verify_paths(tls->ctx)) == 1)
        return tls;
    explain(reason, reason_size, ca ? ca : "certificate authorities");
    stream_tls_unref(tls);
    return NULL;
}

void stream_tls_ref(struct stream_tls *tls)
{
    tls->refs++;
}

void stream_tls_unref(struct stream_tls *tls)
{
    if (!tls || --tls->refs > 0)
        return;
    SSL_CTX_free(tls->ctx);
    BIO_meth_free(tls->bio);
    mem_free(tls);
}

int stream_session_create(struct stream *stream, struct stream_tls *tls)
{
    struct stream_session *session = mem_zalloc(MEM_CONN, sizeof(*session));
    SSL *ssl = SSL_new(tls->ctx);
    BIO *bio = BIO_new(tls->bio);

    *session =
        (struct stream_session){.ssl = ssl, .tls = tls, .stream = stream};
    tls->refs++;
    stream->session = session;
    if (!ssl || !bio)
        return UV_ENOMEM;
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    if (tls->server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return 0;
}

int stream_session_expect(struct stream *stream, const char *host)
{
    SSL *ssl = stream->session->ssl;
    struct in6_addr address;
    bool set;

    if (inet_pton(AF_INET, host, &address) == 1 ||
        inet_pton(AF_INET6, host, &address) == 1) {
        set = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    } else {
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        set = host[0] && SSL_set1_host(ssl, host) == 1 &&
              SSL_set_tlsext_host_name(ssl, (char *)(uintptr_t)host) == 1;
    }
    return set ? 0 : UV_EINVAL; /* a name that is not checked proves nothing */
}

void stream_session_destroy(struct stream *stream)
{
    struct stream_session *session = stream->session;

    if (!session)
        return;
    wheel_stop(stream->loop->wheel, &session->timer);
    SSL_free(session->ssl);
    stream_tls_unref(session->tls);
    mem_free(session);
    stream->session = NULL;
}

/* What OpenSSL has written since leaves in one write. */
static int flush(struct stream *stream)
{
    struct buf *cipher = &stream->loop->cipher;
    int err = 0;

    if (cipher->len)
        err = stream_write_raw(stream, buf_span(cipher));
    cipher->len = 0;
    return err;
}

static void on_late(struct wheel_timer *timer)
{
    struct stream_session *session =
        LIST_ENTRY(timer, struct stream_session, timer);

    stream_tell_end(session->stream, UV_ETIMEDOUT);
}

/* A handshake is not held up, nor is how it fails. */
static void tell_end(struct stream *stream, int err)
{
    struct stream_session *session = stream->session;

    session->over = stream->open && stream->paused;
    session->err = err;
    if (!session->over)
        stream_tell_end(stream, err);
}

static void on_go_on(struct wheel_timer *timer)
{
    struct stream_session *session =
        LIST_ENTRY(timer, struct stream_session, timer);

    if (!session->stream->paused)
        stream_tell_end(session->stream, session->err);
}

bool stream_session_go_on(struct stream *stream)
{
    struct stream_session *session = stream->session;

    if (session->over)
        wheel_start(stream->loop->wheel, &session->timer, 0, on_go_on);
    return !session->over;
}

static void fail(struct stream *stream)
{
    ERR_clear_error();
    flush(stream); /* the alert that says why */
    tell_end(stream, UV_EPROTO);
}

/* False until both sides have agreed. */
static bool shake_hands(struct stream *stream)
{
    struct stream_session *session = stream->session;

    ERR_clear_error();
    int result = SSL_do_handshake(session->ssl);
    if (result == 1) {
        wheel_stop(stream->loop->wheel, &session->timer);
        flush(stream);
        stream_tell_open(stream);
        return !stream->closing;
    }
    if (SSL_get_error(session->ssl, result) == SSL_ERROR_WANT_READ)
        flush(stream);
    else
        fail(stream);
    return false;
}

void stream_session_start(struct stream *stream, uint64_t timeout_ms)
{
    wheel_start(stream->loop->wheel, &stream->session->timer, timeout_ms,
                on_late);
    if (!stream->session->tls->server)
        shake_hands(stream);
}

/* False when nothing more can be read now. */
static bool read_once(struct stream *stream)
{
    SSL *ssl = stream->session->ssl;
    char *plain = stream->loop->plain;

    ERR_clear_error();
    int len = SSL_read(ssl, plain, STREAM_PLAIN_MAX);
    if (len > 0) {
        flush(stream);
        stream->events->on_read(stream->arg, (struct span){plain, (size_t)len});
        return !stream->closing && !stream->ended;
    }
    int error = SSL_get_error(ssl, len);
    if (error == SSL_ERROR_WANT_READ)
        flush(stream);
    else if (error == SSL_ERROR_ZERO_RETURN)
        tell_end(stream, 0);
    else
        fail(stream);
    return false;
}

void stream_session_read(struct stream *stream, struct span cipher)
{
    struct stream_session *session = stream->session;

    if (stream->ended)
        return;
    session->in = cipher;
    if (stream->open || shake_hands(stream))
        while (read_once(stream))
            ;
    session->in = (struct span){0}; /* was borrowed */
}

/* An end that the peer did not announce may be somebody else's doing. */
void stream_session_eof(struct stream *stream, int err)
{
    stream_tell_end(stream, err ? err : UV_ECONNRESET);
}

/* Encrypt a record's worth of plain at most; its length, or 0. */
static size_t encrypt(struct stream *stream, struct span plain)
{
    int size = plain.len < STREAM_PLAIN_MAX ? (int)plain.len : STREAM_PLAIN_MAX;
    int sent = SSL_write(stream->session->ssl, plain.ptr, size);

    return sent > 0 ? (size_t)sent : 0;
}

int stream_session_write(struct stream *stream, struct span plain)
{
    struct buf *cipher = &stream->loop->cipher;
    int err = 0;

    ERR_clear_error();
    while (plain.len && err == 0) {
        size_t sent = encrypt(stream, plain);
        if (sent == 0) {
            stream->broken = true;
            cipher->len = 0; /* never leaves by another stream */
            return UV_ENOTCONN;
        }
        plain = span_skip(plain, sent);
        if (plain.len == 0 || cipher->len >= STREAM_CIPHER_MAX)
            err = flush(stream);
    }
    return err;
}

void stream_session_end(struct stream *stream)
{
    ERR_clear_error();
    SSL_shutdown(stream->session->ssl);
    flush(stream);
}
