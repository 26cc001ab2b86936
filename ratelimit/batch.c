/*
 * batch.c - POST /v1/check:batch: up to a thousand checks that know nothing of
 * each other.
 *
 *   check_batch() -- each item: decide() --> on_decided() -- the last one -->
 *   answer()
 */
#include <stdio.h>

#include "ratelimit/check_input.h"

#define BATCH_MAX 1000

struct item {
    struct batch *batch;
    struct decision decision;
    bool forbidden;
};

struct batch {
    struct request *req;
    struct item *items;
    size_t count;
    size_t waiting;            /* items, and check_batch() itself */
    struct json_errors *spare; /* of an item that had none */
};

static void on_decided(struct decision *decision);

static void begin_item(struct batch *batch, size_t i, const json_t *object,
                       struct ratelimit *app)
{
    struct item *item = &batch->items[i];

    item->batch = batch;
    item->decision = (struct decision){.app = app,
                                       .arena = request_arena(batch->req),
                                       .errors = batch->spare,
                                       .state = DECISION_INVALID,
                                       .cb = on_decided,
                                       .arg = item};
    item->forbidden = false;
    batch->spare = decision_errors(&item->decision);
    if (!check_read(&item->decision, object, false)) {
        item->decision.call.count = 0;
        batch->spare = NULL;
        return;
    }
    item->decision.errors = NULL;
    item->forbidden = !check_allowed(&item->decision, batch->req);
    if (item->forbidden)
        return;
    batch->waiting += !decide(&item->decision);
}

static void put_problem(struct json_writer *w, struct item *item)
{
    struct decision_problem problem =
        item->forbidden ? (struct decision_problem){403, "forbidden",
                                                    "the token's scope does "
                                                    "not cover this limit"}
                        : decision_problem(&item->decision);

    json_put_key(w, "status");
    json_put_int(w, problem.status);
    json_put_key(w, "problem");
    request_put_problem(item->batch->req, w, problem.status, problem.slug,
                        problem.detail,
                        problem.status == 422 ? item->decision.errors : NULL);
}

static void answer(struct batch *batch)
{
    struct buf json;
    struct json_writer w = {.out = &json};

    buf_init(&json, MEM_REQUEST);
    json_put_open(&w, '{');
    json_put_key(&w, "results");
    json_put_open(&w, '[');
    for (size_t i = 0; i < batch->count; i++) {
        struct item *item = &batch->items[i];
        json_put_open(&w, '{');
        if (!item->forbidden && item->decision.state == DECISION_MADE) {
            json_put_key(&w, "status");
            json_put_int(&w, item->decision.call.allowed ? 200 : 429);
            json_put_key(&w, "value");
            decision_put(&item->decision, &w);
        } else {
            put_problem(&w, item);
        }
        json_put_close(&w, '}');
        decision_release(&item->decision);
    }
    json_put_close(&w, ']');
    json_put_close(&w, '}');
    request_reply_json(batch->req, 200, buf_span(&json));
    buf_deinit(&json);
}

static void drop(struct batch *batch)
{
    if (--batch->waiting == 0)
        answer(batch);
}

static void on_decided(struct decision *decision)
{
    const struct item *item = decision->arg;

    drop(item->batch);
}

void check_batch(struct request *req, void *arg)
{
    static const struct json_field fields[] = {
        {"items", JSON_KIND_ARRAY, true, false, 0, 0, BATCH_MAX}};
    struct json_value value;
    struct batch *batch = arena_zalloc(request_arena(req), sizeof(*batch));

    if (!request_read_json(req, fields, 1, &value))
        return;
    batch->req = req;
    batch->waiting = 1;
    batch->count = json_array_size(value.node);
    batch->items = arena_alloc(request_arena(req),
                               (batch->count + 1) * sizeof(struct item));
    for (size_t i = 0; i < batch->count; i++)
        begin_item(batch, i, json_array_get(value.node, i), arg);
    drop(batch);
}
