/* main.c - the URL shortener: its options, its routes. */
#include "shortener/assets.h"
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
     offsetof(struct shortener_config, flush_ms), "200ms", 0, 60000,
     "how often clicks are written to Redis; 0: each turn of the loop"},
    {"single-flight", CONFIG_BOOLEAN,
     offsetof(struct shortener_config, single_flight), "true", 0, 0,
     "a read for each request of an unknown code, none is shared"},
    {0},
};

static void page_script(struct request *req, void *arg)
{
    (void)arg;
    web_reply_file(req, &asset_page_js);
}

static const struct route routes[] = {
    {REQUEST_POST, "/v1/links", "links:write", create_link, ROUTE_WRITE},
    {REQUEST_GET, "/v1/links", "links:read", list_links, 0},
    {REQUEST_GET, "/v1/links/{code}", "links:read", read_link, 0},
    {REQUEST_PATCH, "/v1/links/{code}", "links:write", update_link,
     ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/links/{code}", "links:write", delete_link,
     ROUTE_WRITE},
    {REQUEST_GET, "/v1/links/{code}/stats", "links:read", read_stats, 0},
    {REQUEST_GET, "/shortener.js", NULL, page_script, 0},
    {REQUEST_GET, "/{code}+", NULL, preview, ROUTE_PAGE | ROUTE_ANY_QUERY},
    {REQUEST_GET, "/{code}", NULL, resolve, ROUTE_PAGE | ROUTE_ANY_QUERY},
    {0},
};

static const char *const track[] = {"sh:link:", NULL};
static const char *const secrets[] = {"codes", "visitors", NULL};

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
        .open = shortener_open,
        .on_secrets = shortener_on_secrets,
        .on_invalidate = shortener_on_invalidate,
        .on_epoch = shortener_on_epoch,
        .drain = shortener_drain,
        .close = shortener_close,
        .health = shortener_health,
        .openapi = &asset_openapi_yaml,
        .page = &asset_index_html,
    };

    return app_run(&service, argc, argv);
}
