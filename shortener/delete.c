/*
 * delete.c - DELETE /v1/links/{code}: a tombstone keeps the code from being
 * given to somebody else for 30 days.
 *
 *   delete_link() -- change.lua --> on_deleted() -- index --> on_index()
 */
#include <inttypes.h>

#include "shortener/index.h"
#include "shortener/input.h"
#include "shortener/scripts.h"

#define MAX_ARGS 32

struct removal {
    struct request *req;
    struct shortener *app;
    struct span code;
};

static void on_deleted(void *arg, int status, const struct redisReply *reply);
static void on_index(void *arg, int status);

/* Of the record nothing stays but when it ended. */
static size_t tombstone_args(struct span *argv, struct arena *arena,
                             int64_t now_ms)
{
    static const char gone[] = "urotgfaecmp";
    size_t n = 0;

    for (size_t i = 0; i < sizeof(gone) - 1; i++) {
        argv[n++] = (struct span){&gone[i], 1};
        argv[n++] = SPAN("");
    }
    argv[n++] = SPAN("d");
    argv[n++] = arena_printf(arena, "%" PRId64, now_ms * 1000);
    return n;
}

void delete_link(struct request *req, void *arg)
{
    struct shortener *app = arg;
    struct arena *arena = request_arena(req);
    struct removal *removal = arena_alloc(arena, sizeof(*removal));
    struct span code = request_param(req, "code");
    int64_t now = now_ms(app->now);

    if (!link_check_scope(req, SPAN("links:write")))
        return;
    *removal = (struct removal){.req = req, .app = app, .code = code};
    struct span argv[MAX_ARGS] = {
        link_key(arena, "link", code, code), link_key(arena, "clk", code, code),
        link_owner_filter(req),
        arena_printf(arena, "%" PRId64, now + LINK_TOMBSTONE_MS)};
    size_t argc = 4 + tombstone_args(argv + 4, arena, now);
    int err = redis_eval(
        app->redis, &script_change, 2,
        &(struct redis_call){.key = code,
                             .argv = argv,
                             .argc = argc,
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
    struct link link;

    if (status < 0) {
        request_fail(removal->req, status);
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !link_read(reply->element[0], removal->code, &link)) {
        link_refuse(removal->req, LINK_UNKNOWN);
        return;
    }
    app_crash_point(removal->app->app, "delete-made");
    cache_invalidate(removal->app->cache, removal->code);
    struct index_job *job =
        index_begin(removal->app, removal->req, arena_copy(arena, link.owner),
                    on_index, removal);
    size_t count = input_split_tags(arena, link.tags, tags, LINK_TAGS_MAX);

    index_remove(job, removal->code);
    for (size_t i = 0; i < count; i++)
        index_remove_tag(job, tags[i], removal->code);
    index_remove_url(job, input_digest(arena, link.url), removal->code);
    index_end(job);
}

/* The link is gone whatever became of the index: a list skips its entry. */
static void on_index(void *arg, int status)
{
    struct removal *removal = arg;

    (void)status;
    request_reply(removal->req, 204, NULL, (struct span){0});
}
