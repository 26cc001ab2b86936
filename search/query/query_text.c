/*
 * query_text.c - see query.h.  Both syntaxes are read in one pass, by recursive
 * descent.
 */
#include "search/query/query_build.h"

#define SHOWN 100 /* bytes of a query in its error */
#define EDITS_MAX 2
#define SPACES " \t\r\n"
#define WORD_ENDS SPACES "!():^[]\"{}~"
#define SIMPLE_ENDS SPACES "\"|+()"
#define NO_CLAUSE "a clause is missing"

struct parser {
    struct query_builder *builder;
    struct query_syntax syntax; /* fields: of where it is */
    struct span text;
    size_t at;
};

static struct query *fail(struct parser *p, const char *why)
{
    bool is_long = p->text.len > SHOWN;

    query_fail(p->builder, "query_shard_exception",
               "Failed to parse query [%.*s%s]: %s, at byte %zu",
               (int)(is_long ? SHOWN : p->text.len), p->text.ptr,
               is_long ? "..." : "", why, p->at + 1);
    return NULL;
}

/* ---- pieces of text */

/* In no set is a lower-case letter, as most characters are. */
static bool is_in(const char *set, char c)
{
    return c && !(c >= 'a' && c <= 'z') && strchr(set, c);
}

static char peek(const struct parser *p)
{
    return *(p->at < p->text.len ? p->text.ptr + p->at : "");
}

static bool take_char(struct parser *p, const char *set)
{
    bool is_there = is_in(set, peek(p));

    p->at += is_there;
    return is_there;
}

static void skip_spaces(struct parser *p)
{
    while (take_char(p, SPACES))
        continue;
}

/* The first of a set that no \ stands before; text.len if there is none. */
static size_t find_bare(struct span text, const char *set)
{
    size_t at = 0;

    while (at < text.len && !is_in(set, text.ptr[at]))
        at += text.ptr[at] == '\\' ? 2 : 1;
    return at < text.len ? at : text.len;
}

/* What ends before one of a set; the parser stays. */
static struct span scan(const struct parser *p, const char *ends)
{
    struct span rest = span_skip(p->text, p->at);

    return (struct span){rest.ptr, find_bare(rest, ends)};
}

static bool take_word(struct parser *p, const char *word)
{
    bool is_there = span_eq(scan(p, WORD_ENDS), span_str(word));

    p->at += is_there ? strlen(word) : 0;
    return is_there;
}

/* In the simple syntax a \ with nothing behind it is one. */
static struct span unescape(struct parser *p, struct span raw)
{
    char *to = arena_alloc(p->builder->arena, raw.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < raw.len; i++) {
        bool escapes = raw.ptr[i] == '\\';
        if (escapes && i + 1 == raw.len && !p->syntax.simple)
            fail(p, "nothing stands behind \\");
        i += escapes && i + 1 < raw.len;
        to[len++] = raw.ptr[i];
    }
    return (struct span){to, len};
}

/* Behind an opening quote; false, nothing taken: no other one closes it. */
static bool take_quoted(struct parser *p, struct span *out)
{
    struct span raw = scan(p, "\"");

    if (p->at + raw.len == p->text.len)
        return false;
    p->at += raw.len + 1;
    *out = unescape(p, raw);
    return true;
}

/* The digits and points behind one of a set; false: there is none of it. */
static bool take_number(struct parser *p, const char *set, struct span *out)
{
    if (!take_char(p, set))
        return false;
    out->ptr = p->text.ptr + p->at;
    while (take_char(p, "0123456789."))
        continue;
    out->len = (size_t)(p->text.ptr + p->at - out->ptr);
    return true;
}

/* ---- what both have */

static struct query *ask(struct parser *p, const struct query *query)
{
    return query_over(p->builder, query, &p->syntax);
}

static struct query *ask_word(struct parser *p, enum query_kind kind,
                              struct span raw, uint64_t edits)
{
    struct query query = query_make(kind);

