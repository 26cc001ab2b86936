/* test_position.c - positions as text that only its own service reads. */
#include <stdio.h>

#include "tests/notifier/position_kit.h"

#define ROUNDS 300
#define NEAR (UINT64_C(1) << 29) /* between two partitions' offsets */

/* ---- random positions */

static struct log_id random_id(void)
{
    unsigned bits = (unsigned)random_below(43);
    uint64_t offset = random_bits() & ((UINT64_C(1) << bits) - 1);

    return (struct log_id){offset ? random_bits() >> random_below(60) : 0,
                           offset};
}

static char names[POSITION_TOPICS_MAX][20];

/* Each name once; how many partitions stand somewhere is different each time,
 * none and all among them. */
static struct position random_position(void)
{
    uint64_t standing = random_below(HASH_PARTITIONS + 30);
    struct position position = {.topics = topics,
                                .topic_count =
                                    random_below(POSITION_TOPICS_MAX + 1),
                                .has_partitions = random_below(2),
                                .partitions = partitions};

    for (size_t i = 0; i < position.topic_count; i++) {
        int len = snprintf(names[i], sizeof(names[i]), "%zu-%0*d", i,
                           (int)random_below(16) + 1, 0);
        topics[i] = (struct position_topic){.name = {names[i], (size_t)len},
                                            .id = random_id()};
    }
    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        partitions[i] = (struct log_id){0, 0};
        while (random_below(HASH_PARTITIONS) < standing &&
               !partitions[i].offset)
            partitions[i] = random_id();
        if (standing == 0)
            partitions[i] = (struct log_id){0, 0};
    }
    return position;
}

static void assert_topics(struct fixture *f, const struct position *position,
                          bool named)
{
    struct log_id id;

    for (size_t i = 0; i < position->topic_count; i++) {
        const struct position_topic *topic = &f->opened.topics[i];
        assert_true(log_id_eq(topic->id, position->topics[i].id));
        assert_int_equal(topic->name.ptr != NULL, named);
        assert_true(!named || span_eq(topic->name, position->topics[i].name));
        assert_true(
            position_find(f->key, &f->opened, position->topics[i].name, &id));
        assert_true(log_id_eq(id, position->topics[i].id));
    }
}

static void assert_partitions(struct fixture *f,
                              const struct position *position)
{
    struct log_id places[HASH_PARTITIONS];
    bool lost[HASH_PARTITIONS];

    position_resolve(f->key, f->opened.opened, position->partitions, places,
                     lost);
    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        assert_true(log_id_eq(places[i], position->partitions[i]));
        assert_false(lost[i]);
    }
}

static void test_position_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;

    random_seed(20261126);
    for (size_t round = 0; round < ROUNDS; round++) {
        struct position position = random_position();
        bool named = random_below(2);
        seal_and_open(f, &position, named);
        assert_topics(f, &position, named);
        if (position.has_partitions)
            assert_partitions(f, &position);
    }
}

/* What is on the wire is what position.c says, and nothing else. */
static void assert_model_agrees(struct fixture *f, bool named)
{
    static unsigned char plain[MODEL_PLAIN_MAX];
    static char text[MODEL_TEXT_MAX];
    size_t len = model_encode(&f->opened, named, plain);

    assert_int_equal(model_seal(secret, plain, len, text), f->len);
    assert_memory_equal(text, f->text, f->len);
}

static void test_position_is_what_the_model_writes(void **state)
{
    struct fixture *f = *state;

    random_seed(5297);
    for (size_t round = 0; round < ROUNDS; round++) {
        struct position position = random_position();
        bool named = random_below(2);
        seal_and_open(f, &position, named);
        assert_model_agrees(f, named);
    }
}

/* A mark of 0 would say that there is nothing. */
static void test_position_has_a_mark_of_each_epoch(void **state)
{
    struct fixture *f = *state;

    use_partitions(10, 500);
    for (uint64_t round = 1; round <= 2000; round++) {
        for (size_t i = 0; i < HASH_PARTITIONS; i++)
            partitions[i].epoch = round * HASH_PARTITIONS + i;
        seal_and_open(f, &all_partitions, false);
        for (size_t i = 0; i < HASH_PARTITIONS; i++)
            assert_int_not_equal(f->opened.opened->offsets[i], 0);
    }
}

