/*
 * subscription.h - one subscription as Mercure 0.x shows it, and the updates
 * that tell of those that come and go.
 */
#pragma once

#include "common/json.h"

struct notifier;

struct subscription {
    struct span selector, subscriber;
    struct span payload; /* JSON, or "" */
    bool active;
};

/* Its id, "/.well-known/mercure/subscriptions/selector/subscriber", escaped. */
void subscription_put_id(struct buf *out, struct span selector,
                         struct span subscriber);

/* Its members, into an object that is open. */
void subscription_put(struct json_writer *w,
                      const struct subscription *subscription);

/* Publish that it came or went, where --subscriptions says so. */
void subscription_tell(struct notifier *app, struct span selector,
                       struct span subscriber, struct span payload,
                       bool active);
