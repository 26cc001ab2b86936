/*
 * subscription.c - see subscription.h.
 *
 *   subscription_tell() -- publication_send() --> on_told()
 *
 * What Redis does not take is not told: the list of subscriptions is right
 * again as soon as Redis is there.
 */
#include "notifier/subscription.h"
#include "notifier/notifier.h"
#include "notifier/publication.h"

#define CONTEXT SPAN("https://mercure.rocks/")
#define BASE SPAN(NOTIFIER_HUB "/subscriptions")

/* A telling on its way. */
struct telling {
    struct publication publication;
    struct buf topic, data;
    char id[PUBLICATION_NEW_ID];
};

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

static void put_escaped(struct buf *out, struct span text)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_plain(text.ptr[i])) {
            buf_append_char(out, text.ptr[i]);
            continue;
        }
        buf_append_char(out, '%');
        buf_append_char(out, hex[c >> 4]);
        buf_append_char(out, hex[c & 15]);
    }
}

void subscription_put_id(struct buf *out, struct span selector,
                         struct span subscriber)
{
    buf_append(out, BASE);
    buf_append_char(out, '/');
    put_escaped(out, selector);
    buf_append_char(out, '/');
    put_escaped(out, subscriber);
}

void subscription_put(struct json_writer *w,
                      const struct subscription *subscription)
{
    struct buf id;

    buf_init(&id, MEM_REQUEST);
    subscription_put_id(&id, subscription->selector, subscription->subscriber);
    json_put_key(w, "id");
    json_put_string(w, buf_span(&id));
    buf_deinit(&id);
    json_put_key(w, "type");
    json_put_string(w, SPAN("Subscription"));
    json_put_key(w, "subscriber");
    json_put_string(w, subscription->subscriber);
    json_put_key(w, "topic");
    json_put_string(w, subscription->selector);
    json_put_key(w, "active");
    json_put_bool(w, subscription->active);
    if (!subscription->payload.len)
        return;
    json_put_key(w, "payload");
    json_put_raw(w, subscription->payload);
}

static void drop(struct telling *telling)
{
    buf_deinit(&telling->topic);
    buf_deinit(&telling->data);
    mem_free(telling);
}

static void on_told(struct publication *publication, int status)
{
    (void)status;
    drop(LIST_ENTRY(publication, struct telling, publication));
}

void subscription_tell(struct notifier *app, struct span selector,
                       struct span subscriber, struct span payload, bool active)
{
    struct telling *telling;

    if (!app->config->subscriptions)
        return;
    telling = mem_zalloc(MEM_JOB, sizeof(*telling));
    buf_init(&telling->topic, MEM_JOB);
    buf_init(&telling->data, MEM_JOB);
    struct json_writer w = {.out = &telling->data};
    subscription_put_id(&telling->topic, selector, subscriber);
    json_put_open(&w, '{');
    json_put_key(&w, "@context");
    json_put_string(&w, CONTEXT);
    subscription_put(
        &w, &(struct subscription){selector, subscriber, payload, active});
    json_put_close(&w, '}');
    telling->publication =
        (struct publication){.record = {.id = publication_new_id(telling->id),
                                        .data = buf_span(&telling->data),
                                        .topics = {buf_span(&telling->topic)},
                                        .topic_count = 1,
                                        .is_private = true},
                             .cb = on_told};
    if (publication_send(app, &telling->publication) < 0)
        drop(telling);
}
