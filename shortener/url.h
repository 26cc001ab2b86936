/*
 * url.h - targets: which may be linked to, and their one spelling.
 *
 * Follows RFC 3986 section 6 and, for hosts, the WHATWG URL standard: lower
 * case, punycode (libidn2, UTS #46 non-transitional), canonical IP addresses,
 * no default port, no dot segments, upper-case escapes, nothing escaped that
 * need not be.  What a browser would mend in silence (spaces, backslashes, a
 * missing slash, a lone %) is refused: a short link hides its target, so what
 * it was given must be what it looks like.  Knows nothing of sockets.
 */
#pragma once

#include "common/arena.h"
#include "common/span.h"

#define URL_MAX 8192 /* bytes, as written and as normalised */

enum url_verdict {
    URL_OK,
    URL_TOO_LONG,
    URL_NOT_ABSOLUTE,
    URL_BAD_SCHEME,
    URL_HAS_SPACE,
    URL_HAS_CONTROL,
    URL_HAS_BACKSLASH,
    URL_NOT_UTF8,
    URL_BAD_ESCAPE,
    URL_HAS_CREDENTIALS,
    URL_NO_HOST,
    URL_BAD_HOST,
    URL_LONG_LABEL,
    URL_LONG_HOST,
    URL_BAD_IPV4,
    URL_BAD_IPV6,
    URL_BAD_PORT,
    URL_OWN_HOST,
    URL_VERDICTS
};

/* What a client is told; static. */
const char *url_verdict_text(enum url_verdict verdict);

/*
 * own: "host" or "host:port" of ourselves; empty ones, and ones that are not a
 * host, match nothing.  Without a port the scheme's own is meant.  All names
 * of this machine (localhost, 127.0.0.0/8, ::1, the unspecified addresses) are
 * one host, and a dot behind a name changes nothing.  *out lives in the arena
 * and has a NUL behind it.
 */
enum url_verdict url_normalise(struct arena *arena, struct span in,
                               const struct span *own, size_t own_count,
                               struct span *out);

/* "host:port" of an absolute URL as written, or empty. */
struct span url_authority(struct span url);
