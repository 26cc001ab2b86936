/*
 * create.c - POST /v1/links: a new link.
 *
 *   create_link() -- body is good --> [take an id] --> begin()
 *   begin()  -- with an Idempotency-Key --> idempotency_begin --> on_begun()
 *   start()  -- reuse --> reuse.lua --> on_kept() -- read it --> on_old()
 *   put()    -- SET NX GET --> on_put()
 *   -- taken --> another id, change_operation(), put(); 409 if it was chosen,
 *      the caller's own link being listed first
 *   -- made --> put_indexes() --> on_index() --> finish()
 *
 * A step may run twice: the operation, kept in the link, makes the second a
 * repetition of the first.  A link that is made but not listed was never
 * answered; a retry with the same Idempotency-Key finishes it.
 */
#include <inttypes.h>
#include <openssl/rand.h>

#include "common/idempotency.h"
#include "shortener/index.h"
#include "shortener/input.h"
#include "shortener/record.h"
#include "shortener/scripts.h"
#include "shortener/shortener.h"

#define MAX_SKIPS 64        /* taken codes in a row before giving up */
#define OPERATION_RANDOM 16 /* hex digits that make an operation unique */

/* One POST; lives in its request's arena. */
struct create {
    struct request *req;
    struct shortener *app;
    struct input input;
    struct idempotency *record; /* NULL without an Idempotency-Key */
    struct span code, operation, refused;
    char code_text[CODE_LEN + 1];
    void (*next)(struct create *create); /* when an id is there */
    int64_t created_us;
    unsigned skips;    /* taken codes */
    struct span tags;  /* of the link, to be listed under */
    struct span first; /* LINK as it is already */
    bool reused;
};

static void begin(struct create *create);
static void on_id(void *arg, int status, uint64_t id);
static void on_begun(struct request *req, void *arg, struct idempotency *record,
                     enum idempotency_state state, struct span operation);
static void start(struct create *create);
static void on_kept(void *arg, int status, const struct redisReply *reply);
static void on_old(void *arg, int status, const struct redisReply *reply);
static void ask_kept(struct create *create);
static void put(struct create *create);
static void on_put(void *arg, int status, const struct redisReply *reply);
static void change_operation(struct create *create);
static void on_changed(void *arg, int status);
static void put_indexes(struct create *create);
static void on_index(void *arg, int status);
static void finish(struct create *create);

/* Send to Redis, or fail the request. */
static void send_or_fail(struct create *create, const struct redis_call *call,
                         struct redis_script *script)
{
    int err = script ? redis_eval(create->app->redis, script, 1, call)
                     : redis_send(create->app->redis, call);

    if (err < 0)
        request_fail(create->req, err);
}

static void use_id(struct create *create, uint64_t id)
{
    code_from_id(&create->app->code_key, id, create->code_text);
    create->code = (struct span){create->code_text, CODE_LEN};
}

/* The next code that no route of ours has; false: wait for on_id(). */
static bool take_code(struct create *create)
{
    struct shortener *app = create->app;
    uint64_t id;

    while (ids_next(app->ids, &id)) {
        use_id(create, id);
        if (!code_is_reserved(create->code))
            return true;
        metrics_add(app->skipped_codes, 1);
    }
    int err = ids_wait(app->ids, on_id, create);
    if (err < 0)
        request_fail(create->req, err);
    return false;
}

/* Go on with next() once there is another code. */
static void with_code(struct create *create,
                      void (*next)(struct create *create))
{
    create->next = next;
    if (take_code(create))
        next(create);
}

void create_link(struct request *req, void *arg)
{
    struct shortener *app = arg;
    struct create *create = arena_zalloc(request_arena(req), sizeof(*create));

    create->req = req;
    create->app = app;
    create->refused = SPAN("");
    create->created_us = now_unique_us(app->now);
    if (!input_read(req, app->own, create->created_us / 1000, false,
                    &create->input))
        return;
    if (!app->has_code_key) {
        request_fail(req, UV_ENOTCONN); /* Redis has not been there yet */
        return;
    }
    create->tags = create->input.tags;
    create->code = create->input.code;
    if (create->code.ptr)
        begin(create);
    else
        with_code(create, begin);
}

static void on_id(void *arg, int status, uint64_t id)
{
    struct create *create = arg;

    if (status < 0) {
        request_fail(create->req, status);
        return;
    }
    use_id(create, id);
    if (!code_is_reserved(create->code)) {
        create->next(create);
        return;
    }
    metrics_add(create->app->skipped_codes, 1);
    with_code(create, create->next);
}

/* "<random>:<code>": a retry learns both from the first try's record. */
static struct span make_operation(struct create *create)
{
    unsigned char random[OPERATION_RANDOM / 2];
    size_t len = OPERATION_RANDOM + 1 + create->code.len;
    char *text = arena_alloc(request_arena(create->req), len);

