/*
 * subscriptions.c - Mercure's subscriptions API: who subscribes to what.
 *
 *   list_subscriptions()    -- roster_read_all(), each --> on_partition()
 *   list_subscriptions_of() -- roster_read() --> on_roster()
 *   read_subscription()     -- roster_read() --> on_roster(), the one of it
 *
 * Who asks must be allowed to read private updates of the path's own topic.
 */
#include <hiredis/hiredis.h>

#include "common/hash.h"
#include "notifier/notifier.h"
#include "notifier/rights.h"
#include "notifier/subscription.h"

#define TYPE "application/ld+json"
#define CONTEXT SPAN("https://mercure.rocks/")

/* A request for a list, while Redis is asked. */
struct listing {
    struct notifier *app;
    struct request *req;
    struct span selector; /* ptr NULL: all */
    struct span subscriber;
    struct buf out;
    struct json_writer w;
    size_t left, count;
    int status;
};

static void on_partition(void *arg, int status, const struct redisReply *reply);
static void on_roster(void *arg, int status, const struct redisReply *reply);

static struct listing *begin(struct notifier *app, struct request *req)
{
    struct listing *listing =
        arena_zalloc(request_arena(req), sizeof(*listing));
    struct span path = request_path(req);

    if (!app->config->subscriptions) {
        request_problem(req, 404, "not-found", NULL,
                        "subscriptions are not listed: --subscriptions");
        return NULL;
    }
    struct rights *rights = rights_of(req);
    if (!rights)
        return NULL;
    bool may = rights_may_read(rights, &path, 1, true);
    rights_unref(rights);
    if (!may) {
        request_problem(req, 403, "forbidden", NULL,
                        "the token does not cover this path as a topic");
        return NULL;
    }
    *listing = (struct listing){.app = app, .req = req};
    return listing;
}

static void put_last_id(struct listing *listing)
{
    char text[POSITION_MAX];
    struct position position = {.has_partitions = true,
                                .partitions = feed_places(listing->app->feed)};
    size_t len =
        position_seal(listing->app->position_key, &position, false, text);

    json_put_key(&listing->w, "lastEventID");
    json_put_string(&listing->w, (struct span){text, len});
}

static void open_list(struct listing *listing)
{
    buf_init(&listing->out, MEM_REQUEST);
    listing->w = (struct json_writer){.out = &listing->out};
    json_put_open(&listing->w, '{');
    json_put_key(&listing->w, "@context");
    json_put_string(&listing->w, CONTEXT);
    if (listing->subscriber.ptr)
        return;
    json_put_key(&listing->w, "id");
    json_put_string(&listing->w, request_path(listing->req));
    json_put_key(&listing->w, "type");
    json_put_string(&listing->w, SPAN("Subscriptions"));
    put_last_id(listing);
    json_put_key(&listing->w, "subscriptions");
    json_put_open(&listing->w, '[');
}

static void reply(struct listing *listing)
{
    struct request *req = listing->req;

    if (!listing->subscriber.ptr)
        json_put_close(&listing->w, ']');
    json_put_close(&listing->w, '}');
    request_add_header(req, "Cache-Control", SPAN("no-cache"));
    request_add_header(req, "Link",
                       SPAN("<" NOTIFIER_HUB ">; rel=\"mercure\""));
    request_reply(req, 200, TYPE, buf_span(&listing->out));
    buf_deinit(&listing->out);
}

static void put_one(struct listing *listing, const struct subscription *one)
{
    if (listing->subscriber.ptr) {
        subscription_put(&listing->w, one);
        put_last_id(listing);
        return;
    }
    json_put_open(&listing->w, '{');
    subscription_put(&listing->w, one);
    json_put_close(&listing->w, '}');
}

static void put_roster(struct listing *listing, struct span selector,
                       const struct redisReply *hash)
{
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        const struct redisReply *field = hash->element[i];
        const struct redisReply *value = hash->element[i + 1];
        struct span subscriber = {field->str, field->len};
        struct roster_said said;
        if (subscriber.len == 0 ||
            !roster_said_parse((struct span){value->str, value->len}, &said) ||
            !roster_counts(listing->app->roster, &said) ||
            listing->count == ROSTER_LISTED_MAX ||
            (listing->subscriber.ptr &&
             !span_eq(subscriber, listing->subscriber)))
            continue;
        put_one(listing, &(struct subscription){selector, subscriber,
                                                said.payload, true});
        listing->count++;
    }
}

/* ---- all */

static void finish(struct listing *listing)
{
    if (listing->status == 0) {
        reply(listing);
        return;
    }
    buf_deinit(&listing->out);
    request_fail(listing->req, listing->status);
}

void list_subscriptions(struct request *req, void *arg)
{
    struct listing *listing = begin(arg, req);
    int err = 0;

    if (!listing)
        return;
    open_list(listing);
    for (uint32_t i = 0; i < HASH_PARTITIONS && err == 0; i++) {
        err = roster_read_all(listing->app->roster, i, on_partition, listing);
        if (err == 0)
            listing->left++;
    }
    listing->status = err;
    if (listing->left == 0)
        finish(listing);
}

static void on_partition(void *arg, int status, const struct redisReply *answer)
{
    struct listing *listing = arg;

    if (status == 0 && answer->type != REDIS_REPLY_ARRAY)
        status = UV_EPROTO;
    if (status < 0 && listing->status == 0)
        listing->status = status;
    for (size_t i = 0; status == 0 && i + 1 < answer->elements; i += 2)
        put_roster(
            listing,
            (struct span){answer->element[i]->str, answer->element[i]->len},
            answer->element[i + 1]);
    if (--listing->left == 0)
        finish(listing);
}

/* ---- of one selector, or one of them */

static void read_roster(struct listing *listing)
{
    int err;

    listing->selector = request_param(listing->req, "topic");
    err = roster_read(listing->app->roster, listing->selector, on_roster,
                      listing);
    if (err < 0)
        request_fail(listing->req, err);
}

void list_subscriptions_of(struct request *req, void *arg)
{
    struct listing *listing = begin(arg, req);

    if (listing)
        read_roster(listing);
}

void read_subscription(struct request *req, void *arg)
{
    struct listing *listing = begin(arg, req);

    if (!listing)
        return;
    listing->subscriber = request_param(req, "subscriber");
    read_roster(listing);
}

static void on_roster(void *arg, int status, const struct redisReply *answer)
{
    struct listing *listing = arg;

    if (status == 0 && answer->type != REDIS_REPLY_ARRAY)
        status = UV_EPROTO;
    if (status < 0) {
        request_fail(listing->req, status);
        return;
    }
    open_list(listing);
    put_roster(listing, listing->selector, answer);
    if (listing->subscriber.ptr && listing->count == 0) {
        buf_deinit(&listing->out);
        request_problem(listing->req, 404, "not-found", NULL,
                        "there is no such subscription");
        return;
    }
    reply(listing);
}
