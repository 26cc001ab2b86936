/*
 * base64.h - base64url without padding (RFC 4648, 5): bytes as text that needs
 * no escape in a URL, a header or JSON.
 */
#pragma once

#include "common/span.h"

/* What so many bytes take as text, and at most so much text as bytes. */
#define BASE64_TEXT(len) (((len)*4 + 2) / 3)
#define BASE64_BYTES(len) ((len) / 4 * 3 + 2)

/* Returns BASE64_TEXT(bytes.len), which is written; no NUL. */
size_t base64_encode(struct span bytes, char *out);

/*
 * out has room for BASE64_BYTES(text.len).  False: it is none, or not the one
 * spelling of its bytes that base64_encode() gives; out may be written then.
 */
bool base64_decode(struct span text, unsigned char *out, size_t *len);
