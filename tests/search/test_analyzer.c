/* test_analyzer.c - the terms of texts. */
#include <stdlib.h>
#include <string.h>
#include <unicode/ubrk.h>
#include <unicode/uchar.h>

#include "tests/search/analyzer_kit.h"
#include "tests/test.h"

/* ---- words */

struct bench {
    struct analyzer *analyzer; /* standard, without cjk */
    UBreakIterator *breaks;
};

static struct bench *make_bench(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct json_errors errors;
    UErrorCode status = U_ZERO_ERROR;

    bench->analyzer = analyzer_of_text("{\"cjk\": false}", &errors);
    bench->breaks = ubrk_open(UBRK_WORD, "", NULL, 0, &status);
    assert_true(U_SUCCESS(status));
    return bench;
}

static void end_bench(struct bench *bench)
{
    analyzer_destroy(bench->analyzer);
    ubrk_close(bench->breaks);
    free(bench);
}

/* By ICU alone, of all the text at once; terms are what it has there. */
static struct found *words_of_icu(struct bench *bench, struct span text)
{
    char bytes[FOUND_TEXT_MAX];
    struct found *found = calloc(1, sizeof(*found));
    UErrorCode status = U_ZERO_ERROR;
    UText utext = UTEXT_INITIALIZER;
    size_t start = 0;
    int32_t end;

    for (size_t i = 0; i < text.len; i++) {
        bytes[i] = text.ptr[i];
        if (bytes[i] == '@') /* ICU 72 joins by it */
            bytes[i] = ' ';
    }
    utext_openUTF8(&utext, bytes, (int64_t)text.len, &status);
    ubrk_setUText(bench->breaks, &utext, &status);
    assert_true(U_SUCCESS(status));
    while ((end = ubrk_next(bench->breaks)) != UBRK_DONE) {
        bool is_word = false;
        for (size_t at = start; at < (size_t)end; at++) {
            UChar32 c = utext_char32At(&utext, (int64_t)at);
            is_word = is_word || u_isUAlphabetic(c) || u_isdigit(c);
        }
        struct token token = {{text.ptr + start, (size_t)end - start},
                              (uint32_t)start,
                              (uint32_t)end,
                              (uint32_t)found->count};
        if (is_word)
            found_add(found, &token);
        start = (size_t)end;
    }
    utext_close(&utext);
    return found;
}

static void assert_words_are_icus(struct bench *bench, struct span text)
{
    struct found *found = found_of(bench->analyzer, text);
    struct found *wanted = words_of_icu(bench, text);

    assert_int_equal(found->count, wanted->count);
    for (size_t i = 0; i < found->count; i++) {
        assert_int_equal(found->tokens[i].position, i);
        assert_int_equal(found->tokens[i].start, wanted->tokens[i].start);
        assert_int_equal(found->tokens[i].end, wanted->tokens[i].end);
    }
    found_release(found);
    found_release(wanted);
}

static void test_ascii_words_are_those_of_icu(void **state)
{
    static const char some[] = "aZ09__''..::,,;;--  \t\n\"@/~\x01\x7f";
    struct bench *bench = make_bench();
    char text[FOUND_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < 30000; i++) {
        size_t len = (size_t)random() % 24;
        for (size_t j = 0; j < len; j++)
            if (random() % 4)
                text[j] = some[(size_t)random() % (sizeof(some) - 1)];
            else
                text[j] = (char)(random() & 127);
        assert_words_are_icus(bench, (struct span){text, len});
    }
    end_bench(bench);
}

static void test_other_words_are_those_of_icu(void **state)
{
    static const char *const pieces[] = {
        "a",      "B",      "7",      "'",  ".",      ",",     ":",    "_",
        " ",      "\n",     "-",      "é",  "ß",      "’",     "ж",    "Я",
        "\u0301", "\u200d", "א",      "\"", "ไทย",    "한",    "漢字", "カ",
        "@",      "\u00a0", "\u3000", "😀",  "\u0661", "\u066c"};
    struct bench *bench = make_bench();
    char text[FOUND_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < 20000; i++)
        assert_words_are_icus(bench,
                              random_text(text, pieces, COUNT(pieces), 16));
    end_bench(bench);
}

