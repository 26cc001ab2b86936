/* test_bits.c - what is packed is read as it was, by each kernel. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "search/index/bits.h"
#include "tests/test.h"

static uint32_t random_of(unsigned width)
{
    uint32_t number = (uint32_t)random() ^ (uint32_t)random() << 16;

    return width == 0 ? 0 : number >> (32 - width);
}

/* Some of full width, so that it is the block's. */
static void fill(uint32_t values[BITS_BLOCK], unsigned width)
{
    for (size_t i = 0; i < BITS_BLOCK; i++)
        values[i] = random_of(width);
    if (width)
        values[random() % BITS_BLOCK] |= UINT32_C(1) << (width - 1);
}

static void test_width_is_that_of_the_largest(void **state)
{
    static const struct {
        uint32_t values[3];
        unsigned width;
    } cases[] = {{{0, 0, 0}, 0},          {{1, 0, 0}, 1},
                 {{1, 2, 3}, 2},          {{4, 0, 1}, 3},
                 {{255, 256, 7}, 9},      {{0, 0, UINT32_MAX}, 32},
                 {{0, 0x7fffffff, 0}, 31}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(bits_width(cases[i].values, 3), cases[i].width);
    assert_int_equal(bits_width(NULL, 0), 0);
}

static void test_what_is_packed_is_read_by_each_kernel(void **state)
{
    const struct bits_kernel *kernels[2];
    size_t count = bits_kernels(kernels);
    uint32_t values[BITS_BLOCK];
    uint32_t found[BITS_BLOCK];

    (void)state;
    for (unsigned width = 0; width <= 32; width++) {
        unsigned char *packed = malloc(bits_size(width) + 1);
        fill(values, width);
        assert_int_equal(bits_width(values, BITS_BLOCK), width);
        bits_pack(values, width, packed + 1); /* nothing is aligned */
        for (size_t i = 0; i < count; i++) {
            memset(found, 0xaa, sizeof(found));
            kernels[i]->unpack(packed + 1, width, 0, found);
            assert_memory_equal(found, values, sizeof(values));
        }
        free(packed);
    }
}

static void test_rising_numbers_are_sums_of_gaps(void **state)
{
    const struct bits_kernel *kernels[2];
    size_t count = bits_kernels(kernels);
    uint32_t gaps[BITS_BLOCK];
    uint32_t found[BITS_BLOCK];

    (void)state;
    for (unsigned width = 0; width <= 24; width++) {
        unsigned char *packed = malloc(bits_size(width) + 1);
        fill(gaps, width);
        bits_pack(gaps, width, packed);
        for (size_t i = 0; i < count; i++) {
            uint32_t last = 1000;
            kernels[i]->unpack_rising(packed, width, last, found);
            for (size_t j = 0; j < BITS_BLOCK; j++) {
                last += gaps[j] + 1;
                assert_int_equal(found[j], last);
            }
        }
        free(packed);
    }
}

/* The first number of all, before which there is none. */
static void test_first_number_may_be_zero(void **state)
{
    const struct bits_kernel *kernels[2];
    size_t count = bits_kernels(kernels);
    uint32_t found[BITS_BLOCK];

    (void)state;
    for (size_t i = 0; i < count; i++) {
        kernels[i]->unpack_rising("", 0, UINT32_MAX, found);
        for (uint32_t j = 0; j < BITS_BLOCK; j++)
            assert_int_equal(found[j], j);
    }
}

static void test_bits_lie_where_the_format_says(void **state)
{
    uint32_t values[BITS_BLOCK] = {0};
    uint32_t words[3 * BITS_LANES];

    (void)state;
    values[9] = 5;      /* lane 1, row 1: bits 3 to 5 of word 0 */
    values[80 + 2] = 7; /* lane 2, row 10: bits 30, 31 and the next one's 0 */
    bits_pack(values, 3, words);
    for (size_t i = 0; i < COUNT(words); i++)
        assert_int_equal(words[i], i == 1                ? 5U << 3
                                   : i == 2              ? 3U << 30
                                   : i == BITS_LANES + 2 ? 1
                                                         : 0);
}

static void test_bits_of_a_set_are_its_numbers(void **state)
{
    const struct bits_kernel *kernels[2];
    size_t kinds = bits_kernels(kernels);
    uint32_t found[8 * 64 + BITS_LANES];
    uint64_t words[8];

    (void)state;
    for (size_t run = 0; run < 200; run++) {
        long every = 1 + random() % 20;
        for (size_t i = 0; i < COUNT(words); i++) {
            words[i] = 0;
            for (unsigned bit = 0; bit < 64; bit++)
                words[i] |= (uint64_t)(random() % every == 0) << bit;
        }
        size_t count =
            kernels[run % kinds]->each(words, COUNT(words), 640, found);
        size_t seen = 0;
        for (uint32_t bit = 0; bit < 64 * COUNT(words); bit++)
            if (words[bit / 64] >> bit % 64 & 1)
                assert_int_equal(found[seen++], 640 + bit);
        assert_int_equal(seen, count);
    }
}

static void test_numbers_are_found_in_a_set(void **state)
{
    const struct bits_kernel *kernels[2];
    size_t kinds = bits_kernels(kernels);
    unsigned char words[BITS_SET_MAX * sizeof(uint64_t) + 1];
    uint32_t numbers[BITS_BLOCK];
    uint16_t which[BITS_BLOCK + 1];
    uint8_t at[BITS_BLOCK + 1];

    (void)state;
    for (unsigned run = 0; run < 400; run++) {
        long every = 1 + random() % 40;
        uint32_t next = 640 + (uint32_t)(random() % 200);
        uint32_t set = 0;
        size_t count = 0;
        size_t seen = 0;
        memset(words, 0, sizeof(words));
        for (uint32_t bit = 0; bit < 64 * BITS_SET_MAX; bit++)
            if (set < BITS_BLOCK && random() % every == 0) {
                words[1 + bit / 8] |= (unsigned char)(1 << bit % 8);
                set++;
            }
        for (; count < BITS_BLOCK && next < 640 + 64 * BITS_SET_MAX; count++) {
            numbers[count] = next;
            next += 1 + (uint32_t)(random() % (1 + run % 50));
        }
        size_t found = kernels[run % kinds]->find(words + 1, 640, numbers, 0,
                                                  count, which, at);
        set = 0;
        for (uint32_t bit = 0, i = 0; bit < 64 * BITS_SET_MAX; bit++) {
            unsigned has = (unsigned)words[1 + bit / 8] >> bit % 8 & 1;
            if (i < count && numbers[i] == 640 + bit && has) {
                assert_int_equal(which[seen], i);
                assert_int_equal(at[seen++], set);
            }
            i += i < count && numbers[i] == 640 + bit;
            set += has;
        }
        assert_int_equal(seen, found);
    }
}

static void test_numbers_are_found_among_others(void **state)
{
    const struct bits_kernel *kernels[2];
    size_t kinds = bits_kernels(kernels);
    uint32_t rising[BITS_BLOCK];
    uint32_t numbers[BITS_BLOCK];
    uint16_t which[BITS_BLOCK + 1];
    uint8_t at[BITS_BLOCK + 1];

    (void)state;
    for (unsigned run = 0; run < 400; run++) {
        uint32_t next = (uint32_t)random() % 100;
        size_t len =
            random() % 3 ? BITS_BLOCK : 1 + (size_t)random() % BITS_BLOCK;
        size_t count = 0;
        size_t seen = 0;
        size_t place = 0;
        for (size_t i = 0; i < BITS_BLOCK; i++) {
            rising[i] = i < len ? next : UINT32_MAX;
            next += 1 + (uint32_t)random() % (1 + run % 9);
        }
        next = (uint32_t)random() % 100;
        for (; count < BITS_BLOCK && next <= rising[len - 1]; count++) {
            numbers[count] = next;
            next += 1 + (uint32_t)random() % (1 + run % 30);
        }
        size_t found =
            kernels[run % kinds]->search(rising, numbers, 0, count, which, at);
        for (size_t i = 0; i < count; i++) {
            while (rising[place] < numbers[i])
                place++;
            if (rising[place] != numbers[i])
                continue;
            assert_int_equal(which[seen], i);
            assert_int_equal(at[seen++], place);
        }
        assert_int_equal(seen, found);
    }
}

/* Lengths of some rows, and of parts of one. */
static void test_sums_end_with_the_largest(void **state)
{
    const struct bits_kernel *kernels[2];
    size_t kinds = bits_kernels(kernels);
    uint32_t numbers[BITS_BLOCK + BITS_SLACK];
    uint32_t found[BITS_BLOCK + BITS_SLACK];

    (void)state;
    fill(numbers, 20);
    for (size_t i = 0; i < kinds * BITS_BLOCK; i++) {
        size_t count = 1 + i / kinds;
        uint32_t sum = 1000;
        kernels[i % kinds]->sums(numbers, count, sum, found);
        for (size_t j = 0; j < count; j++) {
            sum += numbers[j];
            assert_int_equal(found[j], sum);
        }
        for (size_t j = 0; j < BITS_LANES; j++)
            assert_int_equal(found[count + j], UINT32_MAX);
    }
}

static bool has(const uint32_t *numbers, size_t count, uint32_t number)
{
    for (size_t i = 0; i < count; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

static void test_common_numbers_are_in_both(void **state)
{
    const struct bits_kernel *kernels[2];
    size_t kinds = bits_kernels(kernels);
    uint32_t steps[2][40 + BITS_SLACK];
    uint32_t numbers[2][40 + BITS_SLACK];

    (void)state;
    for (unsigned run = 0; run < 2000; run++) {
        size_t counts[2] = {1 + (size_t)random() % 40,
                            1 + (size_t)random() % 40};
        uint32_t offset = (uint32_t)random() % 5;
        uint32_t kept[40 + BITS_SLACK];
        size_t seen = 0;
        for (size_t i = 0; i < 2; i++) {
            size_t some = counts[i] / 2; /* as of two blocks */
            for (size_t j = 0; j < 40 + BITS_SLACK; j++)
                steps[i][j] = 1 + (uint32_t)random() % (1 + run % 20);
            kernels[run % kinds]->sums(steps[i], some, 0, numbers[i]);
            kernels[run % kinds]->sums(steps[i] + some, counts[i] - some,
                                       some ? numbers[i][some - 1] : 0,
                                       numbers[i] + some);
        }
        memcpy(kept, numbers[0], sizeof(kept));
        size_t count =
            kernels[run % kinds]->common(kept, counts[0], offset, numbers[1]);
        for (size_t i = 0; i < counts[0]; i++)
            if (has(numbers[1], counts[1], numbers[0][i] + offset))
                assert_int_equal(kept[seen++], numbers[0][i]);
        assert_int_equal(seen, count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_width_is_that_of_the_largest),
        cmocka_unit_test(test_what_is_packed_is_read_by_each_kernel),
        cmocka_unit_test(test_rising_numbers_are_sums_of_gaps),
        cmocka_unit_test(test_first_number_may_be_zero),
        cmocka_unit_test(test_bits_of_a_set_are_its_numbers),
        cmocka_unit_test(test_numbers_are_found_in_a_set),
        cmocka_unit_test(test_numbers_are_found_among_others),
        cmocka_unit_test(test_sums_end_with_the_largest),
        cmocka_unit_test(test_common_numbers_are_in_both),
        cmocka_unit_test(test_bits_lie_where_the_format_says),
    };

    srandom(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
