/* main.c - the URL shortener: its options, its routes, its life. */
#include "common/mem.h"
#include "shortener/agent.h"
#include "shortener/assets.h"
#include "shortener/scripts.h"
#include "shortener/shortener.h"

static struct shortener_config config;

static const struct config_option options[] = {
    {"cache-bytes", CONFIG_BYTES,
     offsetof(struct shortener_config, cache_bytes), "64M", 0, INT64_C(1) << 36,
     "memory of a worker for ready answers; 0 asks Redis each time"},
    {"stale-for", CONFIG_DURATION,
     offsetof(struct shortener_config, stale_for_ms), "60s", 0, 86400000,
     "how long known links are served while Redis is away"},
    {"flush-every", CONFIG_DURATION,
     offsetof(struct shortener_config, flush_ms), "200ms", 10, 60000,
     "how often clicks are written to Redis"},
    {"single-flight", CONFIG_BOOLEAN,
     offsetof(struct shortener_config, single_flight), "true", 0, 0,
     "requests for one unknown code share one read"},
    {0},
};

static void page_script(struct request *req, void *arg)
{
    (void)arg;
    web_reply_file(req, &asset_page_js);
}

static const struct route routes[] = {
    {REQUEST_POST, "/v1/links", "links:write", create_link, 0},
    {REQUEST_GET, "/v1/links", "links:read", list_links, 0},
    {REQUEST_GET, "/v1/links/{code}", "links:read", read_link, 0},
    {REQUEST_PATCH, "/v1/links/{code}", "links:write", update_link, 0},
    {REQUEST_DELETE, "/v1/links/{code}", "links:write", delete_link, 0},
    {REQUEST_GET, "/v1/links/{code}/stats", "links:read", read_stats, 0},
    {REQUEST_GET, "/shortener.js", NULL, page_script, 0},
    {REQUEST_GET, "/{code}+", NULL, preview, ROUTE_PAGE},
    {REQUEST_GET, "/{code}", NULL, resolve, ROUTE_PAGE},
    {0},
};

static const char *const track[] = {"sh:link:", NULL};
static const char *const secrets[] = {"codes", "visitors", NULL};

static struct cache *open_cache(struct metrics *metrics)
{
    return cache_create(&(struct cache_options){
        .max_bytes = (size_t)config.cache_bytes,
        .stale_for_ms = (uint64_t)config.stale_for_ms,
        .bytes = metrics_cell(metrics, METRICS_GAUGE, "shortener_cache_bytes",
                              "", "Memory of the answers that are known."),
        .entries =
            metrics_cell(metrics, METRICS_GAUGE, "shortener_cache_entries", "",
                         "Codes whose answer is known."),
    });
}

static void *open_shortener(struct app *app)
{
    struct shortener *self = mem_zalloc(MEM_APP, sizeof(*self));
    struct metrics *metrics = app_metrics(app);

    *self = (struct shortener){
        .app = app,
        .redis = app_redis(app),
        .config = &config,
        .cache = open_cache(metrics),
        .clicks = clicks_create(app, (uint64_t)config.flush_ms),
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
    return self;
}

static void on_secrets(void *state)
{
    struct shortener *self = state;

    self->code_key = code_key(app_secret(self->app, "codes"));
    self->has_code_key = true;
    clicks_set_secret(self->clicks, app_secret(self->app, "visitors"));
}

/* The code stands behind "sh:link:{pNNN}:". */
static void on_invalidate(void *state, struct span key)
{
    struct shortener *self = state;
    static const size_t skip = sizeof("sh:link:{pNNN}:") - 1;

    if (!key.ptr)
        cache_invalidate(self->cache, key);
    else if (key.len > skip)
        cache_invalidate(self->cache, span_skip(key, skip));
}

static void on_epoch(void *state, bool live)
{
    struct shortener *self = state;

    cache_set_live(self->cache, live);
}

static void drain(void *state, void (*done)(void *arg), void *arg)
{
    struct shortener *self = state;

    clicks_drain(self->clicks, done, arg);
}

static void close_shortener(void *state)
{
    struct shortener *self = state;

    cache_destroy(self->cache);
    clicks_destroy(self->clicks);
    ids_destroy(self->ids);
    agents_destroy(self->agents);
    now_destroy(self->now);
    mem_free(self);
}

int main(int argc, char **argv)
{
    static const struct app_service service = {
        .name = "shortener",
        .prefix = SHORTENER_PREFIX,
        .port = 8101,
        .routes = routes,
        .options = options,
        .config = &config,
        .track = track,
        .secrets = secrets,
        .open = open_shortener,
        .on_secrets = on_secrets,
        .on_invalidate = on_invalidate,
        .on_epoch = on_epoch,
        .drain = drain,
        .close = close_shortener,
        .openapi = &asset_openapi_yaml,
        .page = &asset_index_html,
    };

    return app_run(&service, argc, argv);
}
