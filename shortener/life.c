/* life.c - what a worker of the shortener makes, is told and closes. */
#include <stdio.h>

#include "common/mem.h"
#include "shortener/agent.h"
#include "shortener/shortener.h"
#include "shortener/url.h"

#define HEARD_WITHIN_MS 1000 /* see pubsub.h */

static struct cache *open_cache(const struct shortener_config *config,
                                struct metrics *metrics)
{
    return cache_create(&(struct cache_options){
        .max_bytes = (size_t)config->cache_bytes,
        .stale_for_ms = (uint64_t)config->stale_for_ms,
        .bytes = metrics_cell(metrics, METRICS_GAUGE, "shortener_cache_bytes",
                              "", "Memory of the answers that are known."),
        .entries =
            metrics_cell(metrics, METRICS_GAUGE, "shortener_cache_entries", "",
                         "Codes whose answer is known."),
    });
}

static struct span own_host(struct shortener *self, size_t i, const char *host,
                            uint16_t port)
{
    bool bare = strchr(host, ':') != NULL; /* IPv6 */
    int len = snprintf(self->own_text[i], OWN_HOST_MAX, "%s%s%s:%u",
                       bare ? "[" : "", host, bare ? "]" : "", port);

    return port ? (struct span){self->own_text[i], (size_t)len}
                : (struct span){NULL, 0};
}

/* A target there would be a link to a link of ours, or to itself. */
static void find_own_hosts(struct shortener *self)
{
    uint16_t plain = app_port(self->app);
    uint16_t tls = app_tls_port(self->app);
    const char *host = app_host(self->app);

    _Static_assert(INPUT_OWN_HOSTS == 5, "as many as here");
    self->own[0] = url_authority(span_str(app_public_url(self->app)));
    self->own[1] = own_host(self, 1, "localhost", plain);
    self->own[2] = own_host(self, 2, "localhost", tls);
    self->own[3] = own_host(self, 3, host, plain);
    self->own[4] = own_host(self, 4, host, tls);
}

void *shortener_open(struct app *app)
{
    struct shortener *self = mem_zalloc(MEM_APP, sizeof(*self));
    const struct shortener_config *config = app_config(app);
    struct metrics *metrics = app_metrics(app);

    *self = (struct shortener){
        .app = app,
        .redis = app_redis(app),
        .config = config,
        .cache = open_cache(config, metrics),
        .clicks = clicks_create(app, (uint64_t)config->flush_ms),
        .ids = ids_create(app_redis(app)),
        .agents = agents_create(),
        .now = now_create(app_loop(app), app_redis(app)),
    };
    self->created =
        metrics_cell(metrics, METRICS_COUNTER, "shortener_links_created_total",
                     "", "Links created.");
    self->skipped_codes =
        metrics_cell(metrics, METRICS_COUNTER, "shortener_codes_skipped_total",
                     "", "Ids whose code was reserved or taken.");
    self->hits =
        metrics_cell(metrics, METRICS_COUNTER, "shortener_cache_hits_total", "",
                     "Codes answered from memory.");
    self->misses =
        metrics_cell(metrics, METRICS_COUNTER, "shortener_cache_misses_total",
                     "", "Codes that Redis was asked for.");
    self->stale = metrics_cell(
        metrics, METRICS_COUNTER, "shortener_cache_stale_total", "",
        "Codes answered from memory while Redis could not say of changes.");
    find_own_hosts(self);
    return self;
}

void shortener_on_secrets(void *state)
{
    struct shortener *self = state;

    self->code_key = code_key(app_secret(self->app, "codes"));
    self->has_code_key = true;
    clicks_set_secret(self->clicks, app_secret(self->app, "visitors"));
}

/* The code stands behind "sh:link:{pNNN}:". */
void shortener_on_invalidate(void *state, struct span key)
{
    struct shortener *self = state;
    static const size_t skip = sizeof("sh:link:{pNNN}:") - 1;

    if (!key.ptr)
        cache_invalidate(self->cache, key);
    else if (key.len > skip)
        cache_invalidate(self->cache, span_skip(key, skip));
}

void shortener_on_epoch(void *state, bool live)
{
    struct shortener *self = state;

    cache_set_live(self->cache, live);
}

/* How old an answer may be: what is not heard of for a second ends the epoch.
 */
void shortener_health(void *state, struct json_writer *w)
{
    struct shortener *self = state;
    bool live = pubsub_is_live(app_pubsub(self->app));

    json_put_key(w, "stale_at_most_ms");
    json_put_int(w, live ? HEARD_WITHIN_MS : self->config->stale_for_ms);
}

void shortener_drain(void *state, void (*done)(void *arg), void *arg)
{
    struct shortener *self = state;

    clicks_drain(self->clicks, done, arg);
}

void shortener_close(void *state)
{
    struct shortener *self = state;

    cache_destroy(self->cache);
    clicks_destroy(self->clicks);
    ids_destroy(self->ids);
    agents_destroy(self->agents);
    now_destroy(self->now);
    mem_free(self);
}
