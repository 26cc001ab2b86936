/* admission.c - see admission.h. */
#include <jansson.h>

#include "common/app.h"
#include "notifier/admission.h"

struct admission {
    struct app *app;
    int64_t per_caller;
    struct limit_spec *limit; /* NULL: none */
    json_t *callers;          /* how many each has */
};

static void on_limited(struct limit_call *call, int status);

struct admission *admission_create(struct app *app, int64_t per_caller,
                                   uint64_t rate)
{
    struct admission *admission = mem_zalloc(MEM_APP, sizeof(*admission));

    admission->app = app;
    admission->per_caller = per_caller;
    admission->limit = rate ? app_limit("/accept", rate) : NULL;
    admission->callers = json_object();
    return admission;
}

void admission_destroy(struct admission *admission)
{
    limit_spec_unref(admission->limit);
    json_decref(admission->callers);
    mem_free(admission);
}

char *admission_enter(struct admission *admission, struct request *req,
                      bool *full)
{
    const char *caller;

    *full = false;
    if (admission->per_caller == 0)
        return NULL;
    caller = request_caller(req).ptr; /* a NUL follows */
    json_t *count = json_object_get(admission->callers, caller);
    if (!count) {
        count = json_integer(0);
        json_object_set_new(admission->callers, caller, count);
    }
    if (json_integer_value(count) >= admission->per_caller) {
        *full = true;
        return NULL;
    }
    json_integer_set(count, json_integer_value(count) + 1);
    size_t size = strlen(caller) + 1;
    return memcpy(mem_alloc(MEM_CONN, size), caller, size);
}

void admission_leave(struct admission *admission, char *place)
{
    json_t *count = place ? json_object_get(admission->callers, place) : NULL;

    if (!place)
        return;
    json_integer_set(count, json_integer_value(count) - 1);
    if (json_integer_value(count) == 0)
        json_object_del(admission->callers, place);
    mem_free(place);
}

/* A millisecond at the least: it may not come now. */
static uint64_t wait_of(const struct admission_ask *ask)
{
    return ask->call.allowed ? 0 : ask->ask.left.retry_us / 1000 + 1;
}

void admission_ask(struct admission *admission, struct admission_ask *ask)
{
    struct limiter *limiter = app_limiter(admission->app);

    if (!admission->limit) {
        ask->cb(ask, 0);
        return;
    }
    ask->ask = (struct limit_ask){
        .spec = admission->limit, .key = SPAN("all"), .cost = 1};
    ask->call = (struct limit_call){.asks = &ask->ask,
                                    .count = 1,
                                    .arena = request_arena(ask->req),
                                    .cb = on_limited,
                                    .arg = ask};
    if (limiter_try(limiter, &ask->call) ||
        limiter_ask(limiter, &ask->call) < 0)
        ask->cb(ask, wait_of(ask));
}

static void on_limited(struct limit_call *call, int status)
{
    struct admission_ask *ask = call->arg;

    if (status < 0)
        call->allowed = true; /* it cannot be said: the others decide */
    ask->cb(ask, wait_of(ask));
}