    RAND_bytes(random, sizeof(random));
    span_hex(text, (struct span){(const char *)random, sizeof(random)});
    text[OPERATION_RANDOM] = ':';
    memcpy(text + OPERATION_RANDOM + 1, create->code.ptr, create->code.len);
    return (struct span){text, len};
}

static void begin(struct create *create)
{
    struct request *req = create->req;

    /* A narrowed scope covers codes that are chosen, never drawn ones. */
    struct span chosen = create->input.code.ptr ? create->code : SPAN("");
    if (!request_allows(req, SPAN("links:write"), chosen)) {
        request_problem(req, 403, "forbidden", NULL,
                        "the token's scope does not cover this code");
        return;
    }
    create->operation = make_operation(create);
    if (idempotency_wanted(req))
        idempotency_begin(create->app->redis, SHORTENER_PREFIX, req,
                          create->operation, on_begun, create);
    else
        start(create);
}

static void on_begun(struct request *req, void *arg, struct idempotency *record,
                     enum idempotency_state state, struct span operation)
{
    struct create *create = arg;

    create->record = record;
    if (state == IDEMPOTENCY_CONTINUE) {
        create->operation = arena_copy(request_arena(req), operation);
        create->code = span_skip(create->operation, OPERATION_RANDOM + 1);
    }
    if (code_is_valid(create->code))
        start(create);
    else
        request_fail(req, UV_EPROTO); /* not what we wrote */
}

/* Have reuse.lua choose the code: any but the refused one. */
static void ask_kept(struct create *create)
{
    struct arena *arena = request_arena(create->req);
    struct span owner = request_subject(create->req);
    struct span argv[] = {link_key(arena, "reuse", owner, owner),
                          create->input.digest, create->code, create->refused};

    send_or_fail(create,
                 &(struct redis_call){.key = owner,
                                      .argv = argv,
                                      .argc = 4,
                                      .repeatable = true,
                                      .cb = on_kept,
                                      .arg = create},
                 &script_reuse);
}

static void start(struct create *create)
{
    app_crash_point(create->app->app, "create-begun");
    if (create->input.reuse)
        ask_kept(create);
    else
        put(create);
}

/*
 * The code for this URL is known.  Whoever makes its link does so under one
 * operation, so that two at a time make one.
 */
static void on_kept(void *arg, int status, const struct redisReply *reply)
{
    struct create *create = arg;
    struct arena *arena = request_arena(create->req);

    if (status == 0 && reply->type != REDIS_REPLY_STRING)
        status = UV_EPROTO;
    if (status < 0) {
        request_fail(create->req, status);
        return;
    }
    create->code = arena_copy(arena, (struct span){reply->str, reply->len});
    if (!code_is_valid(create->code)) { /* not what we wrote */
        request_fail(create->req, UV_EPROTO);
        return;
    }
    create->operation =
        arena_printf(arena, "reuse:%.*s", (int)create->input.digest.len,
                     create->input.digest.ptr);
    struct span argv[] = {SPAN("GET"),
                          link_key(arena, "link", create->code, create->code)};
    send_or_fail(create,
                 &(struct redis_call){.key = create->code,
                                      .argv = argv,
                                      .argc = 2,
                                      .repeatable = true,
                                      .cb = on_old,
                                      .arg = create},
                 NULL);
}

static bool is_reusable(const struct create *create, const struct link *link)
{
    return link_state_at(link, now_ms(create->app->now)) == LINK_LIVE &&
           span_eq(link->url, create->input.url) &&
           span_eq(link->owner, request_subject(create->req)) && !link->alias &&
           !link->expires_ms;
}

/* The link was there: it is what is listed and answered. */
static void take_first(struct create *create, const struct link *link)
{
    create->first =
        link_json(create->req, link, app_public_url(create->app->app));
    create->created_us = link->created_us;
    create->tags = arena_copy(request_arena(create->req), link->tags);
}

static void on_old(void *arg, int status, const struct redisReply *reply)
{
    struct create *create = arg;
    struct request *req = create->req;
    struct link link;

    if (status < 0) {
        request_fail(req, status);
    } else if (!link_read(reply, create->code, &link)) {
        put(create);
    } else if (is_reusable(create, &link)) {
        take_first(create, &link);
        create->reused = true;
        put_indexes(create); /* whoever made it may have died before */
    } else if (++create->skips > MAX_SKIPS) {
        request_fail(req, UV_EAGAIN);
    } else {
        create->refused = create->code;
        with_code(create, ask_kept);
    }
}

static struct link link_to_make(const struct create *create)
{
    const struct input *in = &create->input;

