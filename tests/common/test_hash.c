/* test_hash.c - SipHash-2-4 by its paper, and partitions that never move. */
#include <stdio.h>

#include "common/hash.h"
#include "tests/test.h"

static void test_hash_sip_gives_the_papers_values(void **state)
{
    /* Appendix A of the paper and its reference code: key 00…0f, the message
       00, 01, … of each length. */
    static const struct {
        size_t len;
        uint64_t hash;
    } cases[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
        {2, UINT64_C(0x0d6c8009d9a94f5a)},  {7, UINT64_C(0xab0200f58b01d137)},
        {8, UINT64_C(0x93f5f5799a932462)},  {15, UINT64_C(0xa129ca6149be45e5)},
        {16, UINT64_C(0x3f2acc7f57c29bdb)},
    };
    static const struct hash_key key = {UINT64_C(0x0706050403020100),
                                        UINT64_C(0x0f0e0d0c0b0a0908)};
    char message[16];
    (void)state;

    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (char)i;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(hash_sip(&key, (struct span){message, cases[i].len}),
                         cases[i].hash);
}

static void test_hash_bucket_is_siphash_with_fewer_rounds(void **state)
{
    /* As the reference code gives them with one round and three. */
    static const struct {
        size_t len;
        uint64_t hash;
    } cases[] = {
        {0, UINT64_C(0xabac0158050fc4dc)},
        {1, UINT64_C(0xc9f49bf37d57ca93)},
        {8, UINT64_C(0x369095118d299a8e)},
        {15, UINT64_C(0xd320d86d2a519956)},
    };
    static const struct hash_key key = {UINT64_C(0x0706050403020100),
                                        UINT64_C(0x0f0e0d0c0b0a0908)};
    char message[15];
    (void)state;

    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (char)i;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(
            hash_bucket(&key, (struct span){message, cases[i].len}),
            cases[i].hash);
}

static void test_hash_random_keys_differ(void **state)
{
    struct hash_key a = hash_random_key();
    struct hash_key b = hash_random_key();
    (void)state;

    assert_true(a.k0 != b.k0 || a.k1 != b.k1);
}

/* These are in Redis by now: a change would lose what is kept there. */
static void test_hash_partition_never_moves(void **state)
{
    (void)state;
    assert_int_equal(hash_partition(SPAN("anonymous")), 37);
    assert_int_equal(hash_partition(SPAN("WMmZHcJ")), 68);
    assert_int_equal(hash_partition(SPAN("EMTderL")), 50);
    assert_int_equal(hash_partition(SPAN("adQrFS5")), 60);
}

static void test_hash_partition_spreads(void **state)
{
    size_t counts[HASH_PARTITIONS] = {0};
    char name[8];
    (void)state;

    for (int i = 0; i < 128000; i++) {
        int len = snprintf(name, sizeof(name), "%d", i);
        counts[hash_partition((struct span){name, (size_t)len})]++;
    }
    for (size_t i = 0; i < HASH_PARTITIONS; i++)
        assert_in_range(counts[i], 800, 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_sip_gives_the_papers_values),
        cmocka_unit_test(test_hash_bucket_is_siphash_with_fewer_rounds),
        cmocka_unit_test(test_hash_random_keys_differ),
        cmocka_unit_test(test_hash_partition_never_moves),
        cmocka_unit_test(test_hash_partition_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
