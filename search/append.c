/*
 * append.c - see append.h.
 *
 * Failure modes: Redis does not answer (whether the part was written is not
 * known, the parts behind it are not tried), the index is deleted meanwhile,
 * its files are older than what Redis was told to forget.
 */
#include <openssl/rand.h>
#include <stdlib.h>

#include "common/base64.h"
#include "search/append.h"
#include "search/index/builder.h"
#include "search/scripts.h"

#define ARGS 7 /* of a write */
#define FIRST 9
#define TRIES 100
#define ID_BYTES 15
#define WHY 320

static void write_part(struct append *append);
static void on_written(void *arg, int status, const struct redisReply *reply);

/* ---- a part */

static void fail_rest(struct append *append, int status)
{
    for (size_t i = append->from; i < append->count; i++)
        if (append->ops[i].result == APPEND_WAITS) {
            append->ops[i].result = APPEND_FAILED;
            append->ops[i].status = status;
        }
    append->from = append->to = append->count;
    append->mapping = NULL;
    append->status = status;
}

static void choose_part(struct append *append)
{
    size_t bytes = 0;

    append->tries = 0;
    append->to = append->from;
    while (append->to < append->count &&
           append->to - append->from < APPEND_OPS && bytes < APPEND_BYTES)
        bytes += append->ops[append->to++].source.len;
}

void append_run(struct append *append)
{
    append->from = 0;
    choose_part(append);
    write_part(append);
}

bool append_anew(struct append *append)
{
    if (append->status != UV_ENOENT || append->position || append->anew)
        return false;
    for (size_t i = 0; i < append->count; i++)
        if (append->ops[i].result == APPEND_FAILED)
            append->ops[i].result = APPEND_WAITS;
    indexes_changed(append->service->indexes);
    index_drop(append->index);
    append->index = NULL;
    append->status = 0;
    append->anew = true;
    return true;
}

static void check(struct append *append, struct append_op *op)
{
    char why[WHY];

    if (op->result != APPEND_WAITS && !op->checked)
        return; /* the caller's */
    op->checked = true;
    op->result = APPEND_WAITS;
    op->reason = append_refuse_id(op->id);
    if (!op->reason && op->kind != APPEND_DELETE &&
        !builder_check(&append->schema, op->source, why, sizeof(why)))
        op->reason = arena_printf(append->arena, "%s", why).ptr;
    if (op->reason)
        op->result = APPEND_BAD;
}

static struct span number_text(struct arena *arena, int64_t number)
{
    return arena_printf(arena, "%lld", (long long)number);
}

static struct span *put_op(struct append *append, struct arena *arena,
                           const struct append_op *op, struct span *argv)
{
    static const struct span kinds[] = {{"i", 1}, {"c", 1}, {"d", 1}};
    struct view_place place;
    bool term = op->if_term == APPEND_ANY || op->if_term == 1;

    *argv++ = kinds[op->kind];
    *argv++ = op->id;
    *argv++ = op->kind == APPEND_DELETE ? SPAN("") : op->source;
    *argv++ = number_text(arena, (int64_t)append->schema.count);
    *argv++ = view_find(append->index->view, op->id, &place)
                  ? arena_printf(arena, "%lld:%lld", (long long)place.version,
                                 (long long)place.seq)
                  : SPAN("");
    *argv++ = op->if_seq == APPEND_ANY ? SPAN("")
              : term                   ? number_text(arena, op->if_seq)
                                       : SPAN("-2");
    *argv++ =
        op->own == APPEND_ANY
            ? SPAN("")
            : arena_printf(arena, "%s%lld", op->own_may_be_same ? "=" : "",
                           (long long)op->own);
    return argv;
}

static bool has_grown(const struct append *append)
{
    return append->schema.count > append->index->schema.count ||
           append->schema.dynamic != append->index->schema.dynamic;
}

