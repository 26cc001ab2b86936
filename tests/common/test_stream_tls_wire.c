/*
 * test_stream_tls_wire.c - a TLS server against a peer that may do what no
 * proper one does: the kit's client carries plain bytes, and the test makes
 * them with an OpenSSL session of its own.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/stream_internal.h"
#include "tests/common/stream_kit.h"
#include "tests/common/tls_identity.h"

struct raw {
    struct kit *kit;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    size_t taken; /* of what the carrier got */
    size_t piece; /* bytes a write */
};

static int setup(void **state)
{
    struct kit *kit;
    char reason[256];

    kit_setup(state);
    kit = *state;
    kit->accept = stream_tls_server(
        identity_path("a.crt"), identity_path("a.key"), reason, sizeof(reason));
    assert_non_null(kit->accept);
    return 0;
}

static void raw_open(struct raw *raw, struct kit *kit, int version,
                     size_t piece)
{
    static const unsigned char protocols[] = "\x02h2\x08http/1.1";

    *raw = (struct raw){.kit = kit, .piece = piece};
    kit_connect(kit);
    UNTIL(kit, kit->client.opens && kit->server.stream);
    raw->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(raw->ctx, 0); /* lets it offer 1.1 */
    SSL_CTX_set_min_proto_version(raw->ctx, version);
    SSL_CTX_set_max_proto_version(raw->ctx, version);
    raw->ssl = SSL_new(raw->ctx);
    raw->in = BIO_new(BIO_s_mem());
    raw->out = BIO_new(BIO_s_mem());
    SSL_set_bio(raw->ssl, raw->in, raw->out);
    SSL_set_alpn_protos(raw->ssl, protocols, sizeof(protocols) - 1);
    SSL_set_connect_state(raw->ssl);
}

static void raw_close(struct raw *raw)
{
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->ctx);
    ERR_clear_error();
}

/* Carry ciphertext both ways, by pieces. */
static void raw_pump(struct raw *raw)
{
    struct peer *carrier = &raw->kit->client;
    char piece[16384];
    int len;

    while ((len = BIO_read(raw->out, piece, (int)raw->piece)) > 0) {
        stream_write(carrier->stream, (struct span){piece, (size_t)len});
        uv_run(&raw->kit->uv, UV_RUN_NOWAIT);
    }
    uv_run(&raw->kit->uv, UV_RUN_NOWAIT);
    while (raw->taken < carrier->got.len)
        BIO_write(raw->in, carrier->got.ptr + raw->taken++, 1);
}

static void raw_shake(struct raw *raw)
{
    for (int n = 0; SSL_do_handshake(raw->ssl) != 1; n++) {
        assert_true(n < 100000);
        raw_pump(raw);
    }
    for (int n = 0; !raw->kit->server.opens; n++) {
        assert_true(n < 100000);
        raw_pump(raw);
    }
}

static void assert_echo(struct raw *raw)
{
    char back[8] = "";

    assert_int_equal(SSL_write(raw->ssl, "echo", 4), 4);
    for (int n = 0; SSL_read(raw->ssl, back, sizeof(back)) <= 0; n++) {
        assert_true(n < 100000);
        raw_pump(raw);
    }
    assert_string_equal(back, "echo");
}

static void test_tls_speaks_1_2_and_1_3_whole_and_byte_by_byte(void **state)
{
    static const struct {
        int version;
        size_t piece;
    } cases[] = {{TLS1_3_VERSION, 16384},
                 {TLS1_2_VERSION, 16384},
                 {TLS1_3_VERSION, 1},
                 {TLS1_2_VERSION, 1}};
    struct kit *kit = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct raw raw;
        const unsigned char *protocol;
        unsigned len;

        kit->server.echo = true;
        raw_open(&raw, kit, cases[i].version, cases[i].piece);
        raw_shake(&raw);
        SSL_get0_alpn_selected(raw.ssl, &protocol, &len);
        assert_true(span_eq((struct span){(const char *)protocol, len},
                            SPAN("http/1.1")));
        assert_echo(&raw);
        assert_false(SSL_SESSION_has_ticket(SSL_get_session(raw.ssl)));
        raw_close(&raw);
        kit_reset(kit);
    }
}

