/*
 * position_route.c - GET /v1/position?topic=…: where topics stand, for a page
 * that is made now and subscribes later.
 *
 *   read_position() -- subscriber_add() --> on_ready(): 200
 *
 * It is a subscriber without a stream, which is gone when it knows.
 */
#include "common/query.h"
#include "notifier/notifier.h"
#include "notifier/rights.h"
#include "notifier/subscriber.h"

struct asking {
    struct subscriber subscriber;
    struct request *req;
    struct selector *selectors[SUBSCRIBER_SELECTORS_MAX];
    size_t count;
};

static void on_ready(struct subscriber *subscriber, int status);

static const struct subscriber_events events = {.on_ready = on_ready};

static void destroy(struct asking *asking)
{
    for (size_t i = 0; i < asking->count; i++)
        selector_unref(asking->selectors[i]);
    subscriber_deinit(&asking->subscriber);
    mem_free(asking);
}

/* False: errors say what is wrong. */
static bool read_topics(struct asking *asking, struct json_errors *errors)
{
    struct span rest = request_query_string(asking->req);
    struct span name;
    struct span value;

    while (query_next(request_arena(asking->req), &rest, &name, &value)) {
        if (!span_eq(name, SPAN("topic"))) {
            json_errors_add_name(errors, "query", "only topic is known");
        } else if (asking->count == SUBSCRIBER_SELECTORS_MAX) {
            json_errors_add(errors, "/topic", "at most 100 of them");
        } else {
            enum selector_verdict verdict =
                selector_create(value, &asking->selectors[asking->count]);
            if (verdict == SELECTOR_OK)
                asking->count++;
            else
                json_errors_add(errors, "/topic", "%s",
                                selector_verdict_text(verdict));
        }
    }
    if (asking->count == 0 && errors->count == 0)
        json_errors_add(errors, "/topic", "at least one is needed");
    return errors->count == 0;
}

/* Where a topic stands tells how much is said in it.  False: answered. */
static bool may_read(const struct asking *asking)
{
    struct rights *rights = rights_of(asking->req);
    bool may = rights != NULL;

    for (size_t i = 0; i < asking->count && may; i++) {
        struct span text = selector_text(asking->selectors[i]);
        may = rights_may_read(rights, &text, 1, true);
    }
    if (rights && !may)
        request_problem(asking->req, 403, "forbidden", NULL,
                        "the token does not cover these topics");
    rights_unref(rights);
    return may;
}

void read_position(struct request *req, void *arg)
{
    struct notifier *app = arg;
    struct json_errors errors = {0};

    json_errors_init(&errors);
    if (!app->position_key) {
        request_fail(req, UV_ENOTCONN);
        return;
    }
    struct asking *asking = mem_zalloc(MEM_REQUEST, sizeof(*asking));
    asking->req = req;
    subscriber_init(&asking->subscriber, app, NULL, &events);
    if (!read_topics(asking, &errors)) {
        request_invalid(req, &errors);
        destroy(asking);
    } else if (!may_read(asking)) {
        destroy(asking);
    } else if (!subscriber_add(&asking->subscriber, asking->selectors,
                               asking->count, &(struct since){0})) {
        request_fail(req, UV_ENOBUFS);
        destroy(asking);
    }
}

static void put_topics(struct json_writer *w,
                       const struct subscriber *subscriber)
{
    char room[SPAN_U64_MAX];

    json_put_open(w, '[');
    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        const struct follow *follow = LIST_ENTRY(n, struct follow, node);
        if (!follow->topic)
            continue;
        json_put_open(w, '{');
        json_put_key(w, "topic");
        json_put_string(w, follow_text(follow));
        json_put_key(w, "epoch");
        json_put_string(w, span_from_u64(room, follow->have.epoch));
        json_put_key(w, "offset");
        json_put_int(w, (int64_t)follow->have.offset);
        json_put_close(w, '}');
    }
    json_put_close(w, ']');
}

static void on_ready(struct subscriber *subscriber, int status)
{
    struct asking *asking = LIST_ENTRY(subscriber, struct asking, subscriber);
    struct request *req = asking->req;
    char position[POSITION_MAX];
    struct buf out;
    struct json_writer w = {.out = &out};

    if (status < 0) {
        request_fail(req, status);
        destroy(asking);
        return;
    }
    size_t len = subscriber_position(subscriber, true, position);
    if (len == 0) /* more names than fit: it serves without them, too */
        len = subscriber_position(subscriber, false, position);
    buf_init(&out, MEM_REQUEST);
    json_put_open(&w, '{');
    json_put_key(&w, "position");
    json_put_string(&w, (struct span){position, len});
    json_put_key(&w, "topics");
    put_topics(&w, subscriber);
    json_put_close(&w, '}');
    request_reply_json(req, 200, buf_span(&out));
    buf_deinit(&out);
    destroy(asking);
}
