/*
 * learn.c - see learn.h.
 *
 *   learn_all() -- ZRANGEBYLEX rl:limits, page by page --> on_page() --
 *   catalog_load() of each that is not known
 */
#include "ratelimit/learn.h"
#include "ratelimit/catalog.h"
#include "ratelimit/ratelimit.h"

#define PAGE 256

struct learner {
    struct ratelimit *app;
    bool busy, again;
    char after[LIMIT_NAME_MAX + 1]; /* "(<name>": where the page begins */
    size_t after_len;
};

static void on_page(void *arg, int status, const struct redisReply *reply);

struct learner *learner_create(struct ratelimit *app)
{
    struct learner *learner = mem_zalloc(MEM_APP, sizeof(*learner));

    learner->app = app;
    return learner;
}

void learner_destroy(struct learner *learner)
{
    mem_free(learner);
}

/* Whoever asks for the limit finds it, or not. */
static void on_known(void *arg, int status)
{
    (void)arg;
    (void)status;
}

void learn_one(struct learner *learner, struct span name)
{
    struct catalog *catalog = learner->app->catalog;

    if (name.len <= LIMIT_NAME_MAX && catalog_has_room(catalog) &&
        !catalog_is_of_file(catalog, name))
        catalog_load(catalog, name, on_known, NULL);
}

static void ask_page(struct learner *learner)
{
    struct span argv[] = {
        SPAN("ZRANGEBYLEX"),
        SPAN(LIMITS_KEY),
        learner->after_len ? (struct span){learner->after, learner->after_len}
                           : SPAN("-"),
        SPAN("+"),
        SPAN("LIMIT"),
        SPAN("0"),
        SPAN("256")};
    _Static_assert(PAGE == 256, "spelled out above");
    int err = redis_send(app_redis(learner->app->app),
                         &(struct redis_call){.key = argv[1],
                                              .argv = argv,
                                              .argc = 7,
                                              .repeatable = true,
                                              .cb = on_page,
                                              .arg = learner});
    learner->busy = err == 0;
}

void learn_all(struct learner *learner)
{
    learner->again = learner->busy;
    if (learner->busy)
        return;
    learner->after_len = 0;
    ask_page(learner);
}

static void take_name(struct learner *learner, struct span name)
{
    if (name.len == 0 || name.len > LIMIT_NAME_MAX)
        return;
    learner->after[0] = '(';
    memcpy(learner->after + 1, name.ptr, name.len);
    learner->after_len = name.len + 1;
    if (!catalog_has(learner->app->catalog, name))
        learn_one(learner, name);
}

static void on_page(void *arg, int status, const struct redisReply *reply)
{
    struct learner *learner = arg;
    size_t count =
        status == 0 && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;

    learner->busy = false;
    for (size_t i = 0; i < count; i++)
        if (reply->element[i]->type == REDIS_REPLY_STRING)
            take_name(learner, (struct span){reply->element[i]->str,
                                             reply->element[i]->len});
    if (count == PAGE && catalog_has_room(learner->app->catalog))
        ask_page(learner);
    else if (learner->again)
        learn_all(learner);
}
