/*
 * write.c - one document: _doc, _create, _update, and its deletion.
 *
 *   write_document() -- [index_get(), made where it is not there] on_index()
 *                    -- [append_run()] on_written() -- [refresh] -- answer
 *   update_document() reads first, and writes if nobody wrote meanwhile
 */
#include "common/query.h"
#include "search/append.h"
#include "search/fetch.h"
#include "search/manage.h"
#include "search/query/number.h"

#define UPDATE_TRIES 20

struct write {
    struct request *req;
    struct service *service;
    struct span name;
    struct append_op op;
    struct append append;
    struct fetch fetch;
    json_t *update; /* the body of _update */
    unsigned tries;
    bool made, noop, soon, waits;
    bool refreshed; /* because it was to be soon */
    bool told;      /* which state _update is of */
};

static void on_index(void *arg, int status, struct index *index);
static void on_made(void *arg, int status);
static void on_written(void *arg);
static void on_refreshed(void *arg, int status);
static void read_older(struct write *write);
static void on_older(void *arg);

static void end_write(struct write *write)
{
    index_drop(write->append.index);
    write->append.index = NULL;
    json_decref(write->update);
    write->update = NULL;
}

static void fail(struct write *write, int status)
{
    struct request *req = write->req;
    struct span name = write->name;

    end_write(write);
    answer_fail(req, status, name);
}

bool write_takes_refresh(struct request *req, bool *waits, bool *soon)
{
    struct span text = request_query(req, "refresh");

    *soon = text.ptr && (text.len == 0 || span_eq(text, SPAN("true")));
    *waits = *soon || span_eq(text, SPAN("wait_for"));
    if (!text.ptr || *waits || span_eq(text, SPAN("false")))
        return true;
    answer_refuse(req, "illegal_argument_exception",
                  "Unknown value for refresh: [%.*s].", (int)text.len,
                  text.ptr);
    return false;
}

void write_warn(struct request *req)
{
    request_add_header(req, "Warning",
                       SPAN("299 drawn-to-scale \"what was written is kept, "
                            "but no search finds it yet: no refresh came in "
                            "time\""));
}

static bool take_version(struct write *write)
{
    struct request *req = write->req;
    struct append_op *op = &write->op;

    if (!answer_number(req, "version", &op->own) ||
        !answer_number(req, "if_seq_no", &op->if_seq) ||
        !answer_number(req, "if_primary_term", &op->if_term))
        return false;
    const char *wrong =
        append_take_version(op, request_query(req, "version_type"));
    if (wrong)
        answer_refuse(req, "action_request_validation_exception", "%s", wrong);
    return !wrong;
}

static struct write *begin(struct request *req, struct service *service,
                           enum append_kind kind, bool has_id)
{
    static const char *const params[] = {
        "refresh",         "op_type",           "if_seq_no",
        "if_primary_term", "version",           "version_type",
        "require_alias",   "retry_on_conflict", NULL};
    struct write *write = arena_zalloc(request_arena(req), sizeof(*write));

    *write = (struct write){.req = req,
                            .service = service,
                            .name = request_param(req, "index"),
                            .op = {.kind = kind,
                                   .if_seq = APPEND_ANY,
                                   .if_term = APPEND_ANY,
                                   .own = APPEND_ANY}};
    write->op.source = span_trim(request_body(req));
    write->op.id =
        has_id ? request_param(req, "id") : append_make_id(request_arena(req));
    if (!answer_takes(req, params) ||
        !answer_allows(req, "search:write", write->name) ||
        !write_takes_refresh(req, &write->waits, &write->soon) ||
        !take_version(write))
        return NULL;
    write->append = (struct append){.service = service,
                                    .arena = request_arena(req),
                                    .ops = &write->op,
                                    .count = 1,
                                    .cb = on_written,
                                    .arg = write};
    return write;
}

static void look(struct write *write)
{
    index_get(write->service->indexes, write->name, on_index, write);
}

static void write_one(struct request *req, struct service *service,
                      enum append_kind kind, bool has_id)
{
    struct write *write = begin(req, service, kind, has_id);
    struct span op_type;

    if (!write)
        return;
    op_type = request_query(req, "op_type");
    if (kind != APPEND_DELETE && span_eq(op_type, SPAN("create"))) {
        write->op.kind = APPEND_CREATE;
    } else if (op_type.len && !span_eq(op_type, SPAN("index"))) {
        answer_refuse(req, "illegal_argument_exception",
                      "opType must be 'create' or 'index', found: [%.*s]",
                      (int)op_type.len, op_type.ptr);
        return;
    }
    if (kind != APPEND_DELETE && write->op.source.len == 0)
        answer_refuse(req, "action_request_validation_exception",
                      "Validation Failed: 1: source is missing;");
    else
        look(write);
}

