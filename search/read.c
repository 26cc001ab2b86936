/* read.c - documents by id: _doc, _source, _mget; current, whatever is indexed.
 */
#include "search/append.h"
#include "search/face_source.h"
#include "search/fetch.h"

struct reading {
    struct request *req;
    struct service *service;
    struct span name;
    struct fetch fetch;
    struct face_source source;
    struct span ids[1];
    bool source_only, again;
};

static void on_index(void *arg, int status, struct index *index);
static void on_fetched(void *arg);

static struct face_patterns patterns(struct request *req, const char *name)
{
    struct span text = request_query(req, name);
    struct span *at =
        arena_alloc(request_arena(req), (text.len + 1) * sizeof(struct span));
    size_t count = 0;

    if (text.len)
        while (span_cut(&text, ',', &at[count]))
            count++;
    return (struct face_patterns){at, count};
}

/* _source: true, false, or what is to be in it. */
static struct face_source source_of(struct request *req)
{
    struct span text = request_query(req, "_source");
    struct face_source source = {.not_in = patterns(req, "_source_excludes")};
    bool named = text.len && !span_eq(text, SPAN("true"));

    source.none = span_eq(text, SPAN("false"));
    source.in = patterns(req, named ? "_source" : "_source_includes");
    return source;
}

static void put_source(struct reading *reading, struct json_writer *w,
                       const struct fetched *found)
{
    struct buf text;

    buf_init(&text, MEM_REQUEST);
    face_source_put(&reading->source, found->source, &text);
    json_put_raw(w, buf_span(&text));
    buf_deinit(&text);
}

static void put_document(struct reading *reading, struct json_writer *w,
                         size_t i)
{
    const struct fetched *found = &reading->fetch.results[i];

    json_put_open(w, '{');
    json_put_key(w, "_index");
    json_put_string(w, span_str(reading->fetch.index->name));
    json_put_key(w, "_type");
    json_put_string(w, SPAN("_doc"));
    json_put_key(w, "_id");
    json_put_string(w, reading->fetch.ids[i]);
    if (found->found) {
        json_put_key(w, "_version");
        json_put_int(w, found->version);
        json_put_key(w, "_seq_no");
        json_put_int(w, found->seq);
        json_put_key(w, "_primary_term");
        json_put_int(w, 1);
    }
    json_put_key(w, "found");
    json_put_bool(w, found->found);
    if (found->found && !reading->source.none) {
        json_put_key(w, "_source");
        put_source(reading, w, found);
    }
    json_put_close(w, '}');
}

static struct reading *begin(struct request *req, struct service *service)
{
    static const char *const params[] = {
        "_source", "_source_includes", "_source_excludes", "realtime",
        "refresh", "preference",       "stored_fields",    NULL};
    struct reading *reading =
        arena_zalloc(request_arena(req), sizeof(*reading));

    reading->req = req;
    reading->service = service;
    reading->name = request_param(req, "index");
    reading->source = source_of(req);
    reading->fetch = (struct fetch){.service = service,
                                    .arena = request_arena(req),
                                    .cb = on_fetched,
                                    .arg = reading};
    if (!answer_takes(req, params) ||
        !answer_allows(req, "search:read", reading->name))
        return NULL;
    return reading;
}

static void read_one(struct request *req, struct service *service,
                     bool source_only)
{
    struct reading *reading = begin(req, service);

    if (!reading)
        return;
    reading->source_only = source_only;
    reading->ids[0] = request_param(req, "id");
    reading->fetch.ids = reading->ids;
    reading->fetch.count = 1;
    index_get(service->indexes, reading->name, on_index, reading);
}

void read_document(struct request *req, void *arg)
{
    read_one(req, arg, false);
}

void read_source(struct request *req, void *arg)
{
    read_one(req, arg, true);
}

static void on_index(void *arg, int status, struct index *index)
{
    struct reading *reading = arg;

    if (status < 0) {
        answer_fail(reading->req, status, reading->name);
        return;
    }
    reading->fetch.index = index;
    fetch_run(&reading->fetch);
}

