/* request_peer.c - who is at the other end of a request. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/server_internal.h"

/* "10.0.0.0/8" or one address; both families. */
static bool is_in_range(const char *cidr, const char *address)
{
    unsigned char net[16];
    unsigned char host[16];
    char text[STREAM_ADDRESS_MAX];
    const char *slash = strchr(cidr, '/');
    size_t len = slash ? (size_t)(slash - cidr) : strlen(cidr);
    int family = strchr(address, ':') ? AF_INET6 : AF_INET;
    uint64_t bits = family == AF_INET ? 32 : 128;

    snprintf(text, sizeof(text), "%.*s", (int)len, cidr);
    if (inet_pton(family, text, net) != 1 ||
        inet_pton(family, address, host) != 1 ||
        (slash && !span_to_u64(span_str(slash + 1), bits, &bits)))
        return false;
    if (memcmp(net, host, bits / 8) != 0)
        return false;
    unsigned char mask = (unsigned char)(0xff00 >> bits % 8);
    return bits % 8 == 0 || ((net[bits / 8] ^ host[bits / 8]) & mask) == 0;
}

static bool is_proxy(const struct server *server, const char *address)
{
    const char *const *ranges = server->options.trusted_proxies;

    for (; ranges && *ranges; ranges++)
        if (is_in_range(*ranges, address))
            return true;
    return false;
}

bool request_is_trusted(const struct request *req)
{
    return req->server->options.trusted_proxies && req->conn &&
           is_proxy(req->server, req->conn->address->text);
}

static bool is_address(const char *text)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, text, bytes) == 1 ||
           inet_pton(AF_INET6, text, bytes) == 1;
}

/* Some proxies write "a.b.c.d:port" and "[v6]:port". */
static struct span without_port(struct span hop)
{
    size_t colon = span_find(hop, ':');

    if (hop.len && hop.ptr[0] == '[') {
        size_t end = span_find(hop, ']');
        return end < hop.len ? (struct span){hop.ptr + 1, end - 1} : hop;
    }
    if (colon < hop.len &&
        span_find(span_skip(hop, colon + 1), ':') == hop.len - colon - 1)
        return (struct span){hop.ptr, colon};
    return hop;
}

/*
 * Hops off a header, after those that stood before: *found is the last one that
 * is no proxy of ours, empty when it is nothing that we can read; where all are
 * ours the last of all, which nobody but our own proxy can have written.
 */
static void read_hops(const struct request *req, struct span hops,
                      struct span *found, bool *foreign)
{
    char address[STREAM_ADDRESS_MAX];
    struct span hop;

    while (span_cut(&hops, ',', &hop)) {
        hop = without_port(span_trim(hop));
        snprintf(address, sizeof(address), "%.*s", (int)hop.len, hop.ptr);
        bool known = is_address(address);
        bool ours = known && is_proxy(req->server, address);
        if (ours && *foreign)
            continue;
        *found = known ? hop : SPAN("");
        *foreign = !ours;
    }
}

/* Each proxy may have added to the header or put one of its own behind it. */
static struct span forwarded_for(const struct request *req)
{
    struct span found = {NULL, 0};
    struct span hops;
    uint32_t index = 0;
    bool foreign = false;

    while (http_header_next(&req->head, "x-forwarded-for", &index, &hops))
        read_hops(req, hops, &found, &foreign);
    return found;
}

/* "" is somebody behind a proxy of ours that does not say who. */
struct span request_address(const struct request *req)
{
    struct request *mine = (struct request *)(uintptr_t)req;

    if (req->address.ptr)
        return req->address;
    if (!req->conn)
        return SPAN("");
    if (request_is_trusted(req))
        mine->address = forwarded_for(req);
    if (!req->address.ptr)
        mine->address =
            arena_copy(&mine->arena, span_str(req->conn->address->text));
    return req->address;
}

struct span request_scheme(const struct request *req)
{
    struct span forwarded = request_header(req, "x-forwarded-proto");

    if (request_is_trusted(req) &&
        (span_eq(forwarded, SPAN("http")) || span_eq(forwarded, SPAN("https"))))
        return forwarded;
    return req->conn && req->conn->tls ? SPAN("https") : SPAN("http");
}

