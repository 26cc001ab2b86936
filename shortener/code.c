/* code.c - see code.h. */
#include "shortener/code.h"

#define HALF_BITS 21
#define HALF_MASK ((UINT64_C(1) << HALF_BITS) - 1)

static const char digits[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static uint64_t round_of(const struct hash_key *key, unsigned round,
                         uint64_t half)
{
    uint64_t block = half << 8 | round;
    char bytes[sizeof(block)];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(block >> (8 * i) & 0xff);
    return hash_sip(key, (struct span){bytes, sizeof(bytes)}) & HALF_MASK;
}

static uint64_t permute(const struct hash_key *key, uint64_t value)
{
    uint64_t left = value >> HALF_BITS;
    uint64_t right = value & HALF_MASK;

    for (unsigned round = 0; round < CODE_ROUNDS; round++) {
        uint64_t next = left ^ round_of(key, round, right);
        left = right;
        right = next;
    }
    return left << HALF_BITS | right;
}

struct hash_key code_key(const unsigned char bytes[16])
{
    struct hash_key key = {0, 0};

    for (size_t i = 0; i < 8; i++) {
        key.k0 |= (uint64_t)bytes[i] << (8 * i);
        key.k1 |= (uint64_t)bytes[8 + i] << (8 * i);
    }
    return key;
}

void code_from_id(const struct hash_key *key, uint64_t id,
                  char out[CODE_LEN + 1])
{
    uint64_t value = id;

    do
        value = permute(key, value);
    while (value >= CODE_SPACE);

    for (size_t i = CODE_LEN; i-- > 0; value /= 62)
        out[i] = digits[value % 62];
    out[CODE_LEN] = '\0';
}

bool code_is_valid(struct span code)
{
    if (code.len < CODE_ALIAS_MIN || code.len > CODE_ALIAS_MAX)
        return false;
    for (size_t i = 0; i < code.len; i++) {
        char c = code.ptr[i];
        bool good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                    (c >= 'a' && c <= 'z') || c == '_' || c == '-';
        if (!good)
            return false;
    }
    return true;
}

bool code_is_reserved(struct span code)
{
    static const char *const names[] = {"healthz", "readyz",   "metrics",
                                        "debug",   "problems", "openapi",
                                        "robots",  "favicon"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (span_eq(code, span_str(names[i])))
            return true;
    return false;
}
