/* fake_service.c - see fake_service.h. */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "tests/shortener/fake_service.h"

#define MAX_METRICS 16

struct fake_service fake;

static struct {
    const char *name;
    uint64_t value;
} metric_cells[MAX_METRICS];

static void free_calls(void)
{
    for (size_t i = 0; i < fake.made; i++)
        for (size_t j = 0; j < FAKE_MAX_ARGS; j++)
            free(fake.calls[i].argv[j]);
}

void fake_reset(void)
{
    free_calls();
    memset(&fake, 0, sizeof(fake));
    memset(metric_cells, 0, sizeof(metric_cells));
}

static int take_call(const struct redis_call *call)
{
    if (fake.refuse || fake.made == FAKE_MAX_CALLS)
        return fake.refuse ? fake.refuse : UV_ENOBUFS;
    struct fake_call *made = &fake.calls[fake.made++];
    made->argc = call->argc;
    made->cb = call->cb;
    made->arg = call->arg;
    for (size_t i = 0; i < call->argc && i < FAKE_MAX_ARGS; i++)
        made->argv[i] = strndup(call->argv[i].ptr, call->argv[i].len);
    return 0;
}

int redis_send(struct redis *redis, const struct redis_call *call)
{
    (void)redis;
    return take_call(call);
}

int redis_eval(struct redis *redis, struct redis_script *script, size_t nkeys,
               const struct redis_call *call)
{
    (void)redis, (void)script, (void)nkeys;
    return take_call(call);
}

static void answer(int status, const struct redisReply *reply)
{
    struct fake_call *call = &fake.calls[fake.answered++];

    call->cb(call->arg, status, reply);
}

void fake_answer(long long counted, long long refused)
{
    struct redisReply first = {.type = REDIS_REPLY_INTEGER, .integer = counted};
    struct redisReply second = {.type = REDIS_REPLY_INTEGER,
                                .integer = refused};
    struct redisReply *both[] = {&first, &second};
    struct redisReply reply = {
        .type = REDIS_REPLY_ARRAY, .elements = 2, .element = both};

    answer(0, &reply);
}

void fake_fail(int status)
{
    static char text[] = "ERR no";
    struct redisReply reply = {
        .type = REDIS_REPLY_ERROR, .str = text, .len = sizeof(text) - 1};

    answer(status, status == UV_EPROTO ? &reply : NULL);
}

void wheel_start(struct wheel *wheel, struct wheel_timer *timer, uint64_t ms,
                 wheel_timer_cb cb)
{
    (void)wheel, (void)ms;
    list_init(&timer->node);
    timer->node.next = NULL;
    timer->due = 1;
    fake.timer = timer;
    fake.timer_cb = cb;
}

void wheel_stop(struct wheel *wheel, struct wheel_timer *timer)
{
    (void)wheel;
    if (fake.timer == timer)
        fake.timer = NULL;
}

void fake_tick(void)
{
    struct wheel_timer *timer = fake.timer;

    fake.timer = NULL;
    if (timer)
        fake.timer_cb(timer);
}

uint64_t *metrics_cell(struct metrics *metrics, enum metrics_kind kind,
                       const char *name, const char *labels, const char *help)
{
    size_t i = 0;

    (void)metrics, (void)kind, (void)labels, (void)help;
    while (metric_cells[i].name && strcmp(metric_cells[i].name, name) != 0)
        i++;
    metric_cells[i].name = name;
    return &metric_cells[i].value;
}

uint64_t fake_metric(const char *name)
{
    return *metrics_cell(NULL, METRICS_COUNTER, name, "", "");
}

struct redis *app_redis(const struct app *app)
{
    (void)app;
    return NULL;
}

struct metrics *app_metrics(const struct app *app)
{
    (void)app;
    return NULL;
}

struct stream_loop *app_loop(const struct app *app)
{
    (void)app;
    return NULL;
}

void app_crash_point(const struct app *app, const char *name)
{
    (void)app, (void)name;
}

const char *app_instance_id(const struct app *app)
{
    (void)app;
    return "worker-1";
}

struct wheel *stream_loop_wheel(struct stream_loop *loop)
{
    (void)loop;
    return NULL;
}

void log_fields(enum log_level level, const char *msg,
                const struct log_field *fields, size_t count)
{
    (void)level, (void)msg, (void)fields, (void)count;
}
