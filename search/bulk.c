/*
 * bulk.c - _bulk: many writes, in lines.
 *
 *   write_bulk() -- all lines are read --> run_next(): those of one index
 *                -- [index_get(), made where it is not there] [append_run()]
 *                -- the next index's … [refresh of each] -- answer
 *
 * Writes of one index keep their order.  An item that fails does not hold up
 * the others; a line that cannot be read refuses all before any is written.
 */
#include "common/clock.h"
#include "search/append.h"
#include "search/manage.h"

#define OPS_MAX 500000
#define INDEXES_OF_BULK_MAX 100
#define ILLEGAL "illegal_argument_exception"

enum action { INDEX, CREATE, DELETE, UPDATE, ACTIONS };

static const char *const action_names[ACTIONS] = {"index", "create", "delete",
                                                  "update"};

struct group {
    struct bulk *bulk; /* while it is refreshed */
    struct span name;
    struct append append;
    size_t room, at;      /* of ops; at: that was answered */
    int status;           /* there is no index */
    bool made, refreshed; /* refreshed: because it was to be soon */
};

struct bulk {
    struct request *req;
    struct service *service;
    struct span index; /* of the path */
    struct group *groups;
    size_t group_count, group_room, current, left;
    unsigned char *actions; /* of each item */
    unsigned char *of;      /* its group */
    size_t count, cap;
    uint64_t began_us;
    bool waits, soon, late; /* late: some cannot be found yet */
};

static void run_next(struct bulk *bulk);
static void on_index(void *arg, int status, struct index *index);
static void on_made(void *arg, int status);
static void on_written(void *arg);
static void on_refreshed(void *arg, int status);

/* ---- lines */

static bool refuse(struct bulk *bulk, const char *what, const char *which)
{
    answer_refuse(bulk->req, ILLEGAL, "Action/metadata line [%zu] %s [%.200s]",
                  bulk->count + 1, what, which);
    return false;
}

static struct group *group_of(struct bulk *bulk, struct span name)
{
    for (size_t i = 0; i < bulk->group_count; i++)
        if (span_eq(bulk->groups[i].name, name))
            return &bulk->groups[i];
    if (bulk->group_count == INDEXES_OF_BULK_MAX)
        return NULL;
    if (bulk->group_count == bulk->group_room) {
        bulk->group_room = bulk->group_room ? bulk->group_room * 2 : 1;
        bulk->groups = mem_realloc(MEM_JOB, bulk->groups,
                                   bulk->group_room * sizeof(bulk->groups[0]));
    }
    struct group *group = &bulk->groups[bulk->group_count++];
    *group = (struct group){.name = arena_copy(request_arena(bulk->req), name)};
    return group;
}

static void add(struct bulk *bulk, struct group *group, enum action action,
                const struct append_op *op)
{
    struct append *append = &group->append;

    if (append->count == group->room) {
        group->room = group->room ? group->room * 2 : 64;
        append->ops = mem_realloc(MEM_JOB, append->ops,
                                  group->room * sizeof(append->ops[0]));
    }
    if (bulk->count == bulk->cap) {
        bulk->cap = bulk->cap ? bulk->cap * 2 : 256;
        bulk->actions = mem_realloc(MEM_JOB, bulk->actions, bulk->cap);
        bulk->of = mem_realloc(MEM_JOB, bulk->of, bulk->cap);
    }
    bulk->actions[bulk->count] = (unsigned char)action;
    bulk->of[bulk->count++] = (unsigned char)(group - bulk->groups);
    append->ops[append->count++] = *op;
}

struct meta {
    struct span index, version_type;
    struct append_op op;
};

static bool take_number(const json_t *value, int64_t *number)
{
    *number = json_integer_value(value);
    return json_is_integer(value) && *number >= 0;
}

static bool take_member(struct bulk *bulk, struct meta *meta, const char *key,
                        const json_t *value)
{
    struct span text = {json_string_value(value), json_string_length(value)};
    bool fine = true;

    if (strcmp(key, "_index") == 0 && text.ptr)
        meta->index = text;
    else if (strcmp(key, "_id") == 0)
        fine = (meta->op.id = append_read_id(request_arena(bulk->req), value))
                   .ptr ||
               json_is_null(value);
    else if (strcmp(key, "if_seq_no") == 0)
        fine = take_number(value, &meta->op.if_seq);
    else if (strcmp(key, "if_primary_term") == 0)
        fine = take_number(value, &meta->op.if_term);
    else if (strcmp(key, "version") == 0)
        fine = take_number(value, &meta->op.own);
    else if (strcmp(key, "version_type") == 0)
        fine = (meta->version_type = text).ptr;
    else if (strcmp(key, "routing") != 0 && strcmp(key, "_type") != 0 &&
             strcmp(key, "require_alias") != 0 &&
             strcmp(key, "retry_on_conflict") != 0)
        return refuse(bulk, "contains an unknown parameter", key);
    return fine || refuse(bulk, "contains a value that is not taken of", key);
}

