/* life.c - what a worker of the service makes, is told and closes. */
#include "search/indexes.h"

void *service_open(struct app *app)
{
    struct service *service = mem_zalloc(MEM_APP, sizeof(*service));
    struct metrics *metrics = app_metrics(app);

    service->app = app;
    service->redis = app_redis(app);
    service->config = app_config(app);
    service->written =
        metrics_cell(metrics, METRICS_COUNTER, "search_writes_total", "",
                     "Documents that were written or deleted.");
    service->refused =
        metrics_cell(metrics, METRICS_COUNTER, "search_writes_refused_total",
                     "", "Writes that were not done.");
    service->searches =
        metrics_cell(metrics, METRICS_COUNTER, "search_searches_total", "",
                     "Searches and counts that were answered.");
    service->indexes = indexes_open(service);
    return service;
}

void service_on_epoch(void *state, bool live)
{
    struct service *service = state;

    indexes_on_epoch(service->indexes, live);
}

void service_close(void *state)
{
    struct service *service = state;

    indexes_close(service->indexes);
    mem_free(service);
}

void service_tell(struct service *service, struct span channel,
                  struct span text)
{
    struct span argv[] = {SPAN("SPUBLISH"), channel, text};

    redis_send(service->redis, &(struct redis_call){.key = channel,
                                                    .argv = argv,
                                                    .argc = 3,
                                                    .cb = service_told});
}

void service_told(void *arg, int status, const struct redisReply *reply)
{
    (void)arg;
    (void)status;
    (void)reply;
}
