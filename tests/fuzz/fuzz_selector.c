/* fuzz_selector.c - any bytes: refused, or what the model says, in time. */
#include <stdlib.h>

#include "notifier/selector.h"
#include "tests/notifier/template_model.h"

#define MODEL_INPUT 48 /* bytes; what is larger is only run */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * The model knows no bound of prefixes, nor what an escape that the template
 * itself cuts leaves: there a selector may match more.
 */
static bool may_differ(struct span text)
{
    return span_find(text, ':') < text.len;
}

static void compare(const struct selector *selector, struct span topic,
                    bool answer)
{
    struct span text = selector_text(selector);
    enum model_answer expected;

    if (text.len + topic.len > MODEL_INPUT || span_eq(text, SPAN("*")))
        return;
    if (selector_is_exact(selector))
        expected = span_eq(text, topic) ? MODEL_YES : MODEL_NO;
    else
        expected = model_matches(text, topic);
    if ((expected == MODEL_YES && !answer) ||
        (expected == MODEL_NO && answer && !may_differ(text)))
        abort();
}

/* The first line is a selector, the rest the topic. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span topic = {(const char *)data, size};
    struct span text;
    struct selector *selector;
    uint64_t steps = 0;

    if (size == 0 || !span_cut(&topic, '\n', &text) || !topic.ptr)
        return 0;
    if (selector_create(text, &selector) != SELECTOR_OK)
        return 0;
    bool answer = selector_matches_counted(selector, topic, &steps);
    if (steps > 1 + topic.len * selector_states(selector) ||
        !selector_matches(selector, text))
        abort();
    compare(selector, topic, answer);
    selector_unref(selector);
    return 0;
}