/* Whatever they are: spaces in their places give the same. */
static void test_bad_bytes_separate_words(void **state)
{
    static const char *const settings[] = {
        "{\"fold\": true, \"synonyms\": [\"a 漢 => b\", \"é, b s\"]}",
        "{\"type\": \"english\"}", "{\"type\": \"simple\"}",
        "{\"type\": \"whitespace\"}"};
    static const char *const pieces[] = {"a",
                                         "B's",
                                         ".",
                                         " ",
                                         "é",
                                         "漢",
                                         "字",
                                         "한",
                                         "\xff",
                                         "\x80",
                                         "\xc3",
                                         "\xf0",
                                         "\xe6\xbc",
                                         "\xed\xa0\x80",
                                         "\xf4\x90\x80\x80"};
    struct json_errors errors;
    char text[FOUND_TEXT_MAX];
    char clean[FOUND_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(settings); i++) {
        struct analyzer *analyzer = analyzer_of_text(settings[i], &errors);
        for (size_t j = 0; j < 3000; j++) {
            struct span bytes = random_text(text, pieces, COUNT(pieces), 12);
            memcpy(clean, text, bytes.len);
            for (size_t at = 0, len; at < bytes.len; at += len ? len : 1) {
                len = span_utf8_length(span_skip(bytes, at));
                if (len == 0)
                    clean[at] = ' ';
            }
            found_assert_same(
                found_of(analyzer, bytes),
                found_of(analyzer, (struct span){clean, bytes.len}));
        }
        analyzer_destroy(analyzer);
    }
}

/* As often as there is room for all of piece. */
static struct span fill(char *out, size_t size, struct span piece)
{
    size_t len = size / piece.len * piece.len;

    for (size_t i = 0; i < len; i++)
        out[i] = piece.ptr[i % piece.len];
    return (struct span){out, len};
}

static void test_long_words_are_cut_between_characters(void **state)
{
    struct analyzer *analyzer = analyzer_of_name(SPAN("standard"));
    char text[600];

    (void)state;
    struct found *found = found_of(analyzer, fill(text, 600, SPAN("a")));
    assert_int_equal(found->count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(found->tokens[i].position, i);
        assert_int_equal(found->tokens[i].start, i * 255);
        assert_int_equal(found->tokens[i].term.len, i < 2 ? 255 : 90);
    }
    found_release(found);
    found = found_of(analyzer, fill(text, 400, SPAN("é")));
    assert_int_equal(found->count, 2);
    assert_int_equal(found->tokens[0].end, 254);
    assert_int_equal(found->tokens[1].start, 254);
    found_release(found);
    analyzer_destroy(analyzer);
}

static size_t length_of_term(const char *settings, struct span text)
{
    struct json_errors errors;
    struct analyzer *analyzer = analyzer_of_text(settings, &errors);
    struct found *found = found_of(analyzer, text);
    size_t len = found->count ? found->tokens[0].term.len : 0;

    assert_true(found->count <= 1);
    found_release(found);
    analyzer_destroy(analyzer);
    return len;
}

/* The character of U+FDFA is eighteen letters and spaces, 33 bytes. */
static void test_terms_too_long_for_an_index_are_left_out(void **state)
{
    static const char keyword[] = "{\"type\": \"keyword\"}";
    static const char folded[] = "{\"type\": \"keyword\", \"lowercase\": true}";
    struct span character = SPAN("\ufdfa");
    char text[INVERTER_TERM_MAX + 1];
    size_t most = INVERTER_TERM_MAX / 33;

    (void)state;
    assert_int_equal(length_of_term("{}", fill(text, 255, character)), 85 * 33);
    assert_int_equal(length_of_term(folded, fill(text, most * 3, character)),
                     most * 33);
    assert_int_equal(
        length_of_term(folded, fill(text, most * 3 + 3, character)), 0);
    assert_int_equal(
        length_of_term(keyword, fill(text, sizeof(text), SPAN("B"))), 0);
    assert_int_equal(
        length_of_term(keyword, fill(text, sizeof(text) - 1, SPAN("B"))),
        INVERTER_TERM_MAX);
}

