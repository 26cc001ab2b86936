/* face_answer.c - face.h: a search over an index, and the answer. */
#include "common/clock.h"
#include "search/face_internal.h"
#include "search/query/number.h"

/* ---- pieces */

void face_put_text(struct json_writer *w, const char *key, struct span text)
{
    json_put_key(w, key);
    json_put_string(w, text);
}

static void put_shards(struct json_writer *w)
{
    json_put_key(w, "_shards");
    json_put_raw(w, SPAN("{\"total\":1,\"successful\":1,\"skipped\":0,"
                         "\"failed\":0}"));
}

/* ---- errors */

int face_status(const struct query_error *error)
{
    return strcmp(error->type, "search_phase_execution_exception") == 0 ? 500
                                                                        : 400;
}

static void put_cause(struct json_writer *w, const struct query_error *error,
                      struct span index)
{
    json_put_open(w, '{');
    face_put_text(w, "type", span_str(error->type));
    face_put_text(w, "reason", span_str(error->reason));
    if (index.ptr)
        face_put_text(w, "index", index);
    json_put_close(w, '}');
}

/* Behind the root causes: of a shard, or of the request. */
static void put_outer(struct json_writer *w, const struct query_error *error,
                      struct span index)
{
    struct query_error all = {"search_phase_execution_exception",
                              "all shards failed"};

    face_put_text(w, "type", span_str(index.ptr ? all.type : error->type));
    face_put_text(w, "reason",
                  span_str(index.ptr ? all.reason : error->reason));
    if (!index.ptr)
        return;
    face_put_text(w, "phase", SPAN("query"));
    json_put_key(w, "grouped");
    json_put_bool(w, true);
    json_put_key(w, "failed_shards");
    json_put_open(w, '[');
    json_put_open(w, '{');
    json_put_key(w, "shard");
    json_put_int(w, 0);
    face_put_text(w, "index", index);
    json_put_key(w, "reason");
    put_cause(w, error, index);
    json_put_close(w, '}');
    json_put_close(w, ']');
}

void face_put_error(const struct query_error *error, int status,
                    struct span index, struct buf *out)
{
    struct json_writer w = {.out = out};

    json_put_open(&w, '{');
    json_put_key(&w, "error");
    json_put_open(&w, '{');
    json_put_key(&w, "root_cause");
    json_put_open(&w, '[');
    put_cause(&w, error, index);
    json_put_close(&w, ']');
    put_outer(&w, error, index);
    json_put_close(&w, '}');
    json_put_key(&w, "status");
    json_put_int(&w, status);
    json_put_close(&w, '}');
}

/* ---- answers */

static void put_total(struct answer *answer)
{
    const struct face_search *search = answer->search;
    struct json_writer *w = &answer->w;

    if (!search->total)
        return;
    json_put_key(w, "total");
    if (search->plain_total) {
        json_put_int(w, (int64_t)answer->result.total);
        return;
    }
    json_put_open(w, '{');
    json_put_key(w, "value");
    json_put_int(w, (int64_t)answer->result.total);
    face_put_text(w, "relation",
                  answer->result.more ? SPAN("gte") : SPAN("eq"));
    json_put_close(w, '}');
}

static bool has_room(const struct answer *answer)
{
    return answer->w.out->len - answer->before <= FACE_BYTES_MAX ||
           query_refuse(answer->error, "illegal_argument_exception",
                        "the hits have more than %d bytes: ask for fewer, or "
                        "for less of each",
                        FACE_BYTES_MAX);
}

static bool put_hits(struct answer *answer)
{
    const struct search_result *result = &answer->result;
    struct json_writer *w = &answer->w;
    bool fine = true;
    bool late = false;

    json_put_key(w, "hits");
    json_put_open(w, '{');
    put_total(answer);
    json_put_key(w, "max_score");
    if (result->has_scores && result->count)
        number_put_float(w, result->best_score);
    else
        json_put_null(w);
    json_put_key(w, "hits");
    json_put_open(w, '[');
    for (size_t i = answer->search->from; i < result->count && fine && !late;
         i++) {
        fine = face_put_hit(answer, i) && has_room(answer);
        late = clock_mono_us() > answer->deadline_us;
    }
    answer->result.timed_out |= late;
    json_put_close(w, ']');
    json_put_close(w, '}');
    return fine;
}

