/* test_list.c - the intrusive list. */
#include "common/list.h"
#include "tests/test.h"

struct item {
    int number;
    struct list node;
};

struct bench {
    struct list head, other;
    struct item items[4];
};

static void setup(struct bench *bench)
{
    list_init(&bench->head);
    list_init(&bench->other);
    for (int i = 0; i < (int)COUNT(bench->items); i++) {
        bench->items[i].number = i;
        list_append(&bench->head, &bench->items[i].node);
    }
}

/* The numbers from the front, and the same from the back. */
static void assert_list(struct list *head, const int *numbers, size_t count)
{
    struct list *front = head;
    struct list *back = head;

    for (size_t i = 0; i < count; i++) {
        front = front->next;
        back = back->prev;
        assert_int_equal(LIST_ENTRY(front, struct item, node)->number,
                         numbers[i]);
        assert_int_equal(LIST_ENTRY(back, struct item, node)->number,
                         numbers[count - 1 - i]);
    }
    assert_ptr_equal(front->next, head);
    assert_ptr_equal(back->prev, head);
    assert_int_equal(list_is_empty(head), count == 0);
}

static void test_list_keeps_the_order_of_coming(void **state)
{
    struct bench bench;
    (void)state;

    setup(&bench);
    assert_list(&bench.head, (int[]){0, 1, 2, 3}, 4);
    assert_list(&bench.other, NULL, 0);
}

static void test_list_lets_go_of_any_node_once_or_twice(void **state)
{
    static const struct {
        int gone, left[3];
    } cases[] = {{0, {1, 2, 3}}, {2, {0, 1, 3}}, {3, {0, 1, 2}}};
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench bench;

        setup(&bench);
        list_remove(&bench.items[cases[i].gone].node);
        list_remove(&bench.items[cases[i].gone].node);
        assert_list(&bench.head, cases[i].left, 3);
        assert_true(list_is_empty(&bench.items[cases[i].gone].node));
    }
}

static void test_list_pops_from_the_front_until_none_is_left(void **state)
{
    struct bench bench;
    (void)state;

    setup(&bench);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(list_pop(&bench.head), &bench.items[i].node);
    assert_null(list_pop(&bench.head));
    assert_list(&bench.head, NULL, 0);
    list_append(&bench.head, &bench.items[2].node); /* and takes them again */
    assert_list(&bench.head, (int[]){2}, 1);
}

static void test_list_moves_behind_what_is_there(void **state)
{
    struct bench bench;
    (void)state;

    setup(&bench);
    list_remove(&bench.items[0].node);
    list_append(&bench.other, &bench.items[0].node);
    list_move(&bench.head, &bench.other);
    assert_list(&bench.head, NULL, 0);
    assert_list(&bench.other, (int[]){0, 1, 2, 3}, 4);
    list_move(&bench.head, &bench.other); /* nothing */
    assert_list(&bench.other, (int[]){0, 1, 2, 3}, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_keeps_the_order_of_coming),
        cmocka_unit_test(test_list_lets_go_of_any_node_once_or_twice),
        cmocka_unit_test(test_list_pops_from_the_front_until_none_is_left),
        cmocka_unit_test(test_list_moves_behind_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