/* Everything of it is copied by redis_eval(). */
static int send_part(struct append *append, struct arena *arena,
                     struct span *argv)
{
    const struct service_config *config = append->service->config;
    struct index *index = append->index;
    const struct view *view = index->view;
    struct span *at = argv;

    append->grew = has_grown(append);
    append->generation = view->opened.manifest.generation;
    append->mapping_version = index->mapping_version;
    *at++ = index->keys[INDEX_SHARD];
    *at++ = index->keys[INDEX_LOG];
    *at++ = index->keys[INDEX_RECENT];
    *at++ = number_text(arena, (int64_t)append->generation);
    *at++ = number_text(arena, (int64_t)view->position);
    *at++ = number_text(arena, (int64_t)index->mapping_version);
    *at++ = append->grew ? index_put_mapping(arena, &append->schema) : SPAN("");
    *at++ = number_text(arena, config->log_docs);
    *at++ = number_text(arena, config->log_bytes);
    for (size_t i = append->from; i < append->to; i++)
        if (append->ops[i].result == APPEND_WAITS)
            at = put_op(append, arena, &append->ops[i], at);
    if (opened_damage(&view->opened))
        return UV_EIO;
    app_crash_point(append->service->app, "append-checked");
    return redis_eval(append->service->redis, &script_append, 3,
                      &(struct redis_call){.key = index->keys[INDEX_SHARD],
                                           .argv = argv,
                                           .argc = (size_t)(at - argv),
                                           .timeout_ms = 10000,
                                           .cb = on_written,
                                           .arg = append});
}

/* Those that wait, from their beginning. */
static void write_part(struct append *append)
{
    struct arena arena;
    int err = append->tries++ < TRIES ? 0 : UV_EAGAIN;

    if (append->from == append->count && !append->mapping) {
        append->cb(append->arg);
        return;
    }
    arena_init(&arena, MEM_JOB, 0);
    schema_init(&append->schema);
    schema_follow(&append->schema, &append->index->schema);
    if (append->mapping &&
        !schema_merge(&append->schema, append->mapping, &append->errors))
        err = UV_EINVAL;
    for (size_t i = append->from; i < append->to; i++)
        check(append, &append->ops[i]);
    if (!err)
        err = send_part(
            append, &arena,
            arena_alloc(&arena, ((append->to - append->from) * ARGS + FIRST) *
                                    sizeof(struct span)));
    arena_deinit(&arena);
    if (!err)
        return;
    schema_deinit(&append->schema);
    fail_rest(append, err);
    append->cb(append->arg);
}

/* ---- what became of it */

static bool take_result(struct append *append, struct append_op *op,
                        const struct redisReply *reply)
{
    static const char letters[] = "?cudnxf";
    const char *letter = reply->type == REDIS_REPLY_STRING && reply->len > 4
                             ? strchr(letters, reply->str[0])
                             : NULL;
    char *rest;

    if (!letter)
        return false;
    op->result = (enum append_result)(letter - letters);
    op->version = strtoll(reply->str + 2, &rest, 10);
    op->seq = *rest ? strtoll(rest + 1, NULL, 10) : 0;
    if (op->result <= APPEND_NOT_FOUND &&
        append->position < (uint64_t)op->seq + 1)
        append->position = (uint64_t)op->seq + 1;
    return true;
}

static bool take_results(struct append *append, const struct redisReply *reply)
{
    size_t n = 1;

    for (size_t i = append->from; i < append->to; i++) {
        if (append->ops[i].result != APPEND_WAITS)
            continue;
        if (n == reply->elements ||
            !take_result(append, &append->ops[i], reply->element[n++]))
            return false;
    }
    return true;
}

/* The mapping that this part needed is the index's now. */
static void keep_schema(struct append *append)
{
    struct index *index = append->index;

    if (!append->grew)
        return;
    if (index->mapping_version == append->mapping_version) {
        schema_follow(&index->schema, &append->schema);
        index->mapping_version++;
        index_refresh_view(index);
    }
    index_tell_mapping(index);
}