    query.text = unescape(p, raw);
    if (kind == QUERY_WILDCARD)
        query.text = arena_copy(p->builder->arena, raw);
    query.edits = (uint32_t)edits;
    query.normalize = kind != QUERY_MATCH;
    query.all = kind == QUERY_MATCH && p->syntax.all;
    return ask(p, &query);
}

/* The field is there; any document if that is any field. */
static struct query *ask_whether(struct parser *p)
{
    struct query exists = query_make(QUERY_EXISTS);
    struct query all = query_make(QUERY_MATCH_ALL);
    const struct query_syntax *syntax = &p->syntax;

    return syntax->field_count == 0 ||
                   span_eq(syntax->fields[0].name, SPAN("*"))
               ? query_add(p->builder, &all)
               : ask(p, &exists);
}

/* Behind its quote. */
static struct query *read_phrase(struct parser *p)
{
    struct query phrase = query_make(QUERY_PHRASE);
    struct span number = {0};
    uint64_t slop = 0;

    if (!take_quoted(p, &phrase.text))
        return p->syntax.simple ? NULL : fail(p, "a quote is not closed");
    take_number(p, "~", &number);
    if (number.len && !span_to_u64(number, QUERY_SLOP_MAX, &slop) &&
        !p->syntax.simple)
        return fail(p, "the slop is no number, or too large");
    phrase.slop = (uint32_t)slop;
    return ask(p, &phrase);
}

/* ---- Lucene's classic syntax */

static struct query *read_clauses(struct parser *p);

/* <5 <=5 >5 >=5 */
static struct query *ask_compared(struct parser *p, struct span raw)
{
    struct query range = query_make(QUERY_RANGE);
    struct query_bound *bound = raw.ptr[0] == '<' ? &range.upper : &range.lower;

    bound->exclusive = raw.ptr[1] != '=';
    bound->value.kind = QUERY_TEXT;
    bound->value.text = unescape(p, span_skip(raw, bound->exclusive ? 1 : 2));
    return ask(p, &range);
}

static bool is_operator(struct span raw)
{
    return span_eq(raw, SPAN("AND")) || span_eq(raw, SPAN("OR")) ||
           span_eq(raw, SPAN("NOT")) || span_eq(raw, SPAN("&&")) ||
           span_eq(raw, SPAN("||"));
}

static struct query *read_word(struct parser *p)
{
    struct span raw = scan(p, WORD_ENDS);
    size_t wild = find_bare(raw, "*?");
    struct span number = {0};
    uint64_t edits = QUERY_FUZZY_AUTO;

    if (raw.len == 0 || is_in("+-/", raw.ptr[0]) || is_operator(raw))
        return fail(p, NO_CLAUSE);
    p->at += raw.len;
    bool is_fuzzy = take_number(p, "~", &number);
    if (number.len && !span_to_u64(number, EDITS_MAX, &edits))
        return fail(p, "there may be 0 to 2 edits");
    if (span_eq(raw, SPAN("*")))
        return ask_whether(p);
    if (wild == raw.len - 1 && raw.ptr[wild] == '*')
        return ask_word(p, QUERY_PREFIX, (struct span){raw.ptr, wild}, 0);
    if (wild < raw.len)
        return ask_word(p, QUERY_WILDCARD, raw, 0);
    if (is_fuzzy)
        return ask_word(p, QUERY_FUZZY, raw, edits);
    if (is_in("<>", raw.ptr[0]) && raw.len > 1 &&
        !span_eq(span_skip(raw, 1), SPAN("=")))
        return ask_compared(p, raw);
    return ask_word(p, QUERY_MATCH, raw, 0);
}

static bool read_bound(struct parser *p, struct query_value *value)
{
    skip_spaces(p);
    struct span raw = scan(p, SPACES "]}");
    bool good = raw.len > 0;
    value->kind = span_eq(raw, SPAN("*")) ? QUERY_NO_VALUE : QUERY_TEXT;
    if (take_char(p, "\"")) {
        good = take_quoted(p, &value->text);
    } else {
        p->at += raw.len;
        value->text = unescape(p, raw);
    }
    skip_spaces(p);
    return good;
}

