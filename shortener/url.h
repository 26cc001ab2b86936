/*
 * url.h - targets: which may be linked to, and their one spelling.
 *
 * Follows RFC 3986 section 6 and, for hosts, the WHATWG URL standard: lower
 * case, punycode (libidn2, UTS #46), canonical IP addresses, no default port,
 * no dot segments, upper-case escapes, nothing escaped that need not be.
 */
#pragma once

#include "common/arena.h"
#include "common/span.h"

#define URL_MAX 8192

enum url_verdict {
    URL_OK,
    URL_TOO_LONG,
    URL_NOT_ABSOLUTE,
    URL_BAD_SCHEME,
    URL_HAS_CREDENTIALS,
    URL_NO_HOST,
    URL_BAD_HOST,
    URL_BAD_PORT,
    URL_BAD_CHARACTER,
    URL_BAD_ESCAPE,
    URL_OWN_HOST,
};

/* What a client is told. */
const char *url_verdict_text(enum url_verdict verdict);

/*
 * own: "host" or "host:port" of ourselves, empty ones do not count.  *out lives
 * in the arena.
 */
enum url_verdict url_normalise(struct arena *arena, struct span in,
                               const struct span *own, size_t own_count,
                               struct span *out);

/* "host:port" of an absolute URL as written, or empty. */
struct span url_authority(struct span url);
