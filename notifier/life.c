/* life.c - what a worker of the notifier makes, is told and closes. */
#include <stdlib.h>
#include <unistd.h>

#include "notifier/connection.h"
#include "notifier/notifier.h"

#define PONG_MS 10000
#define CLOSE_MS 5000

#define SECRET_POSITIONS "positions"

const char *const notifier_secrets[] = {SECRET_POSITIONS, NULL};

static void make_cells(struct notifier *self)
{
    struct metrics *metrics = app_metrics(self->app);

    self->delivered =
        metrics_cell(metrics, METRICS_COUNTER, "notifier_delivered_total", "",
                     "Updates and gaps given to subscribers.");
    self->late =
        metrics_cell(metrics, METRICS_COUNTER, "notifier_slow_closed_total", "",
                     "Subscribers closed because they read too slow.");
    self->gaps =
        metrics_cell(metrics, METRICS_COUNTER, "notifier_resume_gaps_total", "",
                     "Gaps that resuming subscribers were told of.");
    self->published =
        metrics_cell(metrics, METRICS_COUNTER, "notifier_published_total", "",
                     "Updates published.");
    self->replayed = metrics_cell(metrics, METRICS_COUNTER,
                                  "notifier_publish_replayed_total", "",
                                  "Updates whose id had been published.");
    self->connections = metrics_cell(metrics, METRICS_GAUGE, "notifier_sockets",
                                     "", "WebSockets that are open.");
    self->streams = metrics_cell(metrics, METRICS_GAUGE, "notifier_streams", "",
                                 "Event streams that are open.");
}

void *notifier_open(struct app *app)
{
    struct notifier *self = mem_zalloc(MEM_APP, sizeof(*self));
    const struct notifier_config *config = app_config(app);
    char reason[256];

    srandom((unsigned)getpid());
    *self = (struct notifier){
        .app = app,
        .config = config,
        .settings = settings_load(config->topics_file, reason, sizeof(reason)),
        .fanout = fanout_open(app_loop(app)),
        .chunks =
            chunks_create(app_loop(app), app_redis(app), app_metrics(app)),
    };
    make_cells(self);
    socket_kind_init(&self->sockets, app_loop(app),
                     &(struct socket_options){
                         .events = &connection_events,
                         .subprotocol = CONNECTION_PROTOCOL,
                         .max_message = CONNECTION_MESSAGE_MAX,
                         .max_kept = (size_t)config->max_kept,
                         .ping_ms = (uint32_t)config->ping_ms,
                         .pong_ms = PONG_MS,
                         .close_ms = CLOSE_MS,
                         .text_only = true,
                     });
    self->topics =
        topics_create(&(struct topics_options){.loop = app_loop(app),
                                               .redis = app_redis(app),
                                               .fanout = self->fanout,
                                               .settings = self->settings,
                                               .metrics = app_metrics(app)});
    self->feed = feed_create(&(struct feed_options){
        .app = app, .fanout = self->fanout, .topics = self->topics});
    return self;
}

bool notifier_check(const void *config, char *reason, size_t reason_size)
{
    const struct notifier_config *c = config;
    struct settings *settings =
        settings_load(c->topics_file, reason, reason_size);

    settings_destroy(settings);
    return settings != NULL;
}

void notifier_on_secrets(void *state)
{
    struct notifier *self = state;

    self->position_key =
        position_key_create(app_secret(self->app, SECRET_POSITIONS));
    feed_set_key(self->feed, self->position_key);
}

void notifier_on_epoch(void *state, bool live)
{
    struct notifier *self = state;

    feed_set_live(self->feed, live);
}

void notifier_close(void *state)
{
    struct notifier *self = state;

    socket_kind_deinit(&self->sockets);
    feed_destroy(self->feed);
    topics_destroy(self->topics);
    chunks_destroy(self->chunks);
    fanout_close(self->fanout);
    position_key_destroy(self->position_key);
    settings_destroy(self->settings);
    mem_free(self);
}
