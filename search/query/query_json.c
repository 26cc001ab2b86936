/*
 * query_json.c - see query.h.
 *
 * Two tables: the queries, with the names of what they may have, and how each
 * of these is read, the same in all of them.
 */

#include "search/query/query_build.h"

#define MINIMUM_MAX 1000000
#define FLOAT_MAX 1e30
#define PARSING "parsing_exception"

#define FUZZY "fuzziness prefix_length max_expansions"
#define MATCH "operator minimum_should_match zero_terms_query " FUZZY
#define PARSE "fields default_field default_operator minimum_should_match"

static const struct form {
    const char *name;
    enum query_kind kind;
    enum { PLAIN, BY_FIELD, FIELDS, STRING, SIMPLE_STRING } shape;
    const char *main;    /* must be there; {field: it} is the short form */
    const char *members; /* may, as boost may */
} forms[] = {
    {"match_all", QUERY_MATCH_ALL, PLAIN, NULL, ""},
    {"match_none", QUERY_MATCH_NONE, PLAIN, NULL, ""},
    {"match", QUERY_MATCH, BY_FIELD, "query", MATCH},
    {"match_bool_prefix", QUERY_MATCH, BY_FIELD, "query", MATCH},
    {"match_phrase", QUERY_PHRASE, BY_FIELD, "query", "slop zero_terms_query"},
    {"match_phrase_prefix", QUERY_PHRASE, BY_FIELD, "query",
     "slop max_expansions zero_terms_query"},
    {"multi_match", QUERY_MATCH, FIELDS, "query",
     "fields type tie_breaker slop " MATCH},
    {"term", QUERY_TERM, BY_FIELD, "value", ""},
    {"terms", QUERY_TERMS, PLAIN, "values", ""},
    {"prefix", QUERY_PREFIX, BY_FIELD, "value", ""},
    {"wildcard", QUERY_WILDCARD, BY_FIELD, "value", ""},
    {"fuzzy", QUERY_FUZZY, BY_FIELD, "value", FUZZY},
    {"range", QUERY_RANGE, BY_FIELD, NULL, "gt gte lt lte"},
    {"exists", QUERY_EXISTS, PLAIN, "field", ""},
    {"ids", QUERY_IDS, PLAIN, "values", ""},
    {"bool", QUERY_BOOL, PLAIN, NULL,
     "must filter should must_not minimum_should_match"},
    {"constant_score", QUERY_CONSTANT_SCORE, PLAIN, "filter", ""},
    {"dis_max", QUERY_DIS_MAX, PLAIN, "queries", "tie_breaker"},
    {"query_string", QUERY_MATCH, STRING, "query", PARSE},
    {"simple_query_string", QUERY_MATCH, SIMPLE_STRING, "query", PARSE},
};

/* One query as it is read. */
struct reading {
    struct query_builder *builder;
    const struct form *form;
    const struct member *member; /* the one at hand */
    struct query query;
    struct query_syntax syntax;
    bool has_main;
};

struct member {
    const char *name;
    bool (*read)(struct reading *r, void *out, const json_t *node);
    size_t at; /* in struct query: out */
    uint32_t max;
};

static struct query *read_query(struct query_builder *builder,
                                const json_t *json);

/* ---- readers of members: false: it cannot be that */

static struct span text_of(const json_t *node)
{
    return (struct span){json_string_value(node), json_string_length(node)};
}

bool query_read_value(struct arena *arena, const json_t *node,
                      struct query_value *value)
{
    value->kind = QUERY_NUMBER;
    if (json_is_integer(node)) {
        value->text = arena_printf(arena, "%" JSON_INTEGER_FORMAT,
                                   json_integer_value(node));
    } else if (json_is_real(node)) {
        value->text = arena_printf(arena, "%.17g", json_real_value(node));
    } else if (json_is_boolean(node)) {
        value->kind = QUERY_BOOLEAN;
        value->text = json_is_true(node) ? SPAN("true") : SPAN("false");
    } else {
        value->kind = QUERY_TEXT;
        value->text = arena_copy(arena, text_of(node));
    }
    return value->kind != QUERY_TEXT ||
           (json_is_string(node) && value->text.len <= QUERY_TEXT_MAX);
}