static int action_of(const char *name)
{
    for (int i = 0; i < ACTIONS; i++)
        if (strcmp(action_names[i], name) == 0)
            return i;
    return -1;
}

/* False: answered. */
static bool take_action(struct bulk *bulk, json_t *line, struct span *rest)
{
    void *iterator = json_object_iter(line);
    const char *name = iterator ? json_object_iter_key(iterator) : "";
    json_t *members = iterator ? json_object_iter_value(iterator) : NULL;
    int action = action_of(name);
    struct meta meta = {.index = bulk->index,
                        .op = {.kind = action == CREATE   ? APPEND_CREATE
                                       : action == DELETE ? APPEND_DELETE
                                                          : APPEND_INDEX,
                               .if_seq = APPEND_ANY,
                               .if_term = APPEND_ANY,
                               .own = APPEND_ANY}};
    struct append_op *op = &meta.op;
    const char *key;
    json_t *value;

    if (action < 0 || json_object_size(line) != 1)
        return refuse(bulk,
                      "is malformed, expected one of [create, delete, index, "
                      "update] but found",
                      name);
    json_object_foreach(members, key, value)
    {
        if (!take_member(bulk, &meta, key, value))
            return false;
    }
    if (meta.index.len == 0)
        return refuse(bulk, "names no index and the path does neither", name);
    if (action != DELETE && (!span_cut(rest, '\n', &op->source) ||
                             !(op->source = span_trim(op->source)).len))
        return refuse(bulk, "has no document behind it", name);
    if (!op->id.ptr && (action == DELETE || action == UPDATE))
        return refuse(bulk, "has no _id", name);
    const char *wrong = append_take_version(op, meta.version_type);
    if (wrong)
        return refuse(bulk, "is wrong:", wrong);
    struct group *group = group_of(bulk, meta.index);
    if (!group)
        return refuse(bulk, "is of one index too many", name);
    if (action == UPDATE) { /* needs what there is, which nobody reads here */
        op->result = APPEND_BAD;
        op->reason = "[update] is not done in a bulk: use _update";
    }
    if (!op->id.ptr)
        op->id = append_make_id(request_arena(bulk->req));
    add(bulk, group, (enum action)action, op);
    return true;
}

static bool read_lines(struct bulk *bulk)
{
    struct span rest = request_body(bulk->req);
    struct json_errors errors;
    struct span text;
    json_t *line;

    while (span_cut(&rest, '\n', &text)) {
        if (span_trim(text).len == 0 || span_eq(text, SPAN("\r")))
            continue;
        line = NULL;
        json_errors_init(&errors);
        bool fine = bulk->count < OPS_MAX;
        if (!fine)
            refuse(bulk, "is one too many", "");
        else if (json_read(text, &line, &errors) < 0 || !json_is_object(line))
            fine = refuse(bulk, "is malformed:",
                          errors.count ? errors.at[0].detail : "no object");
        else
            fine = take_action(bulk, line, &rest);
        json_decref(line);
        if (!fine)
            return false;
    }
    if (bulk->count)
        return true;
    answer_refuse(bulk->req, "parse_exception", "request body is required");
    return false;
}

/* ---- one index after the other */

static void free_bulk(struct bulk *bulk)
{
    for (size_t i = 0; i < bulk->group_count; i++) {
        index_drop(bulk->groups[i].append.index);
        mem_free(bulk->groups[i].append.ops);
    }
    mem_free(bulk->groups);
    mem_free(bulk->actions);
    mem_free(bulk->of);
    mem_free(bulk);
}

void write_bulk(struct request *req, void *arg)
{
    static const char *const params[] = {"refresh", "require_alias", "_source",
                                         "type", NULL};
    bool waits, soon, fine;
    struct bulk *bulk;

    if (!answer_takes(req, params) || !write_takes_refresh(req, &waits, &soon))
        return;
    bulk = mem_zalloc(MEM_JOB, sizeof(*bulk));
    *bulk = (struct bulk){.req = req,
                          .service = arg,
                          .index = request_param(req, "index"),
                          .began_us = clock_mono_us(),
                          .waits = waits,
                          .soon = soon};
    fine = read_lines(bulk);
    for (size_t i = 0; i < bulk->group_count && fine; i++)
        fine = answer_allows(req, "search:write", bulk->groups[i].name);
    if (fine)
        run_next(bulk);
    else
        free_bulk(bulk);
}

/* Was it not done?  error: why. */
static bool failed(const struct bulk *bulk, const struct group *group,
                   const struct append_op *op, struct answer_error *error)
{
    if (!group->status)
        return append_failed(bulk->req, &group->append, op, error);
    if (group->status == UV_EINVAL)
        *error = (struct answer_error){400, "invalid_index_name_exception",
                                       names_refuse(group->name), NULL};
    else
        *error = answer_of(bulk->req, group->status, group->name);
    return true;
}

