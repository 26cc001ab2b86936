/* cat.c - what there is: _cat, _cluster/health, _segments, and the front. */
#include <stdio.h>

#include "common/clock.h"
#include "search/answer.h"
#include "search/assets.h"
#include "search/indexes.h"

#define COLUMNS 10

struct cat {
    struct request *req;
    void (*put)(struct cat *cat, struct buf *out);
    struct index **list;
    size_t count, broken; /* broken: how many of them */
    int status;
    struct span wrong; /* the index that there is no answer without */
};

static uint64_t size_of(const struct index *index)
{
    const struct opened *opened = &index->view->opened;
    uint64_t size = 0;

    for (size_t i = 0; i < opened->manifest.count; i++)
        size += segment_size(opened->segments[i]);
    return size;
}

static uint64_t all_docs(const struct index *index)
{
    const struct manifest *manifest = &index->view->opened.manifest;
    uint64_t docs = 0;

    for (size_t i = 0; i < manifest->count; i++)
        docs += manifest->segments[i].docs;
    return docs;
}

/* Into the list go those that the caller may read. */
static void take(struct cat *cat, struct index **list, size_t count)
{
    cat->list = list;
    for (size_t i = 0; i < count; i++)
        if (request_allows(cat->req, SPAN("search:read"),
                           span_str(list[i]->name))) {
            cat->broken += list[i]->broken;
            list[cat->count++] = list[i];
        } else {
            index_drop(list[i]);
        }
}

static void on_listed(void *arg, int status, struct index **list, size_t count)
{
    struct cat *cat = arg;
    struct request *req = cat->req;
    struct span name = request_param(req, "index");
    struct buf text;

    if (status == 0 && count == 0 && !names_is_pattern(name))
        status = UV_ENOENT;
    if (status < 0) {
        answer_fail(req, status, name);
        return;
    }
    take(cat, list, count);
    buf_init(&text, MEM_REQUEST);
    cat->put(cat, &text);
    for (size_t i = 0; i < cat->count; i++)
        index_drop(list[i]);
    if (cat->wrong.ptr)
        answer_fail(req, UV_EIO, cat->wrong);
    else if (text.len && text.ptr[0] != '{' && text.ptr[0] != '[')
        request_reply(req, cat->status, "text/plain; charset=UTF-8",
                      buf_span(&text));
    else
        answer_json(req, cat->status, buf_span(&text));
    buf_deinit(&text);
}

static void list(struct request *req, struct service *service,
                 void (*put)(struct cat *cat, struct buf *out))
{
    static const char *const params[] = {
        "format", "v",     "h",  "bytes", "s",      "expand_wildcards",
        "level",  "local", "ts", "time",  "health", "wait_for_status",
        NULL};
    struct cat *cat = arena_zalloc(request_arena(req), sizeof(*cat));

    cat->req = req;
    cat->put = put;
    cat->status = 200;
    if (!answer_takes(req, params) ||
        !answer_allows(req, "search:read", request_param(req, "index")))
        return;
    indexes_doubt(service->indexes);
    indexes_list(service->indexes, request_param(req, "index"), on_listed, cat);
}

/* ---- tables */

struct row {
    struct span names[COLUMNS], values[COLUMNS];
    size_t count;
};

static void put_row_json(struct json_writer *w, const struct row *row)
{
    json_put_open(w, '{');
    for (size_t i = 0; i < row->count; i++) {
        json_put_name(w, row->names[i]);
        json_put_string(w, row->values[i]);
    }
    json_put_close(w, '}');
}

/* Those of ?h=, in its order. */
static void choose(struct request *req, struct row *row)
{
    struct span wanted = request_query(req, "h");
    struct row chosen = {.count = 0};
    struct span name;

    if (!wanted.len)
        return;
    while (span_cut(&wanted, ',', &name))
        for (size_t i = 0; i < row->count && chosen.count < COLUMNS; i++)
            if (span_eq(row->names[i], span_trim(name))) {
                chosen.names[chosen.count] = row->names[i];
                chosen.values[chosen.count++] = row->values[i];
            }
    *row = chosen;
}

static void put_line(struct buf *out, const struct span *cells,
                     const size_t *widths, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%-*.*s%s", i + 1 < count ? (int)widths[i] : 0,
                   (int)cells[i].len, cells[i].ptr, i + 1 < count ? " " : "\n");
}

static void put_table(struct request *req, struct row *rows, size_t count,
                      struct buf *out)
{
    struct json_writer w = {.out = out};
    size_t widths[COLUMNS] = {0};
    bool json = span_eq(request_query(req, "format"), SPAN("json"));
    bool named = request_query(req, "v").ptr &&
                 !span_eq(request_query(req, "v"), SPAN("false"));

