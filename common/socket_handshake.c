/*
 * socket_handshake.c - what makes a request a good handshake (RFC 6455, 4.2).
 *
 * The server has looked at Host and Origin already.  No extension is spoken.
 */
#include <stdio.h>

#include "common/http.h"
#include "common/socket_internal.h"

#define VERSION SPAN("13")
#define DETAIL_MAX 160

static bool refuse(struct request *req, const char *detail)
{
    request_problem(req, 400, "bad-handshake", NULL, detail);
    return false;
}

/* Does any header of that name list the token? */
static bool lists(const struct request *req, const char *name,
                  struct span token)
{
    uint32_t index = 0;
    struct span list;

    while (request_header_next(req, name, &index, &list))
        if (http_list_has(list, token))
            return true;
    return false;
}

/* The only header of that name; ptr NULL where there is none, or another. */
static struct span only_header(const struct request *req, const char *name)
{
    struct span none = {NULL, 0};
    struct span value;
    struct span other;
    uint32_t index = 0;

    if (!request_header_next(req, name, &index, &value))
        return none;
    return request_header_next(req, name, &index, &other) ? none : value;
}

/* What is wrong with it, but for version and subprotocol; or NULL. */
static const char *find_fault(const struct request *req)
{
    if (request_method(req) != REQUEST_GET)
        return "a WebSocket is asked for by GET";
    if (request_is_1_0(req))
        return "a WebSocket is asked for by HTTP/1.1";
    if (!lists(req, "upgrade", SPAN("websocket")))
        return "Upgrade must name websocket";
    if (!lists(req, "connection", SPAN("upgrade")))
        return "Connection must name Upgrade";
    if (!ws_key_is_valid(only_header(req, "sec-websocket-key")))
        return "Sec-WebSocket-Key must be there once, base64 of 16 bytes";
    if (!only_header(req, "sec-websocket-version").ptr)
        return "Sec-WebSocket-Version must be there once";
    return NULL;
}

/* The versions that are spoken are told. */
static bool refuse_version(struct request *req)
{
    request_add_header(req, "Sec-WebSocket-Version", VERSION);
    request_add_header(req, "Upgrade", SPAN("websocket"));
    request_add_header(req, "Connection", SPAN("Upgrade"));
    request_problem(req, 426, "websocket-version", NULL,
                    "Sec-WebSocket-Version must be 13");
    return false;
}

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_char(text.ptr[i]))
            return false;
    return true;
}

/*
 * The wanted one of what is offered, or the first where wanted is NULL; ptr
 * NULL: it is not there.  False: something that is offered is no name.
 */
static bool choose(const struct request *req, const char *wanted,
                   struct span *chosen)
{
    uint32_t index = 0;
    struct span list;
    struct span item;

    *chosen = (struct span){NULL, 0};
    while (request_header_next(req, "sec-websocket-protocol", &index, &list))
        while (span_cut(&list, ',', &item)) {
            item = span_trim(item);
            if (item.len == 0) /* RFC 9110, 5.6.1 */
                continue;
            if (!is_token(item))
                return false;
            if (!chosen->ptr && (!wanted || span_eq(item, span_str(wanted))))
                *chosen = item;
        }
    return true;
}

static bool choose_subprotocol(struct request *req, const char *wanted,
                               struct span *chosen)
{
    char detail[DETAIL_MAX];

    if (!choose(req, wanted, chosen))
        return refuse(req, "Sec-WebSocket-Protocol must be a list of tokens");
    if (!wanted || chosen->ptr)
        return true;
    snprintf(detail, sizeof(detail), "Sec-WebSocket-Protocol must offer %s",
             wanted);
    return refuse(req, detail);
}

bool socket_shake_hands(struct request *req, const char *subprotocol)
{
    char accept[WS_ACCEPT_LEN];
    const char *fault = find_fault(req);
    struct span chosen;

    if (fault)
        return refuse(req, fault);
    if (!span_eq(only_header(req, "sec-websocket-version"), VERSION))
        return refuse_version(req);
    if (!choose_subprotocol(req, subprotocol, &chosen))
        return false;
    ws_accept_key(request_header(req, "sec-websocket-key"), accept);
    request_add_header(req, "Upgrade", SPAN("websocket"));
    request_add_header(req, "Connection", SPAN("Upgrade"));
    request_add_header(req, "Sec-WebSocket-Accept",
                       (struct span){accept, sizeof(accept)});
    if (chosen.ptr)
        request_add_header(req, "Sec-WebSocket-Protocol", chosen);
    return true;
}
