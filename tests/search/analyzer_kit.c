/* analyzer_kit.c - see analyzer_kit.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/search/analyzer_kit.h"
#include "tests/test.h"

void found_add(void *arg, const struct token *token)
{
    struct found *found = arg;

    assert_true(found->count < FOUND_MAX);
    assert_true(token->term.len > 0);
    assert_true(token->start < token->end);
    if (found->count > 0)
        assert_true(token->position >=
                    found->tokens[found->count - 1].position);
    struct token *copy = &found->tokens[found->count++];
    *copy = *token;
    copy->term.ptr =
        memcpy(malloc(token->term.len + 1), token->term.ptr, token->term.len);
}

struct found *found_of(struct analyzer *analyzer, struct span text)
{
    struct found *found = calloc(1, sizeof(*found));
    char *bytes = malloc(text.len + !text.len);

    if (text.len)
        memcpy(bytes, text.ptr, text.len);
    analyzer_run(analyzer, (struct span){bytes, text.len}, found_add, found);
    free(bytes);
    return found;
}

void found_release(struct found *found)
{
    for (size_t i = 0; i < found->count; i++)
        free((char *)(uintptr_t)found->tokens[i].term.ptr);
    free(found);
}

int found_compare(const void *a, const void *b)
{
    const struct token *one = a;
    const struct token *two = b;
    size_t len = one->term.len < two->term.len ? one->term.len : two->term.len;
    int order = memcmp(one->term.ptr, two->term.ptr, len);

    if (one->position != two->position)
        return one->position < two->position ? -1 : 1;
    if (order || one->term.len != two->term.len)
        return order ? order : one->term.len < two->term.len ? -1 : 1;
    if (one->start != two->start)
        return one->start < two->start ? -1 : 1;
    return (one->end > two->end) - (one->end < two->end);
}

void found_assert_same(struct found *one, struct found *two)
{
    qsort(one->tokens, one->count, sizeof(one->tokens[0]), found_compare);
    qsort(two->tokens, two->count, sizeof(two->tokens[0]), found_compare);
    assert_int_equal(one->count, two->count);
    for (size_t i = 0; i < one->count; i++)
        assert_int_equal(found_compare(&one->tokens[i], &two->tokens[i]), 0);
    found_release(one);
    found_release(two);
}

/* As "position:term[start,end) ..."; tokens of a position by their terms. */
static const char *shown(struct analyzer *analyzer, struct span text,
                         bool with_bytes)
{
    static char out[8192];
    struct found *found = found_of(analyzer, text);
    int len = 0;

    qsort(found->tokens, found->count, sizeof(found->tokens[0]), found_compare);
    out[0] = '\0';
    for (size_t i = 0; i < found->count; i++) {
        const struct token *token = &found->tokens[i];
        len += snprintf(out + len, sizeof(out) - (size_t)len, "%s%u:%.*s",
                        i ? " " : "", token->position, (int)token->term.len,
                        token->term.ptr);
        if (with_bytes)
            len += snprintf(out + len, sizeof(out) - (size_t)len, "[%u,%u)",
                            token->start, token->end);
    }
    found_release(found);
    return out;
}

struct analyzer *analyzer_of_text(const char *text, struct json_errors *errors)
{
    json_t *document = NULL;

    json_errors_init(errors);
    assert_int_equal(json_read(span_str(text), &document, errors), 0);
    struct analyzer *analyzer = analyzer_of_json(document, errors);
    json_decref(document);
    return analyzer;
}

void examples_check(const struct example *examples, size_t count,
                    bool with_bytes)
{
    for (size_t i = 0; i < count; i++) {
        struct json_errors errors;
        struct analyzer *analyzer =
            analyzer_of_text(examples[i].settings, &errors);
        if (!analyzer)
            fail_msg("%s: %s", examples[i].settings, errors.at[0].detail);
        assert_string_equal(
            shown(analyzer, span_str(examples[i].text), with_bytes),
            examples[i].tokens);
        analyzer_destroy(analyzer);
    }
}

struct span random_text(char out[FOUND_TEXT_MAX], const char *const *pieces,
                        size_t count, size_t most)
{
    size_t left = (size_t)random() % (most + 1);
    size_t len = 0;

    while (left--)
        for (const char *c = pieces[(size_t)random() % count]; *c; c++)
            out[len++] = *c;
    return (struct span){out, len};
}
