/*
 * agents.c - agents seen before; see agent.h.
 *
 * One place for each of AGENT_KNOWN cheap hashes; a newcomer takes it over.
 */
#include <string.h>

#include "common/hash.h"
#include "common/mem.h"
#include "shortener/agent.h"

struct known {
    uint64_t hash;
    uint16_t len;
    bool bot;
    char bytes[AGENT_KNOWN_MAX];
};

struct agents {
    struct known known[AGENT_KNOWN];
};

/* The same in every process; who needs a secret hashes again. */
static const struct hash_key key = {0, 0};

struct agents *agents_create(void)
{
    return mem_zalloc(MEM_CACHE, sizeof(struct agents));
}

void agents_destroy(struct agents *agents)
{
    mem_free(agents);
}

/* Agents differ in their length and towards their end. */
static struct known *place_of(struct agents *agents, struct span text)
{
    uint64_t last = 0;

    if (text.len >= 24)
        memcpy(&last, text.ptr + text.len - 24, sizeof(last));
    last = (last ^ text.len) * UINT64_C(0x9e3779b97f4a7c15);
    return &agents->known[last >> 56];
}

bool agents_look(struct agents *agents, const struct agent *agent,
                 uint64_t *hash)
{
    struct span text = agent->user_agent;
    struct known *known = place_of(agents, text);
    struct agent name = {.user_agent = text};

    if (text.len == 0 || text.len > AGENT_KNOWN_MAX) {
        *hash = hash_sip(&key, text);
        return agent_is_bot(agent);
    }
    if (known->len != text.len ||
        memcmp(known->bytes, text.ptr, text.len) != 0) {
        known->len = (uint16_t)text.len;
        known->bot = agent_is_bot(&name);
        known->hash = hash_sip(&key, text);
        memcpy(known->bytes, text.ptr, text.len);
    }
    *hash = known->hash;
    return known->bot || agent_is_prefetch(agent);
}
