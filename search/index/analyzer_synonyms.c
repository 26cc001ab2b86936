/*
 * analyzer_synonyms.c - phrases that other phrases take the place of.
 *
 * A phrase is its words, with as many SEPs between two as there are positions
 * from one to the other.  Tokens wait in the queue as long as the table has it;
 * words of what replaces a phrase, until the tokens have come to their
 * positions.
 */
#include <assert.h>
#include <stdio.h>

#include "search/index/analyzer_internal.h"

#define SEP '\xff' /* is not in UTF-8 */

struct synonyms {
    /* Of each phrase, strings: what takes its place.  Beginnings of phrases are
       there too, with none. */
    json_t *table;
    struct buf phrase;    /* that is being put together */
    uint32_t first, last; /* positions of its words, while rules are read */
    struct token queue[ANALYZER_PHRASE_MAX + 1];
    size_t queued;
    struct arena terms; /* of tokens that had to wait in this text */
    struct buf later;   /* tokens, by position; their terms are the table's */
};

static struct span text_of(const json_t *string)
{
    return (struct span){json_string_value(string), json_string_length(string)};
}

/* ---- rules */

/* gap: positions from the word before; all large ones are the same. */
static void add_word(struct buf *phrase, uint32_t gap, struct span word)
{
    if (phrase->len)
        for (uint32_t i = 0; i < gap && i < ANALYZER_PHRASE_MAX; i++)
            buf_append_char(phrase, SEP);
    buf_append(phrase, word);
}

static void on_word(void *arg, const struct token *token)
{
    struct synonyms *s = arg;

    if (s->phrase.len == 0)
        s->first = token->position;
    add_word(&s->phrase, token->position - s->last, token->term);
    s->last = token->position;
}

/* Phrases between commas.  NULL, or what is wrong. */
static const char *read_side(struct synonyms *s, struct analyzer *a,
                             struct span text, json_t *phrases)
{
    struct span part;

    while (span_cut(&text, ',', &part)) {
        if (json_array_size(phrases) == ANALYZER_SYNONYMS_MAX)
            return "too many phrases on a side";
        s->phrase.len = 0;
        analyzer_run(a, span_trim(part), on_word, s);
        if (s->phrase.len == 0)
            return "a phrase has no word";
        if (s->last - s->first >= ANALYZER_PHRASE_MAX)
            return "a phrase has too many words";
        json_array_append_new(
            phrases, json_stringn_nocheck(s->phrase.ptr, s->phrase.len));
    }
    return NULL;
}

static json_t *add_phrase(struct synonyms *s, struct span phrase)
{
    json_t *synonyms = json_object_getn(s->table, phrase.ptr, phrase.len);

    if (synonyms)
        return synonyms;
    synonyms = json_array();
    json_object_setn_new_nocheck(s->table, phrase.ptr, phrase.len, synonyms);
    return synonyms;
}

/* False: from has too many already. */
static bool add_synonym(struct synonyms *s, struct span from, json_t *to)
{
    json_t *synonyms = add_phrase(s, from);
    size_t count = json_array_size(synonyms);

    for (size_t i = 1; i < from.len; i++)
        if (from.ptr[i] == SEP && from.ptr[i - 1] != SEP)
            add_phrase(s, (struct span){from.ptr, i});
    for (size_t i = 0; i < count; i++)
        if (json_equal(json_array_get(synonyms, i), to))
            return true;
    json_array_append(synonyms, to);
    return count < ANALYZER_SYNONYMS_MAX;
}

static const char *add_rule(struct synonyms *s, struct analyzer *a,
                            struct span rule)
{
    json_t *sides[2] = {json_array(), json_array()};
    const char *arrow = rule.len ? memmem(rule.ptr, rule.len, "=>", 2) : NULL;
    size_t cut = arrow ? (size_t)(arrow - rule.ptr) : rule.len;
    const char *wrong = "it is empty or too long";

    if (rule.len > 0 && rule.len <= ANALYZER_RULE_MAX)
        wrong = read_side(s, a, (struct span){rule.ptr, cut}, sides[0]);
    if (!wrong && arrow)
        wrong = read_side(s, a, span_skip(rule, cut + 2), sides[1]);
    const json_t *right = sides[arrow ? 1 : 0];
    for (size_t i = 0; !wrong && i < json_array_size(sides[0]); i++)
        for (size_t j = 0; !wrong && j < json_array_size(right); j++)
            if (!add_synonym(s, text_of(json_array_get(sides[0], i)),
                             json_array_get(right, j)))
                wrong = "a phrase has too many synonyms";
    json_decref(sides[0]);
    json_decref(sides[1]);
    return wrong;
}

