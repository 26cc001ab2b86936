/*
 * test_selector_model.c - selectors beside a plain model of RFC 6570, and what
 * a match costs.
 */
#include "notifier/selector.h"
#include "tests/notifier/template_model.h"
#include "tests/test.h"

static struct selector *compile(struct span text)
{
    struct selector *selector;

    if (selector_create(text, &selector) != SELECTOR_OK)
        fail_msg("%.*s: refused", (int)text.len, text.ptr);
    return selector;
}

static bool matches(struct span text, struct span topic)
{
    struct selector *selector = compile(text);
    bool answer = selector_matches(selector, topic);

    selector_unref(selector);
    return answer;
}

/* ---- cost */

/* All fail at the end only, where a search would begin to try the rest. */
static void test_selector_follows_each_state_once_a_byte(void **state)
{
    static const struct {
        const char *text;
        char first; /* of a topic that goes on with a */
    } cases[] = {
        {"{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}{m}{n}{o}{p}{q}{r}!{s}", 'a'},
        {"{+a,b,c,d,e,f,g,h,i,j,k,l}{+a,b,c,d,e,f,g,h,i,j,k,l}\u00fc", '/'},
        {"{a*,b*,c*,d*,e*,f*}{g*,h*,i*,j*}!{x}", ','},
        {"{?a*,b*,c*}{&d*,e*}{;f*}!{x}", '?'},
        {"{a:64}{b:64}{c:64}a{d}!{x}", 'a'},
        {"{a}a{b}a{c}a{d}a{e}a{f}a{g}a{h}!{x}", 'a'},
    };
    static char topic[1 << 16];
    (void)state;

    memset(topic, 'a', sizeof(topic));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct selector *selector = compile(span_str(cases[i].text));
        size_t states = selector_states(selector);
        topic[0] = cases[i].first;
        for (size_t len = 256; len <= sizeof(topic); len *= 16) {
            uint64_t steps = 0;
            struct span part = {topic, len};
            assert_false(selector_matches_counted(selector, part, &steps));
            assert_in_range(steps, len, 1 + len * states);
        }
        selector_unref(selector);
    }
}

static void test_selector_looks_nothing_up_within_a_value(void **state)
{
    struct selector *selector = compile(SPAN("/{a}"));
    struct span topic = SPAN("/0123456789abcdefghijklmnopqrstuvwxyz");
    uint64_t steps = 0;
    (void)state;

    assert_true(selector_matches_counted(selector, topic, &steps));
    assert_int_equal(steps, topic.len); /* no / is read, and one look taken */
    selector_unref(selector);
}

/* Not a state more than there are places to be at. */
static void test_selector_has_few_states(void **state)
{
    static const struct {
        const char *text;
        size_t states; /* with the first one */
    } cases[] = {
        {"{a}", 2},        {"x/{a}/y", 2}, {"{a}/{b}", 4},   {"{a,b}", 4},
        {"{/a,b}", 5},     {"{.a*}", 7},   {"{+a*}", 2},     {"{#a}", 3},
        {"{?a,b}", 10},    {"{&a,b}", 9},  {"{?a*}", 5},     {"{;a*}", 3},
        {"{a:3}", 7},      {"{a:65}", 3},  {"{a}%41{b}", 6}, {"x", 0},
        {"{a}\u00fc", 10},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct selector *selector = compile(span_str(cases[i].text));
        if (selector_states(selector) != cases[i].states)
            fail_msg("%s: %zu", cases[i].text, selector_states(selector));
        selector_unref(selector);
    }
}

/* ---- beside the model */

static uint64_t random_state;

/* xorshift64* (Vigna, 2014) */
static size_t random_below(size_t bound)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (size_t)((random_state * UINT64_C(2685821657736338717)) >> 33) %
           bound;
}

static struct span pick(const char *const *from, size_t count)
{
    return span_str(from[random_below(count)]);
}

#define PICK(array) pick((array), COUNT(array))

static struct model_value random_value(bool prefix)
{
    static const char *const texts[] = {
        "",       "a",    "b", "ab",  "a,b",     "a=b", "50%", "%41",
        "\u00fc", "a/b.", "=", "x y", "\u20aca", "aaa", "&;?", "%C3%BC",
    };
    struct model_value value = {
        .type = (enum model_type)random_below(prefix ? 2 : 4),
    };

