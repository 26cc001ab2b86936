/* analyzer.c - see analyzer.h. */
#include <assert.h>
#include <stdio.h>

#include "search/index/analyzer_internal.h"

#define ENGLISH                                                               \
    "a an and are as at be but by for if in into is it no not of on or such " \
    "that the their then there these they this to was will with"

/* libstemmer's own text of the name, or NULL. */
static const char *find_stemmer(struct span name)
{
    const char **list = sb_stemmer_list();

    while (*list && !span_eq(span_str(*list), name))
        list++;
    return *list;
}

bool analyzer_options_of_name(struct span name,
                              struct analyzer_options *options)
{
    static const struct span english[] = {{"_english_", 9}};
    bool is_english = span_eq(name, SPAN("english"));
    bool is_stop = span_eq(name, SPAN("stop"));
    struct analyzer_options is = {.lowercase = true};

    if (span_eq(name, SPAN("keyword")))
        is = (struct analyzer_options){.words = ANALYZER_WORDS_ALL};
    else if (span_eq(name, SPAN("whitespace")))
        is = (struct analyzer_options){.words = ANALYZER_WORDS_WHITE_SPACE};
    else if (is_stop || span_eq(name, SPAN("simple")))
        is.words = ANALYZER_WORDS_LETTERS;
    else if (find_stemmer(name) && !span_eq(name, SPAN("porter")))
        is.stemmer = is_english ? SPAN("porter") : span_str(find_stemmer(name));
    else if (!span_eq(name, SPAN("standard")))
        return false;
    is.cjk = is.words == ANALYZER_WORDS_STANDARD;
    is.possessive = is_english;
    is.stopwords = english;
    is.stopword_count = is_english || is_stop;
    *options = is;
    return true;
}

/* ---- making one */

static const char *what_is_wrong(const struct analyzer_options *options)
{
    if (options->cjk && options->words != ANALYZER_WORDS_STANDARD)
        return "cjk: only of standard words";
    if (options->stemmer.len && !find_stemmer(options->stemmer))
        return "stemmer: there is none of the name";
    if (options->stopword_count > ANALYZER_STOPWORDS_MAX)
        return "stopwords: too many";
    if (options->synonym_count > ANALYZER_RULES_MAX)
        return "synonyms: too many rules";
    for (size_t i = 0; i < options->stopword_count; i++) {
        struct span text = options->stopwords[i];
        if (text.len == 0 || text.len > ANALYZER_WORD_MAX)
            return "stopwords: one is empty or too long";
        if (text.ptr[0] == '_' && !span_eq(text, SPAN("_english_")) &&
            !span_eq(text, SPAN("_none_")))
            return "stopwords: there is no set of the name";
    }
    return NULL;
}

static void open_steps(struct analyzer *a,
                       const struct analyzer_options *options)
{
    static const UChar accents[] = u"Latin-ASCII";
    UErrorCode status = U_ZERO_ERROR;

    *a = (struct analyzer){.words = options->words,
                           .cjk = options->cjk,
                           .lowercase = options->lowercase,
                           .possessive = options->possessive,
                           .utext = UTEXT_INITIALIZER,
                           .stopwords =
                               options->stopword_count ? json_object() : NULL,
                           .term.tag = MEM_APP};
    a->casefold = unorm2_getNFKCCasefoldInstance(&status);
    if (options->words == ANALYZER_WORDS_STANDARD)
        a->breaks = ubrk_open(UBRK_WORD, "", NULL, 0, &status);
    if (options->fold)
        a->accents =
            utrans_openU(accents, -1, UTRANS_FORWARD, NULL, 0, NULL, &status);
    if (options->stemmer.len)
        a->stemmer = sb_stemmer_new(find_stemmer(options->stemmer), "UTF_8");
    assert(U_SUCCESS(status) && (a->stemmer || !options->stemmer.len));
}