static bool read_value(struct reading *r, void *out, const json_t *node)
{
    return query_read_value(r->builder->arena, node, out);
}

static bool read_text(struct reading *r, void *out, const json_t *node)
{
    struct query_value value;
    bool good = read_value(r, &value, node);

    *(struct span *)out = value.text;
    return good;
}

/* An array, or one without it. */
static size_t count_of(const json_t *node)
{
    return json_is_array(node) ? json_array_size(node) : 1;
}

static const json_t *item_of(const json_t *node, size_t i)
{
    return json_is_array(node) ? json_array_get(node, i) : node;
}

static bool read_values(struct reading *r, void *out, const json_t *node)
{
    size_t count = count_of(node);
    bool good = json_is_array(node) == (r->query.kind != QUERY_TERM) &&
                count <= QUERY_TERMS_MAX;
    struct query_value *values =
        arena_alloc(r->builder->arena, good ? count * sizeof(values[0]) : 0);

    (void)out;
    for (size_t i = 0; i < count && good; i++)
        good = read_value(r, &values[i], item_of(node, i));
    r->query.values = values;
    r->query.value_count = count;
    return good;
}

/* Of a term or of a pattern. */
static bool read_main(struct reading *r, void *out, const json_t *node)
{
    return (r->query.kind == QUERY_TERM ? read_values : read_text)(r, out,
                                                                   node);
}

static bool read_bound(struct reading *r, void *out, const json_t *node)
{
    struct query_bound *bound = out;

    *bound = (struct query_bound){0};
    if (json_is_null(node))
        return true;
    bound->exclusive = r->member->name[2] == '\0';
    return read_value(r, &bound->value, node);
}

static bool read_float(struct reading *r, void *out, const json_t *node)
{
    double value = json_number_value(node);
    bool good = json_is_number(node) && value >= 0 && value <= FLOAT_MAX;

    (void)r;
    if (good)
        *(float *)out = (float)value;
    return good;
}

static bool read_count(struct reading *r, void *out, const json_t *node)
{
    json_int_t value = json_integer_value(node);

    *(uint32_t *)out = (uint32_t)value;
    return json_is_integer(node) && value >= 0 && value <= r->member->max;
}

static bool is_word(const json_t *node, const char *word)
{
    return span_eq_nocase(text_of(node), span_str(word));
}

/* and, or; all, none */
static bool read_choice(struct reading *r, void *out, const json_t *node)
{
    bool is_operator = strstr(r->member->name, "operator") != NULL;

    *(bool *)out = is_word(node, is_operator ? "and" : "all");
    return *(bool *)out || is_word(node, is_operator ? "or" : "none");
}

/* 2, -2, "75%", "-25%" */
static bool read_minimum(struct reading *r, void *out, const json_t *node)
{
    struct query_minimum *minimum = out;
    struct span text;
    uint64_t number = 0;

    if (!read_text(r, &text, node) || text.len == 0)
        return false;
    bool is_negative = text.ptr[0] == '-';
    minimum->is_percent = text.ptr[text.len - 1] == '%';
    minimum->is_set = true;
    text = span_skip(text, is_negative);
    text.len -= text.len && minimum->is_percent;
    if (!span_to_u64(text, minimum->is_percent ? 100 : MINIMUM_MAX, &number))
        return false;
    minimum->value = is_negative ? -(int32_t)number : (int32_t)number;
    return true;
}

static bool read_fuzziness(struct reading *r, void *out, const json_t *node)
{
    struct span text;
    uint64_t edits = QUERY_FUZZY_AUTO;
    bool good = is_word(node, "auto") ||
                (read_text(r, &text, node) && span_to_u64(text, 2, &edits));

    *(uint32_t *)out = (uint32_t)edits;
    return good;
}

/* "name", "name^boost" */
static bool read_field(struct reading *r, struct query_field *out,
                       const json_t *node)
{
    struct span rest = text_of(node);
    struct span name = {0};

    if (rest.len > QUERY_TEXT_MAX || !span_cut(&rest, '^', &name))
        return false;
    *out = (struct query_field){arena_copy(r->builder->arena, name), 1};
    return name.len && (!rest.ptr || query_number(rest, &out->boost));
}