static void test_position_of_equal_places_is_equal_text(void **state)
{
    char other[POSITION_MAX];
    struct fixture *f = *state;
    struct position_key *again = position_key_create(secret);

    use_one_topic();
    seal(f, &one_topic, false);
    assert_int_equal(position_seal(again, &one_topic, false, other), f->len);
    assert_memory_equal(other, f->text, f->len);
    topics[0].id.offset++;
    assert_int_equal(position_seal(again, &one_topic, false, other), f->len);
    assert_memory_not_equal(other, f->text, f->len);
    position_key_destroy(again);
}

static void test_position_tells_topics_it_has_not(void **state)
{
    struct fixture *f = *state;
    struct log_id id = {3, 4};

    use_one_topic();
    seal_and_open(f, &one_topic, false);
    assert_false(position_find(f->key, &f->opened, SPAN("other"), &id));
    assert_int_equal(id.offset, 4);
}

/* One context serves all calls, whatever came before. */
static void test_position_seals_and_opens_in_any_order(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 1; i <= 2000; i++) {
        use_one_topic();
        topics[0].id.offset = i;
        if (i % 7 == 0)
            assert_false(opens(f, f->key, f->text, f->len - 1));
        seal(f, &one_topic, i % 2);
        if (i % 3)
            seal(f, &one_topic, i % 2);
        assert_true(opens(f, f->key, f->text, f->len));
        assert_int_equal(f->opened.topics[0].id.offset, i);
    }
}

/* ---- limits */

static void test_position_of_all_partitions_is_under_a_kilobyte(void **state)
{
    static const uint64_t leasts[] = {1, 1 << 28, UINT64_C(1) << 34,
                                      POSITION_OFFSET_MAX - NEAR};
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT(leasts); i++) {
        use_partitions(leasts[i], NEAR - 1);
        seal_and_open(f, &all_partitions, false);
        assert_in_range(f->len, 1, 1023);
        assert_partitions(f, &all_partitions);
    }
    use_partitions((UINT64_C(1) << 35) - 1, 2 * NEAR - 1);
    seal(f, &all_partitions, false);
    assert_int_equal(f->len, 1023);
    use_partitions(1, POSITION_OFFSET_MAX - 1);
    seal(f, &all_partitions, false);
    assert_in_range(f->len, 1024, 1280);
}

/* One or some of them absent: a map must not make it longer. */
static void
test_position_is_no_longer_for_partitions_that_are_none(void **state)
{
    struct fixture *f = *state;
    size_t before = 1024;

    use_partitions((UINT64_C(1) << 35) - 1, 2 * NEAR - 1);
    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        seal_and_open(f, &all_partitions, false);
        assert_partitions(f, &all_partitions);
        assert_model_agrees(f, false);
        assert_true(f->len <= before);
        before = f->len;
        partitions[i] = (struct log_id){0, 0};
    }
}

static char long_names[POSITION_NAMES_MAX];

/* As many topics as there may be, with as long names: 16 that need a length of
 * two bytes. */
static void use_most_topics(void)
{
    memset(long_names, 'n', sizeof(long_names));
    for (size_t i = 0; i < POSITION_TOPICS_MAX; i++)
        topics[i] = (struct position_topic){
            .name = {long_names, i < POSITION_NAMES_MAX / 128 ? 128 : 0},
            .id = {UINT64_MAX, POSITION_OFFSET_MAX}};
}

static void test_position_of_the_most_fits(void **state)
{
    struct fixture *f = *state;
    struct position most = {.topics = topics,
                            .topic_count = POSITION_TOPICS_MAX,
                            .has_partitions = true,
                            .partitions = partitions};

    use_most_topics();
    use_partitions(UINT64_C(1) << 41, (UINT64_C(1) << 41) - 1);
    partitions[0].offset = 1;
    seal_and_open(f, &most, true);
    assert_partitions(f, &most);
    assert_in_range(f->len, POSITION_MAX - 8, POSITION_MAX);
    assert_true(POSITION_MAX < 6 * 1024);
    seal_and_open(f, &most, false);
}

static void test_position_of_more_is_not_sealed(void **state)
{
    struct fixture *f = *state;
    struct position position = {.topics = topics, .topic_count = 17};

    use_most_topics();
    topics[16].name.len = 1;
    assert_int_equal(position_seal(f->key, &position, true, f->text), 0);
    seal(f, &position, false);
    topics[3].id.offset = POSITION_OFFSET_MAX + 1;
    assert_int_equal(position_seal(f->key, &position, false, f->text), 0);
    use_partitions(1, POSITION_OFFSET_MAX);
    assert_int_equal(position_seal(f->key, &all_partitions, false, f->text), 0);
    partitions[HASH_PARTITIONS - 1].offset = UINT64_MAX;
    assert_int_equal(position_seal(f->key, &all_partitions, false, f->text), 0);
}

