/*
 * socket_kit.h - WebSockets of a server_kit, what they are told, and clients.
 *
 * GET /ws makes the next seat's socket; a test may do so for a request that it
 * holds.  The memory of a socket goes inside on_close: whatever touches it
 * later is the sanitizer's.
 */
#pragma once

#include "common/socket.h"
#include "tests/common/server_kit.h"

#define UPGRADE(path)                                             \
    "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n" \
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"         \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define SEATS 8
#define MAX_KEPT 65536
#define LARGE 8000000 /* more than sockets take */

/* What became of a socket, in the order of asking. */
struct seat {
    struct socket *socket; /* NULL once it is gone */
    struct buf got;
    int opens, messages, drains, leaves, closes;
    unsigned code;
    uint64_t within_ms;
    bool accepted;
};

struct holder {
    struct socket socket;
    struct seat *seat;
};

extern struct kit *kit;
extern struct socket_kind kind;
extern struct seat seats[SEATS];
extern size_t seat_count;

/* What the callbacks do beside counting; may be NULL. */
extern void (*at_open)(struct seat *seat);
extern void (*at_message)(struct seat *seat, struct span bytes);
extern void (*at_leave)(struct seat *seat);
extern void (*at_close)(struct seat *seat);

int sockets_setup(void **state);
int sockets_teardown(void **state); /* each was told its close once */

/* The request becomes the next seat's socket; no callback may run inside. */
struct seat *accept_in(struct request *req);
/* A client's request for an upgrade, which nobody has answered. */
struct request *hold(int *client);
/* A client whose socket is open, in the next seat; what it got is forgotten. */
struct seat *join(int *client);

void send_frame(int client, enum ws_opcode opcode, struct span payload);
void send_text(int client, const char *text);

/* The seat sends "welcome". */
void greet(struct seat *seat);

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, sockets_setup, sockets_teardown)