static void put_several(struct reading *reading, struct json_writer *w)
{
    json_put_open(w, '{');
    json_put_key(w, "docs");
    json_put_open(w, '[');
    for (size_t i = 0; i < reading->fetch.count; i++)
        put_document(reading, w, i);
    json_put_close(w, ']');
    json_put_close(w, '}');
}

static void answer(struct reading *reading)
{
    struct request *req = reading->req;
    bool several = reading->fetch.ids != reading->ids;
    const struct fetched *first = &reading->fetch.results[0];
    int status = several || first->found ? 200 : 404;
    struct buf text;
    struct json_writer w = {.out = &text};

    if (reading->source_only && status == 404) {
        answer_error(
            req, &(struct answer_error){
                     404, "resource_not_found_exception",
                     arena_printf(request_arena(req),
                                  "Document not found [%.*s]/[_doc]/[%.*s]",
                                  (int)reading->name.len, reading->name.ptr,
                                  (int)reading->ids[0].len, reading->ids[0].ptr)
                         .ptr,
                     NULL});
        return;
    }
    buf_init(&text, MEM_REQUEST);
    if (several)
        put_several(reading, &w);
    else if (reading->source_only)
        put_source(reading, &w, first);
    else
        put_document(reading, &w, 0);
    answer_json(req, status, buf_span(&text));
    buf_deinit(&text);
}

/* An index that is gone may have been made again under its name. */
static void on_fetched(void *arg)
{
    struct reading *reading = arg;
    struct index *index = reading->fetch.index;

    if (reading->fetch.status == UV_ENOENT && !reading->again) {
        reading->again = true;
        indexes_changed(reading->service->indexes);
        index_get(reading->service->indexes, reading->name, on_index, reading);
    } else if (reading->fetch.status < 0) {
        answer_fail(reading->req, reading->fetch.status, reading->name);
    } else {
        answer(reading);
    }
    index_drop(index);
}

/* ---- _mget */

/* Of a document that _mget names: ptr NULL: it has none, or is not this one's
   to give. */
static struct span id_of(struct reading *reading, const json_t *node)
{
    json_t *object = (json_t *)(uintptr_t)node;
    const json_t *id = json_is_object(node) ? NULL : node;
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        if (strcmp(key, "_id") == 0)
            id = value;
        else if (strcmp(key, "_type") != 0 && strcmp(key, "routing") != 0 &&
                 (strcmp(key, "_index") != 0 ||
                  !span_eq(span_str(json_string_value(value)), reading->name)))
            return (struct span){NULL, 0};
    }
    return append_read_id(request_arena(reading->req), id);
}

/* {"ids": […]} or {"docs": [{"_id": …}, …]}; false: answered. */
static bool take_ids(struct reading *reading, const json_t *body)
{
    const json_t *docs = json_object_get(body, "docs");
    const json_t *list = docs ? docs : json_object_get(body, "ids");
    size_t count = json_array_size(list);

    if (count == 0 || count > FETCH_MAX || json_object_size(body) != 1) {
        answer_refuse(reading->req, "action_request_validation_exception",
                      "Validation Failed: 1: [docs] or [ids], of 1 to %d;",
                      FETCH_MAX);
        return false;
    }
    struct span *ids =
        arena_alloc(request_arena(reading->req), count * sizeof(struct span));
    for (size_t i = 0; i < count; i++) {
        ids[i] = id_of(reading, json_array_get(list, i));
        if (ids[i].ptr)
            continue;
        answer_refuse(reading->req, "illegal_argument_exception",
                      "of [%s], item [%zu] has no _id, is of another index, or "
                      "asks for more",
                      docs ? "docs" : "ids", i);
        return false;
    }
    reading->fetch.ids = ids;
    reading->fetch.count = count;
    return true;
}

void read_documents(struct request *req, void *arg)
{
    struct service *service = arg;
    struct reading *reading = begin(req, service);
    struct json_errors errors;
    json_t *body = NULL;

    if (!reading)
        return;
    json_errors_init(&errors);
    if (json_read(request_body(req), &body, &errors) < 0)
        answer_refuse(req, "parse_exception", "%s", errors.at[0].detail);
    else if (take_ids(reading, body))
        index_get(service->indexes, reading->name, on_index, reading);
    json_decref(body);
}
