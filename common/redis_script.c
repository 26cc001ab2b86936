/* redis_script.c - Lua scripts by their SHA-1. */
#include <openssl/evp.h>

#include "common/redis_link.h"

#define HEAD "$7\r\nEVALSHA\r\n$40\r\n"
#define HEAD_LEN (sizeof(HEAD) - 1 + 40 + 2)

static void fill_head(struct redis_script *script)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct span head = SPAN(HEAD);
    char *sha = script->head + head.len;

    _Static_assert(HEAD_LEN <= sizeof(script->head), "it has room");
    EVP_Digest(script->source.ptr, script->source.len, digest, NULL, EVP_sha1(),
               NULL);
    memcpy(script->head, head.ptr, head.len);
    span_hex(sha, (struct span){(const char *)digest, 20});
    memcpy(sha + 40, "\r\n", 2);
}

int redis_eval(struct redis *redis, struct redis_script *script, size_t nkeys,
               const struct redis_call *call)
{
    char count[SPAN_U64_MAX];
    struct buf *wire = redis_draft(redis);

    if (!script->head[0])
        fill_head(script);
    resp_append_count(wire, call->argc + call->spelled_count + 3);
    buf_append(wire, (struct span){script->head, HEAD_LEN});
    resp_append_arg(wire, span_from_u64(count, nkeys));
    for (size_t i = 0; i < call->argc; i++)
        resp_append_arg(wire, call->argv[i]);
    buf_append(wire, call->spelled);
    return redis_send_draft(redis, script, call);
}
