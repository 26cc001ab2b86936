/*
 * manage.c - indexes: made, described, changed, deleted, refreshed.
 */
#include "search/manage.h"
#include "common/clock.h"
#include "search/append.h"

#define ILLEGAL "illegal_argument_exception"

struct job {
    struct request *req;
    struct service *service;
    struct span name;
    void (*put)(struct json_writer *w, const struct index *index);
    struct append append;
    json_t *body;
    struct index **list; /* that are being worked on */
    size_t count, left;
    int status;
    struct span wrong; /* the one of them that the status is of, if it is one */
};

static struct job *begin(struct request *req, struct service *service,
                         const char *scope)
{
    static const char *const params[] = {"include_type_name",
                                         "ignore_unavailable",
                                         "allow_no_indices",
                                         "expand_wildcards",
                                         "flat_settings",
                                         "include_defaults",
                                         "local",
                                         "force",
                                         "wait_if_ongoing",
                                         "write_index_only",
                                         NULL};
    struct job *job = arena_zalloc(request_arena(req), sizeof(*job));

    job->req = req;
    job->service = service;
    job->name = request_param(req, "index");
    if (!answer_takes(req, params) || !answer_allows(req, scope, job->name))
        return NULL;
    indexes_doubt(service->indexes);
    return job;
}

static void fail(struct job *job, int status)
{
    json_decref(job->body);
    answer_fail(job->req, status, job->wrong.ptr ? job->wrong : job->name);
}

/* ---- making */

void answer_bad_name(struct request *req, struct span name, const char *why)
{
    answer_refuse(req, "invalid_index_name_exception",
                  "Invalid index name [%.*s], %s", (int)name.len, name.ptr,
                  why);
}

/* What names.lua keeps of an index made now: settings, a JSON object of
   strings, or NULL. */
static struct span about_now(struct arena *arena, const json_t *settings)
{
    char *text = settings ? json_dumps(settings, JSON_COMPACT) : NULL;
    struct span about =
        arena_printf(arena, "{\"creation_date\":\"%lld\",\"settings\":%s}",
                     (long long)clock_wall_ms(), text ? text : "{}");

    mem_free(text);
    return about;
}

void index_make(struct service *service, struct request *req, struct span name,
                void (*cb)(void *arg, int status), void *arg)
{
    struct schema schema;

    index_schema_init(&schema);
    index_create(
        service->indexes,
        &(struct index_plan){.name = name,
                             .about = about_now(request_arena(req), NULL),
                             .schema = &schema},
        cb, arg);
    schema_deinit(&schema);
}

static bool take_mapping(struct request *req, const json_t *mapping,
                         struct schema *schema)
{
    struct json_errors errors;
    const char *key;
    json_t *value;

    json_errors_init(&errors);
    if (!json_is_object(mapping))
        json_errors_add(&errors, "", "[mappings] is no object");
    json_object_foreach((json_t *)(uintptr_t)mapping, key, value)
    {
        if (strcmp(key, "properties") != 0 && strcmp(key, "dynamic") != 0)
            json_errors_add(&errors, "", "unsupported parameters: [%s]", key);
    }
    if (errors.count == 0 &&
        (!schema || schema_merge(schema, mapping, &errors)))
        return true;
    answer_refuse(req, "mapper_parsing_exception",
                  "Failed to parse mapping [_doc]: %s", errors.at[0].detail);
    return false;
}

static json_t *read_body(struct request *req)
{
    struct json_errors errors;
    json_t *body = NULL;

    if (request_body(req).len == 0)
        return json_object();
    json_errors_init(&errors);
    if (json_read(request_body(req), &body, &errors) == 0 &&
        json_is_object(body))
        return body;
    answer_refuse(req, "parse_exception", "%s",
                  errors.count ? errors.at[0].detail : "the body is no object");
    json_decref(body);
    return NULL;
}

static void on_made(void *arg, int status)
{
    struct job *job = arg;

    if (status < 0) {
        fail(job, status);
        return;
    }
    json_decref(job->body);
    struct buf text;
    struct json_writer w = {.out = &text};
    buf_init(&text, MEM_REQUEST);
    json_put_open(&w, '{');
    json_put_key(&w, "acknowledged");
    json_put_bool(&w, true);
    json_put_key(&w, "shards_acknowledged");
    json_put_bool(&w, true);
    json_put_key(&w, "index");
    json_put_string(&w, job->name);
    json_put_close(&w, '}');
    answer_json(job->req, 200, buf_span(&text));
    buf_deinit(&text);
}

/* Everything that a new index is told; false: answered. */
static bool take_plan(struct job *job, json_t *settings, struct schema *schema)
{
    struct request *req = job->req;
    const char *key;
    json_t *value;

    json_object_foreach(job->body, key, value)
    {
        bool is_settings = strcmp(key, "settings") == 0;
        bool is_mappings = strcmp(key, "mappings") == 0;
        if (!is_settings && !is_mappings &&
            !(strcmp(key, "aliases") == 0 && json_is_object(value) &&
              json_object_size(value) == 0)) {
            answer_refuse(req, "parse_exception",
                          "unknown key [%.100s] for create index", key);
            return false;
        }
        if (is_settings && !settings_take(req, job->service, value, settings))
            return false;
        if (is_mappings && !take_mapping(req, value, schema))
            return false;
    }
    return true;
}