static void test_runs_of_cjk_are_pairs(void **state)
{
    static const struct example examples[] = {
        {"{}", "東京都 x", "0:東京[0,6) 1:京都[3,9) 2:x[10,11)"},
        {"{}", "a東b", "0:a[0,1) 1:東[1,4) 2:b[4,5)"},
        {"{}", "東。京", "0:東[0,3) 1:京[6,9)"},
        {"{}", "iPhone手机", "0:iphone[0,6) 1:手机[6,12)"},
        {"{}", "스타クー漢",
         "0:스타[0,6) 1:타ク[3,9) 2:クー[6,12) "
         "3:ー漢[9,15)"},
        {"{}", "か\u3099く", "0:がく[0,9)"},
        {"{}", "ｶﾞｸ", "0:ガク[0,9)"},
        {"{}", "\u1112\u1161\u11ab\u1100\u116e\u11a8", "0:한국[0,18)"},
        {"{\"type\": \"whitespace\"}", "東京都 x", "0:東京都[0,9) 1:x[10,11)"},
    };

    (void)state;
    examples_check(examples, COUNT(examples), true);
}

/* ---- terms */

static void test_case_and_accents_are_folded(void **state)
{
    static const struct example examples[] = {
        {"{}", "The ÉTÉ Straße ﬁn Ⅷ Ｗｉｄｅ ΣΊΣΥΦΟΣ",
         "0:the 1:été 2:strasse 3:fin 4:viii 5:wide 6:σίσυφοσ"},
        {"{}", "x\u0301\u00ad\u00c0", "0:x\u0301à"},
        {"{\"fold\": true}", "ÉTÉ cœur Ærø Łódź Đà ðþ ıİ ǖ e\u0302x\u0301",
         "0:ete 1:coeur 2:aero 3:lodz 4:da 5:dth 6:ii 7:u 8:ex"},
        {"{\"fold\": true}", "Ёй ά가 がく", "0:ёй 1:ά 2:가 3:がく"},
        {"{\"fold\": true, \"lowercase\": false}", "ÉtÉ Ærø Straße ab",
         "0:EtE 1:AEro 2:Strasse 3:ab"},
        {"{\"lowercase\": false}", "ÉtÉ Ab ab", "0:ÉtÉ 1:Ab 2:ab"},
    };

    (void)state;
    examples_check(examples, COUNT(examples), false);
}

/* No character of all becomes more than there is room for. */
static void test_each_character_can_be_folded(void **state)
{
    static const char *const settings[] = {
        "{\"type\": \"keyword\", \"fold\": true}",
        "{\"type\": \"keyword\", \"fold\": true, \"lowercase\": true}"};
    struct json_errors errors;

    (void)state;
    for (size_t i = 0; i < COUNT(settings); i++) {
        struct analyzer *analyzer = analyzer_of_text(settings[i], &errors);
        for (unsigned c = 0x800; c < 0x30000; c++) {
            unsigned char text[4] = {
                (unsigned char)(0xf0 | c >> 18),
                (unsigned char)(c < 0x10000 ? 0xe0 | c >> 12
                                            : 0x80 | (c >> 12 & 63)),
                (unsigned char)(0x80 | (c >> 6 & 63)),
                (unsigned char)(0x80 | (c & 63))};
            struct span bytes = {(const char *)text, sizeof(text)};
            found_release(
                found_of(analyzer, c < 0x10000 ? span_skip(bytes, 1) : bytes));
        }
        analyzer_destroy(analyzer);
    }
}

static void test_names_are_those_of_elasticsearch(void **state)
{
    static const struct example examples[] = {
        {"{\"type\": \"standard\"}", "The 2 QUICK foxes, don't_ run",
         "0:the 1:2 2:quick 3:foxes 4:don't_ 5:run"},
        {"{\"type\": \"simple\"}", "The 2 QUICK don't é9É",
         "0:the 1:quick 2:don 3:t 4:é 5:é"},
        {"{\"type\": \"stop\"}", "The fox is in THE box", "1:fox 5:box"},
        {"{\"type\": \"whitespace\"}", " The-2 é’s\u3000x\u00a0y. ",
         "0:The-2 1:é’s 2:x\u00a0y."},
        {"{\"type\": \"keyword\"}", " The É\xff. ", "0: The É\xff. "},
        {"{\"type\": \"keyword\"}", "", ""},
        {"{\"type\": \"english\"}", "The foxes' Jane’s dog's its running",
         "1:fox 2:jane 3:dog 4:it 5:run"},
        {"{\"type\": \"english\"}", "that's THE 's s's", "2:s 3:s"},
        {"{\"type\": \"french\"}", "les chevaux", "0:le 1:cheval"},
        {"{\"type\": \"german\"}", "die Häuser", "0:die 1:haus"},
        {"{\"stemmer\": \"porter\"}", "the ponies", "0:the 1:poni"},
        {"{\"type\": \"english\", \"stopwords\": \"_none_\"}", "the hopping",
         "0:the 1:hop"},
    };

    (void)state;
    examples_check(examples, COUNT(examples), false);
    assert_null(analyzer_of_name(SPAN("porter")));
    assert_null(analyzer_of_name(SPAN("klingon")));
    assert_null(analyzer_of_name(SPAN("")));
}

