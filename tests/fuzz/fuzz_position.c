/*
 * fuzz_position.c - positions: any text, and any bytes sealed by the right key.
 *
 * The first byte chooses: 't', the rest is text, and nobody but the service
 * makes one that opens; else the rest is sealed, and if it opens it is what the
 * model writes for what was read: of each position there is one text.
 */
#include <stdlib.h>

#include "notifier/position.h"
#include "tests/notifier/position_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char secret[POSITION_SECRET] =
    "a secret of thirty-two bytes ..";

static void try_text(struct position_key *key, struct arena *arena,
                     struct span text)
{
    struct position position = {.topic_count = 77};

    if (position_open(key, text, arena, &position) ||
        position.topic_count != 77)
        abort();
}

/* The flag of names is the first bit of what was sealed. */
static void compare(const struct position_key *key,
                    const struct position *position, struct span plain)
{
    static unsigned char again[MODEL_PLAIN_MAX];
    static const struct log_id now[HASH_PARTITIONS];
    struct log_id places[HASH_PARTITIONS];
    bool lost[HASH_PARTITIONS];
    struct log_id id;
    size_t len = model_encode(position, plain.ptr[0] & 1, again);

    if (position->topic_count > POSITION_TOPICS_MAX ||
        !span_eq(plain, (struct span){(const char *)again, len}))
        abort();
    position_find(key, position, SPAN("a"), &id);
    if (!position->has_partitions)
        return;
    position_resolve(key, position->opened, now, places, lost);
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        if (lost[i] != (position->opened->offsets[i] > 0))
            abort();
}

static void try_sealed(struct position_key *key, struct arena *arena,
                       struct span plain)
{
    static char text[MODEL_TEXT_MAX];
    struct position position;

    if (plain.len == 0 || plain.len > MODEL_PLAIN_MAX)
        return;
    size_t len =
        model_seal(secret, (const unsigned char *)plain.ptr, plain.len, text);
    if (position_open(key, (struct span){text, len}, arena, &position))
        compare(key, &position, plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct position_key *key;
    struct span rest = {(const char *)data + 1, size - 1};
    struct arena arena;

    if (size == 0)
        return 0;
    if (!key)
        key = position_key_create(secret);
    arena_init(&arena, MEM_JOB, 16); /* so that chunks are exact */
    if (data[0] == 't')
        try_text(key, &arena, rest);
    else
        try_sealed(key, &arena, rest);
    arena_deinit(&arena);
    return 0;
}
