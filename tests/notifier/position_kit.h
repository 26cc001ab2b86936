/* position_kit.h - a key, an arena, and positions to begin with. */
#pragma once

#include "tests/notifier/position_model.h"
#include "tests/test.h"

struct fixture {
    struct position_key *key;
    struct arena arena;
    char text[POSITION_MAX];
    size_t len;
    struct position opened;
};

extern const unsigned char secret[POSITION_SECRET];

int set_up(void **state);
int tear_down(void **state);

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/*
 * From memory of its exact size, and into an arena of small chunks, so that a
 * read past the end of either is seen.  What was opened before is gone.
 */
bool opens(struct fixture *f, struct position_key *key, const char *text,
           size_t len);

void seal(struct fixture *f, const struct position *position, bool named);
void seal_and_open(struct fixture *f, const struct position *position,
                   bool named);

/* What the positions below are made of. */
extern struct position_topic topics[POSITION_TOPICS_MAX];
extern struct log_id partitions[HASH_PARTITIONS];
extern const struct position one_topic, all_partitions;

void use_one_topic(void);
/* Offsets from least on, the last one apart from it. */
void use_partitions(uint64_t least, uint64_t apart);

void random_seed(uint64_t seed);
uint64_t random_bits(void);
uint64_t random_below(uint64_t bound);