/* Without an id in the path, too. */
void write_document(struct request *req, void *arg)
{
    write_one(req, arg, APPEND_INDEX, request_param(req, "id").len > 0);
}

void create_document(struct request *req, void *arg)
{
    write_one(req, arg, APPEND_CREATE, true);
}

void delete_document(struct request *req, void *arg)
{
    write_one(req, arg, APPEND_DELETE, true);
}

/* An index comes with its first document. */
static void make(struct write *write)
{
    const char *refused = names_refuse(write->name);

    if (refused) {
        end_write(write);
        answer_bad_name(write->req, write->name, refused);
        return;
    }
    write->made = true;
    index_make(write->service, write->req, write->name, on_made, write);
}

static void on_made(void *arg, int status)
{
    struct write *write = arg;

    if (status < 0 && status != UV_EEXIST)
        fail(write, status);
    else
        look(write);
}

static void on_index(void *arg, int status, struct index *index)
{
    struct write *write = arg;

    if (status == UV_ENOENT && !write->made &&
        write->op.kind != APPEND_DELETE && !write->update) {
        make(write);
        return;
    }
    if (status < 0) {
        fail(write, status);
        return;
    }
    write->append.index = index;
    if (write->update)
        read_older(write);
    else
        append_run(&write->append);
}

static void answer(struct write *write)
{
    struct request *req = write->req;
    struct buf text;
    struct json_writer w = {.out = &text};
    int status = write->noop ? 200 : append_status(&write->op);

    buf_init(&text, MEM_REQUEST);
    json_put_open(&w, '{');
    if (write->noop)
        append_put_noop(&w, &write->append, &write->op);
    else
        append_put(&w, &write->append, &write->op, write->refreshed);
    json_put_close(&w, '}');
    end_write(write);
    answer_json(req, status, buf_span(&text));
    buf_deinit(&text);
}

static void on_written(void *arg)
{
    struct write *write = arg;
    const struct append_op *op = &write->op;
    struct request *req = write->req;
    struct answer_error error;

    if (op->result == APPEND_CONFLICT && write->update && !write->told &&
        write->tries++ < UPDATE_TRIES) {
        read_older(write);
        return;
    }
    if (append_anew(&write->append)) {
        look(write);
        return;
    }
    if (append_failed(req, &write->append, op, &error)) {
        metrics_add(write->service->refused, 1);
        end_write(write);
        answer_error(req, &error);
        return;
    }
    metrics_add(write->service->written, 1);
    if (write->soon)
        index_hurry(write->append.index);
    if (write->waits)
        index_wait(write->append.index, write->append.position, req,
                   on_refreshed, write);
    else
        answer(write);
}

/* What was written stays so, whether it can be found yet or not. */
static void on_refreshed(void *arg, int status)
{
    struct write *write = arg;

    write->refreshed = write->soon && status == 0;
    if (status == UV_ETIMEDOUT)
        write_warn(write->req);
    answer(write);
}

/* ---- _update */

void update_document(struct request *req, void *arg)
{
    static const char *const members[] = {
        "doc", "upsert", "doc_as_upsert", "detect_noop", "_source", NULL};
    struct write *write = begin(req, arg, APPEND_INDEX, true);
    struct json_errors errors;
    const char *key;
    json_t *value;

    if (!write)
        return;
    write->told = write->op.if_seq != APPEND_ANY;
    json_errors_init(&errors);
    if (json_read(request_body(req), &write->update, &errors) < 0 ||
        !json_is_object(write->update)) {
        end_write(write);
        answer_refuse(req, "parse_exception", "%s",
                      errors.count ? errors.at[0].detail
                                   : "the body is no object");
        return;
    }
    json_object_foreach(write->update, key, value)
    {
        size_t i = 0;
        while (members[i] && strcmp(members[i], key) != 0)
            i++;
        if (members[i])
            continue;
        key = arena_printf(request_arena(req), "%.100s", key).ptr;
        end_write(write);
        answer_refuse(req, "x_content_parse_exception",
                      "[UpdateRequest] unknown field [%.100s]", key);
        return;
    }
    if (!json_is_object(json_object_get(write->update, "doc")) &&
        !json_is_object(json_object_get(write->update, "upsert"))) {
        end_write(write);
        answer_refuse(req, "action_request_validation_exception",
                      "Validation Failed: 1: script or doc is missing;");
        return;
    }
    look(write);
}

