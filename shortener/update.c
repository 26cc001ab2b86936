/*
 * update.c - PATCH /v1/links/{code}: what is said changes, null clears.
 *
 *   update_link() -- change.lua --> on_updated() -- index --> on_index()
 */
#include <inttypes.h>

#include "shortener/index.h"
#include "shortener/input.h"
#include "shortener/scripts.h"

#define MAX_ARGS 24

struct update {
    struct request *req;
    struct shortener *app;
    struct input input;
    struct span code, json;
};

static void on_updated(void *arg, int status, const struct redisReply *reply);
static void on_index(void *arg, int status);

/* Fields and values; an empty value takes the field away. */
static size_t change_args(const struct update *update, struct span *argv)
{
    struct arena *arena = request_arena(update->req);
    const struct input *in = &update->input;
    struct {
        bool said;
        const char *field;
        struct span value;
    } changes[] = {
        {in->url.ptr != NULL, "u", in->url},
        {in->has_title, "t", in->title},
        {in->has_tags, "g", in->tags},
        {in->has_redirect, "r", arena_printf(arena, "%d", in->redirect)},
        {in->has_forward_query, "f", in->forward_query ? SPAN("1") : SPAN("")},
        {in->has_expiry, "e",
         in->expires_ms ? arena_printf(arena, "%" PRId64, in->expires_ms)
                        : SPAN("")},
        {true, "m",
         arena_printf(arena, "%" PRId64, now_unique_us(update->app->now))},
    };
    size_t n = 0;

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        if (!changes[i].said)
            continue;
        argv[n++] = span_str(changes[i].field);
        argv[n++] = changes[i].value;
    }
    return n;
}

/* When Redis may forget the key: "" keeps, "0" is never. */
static struct span key_end(const struct update *update)
{
    const struct input *in = &update->input;

    if (!in->has_expiry)
        return SPAN("");
    if (in->expires_ms == 0)
        return SPAN("0");
    return arena_printf(request_arena(update->req), "%" PRId64,
                        in->expires_ms + LINK_TOMBSTONE_MS);
}

void update_link(struct request *req, void *arg)
{
    struct shortener *app = arg;
    struct arena *arena = request_arena(req);
    struct update *update = arena_zalloc(arena, sizeof(*update));

    *update = (struct update){
        .req = req, .app = app, .code = request_param(req, "code")};
    if (!link_check_scope(req, SPAN("links:write")) ||
        !input_read(req, app_public_url(app->app), now_ms(app->now), true,
                    &update->input))
        return;

    struct span argv[MAX_ARGS] = {
        link_key(arena, "link", update->code, update->code),
        link_owner_filter(req), key_end(update)};
    size_t argc = 3 + change_args(update, argv + 3);
    int err = redis_eval(app->redis, &script_change, 1,
                         &(struct redis_call){.key = update->code,
                                              .argv = argv,
                                              .argc = argc,
                                              .repeatable = true,
                                              .cb = on_updated,
                                              .arg = update});
    if (err < 0)
        request_fail(req, err);
}

/* Take code from the old tags' sets and put it into the new ones'. */
static void index_tags(struct index_job *job, const struct update *update,
                       struct span old, const struct link *link)
{
    struct arena *arena = request_arena(update->req);
    struct span tags[LINK_TAGS_MAX];
    size_t count = input_split_tags(arena, old, tags, LINK_TAGS_MAX);

    for (size_t i = 0; i < count; i++)
        index_remove_tag(job, tags[i], update->code);
    count = input_split_tags(arena, link->tags, tags, LINK_TAGS_MAX);
    for (size_t i = 0; i < count; i++)
        index_add_tag(job, tags[i], update->code, link->created_us);
}

static void index_changes(struct update *update, const struct link *old,
                          const struct link *link)
{
    struct arena *arena = request_arena(update->req);
    struct index_job *job =
        index_begin(update->app, update->req, arena_copy(arena, link->owner),
                    on_index, update);

    if (update->input.has_tags)
        index_tags(job, update, old->tags, link);
    if (!span_eq(old->url, link->url) || link->expires_ms)
        index_remove_url(job, input_digest(arena, old->url), update->code);
    if (!link->alias && !link->expires_ms)
        index_add_url(job, input_digest(arena, link->url), update->code);
    index_end(job);
}

static void on_updated(void *arg, int status, const struct redisReply *reply)
{
    struct update *update = arg;
    struct link old, link;

    if (status < 0) {
        request_fail(update->req, status);
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !link_read(reply->element[0], update->code, &old) ||
        !link_read(reply->element[1], update->code, &link)) {
        link_refuse(update->req, LINK_UNKNOWN);
        return;
    }
    app_crash_point(update->app->app, "update-made");
    cache_invalidate(update->app->cache, update->code);
    update->json =
        link_json(update->req, &link, app_public_url(update->app->app));
    index_changes(update, &old, &link);
}

static void on_index(void *arg, int status)
{
    struct update *update = arg;

    if (status < 0)
        request_fail(update->req, status);
    else
        request_reply_json(update->req, 200, update->json);
}