static bool put_search(struct answer *answer, uint64_t began,
                       uint64_t deadline_us)
{
    struct json_writer *w = &answer->w;
    bool in_time = !answer->result.timed_out;

    json_put_open(w, '{');
    json_put_key(w, "took");
    json_put_int(w, (int64_t)((clock_mono_us() - began) / 1000));
    json_put_key(w, "timed_out");
    size_t timed_out = w->out->len;
    json_put_bool(w, !in_time);
    put_shards(w);
    bool fine = put_hits(answer);
    if (in_time && answer->result.timed_out) /* by now */
        memcpy(w->out->ptr + timed_out, "true ", 5);
    if (answer->result.aggs) {
        json_put_key(w, "aggregations");
        json_put_raw(w, buf_span(answer->result.aggs));
    }
    if (answer->search->suggest && fine)
        fine = face_suggest_put(answer->search->suggest, answer->searcher,
                                deadline_us, w, answer->error);
    json_put_close(w, '}');
    return fine;
}

static bool put_count(struct answer *answer)
{
    struct json_writer *w = &answer->w;

    json_put_open(w, '{');
    json_put_key(w, "count");
    json_put_int(w, (int64_t)answer->result.total);
    put_shards(w);
    json_put_close(w, '}');
    return true;
}

static struct search_request request_of(const struct face_search *search,
                                        uint64_t began, uint64_t deadline_us)
{
    bool counting = search->kind == FACE_COUNT;
    struct search_request request = {
        .query = search->query,
        .most = counting ? 0 : search->from + search->size,
        .count = counting || search->total > 0,
        .count_most =
            counting || search->total == FACE_EXACT ? 0 : search->total,
        .deadline_us = deadline_us,
        .sort = search->sort,
        .scored = search->scored,
        .min_score = search->min_score,
        .aggs = search->aggs};

    if (search->timeout_us < UINT64_MAX &&
        deadline_us > began + search->timeout_us)
        request.deadline_us = began + search->timeout_us;
    return request;
}

static bool run(struct answer *answer, const struct search_request *request,
                uint64_t began)
{
    const struct face_search *search = answer->search;

    if (!search_run(answer->searcher, request, &answer->result, answer->error))
        return false;
    if (search->kind == FACE_COUNT)
        return put_count(answer);
    if (search->highlights.count) {
        answer->highlight =
            highlight_create(answer->searcher, search->query, answer->error);
        if (!answer->highlight)
            return false;
    }
    bool fine = put_search(answer, began, request->deadline_us);
    highlight_destroy(answer->highlight);
    return fine;
}

bool face_run(const struct face_search *search, struct searcher *searcher,
              struct span index, uint64_t deadline_us, struct buf *out,
              struct query_error *error)
{
    uint64_t began = clock_mono_us();
    struct search_request request = request_of(search, began, deadline_us);
    bool valued = search->sort && !sort_is_default(search->sort);
    struct answer answer = {.search = search,
                            .searcher = searcher,
                            .index = index,
                            .w = {.out = out},
                            .error = error,
                            .deadline_us = deadline_us,
                            .before = out->len};
    struct search_result *result = &answer.result;
    struct buf aggs;

    *error = (struct query_error){0};
    buf_init(&aggs, MEM_JOB);
    buf_init(&answer.source, MEM_JOB);
    result->hits =
        mem_alloc(MEM_JOB, (request.most + 1) * sizeof(result->hits[0]));
    if (valued)
        result->values =
            mem_alloc(MEM_JOB, (request.most + 1) * search->sort->count *
                                   sizeof(result->values[0]));
    if (search->aggs)
        result->aggs = &aggs;
    bool fine = run(&answer, &request, began);
    mem_free(result->values);
    mem_free(result->hits);
    buf_deinit(&answer.source);
    buf_deinit(&aggs);
    if (!fine)
        out->len = answer.before;
    return fine;
}