static struct query *read_range(struct parser *p)
{
    struct query range = query_make(QUERY_RANGE);
    struct query_bound *lower = &range.lower;
    struct query_bound *upper = &range.upper;

    lower->exclusive = take_char(p, "{") || !take_char(p, "[");
    bool good = read_bound(p, &lower->value) && take_word(p, "TO") &&
                read_bound(p, &upper->value);
    upper->exclusive = take_char(p, "}");
    if (!good || (!upper->exclusive && !take_char(p, "]")))
        return fail(p, "a range is [a TO b] or {a TO b}");
    return ask(p, &range);
}

static struct query *read_group(struct parser *p)
{
    if (!query_enter(p->builder))
        return NULL;
    struct query *query = read_clauses(p);
    p->builder->depth--;
    return take_char(p, ")") ? query : fail(p, "a parenthesis is not closed");
}

/* "name:", if it is there. */
static bool take_field(struct parser *p, struct query_field *field)
{
    size_t from = p->at;
    struct span raw = scan(p, WORD_ENDS);

    p->at += raw.len;
    skip_spaces(p);
    if (raw.len == 0 || !take_char(p, ":")) {
        p->at = from;
        return false;
    }
    *field = (struct query_field){unescape(p, raw), 1};
    skip_spaces(p);
    return true;
}

static struct query *read_clause(struct parser *p)
{
    struct query_syntax outer = p->syntax;
    struct query_field field;
    struct query *query;
    struct span number;
    float boost = 1;

    if (take_field(p, &field)) {
        p->syntax.fields = &field;
        p->syntax.field_count = 1;
    }
    if (take_char(p, "("))
        query = read_group(p);
    else if (take_char(p, "\""))
        query = read_phrase(p);
    else
        query = is_in("[{", peek(p)) ? read_range(p) : read_word(p);
    p->syntax = outer;
    if (take_number(p, "^", &number) && !query_number(number, &boost))
        fail(p, "a number is missing behind ^");
    if (!query_failed(p->builder))
        query_multiply(query, boost);
    return query;
}

static enum query_occur take_sign(struct parser *p)
{
    enum query_occur sign = QUERY_SHOULD;

    skip_spaces(p);
    if (take_char(p, "+"))
        sign = QUERY_MUST;
    else if (take_char(p, "-!") || take_word(p, "NOT"))
        sign = QUERY_MUST_NOT;
    skip_spaces(p);
    return sign;
}

/*
 * Up to the end or a closing parenthesis, at least one; how the last one occurs
 * is open until it is known what joins the next.
 */
static struct query *read_clauses(struct parser *p)
{
    struct query all = query_make(QUERY_BOOL);
    enum query_occur occur = QUERY_SHOULD;
    struct query *last = NULL;
    size_t count = 0;

    skip_spaces(p);
    do {
        bool with_and = count && (take_word(p, "AND") || take_word(p, "&&"));
        bool with_or =
            count && !with_and && (take_word(p, "OR") || take_word(p, "||"));
        enum query_occur sign = take_sign(p);
        struct query *query = read_clause(p);
        if (query_failed(p->builder))
            return NULL;
        if (occur != QUERY_MUST_NOT && (with_and || (with_or && p->syntax.all)))
            occur = with_and ? QUERY_MUST : QUERY_SHOULD;
        if (count++)
            query_append(&all.lists[occur], last);
        last = query;
        occur = sign;
        if (sign != QUERY_MUST_NOT && (with_and || p->syntax.all))
            occur = with_or ? QUERY_SHOULD : QUERY_MUST;
        skip_spaces(p);
    } while (p->at < p->text.len && peek(p) != ')');
    if (count == 1 && occur != QUERY_MUST_NOT)
        return last;
    query_append(&all.lists[occur], last);
    return query_add(p->builder, &all);
}