    return (struct link){.code = create->code,
                         .url = in->url,
                         .owner = request_subject(create->req),
                         .title = in->title,
                         .tags = in->tags,
                         .operation = create->operation,
                         .redirect = in->redirect,
                         .forward_query = in->forward_query,
                         .alias = in->code.ptr != NULL,
                         .created_us = create->created_us,
                         .updated_us = create->created_us,
                         .expires_ms = in->expires_ms};
}

/* One SET that is never a second one: it says what there is already. */
static void put(struct create *create)
{
    struct arena *arena = request_arena(create->req);
    struct link link = link_to_make(create);
    int64_t end_ms = link_key_end_ms(&link);
    struct span argv[7] = {SPAN("SET"),
                           link_key(arena, "link", create->code, create->code),
                           record_write(arena, &link), SPAN("NX"), SPAN("GET")};
    size_t argc = 5;

    if (end_ms) {
        argv[argc++] = SPAN("PXAT");
        argv[argc++] = arena_printf(arena, "%" PRId64, end_ms);
    }
    send_or_fail(create,
                 &(struct redis_call){.key = create->code,
                                      .argv = argv,
                                      .argc = argc,
                                      .repeatable = true,
                                      .cb = on_put,
                                      .arg = create},
                 NULL);
}

static void refuse_taken(struct create *create)
{
    static const char slug[] = "alias-taken";
    static const char title[] = "This code is taken";
    static const char detail[] =
        "Another link has this code, or had it in the last 30 days.";

    if (create->record)
        idempotency_finish(
            create->record, 409,
            request_problem_text(create->req, 409, slug, title, detail));
    else
        request_problem(create->req, 409, slug, title, detail);
}

/* The code was somebody's: another, but never for one that was chosen. */
static void on_taken(struct create *create, const struct link *there)
{
    if (create->input.code.ptr) {
        create->refused = create->code;
        if (there && !there->deleted_us &&
            span_eq(there->owner, request_subject(create->req))) {
            take_first(create, there); /* its maker may have died: list it */
            put_indexes(create);
        } else {
            refuse_taken(create);
        }
    } else if (++create->skips > MAX_SKIPS) {
        request_fail(create->req, UV_EAGAIN);
    } else {
        metrics_add(create->app->skipped_codes, 1);
        with_code(create, change_operation);
    }
}

/* A retry must find the code that is tried now, not the one that was taken. */
static void change_operation(struct create *create)
{
    create->operation = make_operation(create);
    if (!create->record) {
        put(create);
        return;
    }
    int err = idempotency_change(create->record, create->operation, on_changed,
                                 create);
    if (err < 0)
        request_fail(create->req, err);
}

static void on_changed(void *arg, int status)
{
    struct create *create = arg;

    if (status < 0)
        request_fail(create->req, status);
    else
        put(create);
}

/* Made by a try before this one, or by another of the same operation? */
static bool is_made(const struct create *create, const struct link *there)
{
    return span_eq(there->operation, create->operation) &&
           span_eq(there->url, create->input.url);
}

static void on_put(void *arg, int status, const struct redisReply *reply)
{
    struct create *create = arg;
    struct link there;

    if (status < 0) {
        request_fail(create->req, status);
        return;
    }
    if (reply->type != REDIS_REPLY_NIL) {
        bool is_link = link_read(reply, create->code, &there);
        if (!is_link || !is_made(create, &there)) {
            on_taken(create, is_link ? &there : NULL);
            return;
        }
        take_first(create, &there);
        create->reused = create->input.reuse && !create->record;
    }
    app_crash_point(create->app->app, "create-made");
    put_indexes(create);
}

static void put_indexes(struct create *create)
{
    struct arena *arena = request_arena(create->req);
    const struct input *in = &create->input;
    struct span tags[LINK_TAGS_MAX];
    size_t count = input_split_tags(arena, create->tags, tags, LINK_TAGS_MAX);
    struct index_job *job =
        index_begin(create->app, create->req, request_subject(create->req),
                    on_index, create);

    index_add(job, create->code, create->created_us);
    for (size_t i = 0; i < count; i++)
        index_add_tag(job, tags[i], create->code, create->created_us);
    if (!in->code.ptr && !in->expires_ms)
        index_add_url(job, in->digest, create->code);
    index_end(job);
}

static void on_index(void *arg, int status)
{
    struct create *create = arg;

    if (status < 0)
        request_fail(create->req, status);
    else if (create->refused.len && create->input.code.ptr)
        refuse_taken(create);
    else
        finish(create);
}

static void finish(struct create *create)
{
    struct link link = link_to_make(create);
    struct span json = create->first;
    int status = create->reused ? 200 : 201;

    app_crash_point(create->app->app, "create-listed");
    if (!json.ptr)
        json = link_json(create->req, &link, app_public_url(create->app->app));

    if (!create->reused)
        metrics_add(create->app->created, 1);
    if (create->record)
        idempotency_finish(create->record, status, json);
    else
        request_reply_json(create->req, status, json);
}
