/*
 * notifier.h - publish and subscribe: what its routes share.
 *
 *   publish.c publication.c    POST /.well-known/mercure; from it to the logs
 *   subscribe.c                GET /.well-known/mercure: event streams
 *   subscriptions.c            GET /.well-known/mercure/subscriptions…
 *   presence.c                 who is there, by the rosters of all nodes
 *   source.c                   the outbox: streams of others, published
 *   connection.c op_*.c        GET /v1/ws and its requests
 *   position_route.c           GET /v1/position
 *   subscriber.c resume.c      one client, from a position to what comes
 *   feed.c topics.c logs.c     what this worker hears, and reads, of all logs
 *   message.c record.c         an update, in memory and as text
 *   position.c log_id.c        where somebody stands
 *   selector*.c rights.c       what a client asks for, and what it may
 */
#pragma once

#include "common/app.h"
#include "common/metrics.h"
#include "common/ops.h"
#include "common/request.h"
#include "notifier/feed.h"
#include "notifier/keys.h"
#include "notifier/logs.h"
#include "notifier/position.h"
#include "notifier/presence.h"
#include "notifier/settings.h"
#include "notifier/topics.h"

#define NOTIFIER_HUB "/.well-known/mercure"

struct notifier_config {
    const char *topics_file, *source;
    int64_t references, retry_ms, ping_ms, max_kept, max_rings;
    int64_t per_caller, accept_rate;
    bool subscriptions;
};

struct notifier {
    struct app *app;
    const struct notifier_config *config;
    struct settings *settings;
    struct fanout *fanout;
    struct topics *topics;
    struct feed *feed;
    struct chunks *chunks;
    struct roster *roster;
    struct presence *presence;
    struct admission *admission;
    struct sources *sources;
    struct position_key *position_key; /* NULL: the secret is not there yet */
    struct ops ops;
    uint64_t *delivered, *late, *gaps, *published, *replayed;
    uint64_t *streams, *connections, *put_off;
};

void publish(struct request *req, void *arg);
void subscribe(struct request *req, void *arg);
void read_position(struct request *req, void *arg);
void connect_socket(struct request *req, void *arg);
void list_subscriptions(struct request *req, void *arg);
void list_subscriptions_of(struct request *req, void *arg);
void read_subscription(struct request *req, void *arg);

/* What the caller may, the caller's to unref; NULL: answered. */
struct rights;
struct rights *rights_of(struct request *req);

/* 400, as Mercure's hub answers: a line of text. */
void refuse_text(struct request *req, int status, const char *line);

/* life.c, for main.c's table. */
extern const char *const notifier_secrets[];
void *notifier_open(struct app *app);
void notifier_on_secrets(void *state);
void notifier_on_epoch(void *state, bool live);
void notifier_stop(void *state);
void notifier_drain(void *state, void (*done)(void *arg), void *arg);
void notifier_close(void *state);
bool notifier_check(const void *config, char *reason, size_t reason_size);
