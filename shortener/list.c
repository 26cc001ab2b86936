/*
 * list.c - GET /v1/links: the caller's links, newest first.
 *
 *   list_links() -- ZREVRANGEBYSCORE --> on_index() -- GET each -->
 *   on_link() -- the last one --> reply()
 *
 * An entry whose link is gone, is another's or has lost the tag is left out and
 * taken off the index: so what a crash left half done is mended by looking at
 * it.
 */
#include <inttypes.h>

#include "common/query.h"
#include "shortener/index.h"

/* Entries of one microsecond: at most one for each worker there is. */
#define MAX_TIES 64

#define LIST_BYTES_MAX ((size_t)1 << 20) /* of a page, and one link */

struct item {
    struct list_job *job;
    struct span code;
    int64_t created_us;
    struct span json; /* ptr NULL: left out */
    bool missing;
    bool past; /* of the next page: this one has bytes enough */
};

struct list_job {
    struct request *req;
    struct shortener *app;
    struct span key;        /* of the sorted set */
    struct span tag;        /* ptr NULL: all links */
    struct span after_code; /* the cursor's, or ptr NULL */
    uint64_t after_us;
    uint32_t limit;
    size_t count, waiting;
    size_t bytes; /* of the items so far: past LIST_BYTES_MAX no more */
    struct item *items;
    bool more;
    int status;
};

static void on_index(void *arg, int status, const struct redisReply *reply);
static void on_link(void *arg, int status, const struct redisReply *reply);
static void reply_list(struct list_job *job);

/* "<microseconds>.<code>" of the last item of the page before. */
static bool read_cursor(struct list_job *job, struct span cursor)
{
    struct span rest = cursor;
    struct span time;

    if (!cursor.ptr)
        return true;
    return span_cut(&rest, '.', &time) && code_is_valid(rest) &&
           span_to_u64(time, INT64_MAX, &job->after_us) &&
           (job->after_code = rest, true);
}

static bool read_query(struct list_job *job)
{
    static const char *const names[] = {"tag", "limit", "cursor"};
    struct json_errors errors = {0};
    struct span values[3];
    struct span cursor;

    query_take(request_arena(job->req), request_query_string(job->req), names,
               3, values, &errors);
    job->tag = values[0];
    if (errors.count == 0) {
        if (!request_read_page(job->req, &job->limit, &cursor))
            return false;
        if (read_cursor(job, cursor))
            return true;
        json_errors_add(&errors, "/cursor", "not a cursor of this list");
    }
    request_invalid(job->req, &errors);
    return false;
}

void list_links(struct request *req, void *arg)
{
    struct shortener *app = arg;
    struct arena *arena = request_arena(req);
    struct list_job *job = arena_zalloc(arena, sizeof(*job));
    struct span owner = request_subject(req);

    job->req = req;
    job->app = app;
    if (!read_query(job))
        return;
    job->key = job->tag.ptr ? link_tag_key(arena, owner, job->tag)
                            : link_key(arena, "own", owner, owner);
    struct span argv[] = {
        SPAN("ZREVRANGEBYSCORE"),
        job->key,
        job->after_code.ptr ? arena_printf(arena, "%" PRIu64, job->after_us)
                            : SPAN("+inf"),
        SPAN("-inf"),
        SPAN("WITHSCORES"),
        SPAN("LIMIT"),
        SPAN("0"),
        arena_printf(arena, "%" PRIu32, job->limit + 1 + MAX_TIES)};
    int err = redis_send(app->redis, &(struct redis_call){.key = owner,
                                                          .argv = argv,
                                                          .argc = 8,
                                                          .repeatable = true,
                                                          .cb = on_index,
                                                          .arg = job});
    if (err < 0)
        request_fail(req, err);
}

/* Redis orders a tie by code, downwards here: what stands before is known. */
static bool was_given(const struct list_job *job, uint64_t created_us,
                      struct span code)
{
    struct span last = job->after_code;
    size_t common = code.len < last.len ? code.len : last.len;

    if (!last.ptr || created_us < job->after_us)
        return false;
    int order = memcmp(code.ptr, last.ptr, common);
    return order > 0 || (order == 0 && code.len >= last.len);
}

