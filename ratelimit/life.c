/* life.c - what a worker of the rate limiter makes, is told and closes. */
#include <string.h>

#include "common/mem.h"
#include "ratelimit/catalog.h"
#include "ratelimit/learn.h"
#include "ratelimit/ratelimit.h"
#include "ratelimit/resp_port.h"

static size_t count_workers(void *arg)
{
    return app_workers(arg);
}

static struct limiter *open_limiter(struct app *app,
                                    const struct ratelimit_config *config)
{
    const char *instance = app_instance_id(app);
    const char *random = strrchr(instance, '-'); /* "<node>-<pid>-<random>" */

    return limiter_open(&(struct limiter_options){
        .loop = app_loop(app),
        .redis = app_redis(app),
        .pubsub = app_pubsub(app),
        .sharers = count_workers,
        .arg = app,
        .metrics = app_metrics(app),
        .service = "ratelimit",
        .prefix = RATELIMIT_PREFIX,
        .worker = random ? random + 1 : instance,
        .max_states = (size_t)config->states,
        .coalesce = config->coalesce,
        .leases = config->leases,
        .deny_cache = config->deny_cache,
    });
}

void *ratelimit_open(struct app *app)
{
    struct ratelimit *self = mem_zalloc(MEM_APP, sizeof(*self));
    const struct ratelimit_config *config = app_config(app);
    char reason[256];

    struct limiter *limiter = open_limiter(app, config);
    *self = (struct ratelimit){
        .app = app,
        .config = config,
        .limiter = limiter,
        .catalog = catalog_create(app_redis(app), limiter, app_metrics(app))};
    self->learner = learner_create(self);
    buf_init(&self->scratch, MEM_REQUEST);
    if (config->limits_file)
        catalog_read_file(self->catalog, config->limits_file, reason,
                          sizeof(reason));
    self->resp = resp_port_open(self);
    return self;
}

bool ratelimit_check(const void *config, char *reason, size_t reason_size)
{
    const struct ratelimit_config *c = config;

    if (strcmp(c->resp_mode, "strict") != 0 &&
        strcmp(c->resp_mode, "leased") != 0) {
        strncpy(reason, "--resp-mode is strict or leased", reason_size - 1);
        return false;
    }
    return !c->limits_file ||
           catalog_read_file(NULL, c->limits_file, reason, reason_size);
}

void ratelimit_on_epoch(void *state, bool live)
{
    struct ratelimit *self = state;

    catalog_set_live(self->catalog, live);
    limiter_set_live(self->limiter, live);
    if (live)
        learn_all(self->learner);
}

/* The name stands behind "rl:limit:{pNNN}:". */
void ratelimit_on_invalidate(void *state, struct span key)
{
    struct ratelimit *self = state;
    static const size_t skip = sizeof("rl:limit:{pNNN}:") - 1;

    if (!key.ptr) { /* all may have changed */
        catalog_invalidate(self->catalog, key);
        limiter_forget(self->limiter);
        return;
    }
    catalog_invalidate(self->catalog, span_skip(key, skip));
    learn_one(self->learner, span_skip(key, skip));
}

void ratelimit_stop(void *state)
{
    struct ratelimit *self = state;

    resp_port_stop(self->resp);
}

void ratelimit_drain(void *state, void (*done)(void *arg), void *arg)
{
    struct ratelimit *self = state;

    limiter_drain(self->limiter, done, arg);
}

void ratelimit_close(void *state)
{
    struct ratelimit *self = state;

    resp_port_close(self->resp);
    limiter_close(self->limiter);
    learner_destroy(self->learner);
    catalog_destroy(self->catalog);
    buf_deinit(&self->scratch);
    mem_free(self);
}