    if (json)
        json_put_open(&w, '[');
    for (size_t i = 0; i < count; i++) {
        choose(req, &rows[i]);
        if (json)
            put_row_json(&w, &rows[i]);
        for (size_t c = 0; c < rows[i].count; c++) {
            if (rows[i].values[c].len > widths[c])
                widths[c] = rows[i].values[c].len;
            if (named && rows[i].names[c].len > widths[c])
                widths[c] = rows[i].names[c].len;
        }
    }
    if (json) {
        json_put_close(&w, ']');
        return;
    }
    if (named && count)
        put_line(out, rows[0].names, widths, rows[0].count);
    for (size_t i = 0; i < count; i++)
        put_line(out, rows[i].values, widths, rows[i].count);
    if (out->len == 0)
        buf_append_char(out, '\n');
}

static void put_cell(struct row *row, const char *name, struct span value)
{
    row->names[row->count] = span_str(name);
    row->values[row->count++] = value;
}

/* 1.2kb, or bytes where ?bytes=b. */
static struct span size_text(struct request *req, uint64_t size)
{
    static const char *const units[] = {"b", "kb", "mb", "gb", "tb"};
    struct arena *arena = request_arena(req);
    double value = (double)size;
    size_t unit = 0;

    if (span_eq(request_query(req, "bytes"), SPAN("b")))
        return arena_printf(arena, "%llu", (unsigned long long)size);
    while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024;
        unit++;
    }
    return unit ? arena_printf(arena, "%.1f%s", value, units[unit])
                : arena_printf(arena, "%llub", (unsigned long long)size);
}

static void put_indices(struct cat *cat, struct buf *out)
{
    struct arena *arena = request_arena(cat->req);
    struct row *rows = arena_zalloc(arena, (cat->count + 1) * sizeof(rows[0]));

    for (size_t i = 0; i < cat->count; i++) {
        const struct index *index = cat->list[i];
        struct row *row = &rows[i];
        struct span docs = SPAN("");
        struct span deleted = SPAN("");
        struct span size = SPAN("");
        if (!index->broken) {
            uint64_t live = index->view->docs;
            docs = arena_printf(arena, "%llu", (unsigned long long)live);
            deleted = arena_printf(
                arena, "%llu", (unsigned long long)(all_docs(index) - live));
            size = size_text(cat->req, size_of(index));
        }
        put_cell(row, "health", index->broken ? SPAN("red") : SPAN("green"));
        put_cell(row, "status", SPAN("open"));
        put_cell(row, "index", arena_copy(arena, span_str(index->name)));
        put_cell(row, "uuid", arena_copy(arena, span_str(index->uuid)));
        put_cell(row, "pri", SPAN("1"));
        put_cell(row, "rep", SPAN("0"));
        put_cell(row, "docs.count", docs);
        put_cell(row, "docs.deleted", deleted);
        put_cell(row, "store.size", size);
        put_cell(row, "pri.store.size", size);
    }
    put_table(cat->req, rows, cat->count, out);
}

void cat_indices(struct request *req, void *arg)
{
    list(req, arg, put_indices);
}

static void put_counted(struct cat *cat, struct buf *out)
{
    struct arena *arena = request_arena(cat->req);
    struct row row = {.count = 0};
    uint64_t docs = 0;

    if (cat->broken) { /* too few would be no count */
        const struct index *broken = indexes_broken(cat->list, cat->count);
        cat->wrong = arena_copy(arena, span_str(broken->name));
        return;
    }
    for (size_t i = 0; i < cat->count; i++)
        docs += cat->list[i]->view->docs;
    put_cell(&row, "epoch",
             arena_printf(arena, "%lld", (long long)clock_wall_ms() / 1000));
    put_cell(&row, "count",
             arena_printf(arena, "%llu", (unsigned long long)docs));
    put_table(cat->req, &row, 1, out);
}

void cat_count(struct request *req, void *arg)
{
    list(req, arg, put_counted);
}

static const char *health_of(const struct cat *cat)
{
    return cat->broken ? "red" : "green";
}

static void put_cat_health(struct cat *cat, struct buf *out)
{
    struct arena *arena = request_arena(cat->req);
    struct span shards = arena_printf(arena, "%zu", cat->count - cat->broken);
    struct row row = {.count = 0};

    put_cell(&row, "epoch",
             arena_printf(arena, "%lld", (long long)clock_wall_ms() / 1000));
    put_cell(&row, "cluster", SPAN("search"));
    put_cell(&row, "status", span_str(health_of(cat)));
    put_cell(&row, "node.total", SPAN("1"));
    put_cell(&row, "node.data", SPAN("1"));
    put_cell(&row, "shards", shards);
    put_cell(&row, "pri", shards);
    put_cell(&row, "relo", SPAN("0"));
    put_cell(&row, "init", SPAN("0"));
    put_cell(&row, "unassign", arena_printf(arena, "%zu", cat->broken));
    put_table(cat->req, &row, 1, out);
}

void cat_health(struct request *req, void *arg)
{
    list(req, arg, put_cat_health);
}

