/*
 * chat.h - rooms, each with one ordered log: what its files share.
 *
 *   write.c write.lua       whatever changes a room: one script
 *   rooms.c entry.c frame.c what passes in the rooms that somebody here is in
 *   users.c users_*.c       who is here, and in what rooms
 *   client.c watch.c op*.c  a WebSocket: its requests, the rooms it watches
 *   membership.c            joining and leaving, over two partitions
 *   export.c erasure.c      all that is kept of a user: to take along, to go
 */
#pragma once

#include "chat/keys.h"
#include "chat/names.h"
#include "chat/rooms.h"
#include "chat/users.h"
#include "common/app.h"
#include "common/chunks.h"
#include "common/metrics.h"
#include "common/ops.h"
#include "common/request.h"

#define CHAT_SECRET_TOKENS "tokens" /* signs where there is no --token-keys */
#define CHAT_ONCE_MS "86400000"     /* that a client_id is remembered */

struct chat_config {
    int64_t max_members, max_rooms, large_room, session_ms;
    int64_t per_caller, accept_rate, max_kept, max_rings, ping_ms;
    int64_t user_connect_rate, address_connect_rate, join_rate;
    const char *encrypt_bodies;
};

struct chat {
    struct app *app;
    const struct chat_config *config;
    struct fanout *fanout;
    struct rooms *rooms;
    struct users *users;
    struct sessions *sessions;
    struct bodies *bodies; /* NULL: texts are in the open */
    struct aging *aging;
    struct reseal *reseal; /* NULL: texts are in the open */
    struct erasure *erasure;
    struct presence *presence;
    struct chunks *chunks;
    struct admission *admission;
    struct limit_spec *joins; /* how fast one user comes in; NULL: no limit */
    struct ops ops;
    struct list told;  /* seats whose counts are to be told */
    struct list large; /* large rooms with news */
    struct wheel_timer turn, large_timer;
    struct list exports; /* that are on their way */
    unsigned export_count;
    const unsigned char *secret; /* NULL: it is not there yet */
    uint64_t *delivered, *late, *gone, *put_off, *clients;
};

/* Routes, each answered exactly once. */
void connect_socket(struct request *req, void *arg);
void register_user(struct request *req, void *arg);
void export_user(struct request *req, void *arg);
/* What it has said so far is not all any more. */
void export_on_deleted(struct chat *chat, struct span user);
void delete_user(struct request *req, void *arg);
void open_session(struct request *req, void *arg);
void close_session(struct request *req, void *arg);
void create_room(struct request *req, void *arg);
void create_direct(struct request *req, void *arg);
void list_rooms(struct request *req, void *arg);
void read_room(struct request *req, void *arg);
void change_room(struct request *req, void *arg);
void archive_room(struct request *req, void *arg);
void list_members(struct request *req, void *arg);
void put_member(struct request *req, void *arg);
void delete_member(struct request *req, void *arg);
void put_ban(struct request *req, void *arg);
void delete_ban(struct request *req, void *arg);
void put_mute(struct request *req, void *arg);
void delete_mute(struct request *req, void *arg);
void post_message(struct request *req, void *arg);
void edit_message(struct request *req, void *arg);
void delete_message(struct request *req, void *arg);
void put_reaction(struct request *req, void *arg);
void delete_reaction(struct request *req, void *arg);
void read_messages(struct request *req, void *arg);
void search_messages(struct request *req, void *arg);
void read_events(struct request *req, void *arg);
void post_read(struct request *req, void *arg);
void post_delivered(struct request *req, void *arg);

/* life.c, for main.c's table. */
extern const char *const chat_secrets[];
void *chat_open(struct app *app);
void chat_on_secrets(void *state);
void chat_on_epoch(void *state, bool live);
void chat_close(void *state);
