/*
 * connection.h - a WebSocket of /v1/ws: its client, and what that follows.
 *
 * Requests that wait for Redis hold up those behind them, so that they take
 * effect in order; only updates that are published go on their way together.
 */
#pragma once

#include "common/ops.h"
#include "notifier/subscriber.h"

#define CONNECTION_PUBLISHING_MAX 64 /* updates on their way */

struct connection {
    struct ops_client client;
    struct subscriber subscriber;
    struct op *busy; /* the one whose topics are asked for, or NULL */
    uint32_t publishing;
    bool resuming; /* holds up what comes behind */
};

static inline struct connection *connection_of(struct ops_client *client)
{
    return LIST_ENTRY(client, struct connection, client);
}

/* For the clients of all connections. */
extern const struct ops_service connection_service;

/* What its subscriber was asked for is ready. */
void op_on_ready(struct subscriber *subscriber, int status);