/* HTTP/1.0 need not say where it came. */
struct span request_host(const struct request *req)
{
    return req->head.host.len ? req->head.host
                              : span_str(req->server->options.authority);
}

bool request_is_local(const struct request *req)
{
    struct span address = request_address(req);
    bool behind =
        request_is_trusted(req) && request_header(req, "x-forwarded-for").ptr;

    if (address.len == 0) /* a unix socket, or a hop that cannot be read */
        return req->conn && !behind;
    return span_has_prefix(address, SPAN("127.")) ||
           span_eq(address, SPAN("::1"));
}

static struct span cookie_name(const struct request *req)
{
    const struct route *route = req->match.route;

    if (route && route->flags & ROUTE_MERCURE)
        return SPAN("mercureAuthorization=");
    return span_eq(request_scheme(req), SPAN("https")) ? SPAN("__Host-token=")
                                                       : SPAN("token=");
}

/* The token of "Cookie: a=b; token=…"; ptr NULL: there is none. */
static struct span token_cookie(const struct request *req)
{
    struct span rest = request_header(req, "cookie");
    struct span name = cookie_name(req);
    struct span pair;

    while (span_cut(&rest, ';', &pair)) {
        pair = span_trim(pair);
        if (span_has_prefix(pair, name))
            return span_skip(pair, name.len);
    }
    return (struct span){NULL, 0};
}

/* What is borrowed from the cache of tokens may go with the next one. */
static void keep_identity(struct request *req,
                          const struct auth_identity *identity)
{
    req->identity = *identity;
    if (identity->all_but_admin)
        return;
    req->identity.sub = arena_copy(&req->arena, identity->sub);
    req->identity.scopes = arena_copy(&req->arena, identity->scopes);
    req->identity.jti = arena_copy(&req->arena, identity->jti);
    if (identity->mercure.ptr)
        req->identity.mercure = arena_copy(&req->arena, identity->mercure);
}

bool request_identify(struct request *req)
{
    struct auth_identity identity = {
        .sub = SPAN("anonymous"), .scopes = SPAN(""), .all_but_admin = true};
    struct span cookie = {0};
    int err = 0;

    if (req->identified)
        return true;
    struct span header = request_header(req, "authorization");
    if (!header.ptr)
        cookie = token_cookie(req);
    if (req->server->options.auth)
        err = auth_identify(req->server->options.auth, header, cookie,
                            clock_wall_ms() / 1000, &identity);
    if (err < 0)
        return false;
    req->identified = true;
    req->by_cookie = cookie.ptr;
    keep_identity(req, &identity);
    return true;
}

const struct auth_identity *request_identity(const struct request *req)
{
    if (!request_identify((struct request *)(uintptr_t)req))
        return NULL;
    return &req->identity;
}

struct span request_subject(const struct request *req)
{
    const struct auth_identity *identity = request_identity(req);

    return identity ? identity->sub : SPAN("anonymous");
}

struct span request_mercure(const struct request *req)
{
    const struct auth_identity *identity = request_identity(req);

    return identity ? identity->mercure : (struct span){NULL, 0};
}

int64_t request_expires_at(const struct request *req)
{
    const struct auth_identity *identity = request_identity(req);

    return identity ? identity->expires_at : 0;
}

bool request_allows(const struct request *req, struct span wanted,
                    struct span object)
{
    const struct auth_identity *identity = request_identity(req);

    return identity && auth_allows(identity, wanted, object);
}

struct span request_allowed_origin(const struct request *req)
{
    const char *const *origins = req->server->options.cors_origins;
    struct span origin = request_header(req, "origin");

    for (; origin.ptr && origins && *origins; origins++)
        if (span_eq(origin, span_str(*origins)))
            return origin;
    return (struct span){NULL, 0};
}

bool request_is_foreign(const struct request *req)
{
    struct span origin = request_header(req, "origin");
    struct span host = origin;

    if (!origin.ptr || request_allowed_origin(req).ptr)
        return false;
    if (span_has_prefix(origin, SPAN("http://")))
        host = span_skip(origin, 7);
    else if (span_has_prefix(origin, SPAN("https://")))
        host = span_skip(origin, 8);
    return !span_eq_nocase(host, req->head.host);
}