static void take_entries(struct list_job *job, const struct redisReply *reply)
{
    struct arena *arena = request_arena(job->req);

    job->items = arena_zalloc(arena, job->limit * sizeof(job->items[0]));
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        struct span code = link_text(reply->element[i]);
        uint64_t created_us;
        if (!span_to_u64(link_text(reply->element[i + 1]), INT64_MAX,
                         &created_us) ||
            !code_is_valid(code) || was_given(job, created_us, code))
            continue;
        job->more = job->count == job->limit;
        if (job->more)
            break;
        job->items[job->count++] =
            (struct item){.job = job,
                          .code = arena_copy(arena, code),
                          .created_us = (int64_t)created_us};
    }
}

static void ask_link(struct list_job *job, struct item *item)
{
    struct span argv[] = {SPAN("GET"), link_key(request_arena(job->req), "link",
                                                item->code, item->code)};
    int err =
        redis_send(job->app->redis, &(struct redis_call){.key = item->code,
                                                         .argv = argv,
                                                         .argc = 2,
                                                         .repeatable = true,
                                                         .cb = on_link,
                                                         .arg = item});

    if (err < 0)
        job->status = err;
    else
        job->waiting++;
}

static void drop(struct list_job *job)
{
    if (--job->waiting > 0)
        return;
    if (job->status < 0)
        request_fail(job->req, job->status);
    else
        reply_list(job);
}

static void on_index(void *arg, int status, const struct redisReply *reply)
{
    struct list_job *job = arg;

    if (status == 0 && reply->type != REDIS_REPLY_ARRAY)
        status = UV_EPROTO;
    if (status < 0) {
        request_fail(job->req, status);
        return;
    }
    take_entries(job, reply);
    job->waiting = 1;
    for (size_t i = 0; i < job->count; i++)
        ask_link(job, &job->items[i]);
    drop(job);
}

static void on_link(void *arg, int status, const struct redisReply *reply)
{
    struct item *item = arg;
    struct list_job *job = item->job;
    struct link link;

    if (status < 0 && status != UV_EPROTO)
        job->status = status;
    else if (status == UV_EPROTO)
        item->json = (struct span){NULL, 0}; /* of another type: left out */
    else if (!link_read(reply, item->code, &link) ||
             !index_belongs(&link, request_subject(job->req), job->tag))
        item->missing = true;
    else if (job->bytes > LIST_BYTES_MAX)
        item->past = true;
    else if (request_allows(job->req, SPAN("links:read"), item->code))
        item->json = link_json(job->req, &link, app_public_url(job->app->app));
    job->bytes += item->json.len;
    drop(job);
}

/* A page has fewer items than asked for rather than more bytes than it may. */
static void cut_page(struct list_job *job)
{
    for (size_t i = 1; i < job->count; i++)
        if (job->items[i].past) {
            job->count = i;
            job->more = true;
        }
}

static void put_next(struct json_writer *w, const struct list_job *job)
{
    const struct item *last = &job->items[job->count - 1];

    json_put_string(w, arena_printf(request_arena(job->req), "%" PRId64 ".%.*s",
                                    last->created_us, (int)last->code.len,
                                    last->code.ptr));
}

static void reply_list(struct list_job *job)
{
    struct buf text;
    struct json_writer w = {.out = &text};

    cut_page(job);
    buf_init(&text, MEM_REQUEST);
    json_put_open(&w, '{');
    json_put_key(&w, "items");
    json_put_open(&w, '[');
    for (size_t i = 0; i < job->count; i++) {
        if (job->items[i].missing)
            index_mend(job->app, request_subject(job->req), job->tag,
                       job->items[i].code);
        else if (job->items[i].json.ptr)
            json_put_raw(&w, job->items[i].json);
    }
    json_put_close(&w, ']');
    json_put_key(&w, "next");
    if (job->more)
        put_next(&w, job);
    else
        json_put_null(&w);
    json_put_close(&w, '}');
    request_reply_json(job->req, 200, buf_span(&text));
    buf_deinit(&text);
}
