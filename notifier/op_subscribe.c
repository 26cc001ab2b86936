/*
 * op_subscribe.c - the ops subscribe, resume and unsubscribe.
 *
 *   start() -- subscriber_add() --> op_on_ready(): the answer
 */
#include <stdio.h>

#include "notifier/op_internal.h"
#include "notifier/rights.h"

static void drop_wanted(struct op *op)
{
    struct wanted *wanted = op->data;

    for (size_t i = 0; i < wanted->count; i++)
        selector_unref(wanted->selectors[i]);
    if (op->client && connection_of(op->client)->busy == op)
        connection_of(op->client)->busy = NULL;
}

/* False: errors say which cannot be. */
static bool read_selectors(const json_t *array, struct wanted *wanted,
                           struct json_errors *errors)
{
    char pointer[32];

    if (json_array_size(array) == 0)
        json_errors_add(errors, "/topics", "at least one is needed");
    for (size_t i = 0; i < json_array_size(array); i++) {
        enum selector_verdict verdict =
            selector_create(op_text_at(array, i), &wanted->selectors[i]);
        if (verdict != SELECTOR_OK) {
            snprintf(pointer, sizeof(pointer), "/topics/%zu", i);
            json_errors_add(errors, pointer, "%s",
                            selector_verdict_text(verdict));
            return false;
        }
        wanted->count++;
    }
    return errors->count == 0;
}

/* Would it follow too much? */
static bool is_too_much(const struct subscriber *subscriber,
                        const struct wanted *wanted)
{
    size_t count = 0;
    size_t bytes = 0;

    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        const struct follow *follow = LIST_ENTRY(n, struct follow, node);
        bytes += follow_text(follow).len;
        count++;
    }
    for (size_t i = 0; i < wanted->count; i++) {
        struct selector *selector = wanted->selectors[i];
        if (subscriber_find(subscriber, selector_text(selector)))
            continue;
        bytes += selector_text(selector).len;
        count++;
    }
    return count > SUBSCRIBER_SELECTORS_MAX || bytes > POSITION_NAMES_MAX;
}

static void start(struct op *op, struct wanted *wanted)
{
    struct connection *connection = connection_of(op->client);
    struct subscriber *subscriber = &connection->subscriber;

    if (is_too_much(subscriber, wanted)) {
        op_fail(op, 422, "invalid",
                "a connection follows at most 100 topics, of 2048 bytes of "
                "names in all");
        return;
    }
    connection->busy = op;
    connection->resuming = true;
    if (subscriber_add(subscriber, wanted->selectors, wanted->count,
                       &wanted->since))
        return;
    connection->resuming = false;
    op_fail(op, 503, "overload", "too many patterns are followed");
}

static void put_place(struct json_writer *w, const struct follow *follow)
{
    char room[SPAN_U64_MAX];

    json_put_open(w, '{');
    json_put_key(w, "topic");
    json_put_string(w, follow_text(follow));
    json_put_key(w, "epoch");
    if (follow->topic)
        json_put_string(w, span_from_u64(room, follow->have.epoch));
    else
        json_put_null(w);
    json_put_key(w, "offset");
    if (follow->topic)
        json_put_int(w, (int64_t)follow->have.offset);
    else
        json_put_null(w);
    json_put_key(w, "recovered");
    json_put_bool(w, follow->recovered);
    json_put_close(w, '}');
}

static void put_places(struct json_writer *w, const struct op *op)
{
    const struct subscriber *subscriber = op_subscriber(op);
    const struct wanted *wanted = op->data;
    char position[POSITION_MAX];
    size_t len = subscriber_position(subscriber, true, position);

    json_put_key(w, "position");
    json_put_string(w, (struct span){position, len});
    json_put_key(w, "topics");
    json_put_open(w, '[');
    for (size_t i = 0; i < wanted->count; i++)
        put_place(w, subscriber_find(subscriber,
                                     selector_text(wanted->selectors[i])));
    json_put_close(w, ']');
}

