/*
 * limit_replay.c - the answer to an id that was seen: what it was then.
 *
 * What is kept beside the states is their numbers and those of the limits, as
 * they were: the answer is worked out from them again.  It is no news: nothing
 * of it is remembered of the key.
 */
#include <inttypes.h>

#include "common/limit_internal.h"

struct span limit_replay_words(const struct limit_batch *batch,
                               struct arena *arena)
{
    struct buf words;

    buf_init(&words, MEM_LIMIT);
    for (size_t i = 0; i < batch->count; i++) {
        const struct limit_spec *spec = batch->of[i].spec;
        const struct limit_numbers *n = &spec->numbers;
        buf_printf(&words, "%s%d %" PRIu64 " %" PRIu64 " %" PRIu64 " %d",
                   i ? " " : "", (int)n->algorithm, n->rate, n->per_us,
                   n->burst, spec->shadow);
    }
    struct span all = arena_copy(arena, buf_span(&words));
    buf_deinit(&words);
    return all;
}

static bool next_word(struct span *text, uint64_t *value)
{
    struct span word;

    return span_cut(text, ' ', &word) && span_to_u64(word, UINT64_MAX, value);
}

/* The limit as it was. */
static struct limit_spec *read_limit(const struct limit_spec *now,
                                     struct span *text)
{
    struct limit_spec then = *now;
    uint64_t algorithm;
    uint64_t shadow;

    then.earlier_count = 0;
    if (!next_word(text, &algorithm) || algorithm >= LIMIT_ALGORITHMS ||
        !next_word(text, &then.numbers.rate) ||
        !next_word(text, &then.numbers.per_us) ||
        !next_word(text, &then.numbers.burst) || !next_word(text, &shadow))
        return NULL;
    then.numbers.algorithm = (enum limit_algorithm)algorithm;
    then.shadow = shadow;
    return limit_spec_create(&then);
}

static bool read_limits(struct limit_group *group, struct span *text)
{
    for (size_t i = 0; i < group->count; i++) {
        struct limit_ask *ask = &group->call->asks[group->at[i]];
        struct limit_spec *then = read_limit(ask->spec, text);
        if (!then)
            return false;
        limit_spec_unref(ask->spec);
        ask->spec = then;
    }
    return true;
}

static bool read_ask(struct limit_ask *ask, uint64_t now, struct span *text,
                     uint64_t *window)
{
    struct limit_state state = {.now = now};
    uint64_t allowed;

    if (!next_word(text, &allowed) || !next_word(text, &state.a) ||
        !next_word(text, &state.b) || !next_word(text, &state.c))
        return false;
    ask->allowed = allowed == 1;
    *window = state.a;
    limit_left(&ask->spec->numbers, &state, ask->allowed ? 0 : ask->cost,
               &ask->left);
    return true;
}

bool limit_replay(struct limit_group *group, struct span text)
{
    uint64_t passed;

    if (!read_limits(group, &text) || !next_word(&text, &group->now) ||
        !next_word(&text, &passed))
        return false;
    group->passed = group->charged = passed == 1;
    for (size_t i = 0; i < group->count; i++)
        if (!read_ask(&group->call->asks[group->at[i]], group->now, &text,
                      &group->window[i]))
            return false;
    return true;
}
