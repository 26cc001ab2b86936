/*
 * read.c - GET /v1/links/{code}: a link as its owner sees it.
 *
 *   link_load() -- GET sh:link:{pNNN}:code --> on_record() --> use, or 404
 */
#include "shortener/shortener.h"

struct load {
    struct request *req;
    struct shortener *app;
    struct span code;
    link_use use;
};

static void on_record(void *arg, int status, const struct redisReply *reply);

bool link_check_scope(struct request *req, struct span scope)
{
    struct span code = request_param(req, "code");

    if (!code_is_valid(code)) {
        link_refuse(req, LINK_UNKNOWN);
        return false;
    }
    if (request_allows(req, scope, code))
        return true;
    request_problem(req, 403, "forbidden", NULL,
                    "the token's scope does not cover this code");
    return false;
}

void link_load(struct request *req, struct shortener *app, link_use use)
{
    struct load *load = arena_alloc(request_arena(req), sizeof(*load));
    struct span code = request_param(req, "code");

    *load = (struct load){.req = req, .app = app, .code = code, .use = use};
    struct span argv[] = {SPAN("GET"),
                          link_key(request_arena(req), "link", code, code)};
    int err = redis_send(app->redis, &(struct redis_call){.key = code,
                                                          .argv = argv,
                                                          .argc = 2,
                                                          .repeatable = true,
                                                          .cb = on_record,
                                                          .arg = load});
    if (err < 0)
        request_fail(req, err);
}

static void on_record(void *arg, int status, const struct redisReply *reply)
{
    struct load *load = arg;
    struct link link;

    if (status < 0)
        request_fail(load->req, status);
    else if (!link_read(reply, load->code, &link) || link.deleted_us ||
             !link_is_callers(load->req, &link))
        link_refuse(load->req, LINK_UNKNOWN);
    else
        load->use(load->req, &link, load->app);
}

static void reply_link(struct request *req, const struct link *link,
                       struct shortener *app)
{
    request_reply_json(req, 200,
                       link_json(req, link, app_public_url(app->app)));
}

void read_link(struct request *req, void *arg)
{
    if (link_check_scope(req, SPAN("links:read")))
        link_load(req, arg, reply_link);
}