struct synonyms *synonyms_create(struct analyzer *a,
                                 const struct analyzer_options *options,
                                 char *why, size_t why_size)
{
    struct synonyms *s = mem_zalloc(MEM_APP, sizeof(*s));
    const char *wrong = NULL;
    size_t i = 0;

    s->table = json_object();
    s->phrase.tag = s->later.tag = MEM_APP;
    arena_init(&s->terms, MEM_APP, 0);
    for (; i < options->synonym_count && !wrong; i++)
        wrong = add_rule(s, a, options->synonyms[i]);
    if (!wrong)
        return s;
    snprintf(why, why_size, "synonyms: rule %zu: %s", i, wrong);
    synonyms_destroy(s);
    return NULL;
}

void synonyms_destroy(struct synonyms *s)
{
    if (!s)
        return;
    json_decref(s->table);
    buf_deinit(&s->phrase);
    buf_deinit(&s->later);
    arena_deinit(&s->terms);
    mem_free(s);
}

/* ---- tokens */

static void emit_until(struct analyzer *a, uint32_t position)
{
    struct buf *later = &a->synonyms->later;
    const struct token *token = (const struct token *)(void *)later->ptr;
    size_t size = 0;

    for (; size < later->len && token->position <= position; token++) {
        a->cb(a->arg, token);
        size += sizeof(*token);
    }
    if (size)
        buf_consume(later, size);
}

static void put_later(struct buf *later, const struct token *token)
{
    buf_append(later, (struct span){(const char *)token, sizeof(*token)});
    struct token *tokens = (struct token *)(void *)later->ptr;
    size_t i = later->len / sizeof(*token) - 1;
    for (; i > 0 && tokens[i - 1].position > token->position; i--)
        tokens[i] = tokens[i - 1];
    tokens[i] = *token;
}

/* phrase in the place of the first tokens of the queue; is_same: it is theirs,
   and each word stands where it stood. */
static void replace(struct synonyms *s, struct span phrase, size_t tokens,
                    bool is_same)
{
    struct token token = s->queue[0];
    size_t i = 0;

    token.end = s->queue[tokens - 1].end;
    for (; span_cut(&phrase, SEP, &token.term); token.position++) {
        if (token.term.len == 0)
            continue;
        if (is_same) {
            token.start = s->queue[i].start;
            token.end = s->queue[i++].end;
        }
        put_later(&s->later, &token);
    }
}

/* Of the phrases that the queue begins with, the longest goes out replaced;
   without one, the first token does as it is.  False: there may be a longer
   one, when more tokens come. */
static bool settle(struct analyzer *a, bool is_last)
{
    struct synonyms *s = a->synonyms;
    const json_t *match = NULL;
    size_t match_len = 0;
    size_t matched = 1;
    size_t i = 0;

    s->phrase.len = 0;
    for (; i < s->queued; i++) {
        uint32_t last = s->queue[i ? i - 1 : 0].position;
        add_word(&s->phrase, s->queue[i].position - last, s->queue[i].term);
        const json_t *found =
            json_object_getn(s->table, s->phrase.ptr, s->phrase.len);
        if (!found)
            break;
        if (json_array_size(found) == 0)
            continue;
        match = found;
        match_len = s->phrase.len;
        matched = i + 1;
    }
    if (i == s->queued && !is_last)
        return false;
    if (!match)
        put_later(&s->later, &s->queue[0]);
    for (i = 0; i < json_array_size(match); i++) {
        struct span phrase = text_of(json_array_get(match, i));
        replace(s, phrase, matched,
                span_eq(phrase, (struct span){s->phrase.ptr, match_len}));
    }
    emit_until(a, s->queue[0].position);
    s->queued -= matched;
    memmove(s->queue, s->queue + matched, s->queued * sizeof(s->queue[0]));
    return true;
}

void synonyms_push(struct analyzer *a, const struct token *token)
{
    struct synonyms *s = a->synonyms;

    assert(s->queued <= ANALYZER_PHRASE_MAX);
    s->queue[s->queued++] = *token;
    while (s->queued && settle(a, false))
        ;
    if (s->queued)
        s->queue[s->queued - 1].term = arena_copy(&s->terms, token->term);
}

void synonyms_finish(struct analyzer *a)
{
    while (a->synonyms->queued)
        settle(a, true);
    emit_until(a, UINT32_MAX);
    arena_deinit(&a->synonyms->terms);
}
