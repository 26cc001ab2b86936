/*
 * limit_carry.c - a state of a version that its limit no longer has.
 *
 *   limit_carry() -- limit_change.lua -- of the next version that is known
 *
 * Version by version, as each says what becomes of tokens (on_change).  Those
 * with slots are passed over: they are no tokens.
 */
#include "common/limit_internal.h"

/* The numbers that the limit had in that version, or NULL. */
static const struct limit_numbers *find_version(const struct limit_spec *spec,
                                                uint64_t version)
{
    for (size_t i = 0; i < spec->earlier_count; i++)
        if (spec->earlier[i].version == version)
            return &spec->earlier[i];
    return NULL;
}

/* *change: what is to become of tokens on the way to it. */
static const struct limit_numbers *next_version(const struct limit_spec *spec,
                                                uint64_t version,
                                                enum limit_change *change)
{
    const struct limit_numbers *next = &spec->numbers;

    for (size_t i = 0; i < spec->earlier_count; i++) {
        const struct limit_numbers *one = &spec->earlier[i];
        if (one->version > version && one->version < next->version &&
            one->algorithm != LIMIT_CONCURRENCY)
            next = one;
    }
    *change = next->change;
    for (size_t i = 0; i < spec->earlier_count; i++)
        if (spec->earlier[i].version > version &&
            spec->earlier[i].version < next->version &&
            spec->earlier[i].change == LIMIT_RESET)
            *change = LIMIT_RESET;
    return next;
}

int limit_carry(struct limiter *limiter, const struct limit_spec *spec,
                struct span name, uint64_t version, uint32_t timeout_ms,
                redis_reply_cb cb, void *arg)
{
    static const char *const names[] = {[LIMIT_KEEP] = "keep",
                                        [LIMIT_SCALE] = "scale",
                                        [LIMIT_RESET] = "reset"};
    enum limit_change change;
    const struct limit_numbers *next = next_version(spec, version, &change);
    const struct limit_numbers *old = find_version(spec, version);
    struct limit_numbers unknown = *next;
    char text[2][192];
    struct span argv[2 + 2 * LIMIT_ARGS] = {name};

    if (version > spec->numbers.version)
        return UV_EAGAIN;
    unknown.version = version;
    limit_write_args(old ? old : &unknown, spec->shadow, false, text[0],
                     sizeof(text[0]), argv + 1);
    limit_write_args(next, spec->shadow, false, text[1], sizeof(text[1]),
                     argv + 1 + LIMIT_ARGS);
    argv[1 + 2 * LIMIT_ARGS] =
        span_str(names[old || change == LIMIT_RESET ? change : LIMIT_KEEP]);
    return redis_eval(limiter->options.redis, &script_limit_change, 1,
                      &(struct redis_call){.key = limit_tag(name),
                                           .argv = argv,
                                           .argc = 2 + 2 * LIMIT_ARGS,
                                           .timeout_ms = timeout_ms,
                                           .cb = cb,
                                           .arg = arg});
}