    value.count = value.type <= MODEL_STRING ? 1 : 1 + random_below(2);
    for (size_t i = 0; i < value.count; i++) {
        value.members[i] = PICK(texts);
        value.names[i] = PICK(texts);
    }
    return value;
}

static void add_random_expression(struct model_text *text,
                                  struct model_text *expansion)
{
    static const char *const names[] = {"a", "b", "ab", "a.b", "%41"};
    static const char signs[] = {'\0', '+', '#', '.', '/', ';', '?', '&'};
    struct model_variable variables[3];
    size_t count = 1 + random_below(COUNT(variables));
    char sign = signs[random_below(COUNT(signs))];

    for (size_t i = 0; i < count; i++) {
        struct model_variable *variable = &variables[i];
        *variable = (struct model_variable){.name = PICK(names)};
        if (random_below(3) == 0)
            variable->prefix = 1 + (int)random_below(3);
        else
            variable->explode = random_below(2);
        variable->value = random_value(variable->prefix > 0);
    }
    model_write(text, sign, variables, count);
    model_expand(expansion, sign, variables, count);
}

/* Templates have text that is the same in an expansion. */
static void make_random(struct model_text *text, struct model_text *expansion)
{
    static const char *const literals[] = {
        "a", "b", "/", ",", "=", "&", ".", "%41", "%C3%BC", "\u00fc", ";", "",
    };
    size_t parts = 1 + random_below(2);

    text->len = 0;
    expansion->len = 0;
    for (size_t i = 0; i < parts; i++) {
        struct span literal = PICK(literals);
        model_put(text, literal);
        model_put(expansion, literal);
        add_random_expression(text, expansion);
    }
    struct span literal = PICK(literals);
    model_put(text, literal);
    model_put(expansion, literal);
}

static void mutate(struct model_text *topic)
{
    static const char bytes[] = "ab,=&;?#./%41C3B!\xc3\xbc";
    size_t at = topic->len ? random_below(topic->len) : 0;

    switch (random_below(3)) {
    case 0:
        if (topic->len > 0)
            topic->bytes[at] = bytes[random_below(sizeof(bytes) - 1)];
        break;
    case 1:
        if (topic->len > 0)
            memmove(topic->bytes + at, topic->bytes + at + 1,
                    --topic->len - at);
        break;
    default:
        memmove(topic->bytes + at + 1, topic->bytes + at, topic->len - at);
        topic->bytes[at] = bytes[random_below(sizeof(bytes) - 1)];
        topic->len++;
    }
}

static struct span span_of(const struct model_text *text)
{
    return (struct span){text->bytes, text->len};
}

static void
test_selector_matches_all_expansions_of_random_templates(void **state)
{
    static struct model_text text;
    static struct model_text topic;
    (void)state;

    random_state = 6570;
    for (int i = 0; i < 10000; i++) {
        make_random(&text, &topic);
        if (!matches(span_of(&text), span_of(&topic)))
            fail_msg("%.*s and its %.*s", (int)text.len, text.bytes,
                     (int)topic.len, topic.bytes);
    }
}

static void test_selector_agrees_with_the_model_on_any_topic(void **state)
{
    static struct model_text text;
    static struct model_text topic;
    int answers[MODEL_TIRED + 1] = {0};
    (void)state;

    random_state = 1968;
    for (int i = 0; i < 10000; i++) {
        make_random(&text, &topic);
        for (size_t changes = 1 + random_below(3); changes > 0; changes--)
            mutate(&topic);
        enum model_answer expected =
            model_matches(span_of(&text), span_of(&topic));
        answers[expected]++;
        if (expected != MODEL_TIRED &&
            matches(span_of(&text), span_of(&topic)) != expected)
            fail_msg("%.*s and %.*s: model %d", (int)text.len, text.bytes,
                     (int)topic.len, topic.bytes, expected);
    }
    assert_true(answers[MODEL_YES] > 1500 && answers[MODEL_NO] > 1500);
    assert_true(answers[MODEL_TIRED] < 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_selector_follows_each_state_once_a_byte),
        cmocka_unit_test(test_selector_looks_nothing_up_within_a_value),
        cmocka_unit_test(test_selector_has_few_states),
        cmocka_unit_test(
            test_selector_matches_all_expansions_of_random_templates),
        cmocka_unit_test(test_selector_agrees_with_the_model_on_any_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