/* ---- epochs that changed */

static void resolve(struct fixture *f, bool lost[HASH_PARTITIONS])
{
    struct log_id places[HASH_PARTITIONS];

    position_resolve(f->key, f->opened.opened, partitions, places, lost);
    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        assert_int_equal(places[i].epoch, partitions[i].epoch);
        if (lost[i])
            assert_int_equal(places[i].offset, 0);
    }
}

static size_t count_lost(struct fixture *f)
{
    bool lost[HASH_PARTITIONS];
    size_t count = 0;

    resolve(f, lost);
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        count += lost[i];
    return count;
}

static void test_position_tells_which_partition_changed(void **state)
{
    struct fixture *f = *state;
    bool lost[HASH_PARTITIONS];

    use_partitions(10, 500);
    seal_and_open(f, &all_partitions, false);
    partitions[17].epoch++;
    partitions[99].epoch -= 60000;
    resolve(f, lost);
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        assert_int_equal(lost[i], i == 17 || i == 99);
}

/* Of so many epochs some have the mark of the one before. */
static void test_position_never_overlooks_that_one_epoch_changed(void **state)
{
    struct fixture *f = *state;
    size_t unsure = 0;

    memset(partitions, 0, sizeof(partitions));
    for (size_t i = 0; i < 3; i++)
        partitions[i * 40] = (struct log_id){1000 + i, 10 + i};
    seal_and_open(f, &all_partitions, false);
    for (size_t i = 0; i < 200000; i++) {
        partitions[40].epoch++;
        size_t count = count_lost(f);
        unsure += count == 3;
        assert_true(count == 3 || count == 1);
    }
    assert_in_range(unsure, 1, 20);
}

static void test_position_is_lost_when_most_epochs_changed(void **state)
{
    struct fixture *f = *state;

    use_partitions(10, 500);
    seal_and_open(f, &all_partitions, false);
    for (size_t i = 0; i < HASH_PARTITIONS / 2; i++)
        partitions[i].epoch += 1000;
    assert_int_equal(count_lost(f), HASH_PARTITIONS / 2);
    partitions[100].epoch += 1000;
    assert_int_equal(count_lost(f), HASH_PARTITIONS);
}

static void test_position_is_lost_where_there_is_less_than_it_saw(void **state)
{
    struct fixture *f = *state;
    bool lost[HASH_PARTITIONS];

    use_partitions(10, 500);
    seal_and_open(f, &all_partitions, false);
    partitions[HASH_PARTITIONS - 1].offset--;
    partitions[3].offset += 50;
    partitions[4] = (struct log_id){0, 0};
    resolve(f, lost);
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        assert_int_equal(lost[i], i == 4 || i == HASH_PARTITIONS - 1);
}

/* What began since is read from its first entry, whatever its epoch. */
static void test_position_loses_nothing_that_began_since(void **state)
{
    struct fixture *f = *state;

    use_partitions(10, 500);
    struct log_id began = partitions[8];
    partitions[8] = (struct log_id){0, 0};
    seal_and_open(f, &all_partitions, false);
    partitions[8] = began;
    assert_int_equal(count_lost(f), 0);
    memset(partitions, 0, sizeof(partitions));
    seal_and_open(f, &all_partitions, false);
    use_partitions(10, 500);
    assert_int_equal(count_lost(f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_position_comes_back_as_it_was),
        CASE(test_position_is_what_the_model_writes),
        CASE(test_position_has_a_mark_of_each_epoch),
        CASE(test_position_of_equal_places_is_equal_text),
        CASE(test_position_tells_topics_it_has_not),
        CASE(test_position_seals_and_opens_in_any_order),
        CASE(test_position_of_all_partitions_is_under_a_kilobyte),
        CASE(test_position_is_no_longer_for_partitions_that_are_none),
        CASE(test_position_of_the_most_fits),
        CASE(test_position_of_more_is_not_sealed),
        CASE(test_position_tells_which_partition_changed),
        CASE(test_position_never_overlooks_that_one_epoch_changed),
        CASE(test_position_is_lost_when_most_epochs_changed),
        CASE(test_position_is_lost_where_there_is_less_than_it_saw),
        CASE(test_position_loses_nothing_that_began_since),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
