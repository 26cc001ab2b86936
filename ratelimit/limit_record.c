/* limit_record.c - see limit_record.h. */
#include <inttypes.h>

#include "common/key.h"
#include "ratelimit/limit_record.h"
#include "ratelimit/ratelimit.h"

static const char *const changes[] = {
    [LIMIT_KEEP] = "keep", [LIMIT_SCALE] = "scale", [LIMIT_RESET] = "reset"};

struct span limit_record_key(struct arena *arena, struct span name)
{
    return key_name(arena, RATELIMIT_PREFIX, "limit", name, name);
}

static struct span number(struct arena *arena, uint64_t value)
{
    return arena_printf(arena, "%" PRIu64, value);
}

void limit_record_write(struct arena *arena, const struct limit_text *limit,
                        struct span *argv)
{
    const struct limit_spec *spec = &limit->spec;
    const struct limit_numbers *n = &spec->numbers;
    const struct span fields[RECORD_FIELDS][2] = {
        {SPAN("a"), span_str(limit_algorithm_name(n->algorithm))},
        {SPAN("r"), number(arena, n->rate)},
        {SPAN("p"), number(arena, n->per_us)},
        {SPAN("b"), number(arena, n->burst)},
        {SPAN("m"), span_str(limit_mode_name(spec->mode))},
        {SPAN("f"), span_str(limit_policy_name(spec->policy))},
        {SPAN("d"), number(arena, spec->deadline_ms)},
        {SPAN("s"), spec->shadow ? SPAN("1") : SPAN("0")},
        {SPAN("x"), number(arena, spec->max_cost)},
        {SPAN("t"), limit->description.ptr ? limit->description : SPAN("")},
    };

    memcpy(argv, fields, sizeof(fields));
}

static struct span text_of(const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING
               ? (struct span){reply->str, reply->len}
               : SPAN("");
}

static struct span field_of(const struct redisReply *reply, char field)
{
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        struct span name = text_of(reply->element[i]);
        if (name.len == 1 && name.ptr[0] == field)
            return text_of(reply->element[i + 1]);
    }
    return SPAN("");
}

static bool read_number(struct span text, uint64_t *out)
{
    return span_to_u64(text, UINT64_C(1) << 53, out);
}

static bool read_change(struct span name, enum limit_change *out)
{
    for (int i = 0; i < 3; i++)
        if (span_eq(name, span_str(changes[i]))) {
            *out = (enum limit_change)i;
            return true;
        }
    return false;
}

/* "version a r p b change" */
static bool read_earlier(struct span entry, struct limit_numbers *out)
{
    struct span word[6];

    for (size_t i = 0; i < 6; i++)
        if (!span_cut(&entry, ' ', &word[i]))
            return false;
    return read_number(word[0], &out->version) &&
           limit_algorithm_parse(word[1], &out->algorithm) &&
           read_number(word[2], &out->rate) &&
           read_number(word[3], &out->per_us) &&
           read_number(word[4], &out->burst) &&
           read_change(word[5], &out->change);
}

static bool read_numbers(const struct redisReply *reply,
                         struct limit_spec *spec)
{
    struct limit_numbers *n = &spec->numbers;
    uint64_t deadline = 0;

    if (!read_number(field_of(reply, 'v'), &n->version) ||
        !limit_algorithm_parse(field_of(reply, 'a'), &n->algorithm) ||
        !read_number(field_of(reply, 'r'), &n->rate) ||
        !read_number(field_of(reply, 'p'), &n->per_us) ||
        !read_number(field_of(reply, 'b'), &n->burst) ||
        !read_change(field_of(reply, 'c'), &n->change) ||
        !read_number(field_of(reply, 'x'), &spec->max_cost) ||
        !read_number(field_of(reply, 'd'), &deadline) ||
        !limit_mode_parse(field_of(reply, 'm'), &spec->mode) ||
        !limit_policy_parse(field_of(reply, 'f'), &spec->policy))
        return false;
    const char *member;
    spec->deadline_ms = (uint32_t)deadline;
    spec->shadow = span_eq(field_of(reply, 's'), SPAN("1"));
    return deadline > 0 && deadline <= LIMIT_DEADLINE_MAX_MS &&
           !limit_numbers_check(n, &member);
}

struct limit_spec *limit_record_read(const struct redisReply *reply,
                                     struct span name, struct span *description)
{
    struct limit_numbers earlier[RECORD_EARLIER];
    struct limit_spec spec = {.earlier = earlier};
    struct span rest;
    struct span entry;

    if (reply->type != REDIS_REPLY_ARRAY || name.len > LIMIT_NAME_MAX ||
        !read_numbers(reply, &spec))
        return NULL;
    memcpy(spec.name, name.ptr, name.len);
    rest = field_of(reply, 'e');
    while (spec.earlier_count < RECORD_EARLIER &&
           span_cut(&rest, ';', &entry) &&
           read_earlier(entry, &earlier[spec.earlier_count]))
        spec.earlier_count++;
    struct span text = field_of(reply, 't');
    *description = text.len ? text : (struct span){NULL, 0};
    return limit_spec_create(&spec);
}