static bool read_fields(struct reading *r, void *out, const json_t *node)
{
    size_t count = count_of(node);
    bool good = count <= QUERY_CLAUSES_MAX;
    struct query_field *fields =
        arena_alloc(r->builder->arena, good ? count * sizeof(fields[0]) : 0);

    (void)out;
    for (size_t i = 0; i < count && good; i++)
        good = read_field(r, &fields[i], item_of(node, i));
    r->syntax.fields = fields;
    r->syntax.field_count = count;
    return good;
}

/* What each field is asked, and how much others than the best one count. */
static bool read_type(struct reading *r, void *out, const json_t *node)
{
    bool is_bool = is_word(node, "bool_prefix");
    bool is_phrase = is_word(node, "phrase");
    bool is_most = is_word(node, "most_fields");

    (void)out;
    r->query.kind = is_phrase ? QUERY_PHRASE : QUERY_MATCH;
    r->query.last_is_prefix = is_bool;
    if (r->query.tie_breaker < 0)
        r->query.tie_breaker = is_bool || is_most ? 1 : 0;
    return is_bool || is_phrase || is_most || is_word(node, "best_fields");
}

static bool read_clauses(struct reading *r, void *out, const json_t *node)
{
    if (r->form->kind == QUERY_CONSTANT_SCORE && json_is_array(node))
        return false;
    for (size_t i = 0; i < count_of(node); i++) {
        struct query *clause = read_query(r->builder, item_of(node, i));
        if (query_failed(r->builder))
            break;
        query_append(out, clause);
    }
    return true;
}

/* ---- queries */

#define AT(member) offsetof(struct query, member)

static const struct member members[] = {
    {"boost", read_float, AT(boost), 0},
    {"default_field", read_fields, 0, 0},
    {"default_operator", read_choice, AT(all), 0},
    {"field", read_text, AT(field), 0},
    {"fields", read_fields, 0, 0},
    {"filter", read_clauses, AT(lists[QUERY_FILTER]), 0},
    {"fuzziness", read_fuzziness, AT(edits), 0},
    {"gt", read_bound, AT(lower), 0},
    {"gte", read_bound, AT(lower), 0},
    {"lt", read_bound, AT(upper), 0},
    {"lte", read_bound, AT(upper), 0},
    {"max_expansions", read_count, AT(max_expansions), QUERY_EXPANSIONS_MAX},
    {"minimum_should_match", read_minimum, AT(minimum), 0},
    {"must", read_clauses, AT(lists[QUERY_MUST]), 0},
    {"must_not", read_clauses, AT(lists[QUERY_MUST_NOT]), 0},
    {"operator", read_choice, AT(all), 0},
    {"prefix_length", read_count, AT(prefix_length), QUERY_TEXT_MAX},
    {"queries", read_clauses, AT(lists[QUERY_SHOULD]), 0},
    {"query", read_text, AT(text), 0},
    {"should", read_clauses, AT(lists[QUERY_SHOULD]), 0},
    {"slop", read_count, AT(slop), QUERY_SLOP_MAX},
    {"tie_breaker", read_float, AT(tie_breaker), 0},
    {"type", read_type, 0, 0},
    {"value", read_main, AT(text), 0},
    {"values", read_values, 0, 0},
    {"zero_terms_query", read_choice, AT(none_is_all), 0},
};

static bool is_main(const struct form *form, const char *name)
{
    return form->main && strcmp(name, form->main) == 0;
}

static bool has_member(const struct form *form, const char *name)
{
    struct span rest = span_str(form->members);
    struct span head;

    while (span_cut(&rest, ' ', &head))
        if (span_eq(head, span_str(name)))
            return true;
    return is_main(form, name) || strcmp(name, "boost") == 0;
}

static void name_field(struct reading *r, struct span name)
{
    if (name.len > QUERY_TEXT_MAX)
        query_fail(r->builder, PARSING, "[%s] the field's name is too long",
                   r->form->name);
    r->query.field = arena_copy(r->builder->arena, name);
}

