/*
 * request.h - one HTTP request, from its handler to its answer.
 *
 * A handler ends every request with exactly one request_reply…(),
 * request_problem(), request_invalid() or request_fail(), now or from a later
 * callback (or by request_end() after request_begin()).  The request and all
 * that it lends stay valid until then even if the client goes away, in which
 * case the answer is dropped.  What is lent lives in the request's arena.
 */
#pragma once

#include "common/arena.h"
#include "common/json.h"
#include "common/method.h"
#include "common/span.h"

struct request;

enum request_method request_method(const struct request *req);
const char *request_method_name(enum request_method method);
struct arena *request_arena(struct request *req);

/* What is in the request line, undecoded; the query without its '?'. */
struct span request_path(const struct request *req);
struct span request_query_string(const struct request *req);

/* The value the route matched for name, percent-decoded; never missing. */
struct span request_param(const struct request *req, const char *name);

/*
 * The first name= of the query, decoded; ptr NULL when absent.  A query that
 * cannot be decoded has been refused, but for a route with ROUTE_ANY_QUERY.
 */
struct span request_query(struct request *req, const char *name);

/* The first header of that name (any case), trimmed; ptr NULL when absent. */
struct span request_header(const struct request *req, const char *name);

/* Each header of that name, from *index on, which is 0 at first; false: no
   more.  Trimmed. */
bool request_header_next(const struct request *req, const char *name,
                         uint32_t *index, struct span *value);

/* Did the client speak HTTP/1.0, which knows no upgrade? */
bool request_is_1_0(const struct request *req);

struct span request_body(const struct request *req);

/*
 * The X-Request-Id, and what W3C calls traceparent: the caller's trace, or one
 * of ours, with this request as the parent of what it calls.  Both are echoed.
 */
struct span request_id(const struct request *req);
struct span request_trace_parent(const struct request *req);
struct span request_trace_id(const struct request *req); /* of the latter */

/* The client's address as text, behind trusted proxies too. */
struct span request_address(const struct request *req);
/* "http" or "https", and the Host it asked for. */
struct span request_scheme(const struct request *req);
struct span request_host(const struct request *req);

/* Who asks: the token's sub ("": a Mercure token without), or "anonymous". */
struct span request_subject(const struct request *req);
/* The token's mercure claim, a JSON object; ptr NULL when it has none. */
struct span request_mercure(const struct request *req);
/* Whom limits are for: the token's sub, else the client's address; with a
   letter and a colon before it that say which. */
struct span request_caller(struct request *req);
/* When its token ends, seconds since 1970; 0: never, or it has none. */
int64_t request_expires_at(const struct request *req);
/* All of this; NULL: a token is missing or bad. */
struct auth_identity; /* "common/auth.h" */
const struct auth_identity *request_identity(const struct request *req);
/* Does the caller hold wanted on object?  See token_scope_allows(). */
bool request_allows(const struct request *req, struct span wanted,
                    struct span object);

/* Does Accept prefer text/html to JSON? */
bool request_prefers_html(const struct request *req);

/* Nobody will see the answer: the client left, or its deadline has answered. */
bool request_is_gone(const struct request *req);

/* Milliseconds left until the request's deadline, 0 when passed. */
uint32_t request_time_left(const struct request *req);

/* One more header line of the answer; copied; value without CR or LF. */
void request_add_header(struct request *req, const char *name,
                        struct span value);

/* type NULL: no body (and no Content-Length for 204 and 304). */
void request_reply(struct request *req, int status, const char *type,
                   struct span body);
void request_reply_json(struct request *req, int status, struct span json);

/*
 * An answer without a body whose status line and headers, each with its CRLF,
 * are ready; the server adds what differs each time.  The hot path.
 */
void request_reply_ready(struct request *req, int status, struct span head);

/*
 * problem+json (or, where the client prefers it, a page): slug ends the type
 * "/problems/<slug>"; title is the status's phrase when NULL.  401 has its
 * WWW-Authenticate.
 */
void request_problem(struct request *req, int status, const char *slug,
                     const char *title, const char *detail);
/* The problem+json that request_problem() would send, in the arena. */
struct span request_problem_text(struct request *req, int status,
                                 const char *slug, const char *title,
                                 const char *detail);
/* The same object, where it is part of another; errors may be NULL. */
void request_put_problem(struct request *req, struct json_writer *w, int status,
                         const char *slug, const char *detail,
                         const struct json_errors *errors);
/* 422 "invalid" with its list. */
void request_invalid(struct request *req, const struct json_errors *errors);

/* 429 with Retry-After. */
void request_too_many(struct request *req, const char *slug,
                      const char *detail);

/* The 4xx or 5xx that err, a UV_E* code, stands for; 503 has Retry-After. */
void request_fail(struct request *req, int err);
/* The same where there is no request: static. */
struct request_failure {
    int status;
    const char *slug, *detail;
};
const struct request_failure *request_failure_of(int err);
/* What a 429 or 503 of these asks the client to wait; 1 s by default. */
void request_set_retry_after(struct request *req, unsigned seconds);

/*
 * An event stream that cannot be now: 200 and a retry of wait_ms and a random
 * second or two.  At any other answer a browser gives up for ever.
 */
void request_put_off(struct request *req, uint64_t wait_ms);

/* An answer of unknown length: chunked, or ended by close for HTTP/1.0. */
void request_begin(struct request *req, int status, const char *type);
/* UV_ENOBUFS: the client is slow; wait for on_drain.  UV_ECANCELED: gone. */
int request_write(struct request *req, struct span bytes);
void request_on_drain(struct request *req, void (*cb)(void *arg), void *arg);
void request_end(struct request *req);
/* Instead of request_end(): the rest cannot be had.  The connection ends before
   the answer does, so that nobody takes a part for the whole.  Not from
   on_drain. */
void request_cut(struct request *req);

/*
 * The last answer on its connection, to a GET; then it leaves HTTP.  status, a
 * type (or NULL), the headers added, no body; then see server.h.  UV_ECANCELED:
 * nobody is there any more, the request is over, and the guest hears nothing.
 */
struct server_guest;
int request_leave(struct request *req, int status, const char *type,
                  struct server_guest *guest);

/* Is there a body that is to be JSON?  False: answered (411, 415). */
bool request_is_json(struct request *req);

/*
 * The body as JSON, borrowed until the request ends; NULL: answered (400 no
 * JSON, 411 no body, 415 no application/json, 422 of no use).
 */
const json_t *request_read_document(struct request *req);

/*
 * The body as an object taken apart by json_bind(); on false the request has
 * been answered (400 no JSON, 411 no body, 415 no application/json, 422 the
 * rest).
 */
bool request_read_json(struct request *req, const struct json_field *fields,
                       size_t count, struct json_value *values);

/* ?limit= and ?cursor= of a list; on false answered with 422. */
bool request_read_page(struct request *req, uint32_t *limit,
                       struct span *cursor);
