/* face_suggest.c - see face_suggest.h. */
#include "search/face_analyze.h"
#include "search/face_internal.h"
#include "search/query/number.h"

#define PARSING "parsing_exception"
#define NAME_MOST 256 /* bytes */

enum { TERM = 1 << FACE_TERM, PHRASE = 1 << FACE_PHRASE };
enum { COMPLETION = 1 << FACE_COMPLETION, ANY = 7 };

struct member {
    const char *name;
    unsigned kinds;
    /* NULL: the answer is the same whatever it is */
    bool (*read)(struct query_builder *builder, struct face_suggest *out,
                 const json_t *node);
};

static struct span text_of(const json_t *node)
{
    return (struct span){json_string_value(node), json_string_length(node)};
}

static bool read_text(struct query_builder *builder, struct span *out,
                      const json_t *node)
{
    bool good =
        json_is_string(node) && json_string_length(node) <= QUERY_TEXT_MAX;

    if (good)
        *out = arena_copy(builder->arena, text_of(node));
    return good;
}

static bool read_number(size_t *out, const json_t *node, json_int_t most)
{
    json_int_t value = json_integer_value(node);

    *out = (size_t)value;
    return json_is_integer(node) && value >= 0 && value <= most;
}

/* ---- members */

static bool read_field(struct query_builder *builder, struct face_suggest *out,
                       const json_t *node)
{
    bool good = read_text(builder, &out->words.field, node);

    out->complete.field = out->words.field;
    return good;
}

static bool read_size(struct query_builder *builder, struct face_suggest *out,
                      const json_t *node)
{
    (void)builder;
    return out->kind == FACE_COMPLETION
               ? read_number(&out->complete.most, node, COMPLETE_MOST)
               : read_number(&out->words.most, node, SUGGEST_MOST);
}

static bool read_mode(struct query_builder *builder, struct face_suggest *out,
                      const json_t *node)
{
    struct span mode = text_of(node);

    (void)builder;
    out->words.always = span_eq(mode, SPAN("always"));
    return out->words.always || span_eq(mode, SPAN("missing")) ||
           span_eq(mode, SPAN("popular"));
}

static bool read_edits(struct query_builder *builder, struct face_suggest *out,
                       const json_t *node)
{
    size_t edits;
    bool good = read_number(&edits, node, 2) && edits > 0;

    (void)builder;
    if (good)
        out->words.max_edits = (unsigned)edits;
    return good;
}

static bool read_prefix_length(struct query_builder *builder,
                               struct face_suggest *out, const json_t *node)
{
    (void)builder;
    return read_number(&out->words.prefix_length, node, NAME_MOST);
}

static bool read_word_length(struct query_builder *builder,
                             struct face_suggest *out, const json_t *node)
{
    (void)builder;
    return read_number(&out->words.min_word_length, node, NAME_MOST);
}

static bool read_fuzzy(struct query_builder *builder, struct face_suggest *out,
                       const json_t *node)
{
    (void)builder;
    out->complete.fuzzy = json_is_true(node) ||
                          (json_is_object(node) && json_object_size(node) == 0);
    return out->complete.fuzzy || json_is_false(node);
}

static bool read_weight(struct query_builder *builder, struct face_suggest *out,
                        const json_t *node)
{
    return read_text(builder, &out->complete.weight, node);
}

static const struct member members[] = {
    {"field", ANY, read_field},
    {"size", ANY, read_size},
    {"skip_duplicates", COMPLETION, NULL},
    {"fuzzy", COMPLETION, read_fuzzy},
    {"weight_field", COMPLETION, read_weight},
    {"suggest_mode", TERM, read_mode},
    {"max_edits", TERM, read_edits},
    {"prefix_length", TERM, read_prefix_length},
    {"min_word_length", TERM, read_word_length},
    {"sort", TERM, NULL},
};

static void read_member(struct query_builder *builder, const char *key,
                        const json_t *node, struct face_suggest *out)
{
    const size_t count = sizeof(members) / sizeof(members[0]);
    size_t i = 0;

    while (i < count && (strcmp(members[i].name, key) != 0 ||
                         !(members[i].kinds & 1U << out->kind)))
        i++;
    if (i == count)
        query_fail(builder, PARSING, "[suggest] does not support [%.64s]", key);
    else if (members[i].read && !members[i].read(builder, out, node))
        query_fail(builder, PARSING, "[suggest] failed to parse field [%.64s]",
                   key);
}

/* ---- one of them */

static bool kind_of(const char *key, struct face_suggest *out)
{
    static const char *const names[] = {
        [FACE_TERM] = "term",
        [FACE_PHRASE] = "phrase",
        [FACE_COMPLETION] = "completion",
    };

    for (enum face_suggest_kind i = 0; i <= FACE_COMPLETION; i++)
        if (strcmp(key, names[i]) == 0) {
            out->kind = i;
            return true;
        }
    return false;
}

static void read_kind(struct query_builder *builder, const json_t *node,
                      struct face_suggest *out)
{
    json_t *object = (json_t *)(uintptr_t)node;
    const char *key;
    json_t *value;

    if (!json_object_get(node, "field"))
        query_fail(builder, PARSING,
                   "[suggest] the required field option "
                   "[field] is missing");
    json_object_foreach(object, key, value)
        read_member(builder, key, value, out);
}

