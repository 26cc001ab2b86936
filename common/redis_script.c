/* redis_script.c - Lua scripts by their SHA-1. */
#include <openssl/evp.h>
#include <stdio.h>

#include "common/redis_link.h"

#define HEAD_LEN (sizeof(((struct redis_script *)0)->head) - 1)

static void fill_head(struct redis_script *script)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char sha[40];

    EVP_Digest(script->source.ptr, script->source.len, digest, NULL, EVP_sha1(),
               NULL);
    span_hex(sha, (struct span){(const char *)digest, 20});
    snprintf(script->head, sizeof(script->head),
             "$7\r\nEVALSHA\r\n$40\r\n%.40s\r\n", sha);
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
