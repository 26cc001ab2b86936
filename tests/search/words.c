/* words.c - see words.h. */
#include <stdlib.h>

#include "common/mem.h"
#include "tests/search/words.h"
#include "tests/test.h"

/* ---- random words */

/* Code points of each length, what has a meaning in patterns, NUL, and bytes
   that belong to none unless they happen to meet. */
static const struct span letters[] = {
    {"a", 1},        {"b", 1},        {"a", 1},
    {"b", 1},        {"c", 1},        {"*", 1},
    {"?", 1},        {"\\", 1},       {"\0", 1},
    {"\xc3\xa9", 2}, {"\xc3\xa8", 2}, {"\xe2\x82\xac", 3},
    {"\xc3", 1},     {"\xa9", 1},     {"\xf0\x9f\x98\x80", 4},
    {"\xff", 1},     {"\xe2\x82", 2}, {"\xf0\x9f\x98", 3},
    {"\x80", 1},     {"\xed\xa0", 2}, {"\xf0\x9f\x98\x81", 4},
};

_Static_assert(COUNT(letters) == WORDS_LETTERS, "all of them");

struct span words_span(const struct words_word *word)
{
    return (struct span){word->bytes, word->len};
}

void words_append(struct words_word *word, struct span bytes)
{
    assert_true(word->len + bytes.len <= sizeof(word->bytes));
    memcpy(word->bytes + word->len, bytes.ptr, bytes.len);
    word->len += bytes.len;
}

struct words_word words_random(size_t most, size_t kinds)
{
    struct words_word word = {.len = 0};

    for (size_t len = (size_t)random() % (most + 1); len > 0; len--)
        words_append(&word, letters[(size_t)random() % kinds]);
    return word;
}

/* ---- a dictionary */

static int compare_terms(const void *a, const void *b)
{
    return span_compare(words_span(&((const struct words_term *)a)->word),
                        words_span(&((const struct words_term *)b)->word));
}

static void add_entry(struct words *words, size_t i)
{
    struct words_term *term = &words->terms[i];

    term->count = 1 + (uint32_t)random() % 4;
    dict_writer_add(&words->writer, words_span(&term->word),
                    &(struct dict_entry){.count = term->count,
                                         .doc = (uint32_t)i,
                                         .freq = 1,
                                         .total = term->count,
                                         .list_size = i});
}

struct words *words_make(size_t count, size_t kinds)
{
    struct words *words = calloc(1, sizeof(*words));

    for (size_t i = 0; i < count; i++)
        words->terms[i].word = words_random(WORDS_LETTERS_MAX, kinds);
    qsort(words->terms, count, sizeof(words->terms[0]), compare_terms);
    dict_writer_init(&words->writer, MEM_APP, false);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && compare_terms(&words->terms[i],
                                   &words->terms[words->count - 1]) == 0)
            continue;
        words->terms[words->count] = words->terms[i];
        add_entry(words, words->count++);
    }
    dict_writer_finish(&words->writer);
    assert_true(dict_init(&words->dict, buf_span(&words->writer.blocks),
                          buf_span(&words->writer.index),
                          buf_span(&words->writer.keys), false));
    return words;
}

void words_drop(struct words *words)
{
    dict_writer_deinit(&words->writer);
    free(words);
}

struct words_word words_any(const struct words *words, size_t kinds)
{
    if (words->count > 0 && random() % 2)
        return words->terms[(size_t)random() % words->count].word;
    return words_random(WORDS_LETTERS_MAX, kinds);
}

/* ---- what is expected, and what comes */

void words_begin(struct words *words)
{
    words->expected_count = words->found = 0;
    words->most = random() % 4 ? SIZE_MAX : 1 + (size_t)random() % 8;
}

void words_expect(struct words *words, const struct words_term *term,
                  unsigned distance)
{
    words->expected[words->expected_count++] =
        (struct words_hit){.term = term, .distance = distance};
}

bool words_on_term(void *arg, struct span span, const struct dict_entry *entry,
                   unsigned distance)
{
    struct words *words = arg;

    assert_true(words->found < words->expected_count);
    struct words_hit hit = words->expected[words->found++];
    const struct words_term *term = hit.term;
    assert_true(span_eq(span, words_span(&term->word)));
    assert_int_equal(entry->count, term->count);
    assert_int_equal(entry->total, term->count);
    if (term->count == 1)
        assert_int_equal(entry->doc, term - words->terms);
    else
        assert_int_equal(entry->list_size, term - words->terms);
    assert_int_equal(distance, hit.distance);
    return words->found < words->most;
}

void words_end(const struct words *words)
{
    size_t expected = words->expected_count < words->most
                          ? words->expected_count
                          : words->most;

    assert_int_equal(words->found, expected);
}

bool words_on_any(void *arg, struct span term, const struct dict_entry *entry,
                  unsigned distance)
{
    (void)term;
    (void)entry;
    (void)distance;
    ++*(size_t *)arg;
    return true;
}

/* ---- code points */

struct words_points words_points(struct span s)
{
    struct words_points points = {.count = 0};

    while (s.len > 0) {
        size_t len = span_utf8_length(s);
        uint32_t point = 0;
        len = len ? len : 1;
        for (size_t i = 0; i < len; i++)
            point = point << 8 | (unsigned char)s.ptr[i];
        points.at[points.count++] = point;
        s = span_skip(s, len);
    }
    return points;
}