/* ---- the simple syntax */

/* What is read of a group: a tree that leans to the left. */
struct joined {
    struct query *top;             /* NULL: nothing yet */
    enum query_occur before, next; /* how top's clauses are joined, the next */
};

static void join(struct parser *p, struct joined *joined, struct query *query,
                 bool negated)
{
    struct query all = query_make(QUERY_BOOL);
    struct query but = query_make(QUERY_BOOL);
    enum query_occur occur = joined->next;

    if (negated) {
        query_append(&but.lists[QUERY_MUST_NOT], query);
        query = query_add(p->builder, &but);
    }
    joined->next = p->syntax.all ? QUERY_MUST : QUERY_SHOULD;
    if (!joined->top) {
        joined->top = query;
        return;
    }
    if (occur != joined->before) {
        query_append(&all.lists[occur], joined->top);
        joined->top = query_add(p->builder, &all);
        joined->before = occur;
    }
    query_append(&joined->top->lists[occur], query);
}

/* "word", "begin*", "word~1" */
static struct query *read_simple_word(struct parser *p)
{
    struct span raw = scan(p, SIMPLE_ENDS);
    size_t tilde = find_bare(raw, "~");
    uint64_t edits;

    p->at += raw.len;
    if (raw.len > 1 && find_bare(raw, "*") == raw.len - 1)
        return ask_word(p, QUERY_PREFIX, (struct span){raw.ptr, raw.len - 1},
                        0);
    if (tilde && span_to_u64(span_skip(raw, tilde + 1), UINT64_MAX, &edits))
        return ask_word(p, QUERY_FUZZY, (struct span){raw.ptr, tilde},
                        edits < EDITS_MAX ? edits : EDITS_MAX);
    return ask_word(p, QUERY_MATCH, raw, 0);
}

/* Up to the end, or behind the group's parenthesis; NULL: nothing is there. */
static struct query *read_simple(struct parser *p, bool in_group)
{
    struct joined joined = {NULL, QUERY_OCCURS, QUERY_OCCURS};
    bool negated = false;

    while (p->at < p->text.len && !query_failed(p->builder)) {
        struct query *query = NULL;
        bool negates = take_char(p, "-");
        if (negates)
            negated = !negated;
        else if (in_group && take_char(p, ")"))
            break;
        else if (take_char(p, "("))
            query = query_enter(p->builder) ? read_simple(p, true) : NULL;
        else if (take_char(p, "\""))
            query = read_phrase(p);
        else if (take_char(p, "+"))
            joined.next = QUERY_MUST;
        else if (take_char(p, "|"))
            joined.next = QUERY_SHOULD;
        else if (!take_char(p, SPACES ")"))
            query = read_simple_word(p);
        if (query)
            join(p, &joined, query, negated);
        negated = negated && negates;
    }
    p->builder->depth -= in_group;
    return joined.top;
}

/* ---- both */

struct query *query_parse(struct query_builder *builder, struct span text,
                          const struct query_syntax *syntax)
{
    struct parser p = {builder, *syntax, text, 0};
    struct query none = query_make(QUERY_MATCH_NONE);
    struct query *query = NULL;

    if (text.len > QUERY_TEXT_MAX)
        return fail(&p, "it is too long");
    skip_spaces(&p);
    if (syntax->simple && span_eq(span_trim(text), SPAN("*")))
        query = ask_whether(&p);
    else if (syntax->simple)
        query = read_simple(&p, false);
    else if (p.at < text.len)
        query = read_clauses(&p);
    if (p.at < text.len && !syntax->simple)
        fail(&p, "no parenthesis is open");
    return query ? query : query_add(builder, &none);
}

struct query *query_read_text(struct arena *arena, struct span text,
                              const struct query_syntax *syntax,
                              struct query_error *error)
{
    struct query_builder builder = {.arena = arena, .error = error};

    error->type = NULL;
    return query_finish(&builder, query_parse(&builder, text, syntax));
}
