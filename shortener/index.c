/* index.c - see index.h. */
#include <inttypes.h>

#include "shortener/index.h"
#include "shortener/input.h"
#include "shortener/scripts.h"

#define REUSE_CODES "64" /* kept of one owner and URL */

struct index_job {
    struct shortener *app;
    struct arena *arena;
    struct span owner;
    index_cb cb;
    void *arg;
    unsigned waiting; /* answers, and index_end() */
    int status;
};

static void drop(struct index_job *job)
{
    if (--job->waiting == 0)
        job->cb(job->arg, job->status);
}

static void on_reply(void *arg, int status, const struct redisReply *reply)
{
    struct index_job *job = arg;

    (void)reply;
    if (status < 0)
        job->status = status;
    drop(job);
}

struct index_job *index_begin(struct shortener *app, struct request *req,
                              struct span owner, index_cb cb, void *arg)
{
    struct arena *arena = request_arena(req);
    struct index_job *job = arena_alloc(arena, sizeof(*job));

    *job = (struct index_job){.app = app,
                              .arena = arena,
                              .owner = owner,
                              .cb = cb,
                              .arg = arg,
                              .waiting = 1};
    return job;
}

static struct redis_call call_of(struct index_job *job, struct span *argv,
                                 size_t argc)
{
    return (struct redis_call){.key = job->owner,
                               .argv = argv,
                               .argc = argc,
                               .repeatable = true,
                               .cb = on_reply,
                               .arg = job};
}

static void note_sent(struct index_job *job, int err)
{
    if (err < 0)
        job->status = err;
    else
        job->waiting++;
}

static void command(struct index_job *job, struct span *argv, size_t argc)
{
    struct redis_call call = call_of(job, argv, argc);

    note_sent(job, redis_send(job->app->redis, &call));
}

static void add(struct index_job *job, struct span key, struct span code,
                int64_t created_us)
{
    struct span argv[] = {SPAN("ZADD"), key,
                          arena_printf(job->arena, "%" PRId64, created_us),
                          code};

    command(job, argv, 4);
}

static void take(struct index_job *job, struct span key, struct span code)
{
    struct span argv[] = {SPAN("ZREM"), key, code};

    command(job, argv, 3);
}

void index_add(struct index_job *job, struct span code, int64_t created_us)
{
    add(job, link_key(job->arena, "own", job->owner, job->owner), code,
        created_us);
}

void index_add_tag(struct index_job *job, struct span tag, struct span code,
                   int64_t created_us)
{
    add(job, link_tag_key(job->arena, job->owner, tag), code, created_us);
}

void index_remove(struct index_job *job, struct span code)
{
    take(job, link_key(job->arena, "own", job->owner, job->owner), code);
}

void index_remove_tag(struct index_job *job, struct span tag, struct span code)
{
    take(job, link_tag_key(job->arena, job->owner, tag), code);
}

/* A URL that the owner has links for already: this is one more. */
struct url_entry {
    struct index_job *job;
    struct span key, digest, code;
};

static void on_url(void *arg, int status, const struct redisReply *reply)
{
    struct url_entry *entry = arg;
    struct index_job *job = entry->job;

    if (status == 0 && reply->type == REDIS_REPLY_INTEGER && !reply->integer) {
        struct span argv[] = {entry->key, entry->digest, entry->code,
                              SPAN(REUSE_CODES)};
        struct redis_call call = call_of(job, argv, 4);
        note_sent(job,
                  redis_eval(job->app->redis, &script_reuse_more, 1, &call));
    }
    on_reply(job, status, reply);
}

void index_add_url(struct index_job *job, struct span digest, struct span code)
{
    struct url_entry *entry = arena_alloc(job->arena, sizeof(*entry));

    *entry = (struct url_entry){
        .job = job,
        .key = link_key(job->arena, "reuse", job->owner, job->owner),
        .digest = digest,
        .code = code};
    struct span argv[] = {SPAN("HSETNX"), entry->key, digest, code};
    struct redis_call call = call_of(job, argv, 4);
    call.cb = on_url;
    call.arg = entry;
    note_sent(job, redis_send(job->app->redis, &call));
}

