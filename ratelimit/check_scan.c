/* check_scan.c - see check_scan.h. */
#include "ratelimit/check_scan.h"
#include "ratelimit/check_input.h"

struct scan {
    const char *at, *end;
};

/* The next byte that is no white space; 0: the end. */
static char peek(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' ||
                                    *scan->at == '\r' || *scan->at == '\t'))
        scan->at++;
    if (scan->at == scan->end)
        return '\0';
    return *scan->at;
}

static bool take(struct scan *scan, char c)
{
    if (peek(scan) != c)
        return false;
    scan->at++;
    return true;
}

static bool take_text(struct scan *scan, struct span *text)
{
    if (!take(scan, '"'))
        return false;
    const char *from = scan->at;
    while (scan->at < scan->end && *scan->at >= ' ' && *scan->at <= '~' &&
           *scan->at != '"' && *scan->at != '\\')
        scan->at++;
    *text = (struct span){from, (size_t)(scan->at - from)};
    return text->len > 0 && scan->at < scan->end && *scan->at++ == '"';
}

static bool take_cost(struct scan *scan, uint64_t *cost)
{
    peek(scan);
    const char *from = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    struct span digits = {from, (size_t)(scan->at - from)};
    return (digits.len == 1 || (digits.len && *from != '0')) &&
           span_to_u64(digits, CHECK_COST_MAX, cost);
}

/* One member of a check; each is there once. */
static bool take_member(struct scan *scan, struct span *name,
                        struct limit_ask *ask, bool *has_cost)
{
    struct span member;

    if (!take_text(scan, &member) || !take(scan, ':'))
        return false;
    if (span_eq(member, SPAN("limit")))
        return !name->ptr && take_text(scan, name) &&
               name->len <= LIMIT_NAME_MAX;
    if (span_eq(member, SPAN("key")))
        return !ask->key.ptr && take_text(scan, &ask->key) &&
               ask->key.len <= LIMIT_KEY_MAX;
    if (*has_cost || !span_eq(member, SPAN("cost")))
        return false;
    *has_cost = true;
    return take_cost(scan, &ask->cost);
}

static bool take_check(struct scan *scan, struct span *name,
                       struct limit_ask *ask)
{
    bool has_cost = false;

    *name = (struct span){0};
    *ask = (struct limit_ask){.cost = 1};
    if (!take(scan, '{'))
        return false;
    do {
        if (!take_member(scan, name, ask, &has_cost))
            return false;
    } while (take(scan, ','));
    return take(scan, '}') && name->ptr && ask->key.ptr;
}

static bool take_checks(struct scan *scan, struct decision *decision)
{
    struct limit_call *call = &decision->call;

    if (call->count || !take(scan, '['))
        return false;
    do {
        if (call->count == LIMIT_ASKS_MAX ||
            !take_check(scan, &decision->names[call->count],
                        &call->asks[call->count]))
            return false;
        call->count++;
    } while (take(scan, ','));
    return take(scan, ']') && !check_has_twice(decision);
}

static bool take_body(struct scan *scan, struct decision *decision)
{
    struct span *id = &decision->call.id;
    struct span member;

    if (!take(scan, '{'))
        return false;
    do {
        if (!take_text(scan, &member) || !take(scan, ':'))
            return false;
        bool taken = span_eq(member, SPAN("checks"))
                         ? take_checks(scan, decision)
                         : span_eq(member, SPAN("id")) && !id->ptr &&
                               take_text(scan, id) && id->len <= CHECK_ID_MAX;
        if (!taken)
            return false;
    } while (take(scan, ','));
    return take(scan, '}') && peek(scan) == '\0' && scan->at == scan->end &&
           decision->call.count > 0;
}

bool check_scan(struct decision *decision, struct span body)
{
    struct scan scan = {body.ptr, body.ptr + body.len};
    struct span names[LIMIT_ASKS_MAX];
    struct limit_ask asks[LIMIT_ASKS_MAX];

    decision->names = names;
    decision->call = (struct limit_call){.asks = asks};
    bool taken = take_body(&scan, decision);
    size_t count = decision->call.count;
    if (taken) {
        decision->names =
            memcpy(arena_alloc(decision->arena, count * sizeof(names[0])),
                   names, count * sizeof(names[0]));
        decision->call.asks =
            memcpy(arena_alloc(decision->arena, count * sizeof(asks[0])), asks,
                   count * sizeof(asks[0]));
    } else {
        decision->names = NULL;
        decision->call = (struct limit_call){0};
    }
    return taken;
}