void make_index(struct request *req, void *arg)
{
    struct job *job = begin(req, arg, "search:write");
    const char *wrong = job ? names_refuse(job->name) : NULL;
    struct schema schema;
    json_t *body;
    json_t *settings;

    if (!job)
        return;
    if (wrong) {
        answer_bad_name(req, job->name, wrong);
        return;
    }
    body = job->body = read_body(req);
    if (!body)
        return;
    settings = json_object();
    index_schema_init(&schema);
    if (take_plan(job, settings, &schema))
        index_create(job->service->indexes,
                     &(struct index_plan){
                         .name = job->name,
                         .about = about_now(request_arena(req), settings),
                         .schema = &schema},
                     on_made, job);
    else
        json_decref(body);
    json_decref(settings);
    schema_deinit(&schema);
}

/* ---- those that a name or a pattern stands for */

/* Answers where it stands for none, or for one that the caller may not use. */
static bool found(struct job *job, int status, struct index **list,
                  size_t count)
{
    bool none = count == 0 && !names_is_pattern(job->name);
    bool fine = status == 0 && !none;

    if (!fine)
        fail(job, status < 0 ? status : UV_ENOENT);
    for (size_t i = 0; i < count && !fine; i++)
        index_drop(list[i]);
    return fine;
}

static void on_described(void *arg, int status, struct index **list,
                         size_t count)
{
    struct job *job = arg;
    struct buf text;
    struct json_writer w = {.out = &text};

    if (!found(job, status, list, count))
        return;
    buf_init(&text, MEM_REQUEST);
    json_put_open(&w, '{');
    for (size_t i = 0; i < count; i++) {
        if (request_allows(job->req, SPAN("search:read"),
                           span_str(list[i]->name))) {
            json_put_name(&w, span_str(list[i]->name));
            json_put_open(&w, '{');
            job->put(&w, list[i]);
            json_put_close(&w, '}');
        }
        index_drop(list[i]);
    }
    json_put_close(&w, '}');
    answer_json(job->req, 200, buf_span(&text));
    buf_deinit(&text);
}

static void describe(struct request *req, struct service *service,
                     void (*put)(struct json_writer *w,
                                 const struct index *index))
{
    struct job *job = begin(req, service, "search:read");

    if (!job)
        return;
    job->put = put;
    indexes_list(service->indexes, job->name, on_described, job);
}

static void put_mappings(struct json_writer *w, const struct index *index)
{
    json_put_key(w, "mappings");
    schema_put(&index->schema, w);
}

static void put_settings(struct json_writer *w, const struct index *index)
{
    struct json_errors errors;
    json_t *about = NULL;
    const char *key;
    json_t *value;

    json_errors_init(&errors);
    json_read(index->about, &about, &errors);
    json_t *settings = json_object_get(about, "settings");
    json_put_key(w, "settings");
    json_put_open(w, '{');
    json_put_key(w, "index");
    json_put_open(w, '{');
    json_object_foreach(settings, key, value)
    {
        json_put_name(w, span_str(key));
        json_put_string(w, span_str(json_string_value(value)));
    }
    if (!json_object_get(settings, "number_of_shards")) {
        json_put_key(w, "number_of_shards");
        json_put_string(w, SPAN("1"));
    }
    if (!json_object_get(settings, "number_of_replicas")) {
        json_put_key(w, "number_of_replicas");
        json_put_string(w, SPAN("0"));
    }
    json_put_key(w, "creation_date");
    json_put_string(w, span_str(json_string_value(
                           json_object_get(about, "creation_date"))));
    json_put_key(w, "provided_name");
    json_put_string(w, span_str(index->name));
    json_put_key(w, "uuid");
    json_put_string(w, span_str(index->uuid));
    json_put_key(w, "version");
    json_put_raw(w, SPAN("{\"created\":\"7170099\"}"));
    json_put_close(w, '}');
    json_put_close(w, '}');
    json_decref(about);
}

static void put_all(struct json_writer *w, const struct index *index)
{
    json_put_key(w, "aliases");
    json_put_raw(w, SPAN("{}"));
    put_mappings(w, index);
    put_settings(w, index);
}

void read_index(struct request *req, void *arg)
{
    describe(req, arg, put_all);
}

void read_mapping(struct request *req, void *arg)
{
    describe(req, arg, put_mappings);
}

void read_settings(struct request *req, void *arg)
{
    describe(req, arg, put_settings);
}

/* ---- changing a mapping */

static void on_changed(void *arg)
{
    struct job *job = arg;
    int status = job->append.status;

    index_drop(job->append.index);
    json_decref(job->body);
    if (status == 0)
        answer_acknowledged(job->req, SPAN(""));
    else if (status == UV_EINVAL)
        answer_refuse(job->req, ILLEGAL, "%s", job->append.errors.at[0].detail);
    else
        answer_fail(job->req, status, job->name);
}