static void test_tls_refuses_1_1(void **state)
{
    struct kit *kit = *state;
    struct raw raw;

    raw_open(&raw, kit, TLS1_1_VERSION, 16384);
    SSL_do_handshake(raw.ssl);
    raw_pump(&raw);
    UNTIL(kit, kit->server.ends);
    assert_int_equal(kit->server.err, UV_EPROTO);
    raw_close(&raw);
}

static void test_tls_cut_off_is_no_orderly_end(void **state)
{
    static const int announced[] = {0, 1};
    struct kit *kit = *state;

    for (size_t i = 0; i < COUNT(announced); i++) {
        struct raw raw;

        raw_open(&raw, kit, TLS1_3_VERSION, 16384);
        raw_shake(&raw);
        SSL_write(raw.ssl, "some of it", 10);
        if (announced[i])
            SSL_shutdown(raw.ssl);
        raw_pump(&raw);
        stream_end(kit->client.stream); /* TCP's end */
        UNTIL(kit, kit->server.ends);
        assert_int_equal(kit->server.got.len, 10);
        assert_int_equal(kit->server.err, announced[i] ? 0 : UV_ECONNRESET);
        raw_close(&raw);
        kit_reset(kit);
    }
}

static void test_tls_refuses_a_forged_record(void **state)
{
    struct kit *kit = *state;
    struct raw raw;
    char record[64];

    raw_open(&raw, kit, TLS1_3_VERSION, 16384);
    raw_shake(&raw);
    SSL_write(raw.ssl, "x", 1);
    int len = BIO_read(raw.out, record, sizeof(record));
    record[len - 1] = (char)(record[len - 1] ^ 1);
    stream_write(kit->client.stream, (struct span){record, (size_t)len});
    UNTIL(kit, kit->server.ends);
    assert_int_equal(kit->server.err, UV_EPROTO);
    assert_int_equal(kit->server.reads, 0);
    raw_close(&raw);
}

/* What OpenSSL wrote for a stream that failed belongs to nobody else. */
static void test_tls_failed_stream_leaves_nothing_behind(void **state)
{
    static char large[100000];
    struct kit *kit = *state;
    struct raw raw;

    raw_open(&raw, kit, TLS1_3_VERSION, 16384);
    raw_shake(&raw);
    stream_write(kit->client.stream,
                 SPAN("\x17\x03\x03\x00\x20 not what was agreed upon here!!"));
    UNTIL(kit, kit->server.ends);
    assert_int_equal(
        stream_write(kit->server.stream, (struct span){large, sizeof(large)}),
        UV_ENOTCONN);
    stream_end(kit->server.stream);
    assert_int_equal(kit->loop->cipher.len, 0);
    raw_close(&raw);
}

/* It is refused, and the connection stays as it is. */
static void test_tls_is_not_negotiated_twice(void **state)
{
    struct kit *kit = *state;
    struct raw raw;

    raw_open(&raw, kit, TLS1_2_VERSION, 16384);
    raw_shake(&raw);
    SSL_renegotiate(raw.ssl);
    for (int i = 0; i < 20; i++) {
        SSL_do_handshake(raw.ssl);
        raw_pump(&raw);
    }
    assert_int_equal(kit->server.opens, 1);
    assert_int_equal(SSL_num_renegotiations(raw.ssl), 1); /* asked */
    raw_close(&raw);
}

/* Either side may ask for new keys at any time; nothing is read by that. */
static void test_tls_follows_a_change_of_keys(void **state)
{
    struct kit *kit = *state;
    struct raw raw;

    kit->server.echo = true;
    raw_open(&raw, kit, TLS1_3_VERSION, 16384);
    raw_shake(&raw);
    assert_int_equal(SSL_key_update(raw.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_echo(&raw);
    assert_echo(&raw);
    raw_close(&raw);
}

#define ON_TLS(f) cmocka_unit_test_setup_teardown(f, setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TLS(test_tls_speaks_1_2_and_1_3_whole_and_byte_by_byte),
        ON_TLS(test_tls_refuses_1_1),
        ON_TLS(test_tls_cut_off_is_no_orderly_end),
        ON_TLS(test_tls_refuses_a_forged_record),
        ON_TLS(test_tls_failed_stream_leaves_nothing_behind),
        ON_TLS(test_tls_is_not_negotiated_twice),
        ON_TLS(test_tls_follows_a_change_of_keys),
    };
    return cmocka_run_group_tests(tests, identities_setup, identities_teardown);
}
