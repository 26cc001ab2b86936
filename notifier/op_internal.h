/* op_internal.h - the requests of a WebSocket. */
#pragma once

#include "notifier/connection.h"
#include "notifier/notifier.h"
#include "notifier/publication.h"

/* Of a table's values. */
enum { OP_TOPICS = OPS_FIRST, OP_SINCE, OP_PRESENCE };
enum { OP_DATA = 3, OP_EVENT, OP_MESSAGE_ID, OP_PRIVATE };

#define OP_KINDS 5
extern const struct op_kind op_kinds[OP_KINDS];

static inline struct subscriber *op_subscriber(const struct op *op)
{
    return &connection_of(op->client)->subscriber;
}

/* What a subscription asks for, until it is ready. */
struct wanted {
    struct selector *selectors[SUBSCRIBER_SELECTORS_MAX];
    size_t count;
    struct since since;
    struct position position;
    bool is_present; /* on the rosters, and hears of others there */
};

static inline struct span op_text_at(const json_t *array, size_t index)
{
    const json_t *item = json_array_get(array, index);

    return (struct span){json_string_value(item), json_string_length(item)};
}

/* Who is there is as private as updates are.  False: answered. */
bool op_may_see(struct op *op, struct span selector);

void op_subscribe(struct op *op, const struct json_value *values);
void op_resume(struct op *op, const struct json_value *values);
void op_unsubscribe(struct op *op, const struct json_value *values);
void op_presence(struct op *op, const struct json_value *values);
void op_publish(struct op *op, const struct json_value *values);
