/*
 * ask.c - _search and _count: face.h over an index, on the loop where it is
 * small, else on a thread of the pool.
 *
 *   ask_index() -- read -- [indexes_list()] on_indexes() -- run() -- answer
 *                                           -- large --> [pool: run()]
 * on_done()
 */
#include "search/ask.h"
#include "common/clock.h"
#include "search/indexes.h"

#define HIT_COST 200 /* documents looked at while one is read and marked */

struct asking {
    uv_work_t work;
    struct ask ask;
    struct arena arena;
    struct face_search search;
    struct index *index; /* NULL: a pattern that stands for none */
    struct view_searcher *searcher;
    struct query_error error;
    struct buf text;
    bool fine;
};

static void on_indexes(void *arg, int status, struct index **list,
                       size_t count);
static void on_work(uv_work_t *work);
static void on_done(uv_work_t *work, int status);

static void end(struct asking *asking, int status)
{
    if (asking->searcher)
        view_give(asking->searcher); /* the next one may begin inside */
    index_drop(asking->index);
    asking->ask.cb(asking->ask.arg, status, buf_span(&asking->text));
    buf_deinit(&asking->text);
    arena_deinit(&asking->arena);
    mem_free(asking);
}

static void answer(struct asking *asking)
{
    struct span index = {NULL, 0};
    int status = asking->fine ? 200 : face_status(&asking->error);

    if (!asking->fine) {
        if (asking->index)
            index = span_str(asking->index->name);
        asking->text.len = 0;
        face_put_error(&asking->error, status, index, &asking->text);
    }
    metrics_add(asking->ask.service->searches, 1);
    end(asking, status);
}

static void refuse(struct asking *asking, const struct answer_error *error)
{
    struct json_writer w = {.out = &asking->text};

    json_put_open(&w, '{');
    answer_put_error(&w, error);
    json_put_close(&w, '}');
    end(asking, error->status);
}

static void fail(struct asking *asking, int status)
{
    struct answer_error error =
        answer_of(asking->ask.req, status, asking->ask.name);

    refuse(asking, &error);
}

void ask_index(const struct ask *ask)
{
    struct asking *asking = mem_zalloc(MEM_JOB, sizeof(*asking));

    asking->ask = *ask;
    arena_init(&asking->arena, MEM_JOB, 0);
    buf_init(&asking->text, MEM_JOB);
    asking->work.data = asking;
    if (!request_allows(ask->req, SPAN("search:read"), ask->name))
        fail(asking, UV_EACCES);
    else if (face_read(&asking->arena, &ask->request, &asking->search,
                       &asking->error))
        indexes_list(ask->service->indexes, ask->name, on_indexes, asking);
    else
        answer(asking);
}

static void on_answer(void *arg, int status, struct span json)
{
    answer_json(arg, status, json);
}

static void ask_one(struct request *req, struct service *service,
                    enum face_kind kind)
{
    if (answer_body(req))
        ask_index(
            &(struct ask){.service = service,
                          .req = req,
                          .request = {.kind = kind,
                                      .path = request_path(req),
                                      .params = request_query_string(req),
                                      .body = request_body(req)},
                          .name = request_param(req, "index"),
                          .deadline_us = clock_mono_us() + ASK_DEADLINE_US,
                          .cb = on_answer,
                          .arg = req});
}

void search_index(struct request *req, void *arg)
{
    ask_one(req, arg, FACE_SEARCH);
}

void count_index(struct request *req, void *arg)
{
    ask_one(req, arg, FACE_COUNT);
}

/* On any thread. */
static void run(struct asking *asking)
{
    struct schema schema;
    struct searcher none;

    if (asking->searcher) {
        asking->fine =
            face_run(&asking->search, &asking->searcher->searcher,
                     span_str(asking->index->name), asking->ask.deadline_us,
                     &asking->text, &asking->error);
        return;
    }
    schema_init(&schema);
    searcher_init(&none, &schema, NULL, 0);
    asking->fine =
        face_run(&asking->search, &none, asking->ask.name,
                 asking->ask.deadline_us, &asking->text, &asking->error);
    searcher_deinit(&none);
    schema_deinit(&schema);
}

static bool is_costly(const struct asking *asking)
{
    const struct face_search *search = &asking->search;
    uint64_t most = (uint64_t)asking->ask.service->config->pool_docs;

    return asking->searcher &&
           (asking->ask.one_of_many ||
            asking->searcher->view->docs + (uint64_t)search->size * HIT_COST >
                most);
}

static void start(struct asking *asking)
{
    uv_loop_t *loop = stream_loop_uv(app_loop(asking->ask.service->app));

    if (is_costly(asking) &&
        uv_queue_work(loop, &asking->work, on_work, on_done) == 0)
        return;
    run(asking);
    answer(asking);
}

static void on_work(uv_work_t *work)
{
    run(work->data);
}

static void on_done(uv_work_t *work, int status)
{
    (void)status;
    answer(work->data);
}

static void on_indexes(void *arg, int status, struct index **list, size_t count)
{
    struct asking *asking = arg;
    struct request *req = asking->ask.req;
    struct span name = asking->ask.name;

    if (status == 0 && count == 0 && !names_is_pattern(name))
        status = UV_ENOENT;
    if (status == 0)
        status = indexes_allow(req, "search:read", list, count);
    const struct index *broken = indexes_broken(list, count);
    if (status == 0 && broken) {
        status = UV_EIO;
        asking->ask.name = arena_copy(&asking->arena, span_str(broken->name));
    }
    if (status == 0 && count == 1) {
        asking->index = index_hold(list[0]);
        asking->searcher = view_take(list[0]->view);
    }
    for (size_t i = 0; i < count; i++)
        index_drop(list[i]);
    if (status < 0)
        fail(asking, status);
    else if (count <= 1)
        start(asking);
    else
        refuse(asking, &(struct answer_error){
                           400, "illegal_argument_exception",
                           arena_printf(request_arena(req),
                                        "[%.*s] stands for %zu indices: one at "
                                        "a time is searched",
                                        (int)name.len, name.ptr, count)
                               .ptr,
                           NULL});
}
