/* position_kit.c - see position_kit.h. */
#include <stdlib.h>

#include "tests/notifier/position_kit.h"

const unsigned char secret[POSITION_SECRET] = "a secret of thirty-two bytes ..";

int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->key = position_key_create(secret);
    arena_init(&f->arena, MEM_JOB, 0);
    *state = f;
    return 0;
}

int tear_down(void **state)
{
    struct fixture *f = *state;

    position_key_destroy(f->key);
    arena_deinit(&f->arena);
    free(f);
    return 0;
}

bool opens(struct fixture *f, struct position_key *key, const char *text,
           size_t len)
{
    char *exact = malloc(len ? len : 1);

    assert_non_null(exact);
    if (len)
        memcpy(exact, text, len);
    arena_deinit(&f->arena);
    arena_init(&f->arena, MEM_JOB, 16);
    bool open =
        position_open(key, (struct span){exact, len}, &f->arena, &f->opened);
    free(exact);
    return open;
}

void seal(struct fixture *f, const struct position *position, bool named)
{
    f->len = position_seal(f->key, position, named, f->text);
    assert_in_range(f->len, 1, POSITION_MAX);
}

void seal_and_open(struct fixture *f, const struct position *position,
                   bool named)
{
    seal(f, position, named);
    assert_true(opens(f, f->key, f->text, f->len));
    assert_int_equal(f->opened.topic_count, position->topic_count);
    assert_int_equal(f->opened.has_partitions, position->has_partitions);
}

struct position_topic topics[POSITION_TOPICS_MAX];
struct log_id partitions[HASH_PARTITIONS];

const struct position one_topic = {.topics = topics, .topic_count = 1};
const struct position all_partitions = {.has_partitions = true,
                                        .partitions = partitions};

void use_one_topic(void)
{
    topics[0] = (struct position_topic){.name = SPAN("https://example.com/a"),
                                        .id = {1764158400000000, 7}};
}

void use_partitions(uint64_t least, uint64_t apart)
{
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        partitions[i] = (struct log_id){1764158400000000 + i, least + i % 2};
    partitions[HASH_PARTITIONS - 1].offset = least + apart;
}

static uint64_t random_state;

void random_seed(uint64_t seed)
{
    random_state = seed;
}

uint64_t random_bits(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

uint64_t random_below(uint64_t bound)
{
    return (random_bits() >> 8) % bound;
}