void index_remove_url(struct index_job *job, struct span digest,
                      struct span code)
{
    struct span argv[] = {link_key(job->arena, "reuse", job->owner, job->owner),
                          digest, code};
    struct redis_call call = call_of(job, argv, 3);

    note_sent(job, redis_eval(job->app->redis, &script_unreuse, 1, &call));
}

void index_end(struct index_job *job)
{
    drop(job);
}

bool index_belongs(const struct link *link, struct span owner, struct span tag)
{
    struct span tags[LINK_TAGS_MAX];
    struct arena arena;
    bool found = !tag.ptr;

    if (link->deleted_us || !span_eq(link->owner, owner))
        return false;
    if (found)
        return true;
    arena_init(&arena, MEM_JOB, 1024);
    size_t count = input_split_tags(&arena, link->tags, tags, LINK_TAGS_MAX);
    for (size_t i = 0; i < count && !found; i++)
        found = span_eq(tags[i], tag);
    arena_deinit(&arena);
    return found;
}

/* ---- mending: ZREM, then GET, then ZADD if it belongs there after all */

struct mend {
    struct shortener *app;
    struct arena arena; /* this struct lives in it */
    struct span owner, tag, code, key;
};

static void on_taken(void *arg, int status, const struct redisReply *reply);
static void on_looked(void *arg, int status, const struct redisReply *reply);
static void on_mended(void *arg, int status, const struct redisReply *reply);

static void end_mend(struct mend *mend)
{
    struct arena arena = mend->arena;

    arena_deinit(&arena);
}

static void mend_step(struct mend *mend, struct span about, struct span *argv,
                      size_t argc, redis_reply_cb cb)
{
    struct redis_call call = {.key = about,
                              .argv = argv,
                              .argc = argc,
                              .repeatable = true,
                              .cb = cb,
                              .arg = mend};

    if (redis_send(mend->app->redis, &call) < 0)
        end_mend(mend);
}

void index_mend(struct shortener *app, struct span owner, struct span tag,
                struct span code)
{
    struct arena arena;

    arena_init(&arena, MEM_JOB, 1024);
    struct mend *mend = arena_alloc(&arena, sizeof(*mend));
    *mend = (struct mend){.app = app,
                          .owner = arena_copy(&arena, owner),
                          .code = arena_copy(&arena, code)};
    if (tag.ptr)
        mend->tag = arena_copy(&arena, tag);
    mend->key = tag.ptr ? link_tag_key(&arena, owner, tag)
                        : link_key(&arena, "own", owner, owner);
    mend->arena = arena;
    struct span argv[] = {SPAN("ZREM"), mend->key, mend->code};
    mend_step(mend, mend->owner, argv, 3, on_taken);
}

static void on_taken(void *arg, int status, const struct redisReply *reply)
{
    struct mend *mend = arg;
    struct span argv[] = {
        SPAN("GET"), link_key(&mend->arena, "link", mend->code, mend->code)};

    (void)reply;
    if (status < 0)
        end_mend(mend);
    else
        mend_step(mend, mend->code, argv, 2, on_looked);
}

static void on_looked(void *arg, int status, const struct redisReply *reply)
{
    struct mend *mend = arg;
    struct link link;

    if (status < 0 || !link_read(reply, mend->code, &link) ||
        !index_belongs(&link, mend->owner, mend->tag)) {
        end_mend(mend);
        return;
    }
    struct span argv[] = {
        SPAN("ZADD"), mend->key,
        arena_printf(&mend->arena, "%" PRId64, link.created_us), mend->code};
    mend_step(mend, mend->owner, argv, 4, on_mended);
}

static void on_mended(void *arg, int status, const struct redisReply *reply)
{
    (void)status, (void)reply;
    end_mend(arg);
}
