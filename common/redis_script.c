/* redis_script.c - Lua scripts by their SHA-1. */
#include <openssl/evp.h>
#include <stdio.h>

#include "common/redis_link.h"

static void fill_sha(struct redis_script *script)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    EVP_Digest(script->source.ptr, script->source.len, digest, NULL, EVP_sha1(),
               NULL);
    span_hex(script->sha, (struct span){(const char *)digest, 20});
}

int redis_eval(struct redis *redis, struct redis_script *script, size_t nkeys,
               const struct redis_call *call)
{
    char count[24];
    int len = snprintf(count, sizeof(count), "%zu", nkeys);
    struct buf *wire = redis_draft(redis);

    if (!script->sha[0])
        fill_sha(script);
    resp_append_count(wire, call->argc + 3);
    resp_append_arg(wire, SPAN("EVALSHA"));
    resp_append_arg(wire, (struct span){script->sha, 40});
    resp_append_arg(wire, (struct span){count, (size_t)len});
    for (size_t i = 0; i < call->argc; i++)
        resp_append_arg(wire, call->argv[i]);
    return redis_send_draft(redis, script, call);
}