static void test_stop_words_leave_gaps(void **state)
{
    static const struct example examples[] = {
        {"{\"stopwords\": [\"Été\", \"b\"]}", "a ÉTÉ b c été d",
         "0:a[0,1) 3:c[10,11) 5:d[18,19)"},
        {"{\"stopwords\": [\"ete\"], \"fold\": true}", "a été b",
         "0:a[0,1) 2:b[8,9)"},
        {"{\"stopwords\": [\"_english_\", \"x\"]}", "with x will y",
         "3:y[12,13)"},
        {"{\"stopwords\": []}", "the", "0:the[0,3)"},
    };

    (void)state;
    examples_check(examples, COUNT(examples), true);
}

/* ---- settings */

static void test_wrong_settings_are_refused_by_name(void **state)
{
    static const struct {
        const char *settings, *pointer, *detail;
    } cases[] = {
        {"{\"type\": \"klingon\"}", "/type", "there is no analyzer"},
        {"{\"typ\": \"english\"}", "/typ", "unknown member"},
        {"{\"fold\": 1}", "/fold", "must be true or false"},
        {"{\"stopwords\": 1}", "/stopwords", "must be an array"},
        {"{\"synonyms\": \"a, b\"}", "/synonyms", "must be an array"},
        {"{\"synonyms\": [1]}", "/synonyms/0", "must be a string"},
        {"{\"stemmer\": \"klingon\"}", "", "stemmer: "},
        {"{\"stopwords\": \"_klingon_\"}", "", "stopwords: there is no set"},
        {"{\"stopwords\": [\"\"]}", "", "stopwords: one is empty"},
        {"{\"type\": \"keyword\", \"cjk\": true}", "", "cjk: "},
        {"{\"synonyms\": [\"a, b\", \"a => \"]}", "",
         "synonyms: rule 2: a phrase has no word"},
        {"{\"synonyms\": [\"a,,b\"]}", "", "synonyms: rule 1: a phrase has no"},
        {"{\"synonyms\": [\"\"]}", "", "synonyms: rule 1: it is empty"},
        {"{\"synonyms\": [\"a => 1 2 3 4 5 6 7 8 9\"]}", "",
         "synonyms: rule 1: a phrase has too many words"},
        {"{\"stopwords\": [\"x\"], \"synonyms\": [\"1 x x x x x x x 9, a\"]}",
         "", "synonyms: rule 1: a phrase has too many words"},
        {"[]", "", "must be an object"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_errors errors;
        assert_null(analyzer_of_text(cases[i].settings, &errors));
        assert_int_equal(errors.count, 1);
        assert_string_equal(errors.at[0].pointer, cases[i].pointer);
        assert_memory_equal(errors.at[0].detail, cases[i].detail,
                            strlen(cases[i].detail));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ascii_words_are_those_of_icu),
        cmocka_unit_test(test_other_words_are_those_of_icu),
        cmocka_unit_test(test_bad_bytes_separate_words),
        cmocka_unit_test(test_long_words_are_cut_between_characters),
        cmocka_unit_test(test_terms_too_long_for_an_index_are_left_out),
        cmocka_unit_test(test_runs_of_cjk_are_pairs),
        cmocka_unit_test(test_case_and_accents_are_folded),
        cmocka_unit_test(test_each_character_can_be_folded),
        cmocka_unit_test(test_names_are_those_of_elasticsearch),
        cmocka_unit_test(test_stop_words_leave_gaps),
        cmocka_unit_test(test_wrong_settings_are_refused_by_name),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