static void enter(struct op *op)
{
    struct subscriber *subscriber = op_subscriber(op);
    const struct wanted *wanted = op->data;
    bool is_present = wanted->is_present;

    for (size_t i = 0; i < wanted->count; i++) {
        struct follow *follow =
            subscriber_find(subscriber, selector_text(wanted->selectors[i]));
        if (is_present || subscriber->app->config->subscriptions)
            follow_enter(follow, caller_subject(op->client->who));
        if (is_present)
            follow_watch(follow);
    }
}

/* The answer comes before the events that it causes. */
void op_on_ready(struct subscriber *subscriber, int status)
{
    struct connection *connection =
        LIST_ENTRY(subscriber, struct connection, subscriber);
    struct op *op = connection->busy;
    struct json_writer w;
    struct buf out;

    if (status < 0) {
        connection->resuming = false;
        op_fail_by(op, status);
        return;
    }
    op_open(op, &out, &w);
    put_places(&w, op);
    enter(op);
    op_close(op, &out, &w);
}

static bool may_subscribe(struct op *op)
{
    if (rights_may_subscribe(op_subscriber(op)->rights))
        return true;
    op_fail(op, 403, "forbidden", "the token does not cover subscribing");
    return false;
}

static struct wanted *make_wanted(struct op *op)
{
    op->data = arena_zalloc(&op->arena, sizeof(struct wanted));
    op->on_answered = drop_wanted;
    return op->data;
}

static void read_since(struct op *op, struct span text, struct wanted *wanted)
{
    struct notifier *app = op_subscriber(op)->app;

    wanted->since.position = &wanted->position;
    if (span_eq(text, SPAN("earliest")))
        wanted->since.kind = SINCE_EARLIEST;
    else if (position_open(app->position_key, text, &op->arena,
                           &wanted->position))
        wanted->since.kind = SINCE_POSITION;
    else
        wanted->since.kind = SINCE_UNKNOWN;
}

/* Who is there is as private as updates are. */
bool op_may_see(struct op *op, struct span selector)
{
    if (rights_may_read(op_subscriber(op)->rights, &selector, 1, true))
        return true;
    op_fail(op, 403, "forbidden", "the token does not cover who is there");
    return false;
}

static bool may_see_all(struct op *op, const struct wanted *wanted)
{
    for (size_t i = 0; i < wanted->count; i++)
        if (!op_may_see(op, selector_text(wanted->selectors[i])))
            return false;
    return true;
}

void op_subscribe(struct op *op, const struct json_value *values)
{
    struct json_errors errors = {0};
    struct wanted *wanted = make_wanted(op);

    if (!may_subscribe(op))
        return;
    json_errors_init(&errors);
    if (!read_selectors(values[OP_TOPICS].node, wanted, &errors)) {
        op_invalid(op, &errors);
        return;
    }
    if (values[OP_SINCE].state == JSON_STATE_SET)
        read_since(op, values[OP_SINCE].text, wanted);
    wanted->is_present =
        values[OP_PRESENCE].state == JSON_STATE_SET && values[OP_PRESENCE].flag;
    if (!wanted->is_present || may_see_all(op, wanted))
        start(op, wanted);
}

void op_resume(struct op *op, const struct json_value *values)
{
    struct wanted *wanted = make_wanted(op);
    const struct position *position = &wanted->position;

    if (!may_subscribe(op))
        return;
    read_since(op, values[OPS_FIRST].text, wanted);
    for (size_t i = 0; i < position->topic_count; i++)
        if (wanted->since.kind == SINCE_POSITION &&
            position->topics[i].name.ptr &&
            selector_create(position->topics[i].name,
                            &wanted->selectors[wanted->count]) == SELECTOR_OK)
            wanted->count++;
    if (wanted->count == 0)
        op_fail(op, 422, "invalid",
                "/position: names no topics: subscribe to them since it");
    else
        start(op, wanted);
}

void op_unsubscribe(struct op *op, const struct json_value *values)
{
    const json_t *topics = values[OP_TOPICS].node;
    struct json_writer w;
    struct buf out;

    for (size_t i = 0; i < json_array_size(topics); i++)
        subscriber_remove(op_subscriber(op), op_text_at(topics, i));
    op_open(op, &out, &w);
    op_close(op, &out, &w);
}
