/* admission.c - see admission.h. */
#include "common/admission.h"
#include "common/app.h"
#include "common/auth.h"
#include "common/hash.h"

#define BUCKETS 1024

struct caller {
    struct list bucket;
    size_t refs;
    int64_t count; /* of its streams and sockets */
    size_t name_len;
    char name[];
};

struct admission {
    struct app *app;
    int64_t per_caller;
    struct limit_spec *all, *of_user, *of_address; /* NULL: none */
    struct hash_key hash_key;
    struct list buckets[BUCKETS];
};

static void on_limited(struct limit_call *call, int status);

static struct limit_spec *limit_of(const char *name, int64_t rate)
{
    return rate ? app_limit(name, (uint64_t)rate) : NULL;
}

struct admission *admission_create(const struct admission_options *options)
{
    struct admission *admission = mem_zalloc(MEM_APP, sizeof(*admission));

    admission->app = options->app;
    admission->per_caller = options->per_caller;
    admission->all = limit_of("/accept", options->rate);
    admission->of_user = limit_of("/accept-user", options->user_rate);
    admission->of_address = limit_of("/accept-address", options->address_rate);
    admission->hash_key = hash_random_key();
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&admission->buckets[i]);
    return admission;
}

void admission_destroy(struct admission *admission)
{
    limit_spec_unref(admission->all);
    limit_spec_unref(admission->of_user);
    limit_spec_unref(admission->of_address);
    mem_free(admission);
}

static struct caller *find_in(struct list *bucket, struct span name)
{
    for (struct list *n = bucket->next; n != bucket; n = n->next) {
        struct caller *caller = LIST_ENTRY(n, struct caller, bucket);
        if (span_eq(caller_name(caller), name))
            return caller;
    }
    return NULL;
}

static struct caller *add(struct list *bucket, struct span name)
{
    struct caller *caller = mem_zalloc(MEM_CONN, sizeof(*caller) + name.len);

    caller->name_len = name.len;
    memcpy(caller->name, name.ptr, name.len);
    list_append(bucket, &caller->bucket);
    return caller;
}

/* With one reference more. */
static struct caller *find(struct admission *admission, struct span name)
{
    uint64_t hash = hash_bucket(&admission->hash_key, name);
    struct list *bucket = &admission->buckets[hash % BUCKETS];
    struct caller *caller = find_in(bucket, name);

    if (!caller)
        caller = add(bucket, name);
    caller->refs++;
    return caller;
}

void caller_unref(struct caller *caller)
{
    if (!caller || --caller->refs > 0)
        return;
    list_remove(&caller->bucket);
    mem_free(caller);
}

struct caller *caller_of_subject(struct admission *admission,
                                 struct span subject)
{
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    struct caller *caller =
        find(admission,
             arena_printf(&arena, "s:%.*s", (int)subject.len, subject.ptr));
    arena_deinit(&arena);
    return caller;
}

struct span caller_subject(const struct caller *caller)
{
    return span_skip(caller_name(caller), 2);
}

struct caller *admission_enter(struct admission *admission, struct request *req)
{
    struct caller *caller = find(admission, request_caller(req));

    if (admission->per_caller && caller->count >= admission->per_caller) {
        caller_unref(caller);
        return NULL;
    }
    caller->count++;
    return caller;
}

void admission_leave(struct caller *caller)
{
    if (caller)
        caller->count--;
    caller_unref(caller);
}

struct span caller_name(const struct caller *caller)
{
    return (struct span){caller->name, caller->name_len};
}

/* A millisecond at the least: it may not come now. */
static uint64_t wait_of(const struct admission_ask *ask)
{
    return ask->call.allowed ? 0 : limit_call_wait_us(&ask->call) / 1000 + 1;
}

static void add_limit(struct admission_ask *ask, struct limit_spec *spec,
                      struct span key)
{
    if (spec)
        ask->asks[ask->call.count++] =
            (struct limit_ask){.spec = spec, .key = key, .cost = 1};
}

static bool has_name(const struct auth_identity *identity)
{
    return identity && !identity->all_but_admin && identity->sub.len > 0;
}

/* Of a user the limit is its own wherever it comes from; the address has one
   whoever comes from there. */
static void add_limits(struct admission *admission, struct admission_ask *ask)
{
    struct arena *arena = request_arena(ask->req);
    const struct auth_identity *identity = request_identity(ask->req);

    add_limit(ask, admission->all, SPAN("all"));
    add_limit(ask, admission->of_address,
              arena_copy(arena, request_address(ask->req)));
    if (has_name(identity))
        add_limit(ask, admission->of_user, arena_copy(arena, identity->sub));
}

void admission_ask(struct admission *admission, struct admission_ask *ask)
{
    struct limiter *limiter = app_limiter(admission->app);

    ask->call = (struct limit_call){.asks = ask->asks,
                                    .arena = request_arena(ask->req),
                                    .cb = on_limited,
                                    .arg = ask};
    add_limits(admission, ask);
    if (ask->call.count == 0) {
        ask->cb(ask, 0);
        return;
    }
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
