/* analyzer_fold.c - case and accents: ASCII here, all else by ICU. */
#include <assert.h>
#include <unicode/ustring.h>

#include "search/index/analyzer_internal.h"

/* UTF-16 units that one may become: U+FDFA, by NFKC; U+33AF, with some more. */
#define CASEFOLD_MAX 18
#define ACCENTS_MAX 8

static void reserve(struct units *units, int32_t cap)
{
    if (units->cap >= cap)
        return;
    units->ptr = mem_realloc(MEM_APP, units->ptr, (size_t)cap * sizeof(UChar));
    units->cap = cap;
}

static struct span fold_by_icu(struct analyzer *a, struct span term)
{
    UErrorCode status = U_ZERO_ERROR;
    struct units *units = &a->raw;
    int32_t len = (int32_t)term.len;

    reserve(units, len);
    u_strFromUTF8WithSub(units->ptr, units->cap, &units->len, term.ptr, len,
                         0xfffd, NULL, &status);
    if (a->lowercase) {
        reserve(&a->folded, units->len * CASEFOLD_MAX);
        a->folded.len = unorm2_normalize(a->casefold, units->ptr, units->len,
                                         a->folded.ptr, a->folded.cap, &status);
        units = &a->folded;
    }
    if (a->accents) {
        int32_t limit = units->len;
        reserve(units, units->len * ACCENTS_MAX);
        utrans_transUChars(a->accents, units->ptr, &units->len, units->cap, 0,
                           &limit, &status);
    }
    len = 3 * units->len + 1; /* bytes, and one as ICU wants a NUL */
    u_strToUTF8(buf_reserve(&a->term, (size_t)len), len, &len, units->ptr,
                units->len, &status);
    assert(U_SUCCESS(status));
    buf_commit(&a->term, (size_t)len);
    return buf_span(&a->term);
}

struct span fold_term(struct analyzer *a, struct span term)
{
    unsigned char all = 0;

    for (size_t i = 0; i < term.len; i++)
        all |= (unsigned char)term.ptr[i];
    if (!a->lowercase && (all < 0x80 || !a->accents))
        return term;
    a->term.len = 0;
    if (all >= 0x80)
        return fold_by_icu(a, term);
    char *to = buf_reserve(&a->term, term.len);
    for (size_t i = 0; i < term.len; i++) {
        char c = term.ptr[i];
        to[i] = c;
        if (c >= 'A' && c <= 'Z')
            to[i] = (char)(c - 'A' + 'a');
    }
    buf_commit(&a->term, term.len);
    return buf_span(&a->term);
}
