/* tls_identity.c - see tls_identity.h. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/common/tls_identity.h"
#include "tests/test.h"

#define NAMES "DNS:localhost,DNS:*.lab.test,IP:127.0.0.1"

static char dir[] = "/tmp/stream-tls-XXXXXX";

const char *identity_path(const char *name)
{
    static char paths[4][64];
    static unsigned turn;
    char *path = paths[turn++ % COUNT(paths)];

    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static X509 *make_cert(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, NAMES);

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, subject);
    X509_set_pubkey(cert, key);
    X509_add_ext(cert, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(cert, key, EVP_sha256());
    return cert;
}

static void write_key(const char *name, EVP_PKEY *key, const char *passphrase)
{
    FILE *file = fopen(identity_path(name), "w");

    assert_non_null(file);
    PEM_write_PKCS8PrivateKey(
        file, key, passphrase ? EVP_aes_128_cbc() : NULL, passphrase,
        passphrase ? (int)strlen(passphrase) : 0, NULL, NULL);
    fclose(file);
}

static void write_cert(const char *name, EVP_PKEY *key)
{
    FILE *file = fopen(identity_path(name), "w");
    X509 *cert = make_cert(key);

    assert_non_null(file);
    PEM_write_X509(file, cert);
    X509_free(cert);
    fclose(file);
}

int identities_setup(void **state)
{
    EVP_PKEY *ec = EVP_EC_gen("P-256");
    EVP_PKEY *rsa = EVP_RSA_gen(2048);
    (void)state;

    assert_non_null(mkdtemp(dir));
    write_cert("a.crt", ec);
    write_key("a.key", ec, NULL);
    write_key("locked.key", ec, "secret");
    write_cert("b.crt", rsa);
    write_key("b.key", rsa, NULL);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(rsa);
    return 0;
}

int identities_teardown(void **state)
{
    static const char *const names[] = {"a.crt", "a.key", "b.crt", "b.key",
                                        "locked.key"};
    (void)state;

    for (size_t i = 0; i < COUNT(names); i++)
        unlink(identity_path(names[i]));
    return rmdir(dir);
}
