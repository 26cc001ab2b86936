/*
 * fuzz_search_analyzer.c - any bytes as a text: tokens are within it, and in
 * order (but that what replaces a word may stand behind words that follow it).
 *
 * The first byte: by which analyzer; by the last one, its JSON stands before a
 * line's end, the text behind it.
 */
#include "search/index/analyzer.h"
#include "tests/fuzz/search_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SYNONYMS 6 /* the analyzer that has them, but for one's own */

struct seen {
    size_t len; /* of the text */
    struct token last;
    bool any, ordered;
};

static void on_token(void *arg, const struct token *token)
{
    struct seen *seen = arg;

    KIT_ASSERT(token->term.len > 0 && token->term.len <= INVERTER_TERM_MAX);
    KIT_ASSERT(token->start <= token->end && token->end <= seen->len);
    KIT_ASSERT(!seen->any || token->position >= seen->last.position);
    KIT_ASSERT(!seen->any || !seen->ordered ||
               token->start >= seen->last.start);
    seen->last = *token;
    seen->any = true;
}

static struct analyzer *of_json(struct span text)
{
    struct json_errors errors = {0};
    struct analyzer *analyzer = NULL;
    json_t *json;

    if (json_read(text, &json, &errors) < 0)
        return NULL;
    if (json_is_object(json))
        analyzer = analyzer_of_json(json, &errors);
    KIT_ASSERT(analyzer || errors.count || !json_is_object(json));
    json_decref(json);
    return analyzer;
}

/* Kept: to make one takes longer than to use it. */
static struct analyzer *known(unsigned which)
{
    static const char *const all[] = {
        "{}",
        "{\"cjk\":true,\"fold\":true}",
        "{\"type\":\"english\"}",
        "{\"type\":\"keyword\"}",
        "{\"type\":\"simple\"}",
        "{\"type\":\"whitespace\",\"lowercase\":true}",
        "{\"synonyms\":[\"a b => c\",\"sea, the big water\",\"x, y z\"]}",
    };
    enum { COUNT = sizeof(all) / sizeof(all[0]) };
    static struct analyzer *made[COUNT];

    if (which >= COUNT)
        return NULL;
    if (!made[which])
        made[which] = of_json(span_str(all[which]));
    KIT_ASSERT(made[which]);
    return made[which];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_setup;
    struct span text = span_skip((struct span){(const char *)data, size}, 1);
    struct span json;

    if (!is_setup)
        json_setup();
    is_setup = true;
    if (size == 0)
        return 0;
    struct analyzer *analyzer = known(data[0] % 8);
    bool is_own = !analyzer;
    if (is_own && span_cut(&text, '\n', &json))
        analyzer = of_json(json);
    struct seen seen = {.len = text.len, .ordered = data[0] % 8 < SYNONYMS};
    if (analyzer)
        analyzer_run(analyzer, text, on_token, &seen);
    if (is_own)
        analyzer_destroy(analyzer);
    return 0;
}
