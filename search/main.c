/* main.c - the search service: its options, its routes. */
#include "common/json.h"
#include "search/answer.h"
#include "search/assets.h"
#include "search/service.h"

static struct service_config config;

static const struct config_option options[] = {
#define OPTION(member) offsetof(struct service_config, member)
    {"refresh-interval", CONFIG_DURATION, OPTION(refresh_ms), "1s", 10, 3600000,
     "after how long what was written can be found"},
    {"ram", CONFIG_BYTES, OPTION(ram), "128M", 1 << 20, INT64_C(64) << 30,
     "memory of a segment that is being made; then it is written"},
    {"log-bytes", CONFIG_BYTES, OPTION(log_bytes), "256M", 1 << 10,
     INT64_C(64) << 30,
     "documents of an index in Redis, not in segments yet; past it writes are "
     "refused"},
    {"log-documents", CONFIG_INTEGER, OPTION(log_docs), "1000000", 1,
     INT64_C(1) << 32, "the same, how many"},
    {"pool-from", CONFIG_INTEGER, OPTION(pool_docs), "20000", 0,
     INT64_C(1) << 40,
     "documents of an index from which on it is searched by other threads than "
     "the one that serves; each hit that is asked for counts as 200"},
    {0},
};

#define WRITE "search:write"
#define READ "search:read"

/* Clients differ in the methods that they use: what one of them does. */
#define GET_POST(path, handler)                        \
    {REQUEST_GET, path, READ, handler, ROUTE_SLASH},   \
    {                                                  \
        REQUEST_POST, path, READ, handler, ROUTE_SLASH \
    }
#define PUT_POST(path, handler)                                       \
    {REQUEST_PUT, path, WRITE, handler, ROUTE_WRITE | ROUTE_SLASH},   \
    {                                                                 \
        REQUEST_POST, path, WRITE, handler, ROUTE_WRITE | ROUTE_SLASH \
    }

#define PAGE_FILE(name)                                     \
    static void page_##name(struct request *req, void *arg) \
    {                                                       \
        (void)arg;                                          \
        web_reply_file(req, &asset_##name);                 \
    }

PAGE_FILE(page_css)
PAGE_FILE(page_js)

static const struct route routes[] = {
    {REQUEST_GET, "/", NULL, front, ROUTE_PAGE},
    PUT_POST("/_bulk", write_bulk),
    PUT_POST("/{index}/_bulk", write_bulk),
    {REQUEST_POST, "/{index}/_doc", WRITE, write_document, ROUTE_WRITE},
    PUT_POST("/{index}/_doc/{id}", write_document),
    {REQUEST_GET, "/{index}/_doc/{id}", READ, read_document, ROUTE_SLASH},
    {REQUEST_DELETE, "/{index}/_doc/{id}", WRITE, delete_document,
     ROUTE_WRITE | ROUTE_SLASH},
    PUT_POST("/{index}/_create/{id}", create_document),
    {REQUEST_POST, "/{index}/_update/{id}", WRITE, update_document,
     ROUTE_WRITE | ROUTE_SLASH},
    {REQUEST_GET, "/{index}/_source/{id}", READ, read_source, ROUTE_SLASH},
    GET_POST("/{index}/_mget", read_documents),
    {REQUEST_PUT, "/{index}", WRITE, make_index, ROUTE_WRITE},
    {REQUEST_DELETE, "/{index}", WRITE, drop_index, ROUTE_WRITE},
    {REQUEST_GET, "/{index}", READ, read_index, 0},
    {REQUEST_GET, "/_mapping", READ, read_mapping, 0},
    {REQUEST_GET, "/{index}/_mapping", READ, read_mapping, 0},
    PUT_POST("/{index}/_mapping", change_mapping),
    {REQUEST_GET, "/{index}/_settings", READ, read_settings, 0},
    {REQUEST_GET, "/_refresh", WRITE, refresh_index, 0},
    {REQUEST_POST, "/_refresh", WRITE, refresh_index, 0},
    {REQUEST_GET, "/{index}/_refresh", WRITE, refresh_index, 0},
    {REQUEST_POST, "/{index}/_refresh", WRITE, refresh_index, 0},
    {REQUEST_GET, "/{index}/_flush", WRITE, refresh_index, 0},
    {REQUEST_POST, "/{index}/_flush", WRITE, refresh_index, 0},
    {REQUEST_POST, "/_flush", WRITE, refresh_index, 0},
    {REQUEST_GET, "/{index}/_segments", READ, read_segments, 0},
    {REQUEST_GET, "/_segments", READ, read_segments, 0},
    {REQUEST_GET, "/_cat/indices", READ, cat_indices, 0},
    {REQUEST_GET, "/_cat/indices/{index}", READ, cat_indices, 0},
    {REQUEST_GET, "/_cat/health", READ, cat_health, 0},
    {REQUEST_GET, "/_cat/count", READ, cat_count, 0},
    {REQUEST_GET, "/_cat/count/{index}", READ, cat_count, 0},
    {REQUEST_GET, "/_cluster/health", READ, cluster_health, 0},
    {REQUEST_GET, "/_cluster/health/{index}", READ, cluster_health, 0},
    GET_POST("/_search", search_index),
    GET_POST("/_msearch", multi_search),
    GET_POST("/_analyze", analyze_text),
    GET_POST("/{index}/_analyze", analyze_text),
    GET_POST("/{index}/_search", search_index),
    GET_POST("/_count", count_index),
    GET_POST("/{index}/_count", count_index),
    {REQUEST_GET, "/page.css", NULL, page_page_css, 0},
    {REQUEST_GET, "/page.js", NULL, page_page_js, 0},
    {REQUEST_GET, "*", NULL, no_such_route, ROUTE_ANY_QUERY},
    {0},
};

int main(int argc, char **argv)
{
    static const struct app_service service = {
        .name = "search",
        .prefix = SERVICE_PREFIX,
        .port = 8105,
        .routes = routes,
        .options = options,
        .config = &config,
        .max_body = "100M",
        .owns_data_dir = true,
        .helper = &service_indexer,
        .headers = "X-Elastic-Product: Elasticsearch\r\n",
        .problem = answer_problem,
        .open = service_open,
        .on_epoch = service_on_epoch,
        .close = service_close,
        .openapi = &asset_openapi_yaml,
    };

    json_setup();
    return app_run(&service, argc, argv);
}
