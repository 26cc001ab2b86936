/* life.c - what a worker of the chat makes, is told and closes. */
#include <stdlib.h>
#include <unistd.h>

#include "chat/aging.h"
#include "chat/client.h"
#include "chat/erasure.h"
#include "chat/logs.h"
#include "chat/reseal.h"
#include "chat/sessions.h"
#include "chat/told.h"
#include "common/log.h"

#define SECRET_ROOMS "rooms" /* of which the ids of direct rooms are made */

const char *const chat_secrets[] = {SECRET_ROOMS, CHAT_SECRET_TOKENS, NULL};

static uint64_t *counter(const struct chat *self, const char *name,
                         const char *help)
{
    return metrics_cell(app_metrics(self->app), METRICS_COUNTER, name, "",
                        help);
}

static void make_cells(struct chat *self)
{
    self->delivered =
        counter(self, "chat_delivered_total", "Entries given to watchers.");
    self->late = counter(self, "chat_slow_closed_total",
                         "Clients closed because they read too slowly.");
    self->gone = counter(self, "chat_gone_total",
                         "Rooms that clients were told are gone for them.");
    self->put_off = counter(self, "chat_put_off_total",
                            "Clients told to come again later.");
    self->clients =
        metrics_cell(app_metrics(self->app), METRICS_GAUGE, "chat_sockets", "",
                     "WebSockets that are open.");
}

/* ---- what passes */

static void on_entry(void *arg, struct room *room, const struct entry *entry)
{
    struct chat *self = arg;

    users_on_entry(self->users, room, entry);
    if (entry->kind == ENTRY_MEMBER)
        presence_member(self->presence, room, entry);
}

static void on_lost(void *arg, struct room *room)
{
    (void)arg;
    users_on_lost(room);
}

static void on_stale(void *arg, struct span room)
{
    struct chat *self = arg;

    logs_expire(self->chunks, room);
}

static void on_joined(void *arg, struct span room, struct span user)
{
    struct chat *self = arg;

    users_on_joined(self->users, room, user);
}

static void on_word(void *arg, struct span word)
{
    told_word(arg, word);
}

static const struct rooms_events rooms_events = {.on_entry = on_entry,
                                                 .on_lost = on_lost,
                                                 .on_stale = on_stale,
                                                 .on_joined = on_joined,
                                                 .on_word = on_word};

static void on_gone(void *arg, struct seat *seat, const char *reason)
{
    struct list *clients = &seat->user->clients;

    (void)arg;
    list_remove(&seat->told);
    for (struct list *n = clients->next, *next; n != clients; n = next) {
        struct client *client = LIST_ENTRY(n, struct client, of_user);
        struct watch *watch = watches_find(&client->watches, seat->room);
        next = n->next;
        if (watch)
            watch_finish(watch);
        if (watch ||
            (client->synced && client_covers(client, room_id(seat->room))))
            client_tell_gone(client, seat->room, reason);
    }
}

static void on_counts(void *arg, struct seat *seat)
{
    told_counts(arg, seat);
}

static const struct users_events users_events = {.on_gone = on_gone,
                                                 .on_counts = on_counts};

static void on_wake(void *arg, struct span channel, struct span payload)
{
    struct chat *self = arg;

    (void)channel;
    rooms_hear(self->rooms, payload);
}

/* Above 600 rooms a worker has somebody in each of them: so it listens to all,
   and no entry falls between a reading and a subscription. */
static void listen_to_all(struct chat *self)
{
    struct arena arena;

    arena_init(&arena, MEM_APP, 0);
    for (uint32_t i = 0; i < HASH_PARTITIONS; i++)
        pubsub_subscribe(app_pubsub(self->app), keys_wake(&arena, i), on_wake,
                         self);
    arena_deinit(&arena);
}

/* It was good when the service began; without it nothing may be written, so
   the worker ends. */
static struct bodies *load_bodies(const struct chat *self)
{
    char reason[256];
    struct bodies *bodies =
        bodies_load(self->config->encrypt_bodies, reason, sizeof(reason));

    if (!bodies) {
        log_write(LOG_ERROR, "keys of texts", LOG_STR("reason", reason));
        exit(1);
    }
    bodies_count(bodies, counter(self, "chat_unreadable_total",
                                 "Texts that no key opens."));
    return bodies;
}

void *chat_open(struct app *app)
{
    struct chat *self = mem_zalloc(MEM_APP, sizeof(*self));
    const struct chat_config *config = app_config(app);

    srandom((unsigned)getpid());
    self->app = app;
    self->config = config;
    list_init(&self->told);
    list_init(&self->exports);
    list_init(&self->large);
    make_cells(self);
    if (config->encrypt_bodies)
        self->bodies = load_bodies(self);
    self->fanout = fanout_open(app_loop(app), (size_t)config->max_rings);
    self->rooms =
        rooms_create(&(struct rooms_options){.loop = app_loop(app),
                                             .redis = app_redis(app),
                                             .fanout = self->fanout,
                                             .metrics = app_metrics(app),
                                             .bodies = self->bodies,
                                             .events = &rooms_events,
                                             .arg = self});
    self->users = users_create(self, &users_events, self);
    self->sessions = sessions_create(self);
    self->presence = presence_create(self);
    self->aging = aging_create(self);
    if (self->bodies)
        self->reseal = reseal_create(self);
    self->erasure = erasure_create(self);
    self->chunks = logs_create(self);
    self->admission = admission_create(&(struct admission_options){
        .app = app,
        .per_caller = config->per_caller,
        .rate = config->accept_rate,
        .user_rate = config->user_connect_rate,
        .address_rate = config->address_connect_rate});
    if (config->join_rate)
        self->joins = app_limit("/join", (uint64_t)config->join_rate);
    ops_init(&self->ops,
             &(struct ops_options){.app = app,
                                   .admission = self->admission,
                                   .service = &client_service,
                                   .arg = self,
                                   .max_kept = (size_t)config->max_kept,
                                   .ping_ms = (uint32_t)config->ping_ms,
                                   .clients = self->clients,
                                   .late = self->late,
                                   .put_off = self->put_off});
    listen_to_all(self);
    return self;
}

void chat_on_secrets(void *state)
{
    struct chat *self = state;

    self->secret = app_secret(self->app, SECRET_ROOMS);
}

void chat_on_epoch(void *state, bool live)
{
    struct chat *self = state;

    sessions_set_live(self->sessions, live);
    presence_set_live(self->presence, live);
    if (!live)
        return;
    chunks_expire(self->chunks, NULL); /* what was deleted was not heard */
    rooms_ask_all(self->rooms);
    users_reload(self->users);
}

void chat_close(void *state)
{
    struct chat *self = state;

    told_stop(self);
    ops_deinit(&self->ops);
    admission_destroy(self->admission);
    limit_spec_unref(self->joins);
    aging_destroy(self->aging);
    reseal_destroy(self->reseal);
    erasure_destroy(self->erasure);
    sessions_destroy(self->sessions);
    users_destroy(self->users);
    presence_destroy(self->presence);
    rooms_destroy(self->rooms);
    chunks_destroy(self->chunks);
    bodies_destroy(self->bodies);
    fanout_close(self->fanout);
    mem_free(self);
}
