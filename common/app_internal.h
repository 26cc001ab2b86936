/*
 * app_internal.h - what the files of app share; nobody else includes it.
 *
 *   app.c          options, one process's choice of a role
 *   app_check.c    what options must satisfy beyond their bounds
 *   app_listen.c   listening sockets
 *   app_master.c   the master: workers, crashes, rolling restart
 *   app_post.c     what a master tells a worker
 *   app_worker.c   a worker (or --single): loop, peers, drain
 *   app_secrets.c  what all nodes share in Redis: secrets, partitions
 *   app_turns.c    how the loop turns
 *   app_build.c    version and build id
 *   app_routes.c   the routes that every service has
 */
#pragma once

#include <uv.h>

#include "common/app.h"
#include "common/auth.h"
#include "common/log.h"
#include "common/nodes.h"
#include "common/server.h"

#define APP_MAX_WORKERS 256
#define APP_MAX_SECRETS 8
#define APP_REASON_MAX 256

/* Filled by the option table of app.c. */
struct app_options {
    const char *host, *redis, *data_dir, *node_id, *public_url, *trusted_proxy,
        *tls_cert, *tls_key, *token_keys, *cors_origin, *log_level, *secrets,
        *crash_at;
    int64_t port, tls_port, workers, redis_timeout, max_body, max_connections,
        max_connections_per_address, header_timeout, idle_timeout, body_timeout,
        drain_timeout, write_rate;
    bool single, open, lab, access_log, shed, pipelining, help, version;
};

/* Descriptors of one worker slot; -1: tls without a certificate, extra where
   the service has no port of its own, all of the helper. */
struct app_sockets {
    int plain, tls, extra;
};

/* Descriptors of a worker. */
enum {
    APP_FD_METRICS = 3,
    APP_FD_READY,
    APP_FD_PLAIN,
    APP_FD_TLS,
    APP_FD_EXTRA,
    APP_FD_COUNT
};

/* What a worker gets from its master; --single makes its own. */
struct app_post {
    int slot;     /* worker number in logs */
    int parent;   /* the master's pid; 0: none */
    int metrics;  /* memory file */
    int ready;    /* a byte goes here when connections are accepted; or -1 */
    bool rolling; /* an older worker still serves this slot */
    struct app_sockets sockets;
    uint16_t port, tls_port, extra_port; /* that the sockets have */
};

enum app_shared_step {
    APP_SHARED_WAITING,  /* Redis did not answer yet */
    APP_SHARED_MISMATCH, /* the partition count is another */
    APP_SHARED_READY,
};

/* How the loop turns, for /debug/loop. */
#define APP_SLOW_TURNS 8
struct app_turns {
    uv_check_t check;
    struct stream_loop *loop;
    uint64_t count, callbacks;
    uint64_t busy_max_us;
    size_t next; /* of slow[] to be overwritten */
    struct {
        int64_t at_ms;
        uint64_t busy_us, callbacks;
    } slow[APP_SLOW_TURNS];
    struct metrics_histogram *busy;
    uint64_t *resident, *log_dropped;
    uint64_t log_dropped_seen;
};

struct app {
    const struct app_service *service;
    struct app_options options;
    struct redis_url redis_url;
    char exe[4096]; /* absolute, so that a new binary is found */
    char **argv;
    char node_id[65];
    char instance_id[128];
    char authority[320]; /* host:port, as in a URL */
    char *public_url;    /* owned, no slash at its end */
    const char **trusted_proxies, **cors_origins; /* owned, NULL-ended */
    uint16_t port, tls_port, extra_port;

    /* The rest is a worker's. */
    struct app_post post;
    uv_loop_t uv;
    struct stream_loop *loop;
    struct metrics *metrics;
    struct redis *redis;
    struct pubsub *pubsub;
    struct nodes *nodes; /* NULL once it has left the registry */
    struct auth *auth;
    struct limiter *limiter;
    struct limit_spec *write_limit; /* NULL: none */
    struct router *router;
    struct server *server;
    struct stream_tls *tls;
    void *state;  /* the service's; NULL: this is the helper */
    void *helper; /* its state; NULL: another process is */
    bool serves;  /* it is no helper alone */

    enum app_shared_step shared;
    bool secrets_known, secrets_told;
    unsigned char secrets[APP_MAX_SECRETS][APP_SECRET_LEN];
    uint64_t partitions; /* that Redis says there are */
    struct wheel_timer shared_retry;

    bool listening, draining, flushed, closing;
    uint64_t started_us;
    struct wheel_timer listen_grace, drain_limit, tick;
    unsigned ticks, deaf_ticks; /* seconds; without the second link, in a row */
    uint64_t *tracking_up;
    uv_signal_t terminate, interrupt, hangup;
    size_t open_parts; /* that must close before the service may */
    struct app_turns turns;
};

/* 0, or the exit status with one line in reason. */
int app_check(struct app *app, char reason[APP_REASON_MAX]);
/* Key material must be a file that only its owner may read. */
bool app_file_is_private(const char *path, char reason[APP_REASON_MAX]);

/*
 * Open a listening socket for each of count slots on host:port; port 0 takes a
 * free one and says which.  UV_EADDRINUSE also when another master of the same
 * user listens there, which SO_REUSEPORT alone would hide.
 */
int app_listen(const char *host, uint16_t *port, int *fds, size_t count);
/* Is host an address of this machine alone?  UV_E* when it is no address. */
int app_host_is_loopback(const char *host);

int app_master(struct app *app);
int app_worker(struct app *app, const struct app_post *post);
/* environ and the post's variable; one block for mem_free(). */
char **app_post_environment(const struct app_post *post);
/* The post that our parent left there; false when there is none. */
bool app_post_take(struct app_post *post);
/* Open the sockets of count slots; UV_E* with a reason. */
int app_open_sockets(struct app *app, struct app_sockets *sockets, size_t count,
                     char reason[APP_REASON_MAX]);

/* TLS context of the options; NULL with a reason. */
struct stream_tls *app_load_tls(const struct app *app,
                                char reason[APP_REASON_MAX]);

/* Learn secrets and partitions from Redis, again until it works. */
void app_shared_start(struct app *app);
void app_shared_stop(struct app *app);
/* Fill app->secrets from --secrets; false with a reason. */
bool app_secrets_read(struct app *app, char reason[APP_REASON_MAX]);
/* Called once by app_shared: everything is known. */
void app_on_shared(struct app *app);

void app_turns_start(struct app *app);
/* Once a second: what is sampled rather than counted. */
void app_turns_sample(struct app *app);
void app_turns_write(const struct app *app, struct json_writer *w);

/* Handlers are given the service's state; those of app_routes want this. */
void app_routes_bind(struct app *app);
extern const struct route app_routes[];
const char *app_version(void);
/* Hex digits of the running binary's GNU build id, or "none". */
const char *app_build_id(void);
