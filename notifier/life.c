/* life.c - what a worker of the notifier makes, is told and closes. */
#include <stdlib.h>
#include <unistd.h>

#include "notifier/connection.h"
#include "notifier/notifier.h"
#include "notifier/source.h"
#include "notifier/subscription.h"

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
    self->put_off =
        metrics_cell(metrics, METRICS_COUNTER, "notifier_put_off_total", "",
                     "Subscribers told to come again later.");
    self->streams = metrics_cell(metrics, METRICS_GAUGE, "notifier_streams", "",
                                 "Event streams that are open.");
}

static void on_other(void *arg, struct span payload)
{
    struct notifier *self = arg;

    roster_hear(self->roster, payload);
}

static void on_change(void *arg, const struct roster_change *change)
{
    struct notifier *self = arg;

    presence_change(self->presence, change);
}

static void on_swept(void *arg, const struct roster_change *change)
{
    subscription_tell(arg, change->selector, change->subscriber,
                      change->said.payload, false);
}

static void on_again(void *arg)
{
    struct notifier *self = arg;

    presence_again(self->presence);
}

static struct nodes *nodes_of(void *arg)
{
    const struct notifier *self = arg;

    return app_nodes(self->app);
}

static struct roster *open_roster(struct notifier *self)
{
    static const struct roster_events events = {
        .on_change = on_change, .on_swept = on_swept, .on_again = on_again};

    return roster_open(
        &(struct roster_options){.loop = app_loop(self->app),
                                 .redis = app_redis(self->app),
                                 .prefix = NOTIFIER_PREFIX,
                                 .worker = app_instance_id(self->app),
                                 .nodes = nodes_of,
                                 .events = &events,
                                 .arg = self});
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
        .fanout = fanout_open(app_loop(app), (size_t)config->max_rings),
        .chunks = logs_create(app_loop(app), app_redis(app), app_metrics(app)),
    };
    make_cells(self);
    self->topics =
        topics_create(&(struct topics_options){.loop = app_loop(app),
                                               .redis = app_redis(app),
                                               .fanout = self->fanout,
                                               .settings = self->settings,
                                               .metrics = app_metrics(app)});
    self->roster = open_roster(self);
    self->admission = admission_create(
        &(struct admission_options){.app = app,
                                    .per_caller = config->per_caller,
                                    .rate = config->accept_rate});
    ops_init(&self->ops,
             &(struct ops_options){.app = app,
                                   .admission = self->admission,
                                   .service = &connection_service,
                                   .arg = self,
                                   .max_kept = (size_t)config->max_kept,
                                   .ping_ms = (uint32_t)config->ping_ms,
                                   .clients = self->connections,
                                   .late = self->late,
                                   .put_off = self->put_off});
    self->presence = presence_create(app, self->roster);
    self->feed = feed_create(&(struct feed_options){.app = app,
                                                    .fanout = self->fanout,
                                                    .topics = self->topics,
                                                    .on_other = on_other,
                                                    .arg = self});
    self->sources =
        sources_create(self, config->source, reason, sizeof(reason));
    return self;
}

bool notifier_check(const void *config, char *reason, size_t reason_size)
{
    const struct notifier_config *c = config;
    struct settings *settings =
        settings_load(c->topics_file, reason, reason_size);

    if (!settings)
        return false;
    settings_destroy(settings);
    struct sources *sources =
        sources_create(NULL, c->source, reason, reason_size);
    if (!sources)
        return false;
    sources_destroy(sources);
    return true;
}

void notifier_on_secrets(void *state)
{
    struct notifier *self = state;

    self->position_key =
        position_key_create(app_secret(self->app, SECRET_POSITIONS));
    feed_set_key(self->feed, self->position_key);
    sources_start(self->sources);
}

void notifier_on_epoch(void *state, bool live)
{
    struct notifier *self = state;

    feed_set_live(self->feed, live);
    roster_set_live(self->roster, live);
}

void notifier_stop(void *state)
{
    struct notifier *self = state;

    sources_stop(self->sources);
}

void notifier_drain(void *state, void (*done)(void *arg), void *arg)
{
    struct notifier *self = state;

    sources_drain(self->sources, done, arg);
}

void notifier_close(void *state)
{
    struct notifier *self = state;

    ops_deinit(&self->ops);
    sources_destroy(self->sources);
    admission_destroy(self->admission);
    presence_destroy(self->presence);
    roster_close(self->roster);
    feed_destroy(self->feed);
    topics_destroy(self->topics);
    chunks_destroy(self->chunks);
    fanout_close(self->fanout);
    position_key_destroy(self->position_key);
    settings_destroy(self->settings);
    mem_free(self);
}