static void on_index_to_change(void *arg, int status, struct index *index)
{
    struct job *job = arg;

    if (status < 0) {
        fail(job, status);
        return;
    }
    job->append = (struct append){.service = job->service,
                                  .index = index,
                                  .arena = request_arena(job->req),
                                  .mapping = job->body,
                                  .cb = on_changed,
                                  .arg = job};
    append_run(&job->append);
}

void change_mapping(struct request *req, void *arg)
{
    struct job *job = begin(req, arg, "search:write");
    json_t *body = job ? read_body(req) : NULL;

    if (!body)
        return;
    job->body = body;
    if (take_mapping(req, body, NULL))
        index_get(job->service->indexes, job->name, on_index_to_change, job);
    else
        json_decref(body);
}

/* ---- each of several */

static void each_done(void *arg, int status)
{
    struct job *job = arg;

    if (status < 0 && status != UV_ENOENT && job->status == 0)
        job->status = status;
    if (--job->left > 0)
        return;
    for (size_t i = 0; i < job->count; i++)
        index_drop(job->list[i]);
    if (job->status < 0)
        fail(job, job->status);
    else if (request_method(job->req) == REQUEST_DELETE)
        answer_acknowledged(job->req, SPAN(""));
    else
        answer_json(
            job->req, 200,
            SPAN("{\"_shards\":{\"total\":1,\"successful\":1,\"skipped\":0,"
                 "\"failed\":0}}"));
}

/* One more is counted until all have begun. */
static bool begin_each(struct job *job, int status, struct index **list,
                       size_t count)
{
    if (status == 0)
        status = indexes_allow(job->req, "search:write", list, count);
    if (!found(job, status, list, count))
        return false;
    job->list = arena_alloc(request_arena(job->req),
                            (count + 1) * sizeof(struct index *));
    memcpy(job->list, list, count * sizeof(struct index *));
    job->count = count;
    job->left = count + 1;
    return true;
}

static void on_to_delete(void *arg, int status, struct index **list,
                         size_t count)
{
    struct job *job = arg;

    if (!begin_each(job, status, list, count))
        return;
    for (size_t i = 0; i < count; i++)
        index_delete(job->list[i], each_done, job);
    each_done(job, 0);
}

/* Of several names, but not of patterns, as Elasticsearch since 8. */
void drop_index(struct request *req, void *arg)
{
    struct job *job = begin(req, arg, "search:write");

    if (!job)
        return;
    if (span_find(job->name, '*') < job->name.len ||
        span_eq(job->name, SPAN("_all")))
        answer_refuse(req, ILLEGAL,
                      "Wildcard expressions or all indices are not allowed");
    else
        indexes_list(job->service->indexes, job->name, on_to_delete, job);
}

/* ---- _refresh */

struct refresh {
    struct job *job;
    struct index *index;
};

static void on_refreshed(void *arg, int status)
{
    struct refresh *refresh = arg;
    struct job *job = refresh->job;

    if (status == UV_EIO && !job->wrong.ptr && job->status == 0)
        job->wrong =
            arena_copy(request_arena(job->req), span_str(refresh->index->name));
    each_done(job, status);
}

static void on_position(void *arg, int status, const struct redisReply *reply)
{
    struct refresh *refresh = arg;
    uint64_t position = 0;

    if (status == 0 && reply->type == REDIS_REPLY_STRING &&
        span_to_u64(service_text(reply), INT64_MAX, &position)) {
        index_hurry(refresh->index);
        index_wait(refresh->index, position, refresh->job->req, on_refreshed,
                   refresh);
    } else {
        on_refreshed(refresh, status < 0 ? status : UV_ENOENT);
    }
}

static void on_to_refresh(void *arg, int status, struct index **list,
                          size_t count)
{
    struct job *job = arg;

    if (!begin_each(job, status, list, count))
        return;
    for (size_t i = 0; i < count; i++) {
        struct refresh *refresh =
            arena_alloc(request_arena(job->req), sizeof(*refresh));
        *refresh = (struct refresh){job, job->list[i]};
        if (job->list[i]->broken) {
            on_refreshed(refresh, UV_EIO);
            continue;
        }
        struct span argv[] = {SPAN("HGET"), job->list[i]->keys[INDEX_SHARD],
                              SPAN("seq")};
        int err = redis_send(
            job->service->redis,
            &(struct redis_call){.key = job->list[i]->keys[INDEX_SHARD],
                                 .argv = argv,
                                 .argc = 3,
                                 .repeatable = true,
                                 .cb = on_position,
                                 .arg = refresh});
        if (err < 0)
            each_done(job, err);
    }
    each_done(job, 0);
}

void refresh_index(struct request *req, void *arg)
{
    struct job *job = begin(req, arg, "search:write");

    if (job)
        indexes_list(job->service->indexes, job->name, on_to_refresh, job);
}