/* Redis forgot what the manifest on the disk has: is it there? */
static int look_again(struct append *append)
{
    struct index *index = append->index;

    if (index->view->opened.manifest.generation == append->generation)
        index_refresh_view(index);
    return index->view->opened.manifest.generation > append->generation
               ? 0
               : UV_EIO;
}

static int take_reply(struct append *append, const struct redisReply *reply)
{
    const char *what = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0
                           ? reply->element[0]->str
                           : NULL;

    if (!what)
        return UV_EPROTO;
    if (strcmp(what, "gone") == 0)
        return UV_ENOENT;
    if (strcmp(what, "stale") == 0)
        return look_again(append);
    if (strcmp(what, "mapping") == 0) {
        bool taken =
            index_take_mapping(append->index, service_text(reply->element[1]),
                               service_text(reply->element[2]));
        return taken ? 0 : UV_EIO;
    }
    if (!take_results(append, reply))
        return UV_EPROTO;
    app_crash_point(append->service->app, "append-written");
    keep_schema(append);
    append->mapping = NULL;
    append->from = append->to;
    choose_part(append);
    return 0;
}

static void on_written(void *arg, int status, const struct redisReply *reply)
{
    struct append *append = arg;
    int err = status < 0 ? status : take_reply(append, reply);

    schema_deinit(&append->schema);
    if (err < 0)
        fail_rest(append, err);
    write_part(append);
}

/* ---- answers */

static void put_head(struct json_writer *w, const struct append *append,
                     const struct append_op *op, struct span result)
{
    json_put_key(w, "_index");
    json_put_string(w, span_str(append->index->name));
    json_put_key(w, "_type");
    json_put_string(w, SPAN("_doc"));
    json_put_key(w, "_id");
    json_put_string(w, op->id);
    json_put_key(w, "_version");
    json_put_int(w, op->version);
    json_put_key(w, "result");
    json_put_string(w, result);
}

static void put_place(struct json_writer *w, const struct append_op *op)
{
    json_put_key(w, "_seq_no");
    json_put_int(w, op->seq);
    json_put_key(w, "_primary_term");
    json_put_int(w, 1);
}

const char *append_take_version(struct append_op *op, struct span type)
{
    bool external = span_eq(type, SPAN("external"));

    op->own_may_be_same = span_eq(type, SPAN("external_gte"));
    external |= op->own_may_be_same;
    if (external != (op->own != APPEND_ANY) || (type.len && !external) ||
        op->own == 0)
        return "Validation Failed: 1: internal versioning can not be used for "
               "optimistic concurrency control. Please use `if_seq_no` and "
               "`if_primary_term` instead;";
    if (op->own > APPEND_VERSION_MAX)
        return "Validation Failed: 1: a version is at most 9007199254740992;";
    if ((op->if_seq == APPEND_ANY) != (op->if_term == APPEND_ANY))
        return "Validation Failed: 1: if_seq_no and if_primary_term go "
               "together;";
    return NULL;
}

const char *append_refuse_id(struct span id)
{
    if (id.len == 0)
        return "if _id is specified it must not be empty";
    if (id.len > IDS_LENGTH_MAX)
        return "id is too long, must be no longer than 512 bytes";
    if (memchr(id.ptr, '\0', id.len))
        return "id must not have a NUL";
    return span_is_utf8(id) ? NULL : "id must be UTF-8";
}

struct span append_read_id(struct arena *arena, const json_t *node)
{
    if (json_is_integer(node))
        return number_text(arena, json_integer_value(node));
    if (!json_is_string(node))
        return (struct span){NULL, 0};
    return arena_copy(arena, (struct span){json_string_value(node),
                                           json_string_length(node)});
}

struct span append_make_id(struct arena *arena)
{
    unsigned char bytes[ID_BYTES] = {0};
    char *text = arena_alloc(arena, BASE64_TEXT(ID_BYTES));

