/* main.c - the rate limiter: its options, its routes. */
#include "ratelimit/assets.h"
#include "ratelimit/ratelimit.h"

static struct ratelimit_config config;

#define OPTION(member) offsetof(struct ratelimit_config, member)

static const struct config_option options[] = {
    {"limits", CONFIG_STRING, OPTION(limits_file), NULL, 1, 1024,
     "JSON file with limits, beside those in Redis"},
    {"states", CONFIG_INTEGER, OPTION(states), "65536", 16, 16777216,
     "keys of limits that a worker knows at once"},
    {"resp-port", CONFIG_INTEGER, OPTION(resp_port), "8112", 0, 65535,
     "port for CL.THROTTLE; 0 takes a free one"},
    {"resp-mode", CONFIG_STRING, OPTION(resp_mode), "strict", 6, 6,
     "of CL.THROTTLE: strict or leased"},
    {"headers", CONFIG_BOOLEAN, OPTION(headers), "yes", 0, 0,
     "leave out RateLimit and RateLimit-Policy (the IETF's draft 10)"},
    {"coalesce", CONFIG_BOOLEAN, OPTION(coalesce), "yes", 0, 0,
     "a script call for each check, not one for all of a key"},
    {"leases", CONFIG_BOOLEAN, OPTION(leases), "yes", 0, 0,
     "take no tokens ahead, where a limit's mode is leased too"},
    {"deny-cache", CONFIG_BOOLEAN, OPTION(deny_cache), "yes", 0, 0,
     "ask Redis again though a denial has not ended"},
    {0},
};

static void page_script(struct request *req, void *arg)
{
    (void)arg;
    web_reply_file(req, &asset_page_js);
}

static const struct route routes[] = {
    {REQUEST_POST, "/v1/check", "limits:check", check, 0},
    {REQUEST_POST, "/v1/check:batch", "limits:check", check_batch, 0},
    {REQUEST_GET, "/v1/authorize", "limits:check", authorize, 0},
    {REQUEST_POST, "/v1/refund", "limits:check", refund, 0},
    {REQUEST_POST, "/v1/reset", "limits:write", reset, ROUTE_WRITE},
    {REQUEST_POST, "/v1/acquire", "limits:check", acquire_slot, 0},
    {REQUEST_POST, "/v1/renew", "limits:check", renew_slot, 0},
    {REQUEST_POST, "/v1/release", "limits:check", release_slot, 0},
    {REQUEST_GET, "/v1/limits", "limits:read", list_limits, 0},
    {REQUEST_GET, "/v1/limits/{name}", "limits:read", read_limit, 0},
    {REQUEST_PUT, "/v1/limits/{name}", "limits:write", define_limit,
     ROUTE_WRITE},
    {REQUEST_DELETE, "/v1/limits/{name}", "limits:write", remove_limit,
     ROUTE_WRITE},
    {REQUEST_GET, "/page.js", NULL, page_script, 0},
    {0},
};

static const char *const track[] = {"rl:limit:", NULL};

static bool check_options(char *reason, size_t reason_size)
{
    return ratelimit_check(&config, reason, reason_size);
}

int main(int argc, char **argv)
{
    static const struct app_service service = {
        .name = "ratelimit",
        .prefix = RATELIMIT_PREFIX,
        .port = 8102,
        .routes = routes,
        .options = options,
        .config = &config,
        .extra_port = &config.resp_port,
        .track = track,
        .open = ratelimit_open,
        .on_invalidate = ratelimit_on_invalidate,
        .on_epoch = ratelimit_on_epoch,
        .stop = ratelimit_stop,
        .drain = ratelimit_drain,
        .close = ratelimit_close,
        .check = check_options,
        .openapi = &asset_openapi_yaml,
        .page = &asset_index_html,
    };

    return app_run(&service, argc, argv);
}