static void read_suggest(struct query_builder *builder, const json_t *node,
                         struct face_suggest *out)
{
    json_t *object = (json_t *)(uintptr_t)node;
    bool has_kind = false;
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        bool is_text = strcmp(key, "text") == 0 || strcmp(key, "prefix") == 0;
        if (is_text && !read_text(builder, &out->words.text, value))
            query_fail(builder, PARSING, "[suggest] failed to parse [%s]", key);
        else if (!is_text && !kind_of(key, out))
            query_fail(builder, PARSING, "[suggest] does not support [%.64s]",
                       key);
        else if (!is_text)
            read_kind(builder, value, out);
        has_kind |= !is_text;
    }
    out->complete.prefix = out->words.text;
    if (!has_kind || !out->words.text.ptr)
        query_fail(builder, PARSING,
                   "[suggest] needs [text], and [term], [phrase] or "
                   "[completion]");
}

struct face_suggest *face_suggest_read(struct query_builder *builder,
                                       const json_t *node)
{
    json_t *object = (json_t *)(uintptr_t)node;
    struct face_suggest *first = NULL;
    struct face_suggest **next = &first;
    struct span text = {0};
    const char *key;
    json_t *value;

    if (!json_is_object(node) || json_object_size(node) > FACE_SUGGESTS_MAX)
        query_fail(builder, PARSING,
                   "[suggest] must be an object of at most %d members",
                   FACE_SUGGESTS_MAX);
    if (json_object_get(node, "text") &&
        !read_text(builder, &text, json_object_get(node, "text")))
        query_fail(builder, PARSING, "[suggest] failed to parse [text]");
    json_object_foreach(object, key, value)
    {
        if (query_failed(builder) || strcmp(key, "text") == 0)
            continue;
        struct face_suggest *each = arena_zalloc(builder->arena, sizeof(*each));
        each->name = arena_copy(builder->arena, span_str(key));
        each->words = suggest_defaults;
        each->words.text = text;
        each->complete.most = 5;
        each->complete.fold = true;
        read_suggest(builder, value, each);
        *next = each;
        next = &each->next;
    }
    return first;
}

/* ---- the answer */

/* Up to its options, which the caller closes. */
static void open_entry(struct json_writer *w, struct span whole, size_t start,
                       size_t end)
{
    struct span text = {whole.ptr + start, end - start};

    json_put_open(w, '{');
    face_put_text(w, "text", text);
    json_put_key(w, "offset");
    json_put_int(w,
                 (int64_t)face_utf16_length((struct span){whole.ptr, start}));
    json_put_key(w, "length");
    json_put_int(w, (int64_t)face_utf16_length(text));
    json_put_key(w, "options");
    json_put_open(w, '[');
}

static void close_entry(struct json_writer *w)
{
    json_put_close(w, ']');
    json_put_close(w, '}');
}

static void put_word(const struct face_suggest *suggest,
                     const struct suggest_word *word, struct json_writer *w)
{
    open_entry(w, suggest->words.text, word->start, word->end);
    for (size_t i = 0; i < word->count; i++) {
        json_put_open(w, '{');
        face_put_text(w, "text", word->options[i].text);
        json_put_key(w, "score");
        number_put_real(w, word->options[i].score);
        json_put_key(w, "freq");
        json_put_int(w, (int64_t)word->options[i].docs);
        json_put_close(w, '}');
    }
    close_entry(w);
}

static void put_whole(const struct face_suggest *suggest,
                      const struct suggest_result *result,
                      struct json_writer *w)
{
    open_entry(w, suggest->words.text, 0, suggest->words.text.len);
    if (result->text.ptr) {
        json_put_open(w, '{');
        face_put_text(w, "text", result->text);
        json_put_key(w, "score");
        json_put_int(w, (int64_t)result->hits);
        json_put_close(w, '}');
    }
    close_entry(w);
}

static bool put_words(const struct face_suggest *suggest,
                      struct searcher *searcher, struct arena *arena,
                      struct json_writer *w, struct query_error *error)
{
    struct suggest_result result;

    if (!suggest_run(searcher, arena, &suggest->words, &result, error))
        return false;
    if (suggest->kind == FACE_PHRASE)
        put_whole(suggest, &result, w);
    for (size_t i = 0; i < result.count && suggest->kind == FACE_TERM; i++)
        put_word(suggest, &result.words[i], w);
    return true;
}

static bool put_completion(const struct face_suggest *suggest,
                           struct searcher *searcher, struct arena *arena,
                           struct json_writer *w, struct query_error *error)
{
    struct complete_result result;

    if (!complete_run(searcher, arena, &suggest->complete, &result, error))
        return false;
    open_entry(w, suggest->words.text, 0, suggest->words.text.len);
    for (size_t i = 0; i < result.count; i++) {
        json_put_open(w, '{');
        face_put_text(w, "text", result.options[i].text);
        json_put_key(w, "_score");
        number_put_real(w, result.options[i].weight);
        json_put_close(w, '}');
    }
    close_entry(w);
    return true;
}

bool face_suggest_put(const struct face_suggest *suggest,
                      struct searcher *searcher, uint64_t deadline_us,
                      struct json_writer *w, struct query_error *error)
{
    bool fine = true;

    json_put_key(w, "suggest");
    json_put_open(w, '{');
    for (; suggest && fine; suggest = suggest->next) {
        struct face_suggest one = *suggest;
        struct arena arena;
        one.words.deadline_us = deadline_us;
        arena_init(&arena, MEM_JOB, 0);
        json_put_name(w, suggest->name);
        json_put_open(w, '[');
        fine = (suggest->kind == FACE_COMPLETION ? put_completion : put_words)(
            &one, searcher, &arena, w, error);
        json_put_close(w, ']');
        arena_deinit(&arena);
    }
    json_put_close(w, '}');
    return fine;
}
