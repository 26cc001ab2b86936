/* face_source.c - see face_source.h. */
#include "search/face_source.h"
#include "common/json.h"
#include "search/query/query.h"

struct filter {
    const struct face_source *source;
    struct span in; /* what is left of the document */
    struct buf *out, path;
};

static bool filter_value(struct filter *filter, bool all);

bool face_patterns_match(const struct face_patterns *patterns, struct span path)
{
    for (size_t len = 1; len <= path.len; len++) {
        if (len < path.len && path.ptr[len] != '.')
            continue;
        for (size_t i = 0; i < patterns->count; i++)
            if (query_name_matches(patterns->at[i],
                                   (struct span){path.ptr, len}))
                return true;
    }
    return false;
}

/* ---- the document's text, which is sound */

static char peek(struct filter *filter)
{
    while (filter->in.len && strchr(" \t\r\n", filter->in.ptr[0]))
        filter->in = span_skip(filter->in, 1);
    return *(filter->in.len ? filter->in.ptr : "");
}

static bool take(struct filter *filter, char c)
{
    if (peek(filter) != c)
        return false;
    filter->in = span_skip(filter->in, 1);
    return true;
}

/* With its quotes. */
static struct span take_string(struct filter *filter)
{
    const char *from = filter->in.ptr;
    size_t len = 1;

    while (len < filter->in.len && from[len] != '"')
        len += from[len] == '\\' ? 2 : 1;
    filter->in = span_skip(filter->in, len + 1);
    return (struct span){from, (size_t)(filter->in.ptr - from)};
}

static struct span take_value(struct filter *filter)
{
    size_t depth = 0;

    peek(filter);
    const char *from = filter->in.ptr;

    do {
        char c = peek(filter);
        if (c == '"') {
            take_string(filter);
            continue;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        bool plain = !strchr("{}[],:", c);
        do
            filter->in = span_skip(filter->in, 1);
        while (plain && filter->in.len &&
               !strchr("{}[],: \t\r\n", filter->in.ptr[0]));
    } while (depth && filter->in.len);
    return (struct span){from, (size_t)(filter->in.ptr - from)};
}

/* ---- what is taken of it */

static void add_to_path(struct filter *filter, struct span quoted)
{
    struct span name = {quoted.ptr + 1, quoted.len < 2 ? 0 : quoted.len - 2};
    json_t *json = NULL;

    if (span_find(name, '\\') < name.len) {
        json = json_loadb(quoted.ptr, quoted.len, JSON_DECODE_ANY, NULL);
        name = (struct span){json_string_value(json), json_string_length(json)};
    }
    if (filter->path.len)
        buf_append_char(&filter->path, '.');
    buf_append(&filter->path, name);
    json_decref(json);
}

/* False: it is left out, and nothing was written. */
static bool filter_member(struct filter *filter, bool all, bool comma)
{
    const struct face_source *source = filter->source;
    size_t out = filter->out->len;
    size_t path = filter->path.len;
    bool kept = false;

    peek(filter);
    struct span quoted = take_string(filter);
    take(filter, ':');
    add_to_path(filter, quoted);
    struct span full = buf_span(&filter->path);
    if (face_patterns_match(&source->not_in, full)) {
        take_value(filter);
    } else {
        if (comma)
            buf_append_char(filter->out, ',');
        buf_append(filter->out, quoted);
        buf_append_char(filter->out, ':');
        kept =
            filter_value(filter, all || face_patterns_match(&source->in, full));
    }
    filter->path.len = path;
    if (!kept)
        filter->out->len = out;
    return kept;
}

/* Is any of it left? */
static bool filter_object(struct filter *filter, bool all)
{
    bool any = false;

    take(filter, '{');
    buf_append_char(filter->out, '{');
    while (filter->in.len && !take(filter, '}')) {
        any |= filter_member(filter, all, any);
        take(filter, ',');
    }
    buf_append_char(filter->out, '}');
    return any || all;
}

static bool filter_array(struct filter *filter, bool all)
{
    bool any = false;
    bool empty;

    take(filter, '[');
    buf_append_char(filter->out, '[');
    empty = peek(filter) == ']';
    while (filter->in.len && !take(filter, ']')) {
        size_t out = filter->out->len;
        bool is_object = peek(filter) == '{';
        if (any)
            buf_append_char(filter->out, ',');
        size_t from = filter->out->len;
        bool kept = filter_value(filter, all) &&
                    (!is_object || filter->out->len - from > 2);
        if (!kept)
            filter->out->len = out;
        any |= kept;
        take(filter, ',');
    }
    buf_append_char(filter->out, ']');
    return any || (all && empty);
}

static bool filter_value(struct filter *filter, bool all)
{
    char c = peek(filter);

    if ((all && filter->source->not_in.count == 0) || (c != '{' && c != '[')) {
        struct span value = take_value(filter);
        if (all)
            buf_append(filter->out, value);
        return all;
    }
    return c == '{' ? filter_object(filter, all) : filter_array(filter, all);
}

void face_source_put(const struct face_source *source, struct span document,
                     struct buf *out)
{
    struct filter filter = {.source = source, .in = document, .out = out};

    if (source->in.count + source->not_in.count == 0) {
        buf_append(out, document);
        return;
    }
    buf_init(&filter.path, MEM_JOB);
    filter_object(&filter, source->in.count == 0);
    buf_deinit(&filter.path);
}