/* Those of terms and wildcard may have other names. */
static const char *true_name(struct reading *r, const char *name,
                             const json_t *node)
{
    if (r->form->kind == QUERY_WILDCARD && strcmp(name, "wildcard") == 0)
        return "value";
    if (r->form->kind != QUERY_TERMS || r->has_main || !json_is_array(node))
        return name;
    name_field(r, span_str(name));
    return "values";
}

static void read_member(struct reading *r, const char *given,
                        const json_t *node)
{
    const char *name = true_name(r, given, node);

    r->member = members;
    while (strcmp(r->member->name, name) != 0 &&
           r->member < members + sizeof(members) / sizeof(members[0]) - 1)
        r->member++;
    r->has_main |= is_main(r->form, name);
    if (!has_member(r->form, name))
        query_fail(r->builder, PARSING, "[%s] query does not support [%.64s]",
                   r->form->name, given);
    else if (!r->member->read(r, (char *)&r->query + r->member->at, node))
        query_fail(r->builder, PARSING, "[%s] failed to parse field [%.64s]",
                   r->form->name, given);
}

static void read_members(struct reading *r, const json_t *json)
{
    void *object = (void *)(uintptr_t)json;

    for (void *at = json_object_iter(object); at && !query_failed(r->builder);
         at = json_object_iter_next(object, at))
        read_member(r, json_object_iter_key(at), json_object_iter_value(at));
    if (r->form->main && !r->has_main)
        query_fail(r->builder, PARSING, "[%s] query needs [%s]", r->form->name,
                   r->form->main);
}

static void read_by_field(struct reading *r, const json_t *json)
{
    void *iter = json_object_iter((json_t *)(uintptr_t)json);

    if (json_object_size(json) != 1) {
        query_fail(r->builder, PARSING, "[%s] query needs one field",
                   r->form->name);
        return;
    }
    name_field(r, span_str(json_object_iter_key(iter)));
    json = json_object_iter_value(iter);
    if (json_is_object(json))
        read_members(r, json);
    else
        read_member(r, r->form->main ? r->form->main : "value", json);
}

static struct query *finish(struct reading *r)
{
    const struct form *form = r->form;
    struct query *tree;

    if (form->shape == PLAIN || form->shape == BY_FIELD)
        return query_add(r->builder, &r->query);
    if (form->shape == FIELDS)
        return query_over(r->builder, &r->query, &r->syntax);
    r->syntax.all = r->query.all;
    r->syntax.simple = form->shape == SIMPLE_STRING;
    tree = query_parse(r->builder, r->query.text, &r->syntax);
    if (!query_failed(r->builder)) {
        query_multiply(tree, r->query.boost);
        if (tree->lists[QUERY_SHOULD].count && tree->kind == QUERY_BOOL)
            tree->minimum = r->query.minimum;
    }
    return tree;
}

static const struct form *find_form(const char *name)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (strcmp(name, forms[i].name) == 0)
            return &forms[i];
    return NULL;
}

static struct query *read_query(struct query_builder *builder,
                                const json_t *json)
{
    void *iter = json_object_iter((json_t *)(uintptr_t)json);
    const char *name = iter ? json_object_iter_key(iter) : "_na";
    const json_t *body = json_object_iter_value(iter);
    struct reading r = {.builder = builder, .form = find_form(name)};

    if (json_object_size(json) != 1) {
        query_fail(builder, PARSING,
                   "[%.64s] query malformed, it must be an object of one query",
                   name);
    } else if (!r.form) {
        query_fail(builder, PARSING, "unknown query [%.64s]", name);
    } else if (!json_is_object(body)) {
        query_fail(builder, PARSING,
                   "[%s] query malformed, no start_object after query name",
                   name);
    } else if (query_enter(builder)) {
        r.query = query_make(r.form->kind);
        r.query.last_is_prefix = strstr(name, "_prefix") != NULL;
        r.query.tie_breaker = r.form->shape == FIELDS ? -1 : 0;
        (r.form->shape == BY_FIELD ? read_by_field : read_members)(&r, body);
        builder->depth--;
    }
    return query_failed(builder) ? NULL : finish(&r);
}

struct query *query_read_json(struct arena *arena, const json_t *json,
                              struct query_error *error)
{
    struct query_builder builder = {.arena = arena, .error = error};

    error->type = NULL;
    return query_finish(&builder, read_query(&builder, json));
}
