/*
 * delete.c - DELETE /v1/links/{code}: a tombstone keeps the code from being
 * given to somebody else for 30 days.
 *
 *   delete_link() -- delete.lua --> on_deleted() -- index --> on_index()
 */
#include <inttypes.h>

#include "shortener/index.h"
#include "shortener/input.h"
#include "shortener/scripts.h"

struct removal {
    struct request *req;
    struct shortener *app;
    struct span code;
};

static void on_deleted(void *arg, int status, const struct redisReply *reply);
static void on_index(void *arg, int status);

void delete_link(struct request *req, void *arg)
{
    struct shortener *app = arg;
    struct arena *arena = request_arena(req);
    struct removal *removal = arena_alloc(arena, sizeof(*removal));
    struct span code = request_param(req, "code");

    if (!link_check_scope(req, SPAN("links:write")))
        return;
    *removal = (struct removal){.req = req, .app = app, .code = code};
    struct span argv[] = {link_key(arena, "link", code, code),
                          link_key(arena, "clk", code, code),
                          link_owner_filter(req),
                          arena_printf(arena, "%" PRId64, now_ms(app->now)),
                          arena_printf(arena, "%" PRId64, LINK_TOMBSTONE_MS)};
    int err = redis_eval(
        app->redis, &script_delete, 2,
        &(struct redis_call){.key = code,
                             .argv = argv,
                             .argc = 5,
                             .repeatable = false, /* twice would be 404 */
                             .cb = on_deleted,
                             .arg = removal});
    if (err < 0)
        request_fail(req, err);
}

static void on_deleted(void *arg, int status, const struct redisReply *reply)
{
    struct removal *removal = arg;
    struct arena *arena = request_arena(removal->req);
    struct span tags[LINK_TAGS_MAX];

    if (status < 0) {
        request_fail(removal->req, status);
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) {
        link_refuse(removal->req, LINK_UNKNOWN);
        return;
    }
    cache_invalidate(removal->app->cache, removal->code);
    struct span owner = arena_copy(arena, link_text(reply->element[0]));
    struct index_job *job =
        index_begin(removal->app, removal->req, owner, on_index, removal);
    size_t count = input_split_tags(arena, link_text(reply->element[2]), tags,
                                    LINK_TAGS_MAX);

    index_remove(job, removal->code);
    for (size_t i = 0; i < count; i++)
        index_remove_tag(job, tags[i], removal->code);
    index_remove_url(job, input_digest(arena, link_text(reply->element[1])),
                     removal->code);
    index_end(job);
}

/* The link is gone whatever became of the index: a list skips its entry. */
static void on_index(void *arg, int status)
{
    struct removal *removal = arg;

    (void)status;
    request_reply(removal->req, 204, NULL, (struct span){0});
}