static void read_older(struct write *write)
{
    write->fetch = (struct fetch){.service = write->service,
                                  .index = write->append.index,
                                  .arena = request_arena(write->req),
                                  .ids = &write->op.id,
                                  .count = 1,
                                  .cb = on_older,
                                  .arg = write};
    fetch_run(&write->fetch);
}

/* Members of objects, one within the other; whether it is another now. */
static bool merge(json_t *into, json_t *from)
{
    bool changed = false;
    const char *key;
    json_t *value;

    json_object_foreach(from, key, value)
    {
        json_t *older = json_object_get(into, key);
        if (json_is_object(older) && json_is_object(value)) {
            changed |= merge(older, value);
        } else if (!older || !json_equal(older, value)) {
            json_object_set(into, key, value);
            changed = true;
        }
    }
    return changed;
}

/* Numbers as short as they are read again: 1.1 stays so. */
static void put_json(struct json_writer *w, json_t *node)
{
    const char *key;
    json_t *inner;
    size_t i;

    if (json_is_object(node)) {
        json_put_open(w, '{');
        json_object_foreach(node, key, inner)
        {
            json_put_name(w, span_str(key));
            put_json(w, inner);
        }
        json_put_close(w, '}');
    } else if (json_is_array(node)) {
        json_put_open(w, '[');
        json_array_foreach(node, i, inner)
        {
            put_json(w, inner);
        }
        json_put_close(w, ']');
    } else if (json_is_string(node)) {
        json_put_string(w, (struct span){json_string_value(node),
                                         json_string_length(node)});
    } else if (json_is_integer(node)) {
        json_put_int(w, json_integer_value(node));
    } else if (json_is_real(node)) {
        number_put_real(w, json_real_value(node));
    } else if (json_is_boolean(node)) {
        json_put_bool(w, json_is_true(node));
    } else {
        json_put_null(w);
    }
}

/* False: there is nothing to write. */
static bool make_source(struct write *write, const struct fetched *older)
{
    json_t *doc = json_object_get(write->update, "doc");
    json_t *upsert = json_object_get(write->update, "upsert");
    bool own = json_is_true(json_object_get(write->update, "doc_as_upsert"));
    struct json_errors errors;
    struct buf text;
    struct json_writer w = {.out = &text};
    json_t *made = NULL;
    bool changed = true;

    json_errors_init(&errors);
    if (!older->found)
        made = json_incref(own || !upsert ? doc : upsert);
    else if (json_read(older->source, &made, &errors) == 0)
        changed = merge(made, doc) ||
                  json_is_false(json_object_get(write->update, "detect_noop"));
    buf_init(&text, MEM_REQUEST);
    put_json(&w, made);
    write->op.source = arena_copy(request_arena(write->req), buf_span(&text));
    buf_deinit(&text);
    json_decref(made);
    return changed;
}

static void on_older(void *arg)
{
    struct write *write = arg;
    const struct fetched *older = &write->fetch.results[0];
    bool own = json_is_true(json_object_get(write->update, "doc_as_upsert"));
    bool upsert = own || json_object_get(write->update, "upsert");

    write->append.status = write->fetch.status;
    if (append_anew(&write->append)) {
        look(write);
        return;
    }
    if (write->fetch.status < 0) {
        fail(write, write->fetch.status);
        return;
    }
    if (!older->found && !upsert) {
        end_write(write);
        answer_error(write->req,
                     &(struct answer_error){
                         404, "document_missing_exception",
                         arena_printf(request_arena(write->req),
                                      "[_doc][%.*s]: document missing",
                                      (int)write->op.id.len, write->op.id.ptr)
                             .ptr,
                         NULL});
        return;
    }
    write->op.kind = older->found ? APPEND_INDEX : APPEND_CREATE;
    if (!write->told) {
        write->op.if_seq = older->found ? older->seq : APPEND_ANY;
        write->op.if_term = older->found ? 1 : APPEND_ANY;
    }
    write->noop = !make_source(write, older) &&
                  (!write->told ||
                   (write->op.if_seq == older->seq && write->op.if_term == 1));
    if (write->noop) {
        write->op.version = older->version;
        write->op.seq = older->seq;
        answer(write);
        return;
    }
    append_run(&write->append);
}
