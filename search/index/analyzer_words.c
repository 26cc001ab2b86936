/*
 * analyzer_words.c - words, as they stand in the text.
 *
 * Standard ones are cut from chunks, which are what is between ASCII white
 * space.  One of a to z is a word; in other ASCII, words end as UAX #29 says;
 * of all else bad bytes and runs of CJK are cut out, and ICU has the rest.
 */
#include <assert.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include "search/index/analyzer_internal.h"

/* UAX #29: letters, digits, the underscore; what may stand between letters (M),
   digits (N), either (Q); white space; others.  U is L that is a capital. */
enum { L = 1, D = 2, X = 4, M = 8, N = 16, C = 32, S = 64, O = 128 };
enum { Q = M | N, U = L | C };

static const unsigned char classes[256] = {
    O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O, /* 0x00 */
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, /* 0x10 */
    S, O, O, O, O, O, O, Q, O, O, O, O, N, O, Q, O, /* !"#$%&'()*+,-./ */
    D, D, D, D, D, D, D, D, D, D, O, N, O, O, O, O, /* 0123456789:;<=>? */
    O, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U, /* @ABCDEFGHIJKLMNO */
    U, U, U, U, U, U, U, U, U, U, U, O, O, O, O, X, /* PQRSTUVWXYZ[\]^_ */
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, /* `abcdefghijklmno */
    L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O, /* pqrstuvwxyz{|}~ */
};

static unsigned class_at(const struct analyzer *a, size_t at)
{
    return classes[(unsigned char)a->text.ptr[at]];
}

/* Negative: a byte that is of no character. */
static UChar32 next_char(const struct analyzer *a, size_t *at)
{
    size_t len = span_utf8_length(span_skip(a->text, *at));
    const char *bytes = a->text.ptr + *at;
    UChar32 c = len == 1 ? bytes[0] : bytes[0] & 0x7f >> len;

    *at += len ? len : 1;
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (bytes[i] & 0x3f);
    return len ? c : -1;
}

/* In pieces of whole characters. */
static void take(struct analyzer *a, size_t start, size_t end, bool is_folded)
{
    while (end - start > ANALYZER_WORD_MAX) {
        size_t cut = start + ANALYZER_WORD_MAX;
        while (U8_IS_TRAIL(a->text.ptr[cut]))
            cut--;
        analyzer_take(a, start, cut, is_folded);
        start = cut;
    }
    analyzer_take(a, start, end, is_folded);
}

/* Rules WB6, WB7, WB11 and WB12. */
static bool joins(const struct analyzer *a, size_t start, size_t at, size_t end)
{
    if (at == start || at + 1 == end)
        return false;
    unsigned both = class_at(a, at - 1) & class_at(a, at + 1);
    unsigned between = class_at(a, at);
    return (both & L && between & M) || (both & D && between & N);
}

static void split_ascii(struct analyzer *a, size_t from, size_t to)
{
    for (size_t at = from; at < to; at++) {
        size_t start = at;
        unsigned seen = 0;
        for (; at < to; at++) {
            unsigned class = class_at(a, at);
            if (class & (L | D | X))
                seen |= class;
            else if (!joins(a, start, at, to))
                break;
        }
        if (seen & (L | D))
            take(a, start, at, !(seen & C));
    }
}

static bool is_word(const struct analyzer *a, size_t at, size_t end)
{
    while (at < end) {
        UChar32 c = next_char(a, &at);
        if (u_isUAlphabetic(c) || u_isdigit(c))
            return true;
    }
    return false;
}

static void split_by_icu(struct analyzer *a, size_t from, size_t to)
{
    UErrorCode status = U_ZERO_ERROR;
    size_t start = from;

    utext_openUTF8(&a->utext, a->text.ptr + from, (int64_t)(to - from),
                   &status);
    ubrk_setUText(a->breaks, &a->utext, &status);
    assert(U_SUCCESS(status));
    while (start < to) {
        size_t end = from + (size_t)ubrk_next(a->breaks);
        if (is_word(a, start, end))
            take(a, start, end, false);
        start = end;
    }
}

static bool is_cjk(UChar32 c)
{
    UErrorCode status = U_ZERO_ERROR;

    if (c < 0x1100 || !u_isUAlphabetic(c))
        return false;
    int script = uscript_getScript(c, &status);
    return script == USCRIPT_HAN || script == USCRIPT_HIRAGANA ||
           script == USCRIPT_KATAKANA || script == USCRIPT_HANGUL ||
           c == 0x30fc || c == 0xff70; /* marks of length, of both kana */
}

/* The end of the CJK character at at, with its marks and all parts of its
   syllable; at, if it is none. */
static size_t cjk_end(const struct analyzer *a, size_t at, size_t to)
{
    size_t next = at;
    size_t end = at;
    int32_t kind = U_GCB_EXTEND;

    if (at == to || !is_cjk(next_char(a, &next)))
        return at;
    while (kind == U_GCB_EXTEND || kind == U_GCB_V || kind == U_GCB_T) {
        end = next;
        if (end == to)
            break;
        kind = u_getIntPropertyValue(next_char(a, &next),
                                     UCHAR_GRAPHEME_CLUSTER_BREAK);
    }
    return end;
}

/* The end of the run of CJK at from, which has one. */
static size_t take_pairs(struct analyzer *a, size_t from, size_t to)
{
    size_t first = from;
    size_t second = cjk_end(a, first, to);
    size_t end = cjk_end(a, second, to);

    if (end == second)
        take(a, first, second, false);
    while (end > second) {
        take(a, first, end, false);
        first = second;
        second = end;
        end = cjk_end(a, second, to);
    }
    return second;
}

static void split_other(struct analyzer *a, size_t from, size_t to)
{
    for (size_t at = from; at < to;) {
        size_t here = at;
        UChar32 c = next_char(a, &at);
        bool is_end = c < 0 || c == '@';
        if (!is_end && !(a->cjk && is_cjk(c)))
            continue;
        split_by_icu(a, from, here);
        from = at = is_end ? at : take_pairs(a, here, to);
    }
    split_by_icu(a, from, to);
}

static void split_standard(struct analyzer *a)
{
    for (size_t at = 0, end; at < a->text.len; at = end + 1) {
        unsigned char all = 0;
        unsigned seen = 0;
        for (end = at; end < a->text.len && class_at(a, end) != S; end++) {
            all |= (unsigned char)a->text.ptr[end];
            seen |= class_at(a, end);
        }
        if (all >= 0x80)
            split_other(a, at, end);
        else if (seen == L)
            take(a, at, end, true);
        else
            split_ascii(a, at, end);
    }
}

static bool is_inside(const struct analyzer *a, UChar32 c)
{
    return c >= 0 && (a->words == ANALYZER_WORDS_LETTERS ? u_isalpha(c)
                                                         : !u_isWhitespace(c));
}

static void split_runs(struct analyzer *a)
{
    for (size_t at = 0, start = 0, end; start < a->text.len; start = at) {
        do
            end = at;
        while (end < a->text.len && is_inside(a, next_char(a, &at)));
        if (end > start)
            take(a, start, end, false);
    }
}

void words_split(struct analyzer *a)
{
    if (a->words == ANALYZER_WORDS_STANDARD)
        split_standard(a);
    else if (a->words != ANALYZER_WORDS_ALL)
        split_runs(a);
    else if (a->text.len > 0 && a->text.len <= INVERTER_TERM_MAX)
        analyzer_take(a, 0, a->text.len, false);
}
