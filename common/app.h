/*
 * app.h - a service's process: options, workers, life and death.
 *
 *   app_run() -- master: sockets, memory file, workers, signals
 *             -- worker (or --single): loop, Redis, server, service
 *
 * The routes every service has (/healthz, /readyz, /metrics, /openapi.yaml,
 * /, /debug/…) are added here.
 */
#pragma once

#include "common/auth.h"
#include "common/config.h"
#include "common/metrics.h"
#include "common/pubsub.h"
#include "common/redis.h"
#include "common/route.h"

struct app;
struct limiter;
struct limit_spec;
struct nodes;
struct web_file;

/* Work that one process beside the workers does: with --single, the same. */
struct app_helper {
    void *(*open)(struct app *app);
    /* As those of struct app_service; drain may be NULL. */
    void (*drain)(void *state, void (*done)(void *arg), void *arg);
    void (*close)(void *state);
};

#define APP_SECRET_LEN 32

struct app_service {
    const char *name;   /* "shortener" */
    const char *prefix; /* of Redis keys: "sh" */
    uint16_t port;
    const struct route *routes;          /* ended by a NULL pattern */
    const struct config_option *options; /* the service's own, or NULL */
    void *config;                        /* what they fill */
    const char *max_body; /* --max-body where it is not given; NULL: 1M */
    /* --data-dir is made, and is this master's alone while it or a worker of
       it lives. */
    bool owns_data_dir;
    const struct app_helper *helper; /* or NULL */
    /* See server.h; may be NULL. */
    const char *headers;
    void (*problem)(struct request *req, int status, const char *slug,
                    const char *detail);
    const char *const *track; /* tracked key prefixes, or NULL; the second link
                                 is there with these or with on_epoch */
    const char *const *secrets; /* names under <prefix>:secrets, at most 8,
                                   NULL-ended; or NULL */
    /* One of the secrets: signs tokens where there is no --token-keys; NULL:
       the service makes none. */
    const char *token_secret;
    const struct web_file *openapi, *page; /* compiled in; NULL: none */
    const int64_t *extra_port; /* one of its options: a port that the service
                                  serves itself, see app_extra_socket(); NULL:
                                  none */

    /* The service's state, given to handlers as arg.  Redis may be away. */
    void *(*open)(struct app *app);
    /* Once, when the secrets are there; the service is not ready before. */
    void (*on_secrets)(void *state);
    /* See pubsub.h; may be NULL. */
    void (*on_invalidate)(void *state, struct span key);
    void (*on_epoch)(void *state, bool live);
    /* A drain begins: accept no more; what is still connected is to go within
       4/5 of --drain-timeout.  May be NULL. */
    void (*stop)(void *state);
    /* No request is left: flush, then call done once, at once or later, but
       within a twentieth of --drain-timeout; may be NULL. */
    void (*drain)(void *state, void (*done)(void *arg), void *arg);
    /* After drain: free everything.  The loop turns once more afterwards. */
    void (*close)(void *state);
    /* More members of the object that /healthz answers; may be NULL. */
    void (*health)(void *state, struct json_writer *w);
    /* Checks of its own options: a line in reason and false to refuse. */
    bool (*check)(char *reason, size_t reason_size);
    /* And of the files that they name, which must be there at the start. */
    bool (*check_files)(char *reason, size_t reason_size);
};

/* main() is this call; returns the exit status. */
int app_run(const struct app_service *service, int argc, char **argv);

/* For services. */
struct stream_loop *app_loop(const struct app *app);
struct redis *app_redis(const struct app *app);
struct pubsub *app_pubsub(const struct app *app); /* NULL: not asked for */
struct metrics *app_metrics(const struct app *app);
const unsigned char *app_secret(const struct app *app, const char *name);
const char *app_node_id(const struct app *app);
/* Unique among all processes that ever ran: node, pid and a random part. */
const char *app_instance_id(const struct app *app);
/* The registry of living ones; NULL once this one has left it. */
struct nodes *app_nodes(const struct app *app);
/* Living workers of the service, on all machines; 0: Redis does not say. */
size_t app_workers(const struct app *app);
/* Who a token is from: 0 or UV_EACCES; token.ptr NULL: nobody's. */
int app_identify(const struct app *app, struct span token,
                 struct auth_identity *identity);
/* A token, to be freed by mem_free(); NULL: there is no key yet. */
struct token_claims; /* "common/token.h" */
char *app_mint(const struct app *app, const struct token_claims *claims);
bool app_is_open(const struct app *app); /* --open */
/* Of writing routes, and of what else a service limits; all workers share. */
struct limiter *app_limiter(const struct app *app);
/* How fast a caller may write, for doors beside HTTP; NULL: --write-rate 0. */
struct limit_spec *app_write_limit(const struct app *app);
/* A limit of that kind: rate a second, a burst of twice that, leased, so that
   it costs no round trip.  name begins with '/', as none of a user's does. */
struct limit_spec *app_limit(const char *name, uint64_t rate);
/* Ends in no slash; "" unless --public-url. */
const char *app_public_url(const struct app *app);
const char *app_data_dir(const struct app *app);
/* What app_service.config points to, parsed. */
const void *app_config(const struct app *app);
const char *app_host(const struct app *app); /* --host */
uint16_t app_port(const struct app *app);
uint16_t app_tls_port(const struct app *app); /* 0: no TLS */
/* The bound socket of app_service.extra_port, to listen on; -1: none. */
int app_extra_socket(const struct app *app);
/* --lab: the page may offer experiments. */
bool app_is_lab(const struct app *app);
/*
 * --crash-at NAME in test builds: the first worker that comes here is killed,
 * those after it go on.  Nothing in other builds.
 */
void app_crash_point(const struct app *app, const char *name);