/* Waiting would not mend an index: who wants a better state has waited. */
static void put_health(struct cat *cat, struct buf *out)
{
    struct span wanted = request_query(cat->req, "wait_for_status");
    bool late = cat->broken && wanted.len && !span_eq(wanted, SPAN("red"));
    size_t active = cat->count - cat->broken;

    if (late)
        cat->status = 408;
    buf_printf(out,
               "{\"cluster_name\":\"search\",\"status\":\"%s\","
               "\"timed_out\":%s,\"number_of_nodes\":1,"
               "\"number_of_data_nodes\":1,\"active_primary_shards\":%zu,"
               "\"active_shards\":%zu,\"relocating_shards\":0,"
               "\"initializing_shards\":0,\"unassigned_shards\":%zu,"
               "\"delayed_unassigned_shards\":0,"
               "\"number_of_pending_tasks\":0,"
               "\"number_of_in_flight_fetch\":0,"
               "\"task_max_waiting_in_queue_millis\":0,"
               "\"active_shards_percent_as_number\":%.1f}",
               health_of(cat), late ? "true" : "false", active, active,
               cat->broken,
               cat->count ? 100 * (double)active / (double)cat->count : 100);
}

void cluster_health(struct request *req, void *arg)
{
    list(req, arg, put_health);
}

/* ---- segments, for the page to draw */

static void put_segment(struct json_writer *w, const struct opened *opened,
                        size_t i)
{
    const struct live *live = &opened->lives[i];

    json_put_name(w, span_str(opened->manifest.segments[i].file));
    json_put_open(w, '{');
    json_put_key(w, "generation");
    json_put_int(w, (int64_t)opened->manifest.generation);
    json_put_key(w, "num_docs");
    json_put_int(w, live->count);
    json_put_key(w, "deleted_docs");
    json_put_int(w, live->docs - live->count);
    json_put_key(w, "size_in_bytes");
    json_put_int(w, (int64_t)segment_size(opened->segments[i]));
    json_put_key(w, "committed");
    json_put_bool(w, true);
    json_put_key(w, "search");
    json_put_bool(w, true);
    json_put_close(w, '}');
}

static void put_segments(struct json_writer *w, const struct index *index)
{
    const struct opened *opened = index->broken ? NULL : &index->view->opened;
    size_t count = opened ? opened->manifest.count : 0;

    json_put_name(w, span_str(index->name));
    if (!opened) {
        json_put_raw(w, SPAN("{\"shards\":{}}"));
        return;
    }
    json_put_raw(w, SPAN("{\"shards\":{\"0\":[{\"num_committed_segments\":"));
    buf_printf(w->out, "%zu,\"num_search_segments\":%zu,\"segments\":", count,
               count);
    w->comma = false;
    json_put_open(w, '{');
    for (size_t i = 0; i < count; i++)
        put_segment(w, opened, i);
    json_put_close(w, '}');
    buf_append(w->out, SPAN("}]}}"));
}

static void put_all_segments(struct cat *cat, struct buf *out)
{
    struct json_writer w = {.out = out};

    json_put_open(&w, '{');
    json_put_key(&w, "_shards");
    json_put_raw(&w, arena_printf(request_arena(cat->req),
                                  "{\"total\":%zu,\"successful\":%zu,"
                                  "\"failed\":%zu}",
                                  cat->count, cat->count - cat->broken,
                                  cat->broken));
    json_put_key(&w, "indices");
    json_put_open(&w, '{');
    for (size_t i = 0; i < cat->count; i++)
        put_segments(&w, cat->list[i]);
    json_put_close(&w, '}');
    json_put_close(&w, '}');
}

void read_segments(struct request *req, void *arg)
{
    list(req, arg, put_all_segments);
}

/* ---- the front, and what is not there */

void front(struct request *req, void *arg)
{
    const struct service *service = arg;

    if (request_prefers_html(req)) {
        web_reply_file(req, &asset_index_html);
        return;
    }
    answer_json(
        req, 200,
        arena_printf(
            request_arena(req),
            "{\"name\":\"%s\",\"cluster_name\":\"search\","
            "\"cluster_uuid\":\"search\",\"version\":{\"number\":\"7.17.0\","
            "\"build_flavor\":\"default\",\"build_type\":\"deb\","
            "\"build_hash\":\"unknown\",\"build_date\":"
            "\"2022-01-28T08:36:04.875279988Z\",\"build_snapshot\":false,"
            "\"lucene_version\":\"8.11.1\","
            "\"minimum_wire_compatibility_version\":\"6.8.0\","
            "\"minimum_index_compatibility_version\":\"6.0.0-beta1\"},"
            "\"tagline\":\"You Know, for Search\"}",
            app_node_id(service->app)));
}

void no_such_route(struct request *req, void *arg)
{
    struct span path = request_path(req);

    (void)arg;
    answer_refuse(req, "illegal_argument_exception",
                  "no handler found for uri [%.*s] and method [%s]",
                  (int)(path.len < 200 ? path.len : 200), path.ptr,
                  request_method_name(request_method(req)));
}