static void put_item(struct bulk *bulk, struct json_writer *w, size_t i)
{
    struct group *group = &bulk->groups[bulk->of[i]];
    const struct append_op *op = &group->append.ops[group->at++];
    struct answer_error error;

    json_put_open(w, '{');
    json_put_key(w, action_names[bulk->actions[i]]);
    json_put_open(w, '{');
    if (!failed(bulk, group, op, &error)) {
        append_put(w, &group->append, op, group->refreshed);
        json_put_key(w, "status");
        json_put_int(w, append_status(op));
    } else {
        json_put_key(w, "_index");
        json_put_string(w, group->name);
        json_put_key(w, "_type");
        json_put_string(w, SPAN("_doc"));
        json_put_key(w, "_id");
        json_put_string(w, op->id);
        json_put_key(w, "status");
        json_put_int(w, error.status);
        json_put_key(w, "error");
        json_put_open(w, '{');
        json_put_key(w, "type");
        json_put_string(w, span_str(error.type));
        json_put_key(w, "reason");
        json_put_string(w, span_str(error.reason));
        json_put_close(w, '}');
    }
    json_put_close(w, '}');
    json_put_close(w, '}');
}

static bool has_errors(const struct bulk *bulk)
{
    bool some = false;

    for (size_t g = 0; g < bulk->group_count; g++) {
        const struct group *group = &bulk->groups[g];
        some |= group->status < 0;
        for (size_t i = 0; i < group->append.count; i++) {
            bool failed = group->status < 0 ||
                          group->append.ops[i].result > APPEND_NOT_FOUND;
            some |= failed;
            metrics_add(
                failed ? bulk->service->refused : bulk->service->written, 1);
        }
    }
    return some;
}

static void answer(struct bulk *bulk)
{
    struct request *req = bulk->req;
    struct buf text;
    struct json_writer w = {.out = &text};

    buf_init(&text, MEM_REQUEST);
    json_put_open(&w, '{');
    json_put_key(&w, "took");
    json_put_int(&w, (int64_t)(clock_mono_us() - bulk->began_us) / 1000);
    json_put_key(&w, "errors");
    json_put_bool(&w, has_errors(bulk));
    json_put_key(&w, "items");
    json_put_open(&w, '[');
    for (size_t i = 0; i < bulk->count; i++)
        put_item(bulk, &w, i);
    json_put_close(&w, ']');
    json_put_close(&w, '}');
    if (bulk->late)
        write_warn(req);
    free_bulk(bulk);
    answer_json(req, 200, buf_span(&text));
    buf_deinit(&text);
}

/* One of them; one more is counted until all have begun. */
static void end_refresh(struct bulk *bulk)
{
    if (--bulk->left == 0)
        answer(bulk);
}

static void refresh(struct bulk *bulk)
{
    bulk->left = bulk->group_count + 1;
    for (size_t i = 0; i < bulk->group_count; i++) {
        struct group *group = &bulk->groups[i];
        struct append *append = &group->append;
        group->bulk = bulk;
        if (append->index && bulk->soon)
            index_hurry(append->index);
        if (append->index)
            index_wait(append->index, append->position, bulk->req, on_refreshed,
                       group);
        else
            end_refresh(bulk);
    }
    end_refresh(bulk);
}

/* What was written stays so, whether it can be found yet or not. */
static void on_refreshed(void *arg, int status)
{
    struct group *group = arg;
    struct bulk *bulk = group->bulk;

    group->refreshed = bulk->soon && status == 0;
    bulk->late |= status == UV_ETIMEDOUT;
    end_refresh(bulk);
}

static void run_next(struct bulk *bulk)
{
    struct group *group = &bulk->groups[bulk->current];

    if (bulk->current == bulk->group_count) {
        if (bulk->waits)
            refresh(bulk);
        else
            answer(bulk);
    } else if (names_refuse(group->name)) {
        group->status = UV_EINVAL;
        bulk->current++;
        run_next(bulk);
    } else {
        index_get(bulk->service->indexes, group->name, on_index, bulk);
    }
}

static void on_made(void *arg, int status)
{
    struct bulk *bulk = arg;
    struct group *group = &bulk->groups[bulk->current];

    if (status == 0 || status == UV_EEXIST) {
        run_next(bulk);
        return;
    }
    group->status = status;
    bulk->current++;
    run_next(bulk);
}

static void on_index(void *arg, int status, struct index *index)
{
    struct bulk *bulk = arg;
    struct group *group = &bulk->groups[bulk->current];
    struct append append = group->append;

    if (status == UV_ENOENT && !group->made) {
        group->made = true;
        index_make(bulk->service, bulk->req, group->name, on_made, bulk);
        return;
    }
    if (status < 0) {
        group->status = status;
        bulk->current++;
        run_next(bulk);
        return;
    }
    group->append = (struct append){.service = bulk->service,
                                    .index = index,
                                    .arena = request_arena(bulk->req),
                                    .ops = append.ops,
                                    .count = append.count,
                                    .anew = append.anew,
                                    .cb = on_written,
                                    .arg = bulk};
    append_run(&group->append);
}

static void on_written(void *arg)
{
    struct bulk *bulk = arg;

    if (!append_anew(&bulk->groups[bulk->current].append))
        bulk->current++;
    run_next(bulk);
}