/* Folded, as are the words that they are compared with. */
static void add_stopwords(struct analyzer *a,
                          const struct analyzer_options *options)
{
    struct span word;

    for (size_t i = 0; i < options->stopword_count; i++) {
        struct span text = options->stopwords[i];
        if (span_eq(text, SPAN("_none_")))
            continue;
        if (span_eq(text, SPAN("_english_")))
            text = SPAN(ENGLISH);
        while (span_cut(&text, ' ', &word)) {
            if (word.len == 0)
                continue;
            word = fold_term(a, word);
            json_object_setn_new_nocheck(a->stopwords, word.ptr, word.len,
                                         json_true());
        }
    }
}

struct analyzer *analyzer_create(const struct analyzer_options *options,
                                 char *why, size_t why_size)
{
    const char *wrong = what_is_wrong(options);

    if (wrong) {
        snprintf(why, why_size, "%s", wrong);
        return NULL;
    }
    struct analyzer *a = mem_alloc(MEM_APP, sizeof(*a));
    open_steps(a, options);
    add_stopwords(a, options);
    if (options->synonym_count)
        a->synonyms = synonyms_create(a, options, why, why_size);
    if (a->synonyms || !options->synonym_count)
        return a;
    analyzer_destroy(a);
    return NULL;
}

struct analyzer *analyzer_of_name(struct span name)
{
    struct analyzer_options options;

    return analyzer_options_of_name(name, &options)
               ? analyzer_create(&options, NULL, 0)
               : NULL;
}

void analyzer_destroy(struct analyzer *a)
{
    if (!a)
        return;
    synonyms_destroy(a->synonyms);
    sb_stemmer_delete(a->stemmer);
    utrans_close(a->accents);
    ubrk_close(a->breaks);
    utext_close(&a->utext);
    mem_free(a->raw.ptr);
    mem_free(a->folded.ptr);
    buf_deinit(&a->term);
    json_decref(a->stopwords);
    mem_free(a);
}

/* ---- running it */

static struct span drop_possessive(struct span term)
{
    static const struct span ends[] = {
        {"'s", 2}, {"'S", 2}, {"\u2019s", 4}, {"\u2019S", 4}};

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (term.len > ends[i].len && memcmp(term.ptr + term.len - ends[i].len,
                                             ends[i].ptr, ends[i].len) == 0)
            return (struct span){term.ptr, term.len - ends[i].len};
    return term;
}

static struct span stem(struct sb_stemmer *stemmer, struct span term)
{
    const sb_symbol *stemmed =
        sb_stemmer_stem(stemmer, (const sb_symbol *)term.ptr, (int)term.len);
    int len = stemmed ? sb_stemmer_length(stemmer) : 0;

    return len > 0 ? (struct span){(const char *)stemmed, (size_t)len} : term;
}

void analyzer_take(struct analyzer *a, size_t start, size_t end, bool is_folded)
{
    struct token token = {{a->text.ptr + start, end - start},
                          (uint32_t)start,
                          (uint32_t)end,
                          a->position++};

    if (!is_folded)
        token.term = fold_term(a, token.term);
    if (a->possessive)
        token.term = drop_possessive(token.term);
    if (token.term.len == 0 || token.term.len > INVERTER_TERM_MAX)
        return;
    if (a->stopwords &&
        json_object_getn(a->stopwords, token.term.ptr, token.term.len))
        return;
    if (a->stemmer)
        token.term = stem(a->stemmer, token.term);
    if (a->synonyms)
        synonyms_push(a, &token);
    else
        a->cb(a->arg, &token);
}

bool analyzer_is_stemming(const struct analyzer *analyzer)
{
    return analyzer->stemmer != NULL;
}

void analyzer_run(struct analyzer *a, struct span text, analyzer_cb cb,
                  void *arg)
{
    assert(text.len <= ANALYZER_TEXT_MAX);
    a->text = text;
    a->position = 0;
    a->cb = cb;
    a->arg = arg;
    words_split(a);
    if (a->synonyms)
        synonyms_finish(a);
}