    RAND_bytes(bytes, sizeof(bytes));
    size_t len =
        base64_encode((struct span){(const char *)bytes, sizeof(bytes)}, text);
    return (struct span){text, len};
}

int append_status(const struct append_op *op)
{
    return op->result == APPEND_CREATED     ? 201
           : op->result == APPEND_NOT_FOUND ? 404
                                            : 200;
}

static const char *conflict_reason(struct arena *arena,
                                   const struct append_op *op)
{
    int len = (int)op->id.len;
    const char *id = op->id.ptr;

    if (op->kind == APPEND_CREATE)
        return arena_printf(arena,
                            "[%.*s]: version conflict, document already exists "
                            "(current version [%lld])",
                            len, id, (long long)op->version)
            .ptr;
    if (op->own != APPEND_ANY)
        return arena_printf(arena,
                            "[%.*s]: version conflict, current version [%lld] "
                            "is higher or equal to the one provided [%lld]",
                            len, id, (long long)op->version, (long long)op->own)
            .ptr;
    if (op->seq < 0)
        return arena_printf(arena,
                            "[%.*s]: version conflict, required seqNo [%lld], "
                            "primary term [%lld]. but no document was found",
                            len, id, (long long)op->if_seq,
                            (long long)op->if_term)
            .ptr;
    return arena_printf(arena,
                        "[%.*s]: version conflict, required seqNo [%lld], "
                        "primary term [%lld]. current document has seqNo "
                        "[%lld] and primary term [1]",
                        len, id, (long long)op->if_seq, (long long)op->if_term,
                        (long long)op->seq)
        .ptr;
}

/* It outlives the index. */
static const char *name_of(struct arena *arena, const struct append *append)
{
    return arena_printf(arena, "%s", append->index->name).ptr;
}

bool append_failed(struct request *req, const struct append *append,
                   const struct append_op *op, struct answer_error *error)
{
    struct arena *arena = request_arena(req);

    switch (op->result) {
    case APPEND_CONFLICT:
        *error = (struct answer_error){409, "version_conflict_engine_exception",
                                       conflict_reason(arena, op),
                                       name_of(arena, append)};
        return true;
    case APPEND_FULL:
        *error = (struct answer_error){
            429, "es_rejected_execution_exception",
            "the log is full: documents come faster than they are indexed",
            NULL};
        return true;
    case APPEND_BAD:
        *error = (struct answer_error){400, "mapper_parsing_exception",
                                       op->reason, NULL};
        return true;
    case APPEND_FAILED:
        *error = answer_of(req, op->status, span_str(append->index->name));
        return true;
    case APPEND_WAITS:
    case APPEND_CREATED:
    case APPEND_UPDATED:
    case APPEND_DELETED:
    case APPEND_NOT_FOUND:
        break;
    }
    return false;
}

void append_put_noop(struct json_writer *w, const struct append *append,
                     const struct append_op *op)
{
    put_head(w, append, op, SPAN("noop"));
    json_put_key(w, "_shards");
    json_put_raw(w, SPAN("{\"total\":0,\"successful\":0,\"failed\":0}"));
    put_place(w, op);
}

void append_put(struct json_writer *w, const struct append *append,
                const struct append_op *op, bool forced)
{
    static const char *const names[] = {
        [APPEND_CREATED] = "created",
        [APPEND_UPDATED] = "updated",
        [APPEND_DELETED] = "deleted",
        [APPEND_NOT_FOUND] = "not_found",
    };

    put_head(w, append, op, span_str(names[op->result]));
    if (forced) {
        json_put_key(w, "forced_refresh");
        json_put_bool(w, true);
    }
    json_put_key(w, "_shards");
    json_put_raw(w, SPAN("{\"total\":1,\"successful\":1,\"failed\":0}"));
    put_place(w, op);
}
