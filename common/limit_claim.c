/*
 * limit_claim.c - the id of a call is of one check, whatever its keys.
 *
 *   limit_claim() -- end of the loop's turn -- SET NX GET -- new, or this very
 *   check's --> limit_join(), whose script answers a second time as at first
 *                                               -- another's --> UV_EEXIST
 *
 * An id has a key of its own, for the checks that it may come with have theirs
 * in other partitions.
 */
#include <inttypes.h>

#include "common/limit_internal.h"

#define DIGEST_LEN 16

static void on_claimed(void *arg, int status, const struct redisReply *reply);

/* What tells this check from others with its id. */
static struct span digest_of(const struct limit_call *call)
{
    static const struct hash_key fixed = {0, 0};
    struct buf all;
    char *hex = arena_alloc(call->arena, DIGEST_LEN);

    buf_init(&all, MEM_LIMIT);
    for (size_t i = 0; i < call->count; i++) {
        buf_printf(&all, "%s %" PRIu64 " %zu:", call->asks[i].spec->name,
                   call->asks[i].cost, call->asks[i].key.len);
        buf_append(&all, call->asks[i].key);
    }
    uint64_t hash = hash_sip(&fixed, buf_span(&all));
    buf_deinit(&all);
    span_hex(hex, (struct span){(const char *)&hash, sizeof(hash)});
    return (struct span){hex, DIGEST_LEN};
}

void limit_claim(struct limiter *limiter, struct limit_call *call)
{
    call->limiter = limiter;
    call->digest = digest_of(call);
    list_append(&limiter->claims, &call->node);
}

static void send_claim(struct limiter *limiter, struct limit_call *call)
{
    struct span argv[] = {SPAN("SET"),
                          key_name(call->arena, limiter->options.prefix, "id",
                                   call->id, call->id),
                          call->digest,
                          SPAN("NX"),
                          SPAN("GET"),
                          SPAN("PX"),
                          SPAN(LIMIT_ID_KEPT_MS)};
    uint32_t deadline_ms = LIMIT_DEADLINE_MAX_MS;

    for (size_t i = 0; i < call->count; i++)
        if (call->asks[i].spec->deadline_ms < deadline_ms)
            deadline_ms = call->asks[i].spec->deadline_ms;
    int err = redis_send(limiter->options.redis,
                         &(struct redis_call){.key = limit_tag(argv[1]),
                                              .argv = argv,
                                              .argc = 7,
                                              .timeout_ms = deadline_ms,
                                              .repeatable = true,
                                              .cb = on_claimed,
                                              .arg = call});
    if (err < 0)
        limit_refuse(limiter, call, err);
}

void limit_send_claims(struct limiter *limiter)
{
    for (struct list *node; (node = list_pop(&limiter->claims));)
        send_claim(limiter, LIST_ENTRY(node, struct limit_call, node));
}

static void on_claimed(void *arg, int status, const struct redisReply *reply)
{
    struct limit_call *call = arg;

    if (status < 0)
        limit_refuse(call->limiter, call, status);
    else if (reply->type == REDIS_REPLY_STRING &&
             !span_eq((struct span){reply->str, reply->len}, call->digest))
        limit_refuse(call->limiter, call, UV_EEXIST);
    else
        limit_join(call->limiter, call);
}
