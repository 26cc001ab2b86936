/* main.c - the notifier: its options, its routes. */
#include "notifier/assets.h"
#include "notifier/notifier.h"

static struct notifier_config config;

#define OPTION(member) offsetof(struct notifier_config, member)

static const struct config_option options[] = {
    {"topics", CONFIG_STRING, OPTION(topics_file), NULL, 1, 1024,
     "JSON file that says how topics are kept"},
    {"source", CONFIG_STRING, OPTION(source), NULL, 3, 8192,
     "STREAM=topic,…: streams in Redis whose entries are published"},
    {"references", CONFIG_INTEGER, OPTION(references), "4096", 16, 1000000,
     "entries that a partition's references keep, about"},
    {"retry", CONFIG_DURATION, OPTION(retry_ms), "2s", 10, 600000,
     "after which an event stream's client comes back, at most"},
    {"ping", CONFIG_DURATION, OPTION(ping_ms), "25s", 100, 600000,
     "between two pings of a connection"},
    {"subscriptions", CONFIG_BOOLEAN, OPTION(subscriptions), "no", 0, 0,
     "list all subscriptions, and tell of each that comes or goes"},
    {"max-per-caller", CONFIG_INTEGER, OPTION(per_caller), "0", 0, 1000000,
     "streams and sockets of one caller at a worker; 0: no limit"},
    {"accept-rate", CONFIG_INTEGER, OPTION(accept_rate), "0", 0, 1000000,
     "streams and sockets that are accepted a second; 0: no limit"},
    {"max-kept", CONFIG_BYTES, OPTION(max_kept), "256k", 4096, 67108864,
     "bytes that may wait for one connection"},
    {"max-rings", CONFIG_BYTES, OPTION(max_rings), "256M", 1048576,
     INT64_C(1) << 40, "bytes of all updates that a worker keeps in memory"},
    {0},
};

static void page_script(struct request *req, void *arg)
{
    (void)arg;
    web_reply_file(req, &asset_page_js);
}

static const struct route routes[] = {
    {REQUEST_POST, "/.well-known/mercure", NULL, publish,
     ROUTE_MERCURE | ROUTE_WRITE},
    {REQUEST_GET, "/.well-known/mercure", NULL, subscribe, ROUTE_MERCURE},
    {REQUEST_GET, "/.well-known/mercure/subscriptions", NULL,
     list_subscriptions, ROUTE_MERCURE},
    {REQUEST_GET, "/.well-known/mercure/subscriptions/{topic}", NULL,
     list_subscriptions_of, ROUTE_MERCURE},
    {REQUEST_GET, "/.well-known/mercure/subscriptions/{topic}/{subscriber}",
     NULL, read_subscription, ROUTE_MERCURE},
    {REQUEST_GET, "/v1/ws", NULL, connect_socket, 0},
    {REQUEST_GET, "/v1/position", NULL, read_position, ROUTE_MERCURE},
    {REQUEST_GET, "/page.js", NULL, page_script, 0},
    {0},
};

static bool check_options(char *reason, size_t reason_size)
{
    return notifier_check(&config, reason, reason_size);
}

int main(int argc, char **argv)
{
    static const struct app_service service = {
        .name = "notifier",
        .prefix = NOTIFIER_PREFIX,
        .port = 8103,
        .routes = routes,
        .options = options,
        .config = &config,
        .secrets = notifier_secrets,
        .open = notifier_open,
        .on_secrets = notifier_on_secrets,
        .on_epoch = notifier_on_epoch,
        .stop = notifier_stop,
        .drain = notifier_drain,
        .close = notifier_close,
        .check = check_options,
        .openapi = &asset_openapi_yaml,
        .page = &asset_index_html,
    };

    return app_run(&service, argc, argv);
}
