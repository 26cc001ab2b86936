/* tls_identity.h - certificates and keys made for one run of a test. */
#pragma once

/*
 * In a fresh folder: a.crt, a.key (P-256) and b.crt, b.key (RSA), each its own
 * authority, for localhost, *.lab.test and 127.0.0.1; and locked.key, a.key
 * behind a passphrase.  For cmocka's group setup and teardown.
 */
int identities_setup(void **state);
int identities_teardown(void **state);

/* The path of a file there; good for the next three calls. */
const char *identity_path(const char *name);
