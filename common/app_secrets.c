/*
 * app_secrets.c - what all nodes of a service share, kept in Redis.
 *
 *   SET cm:partitions 128 NX; GET               -> on_partitions()
 *   HSETNX <prefix>:secrets name random …; HMGET -> on_secrets()
 *
 * Whoever comes first writes, everybody reads what is there: both may run any
 * number of times.  Redis away, or an answer that makes no sense: all of it
 * again, RETRY_MS later.  Secrets from --secrets FILE are not asked for.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/app_internal.h"
#include "common/hash.h"

#define RETRY_MS 200
#define FILE_MAX 65536
#define HEX_LEN ((size_t)2 * APP_SECRET_LEN)

static void on_partitions(void *arg, int status,
                          const struct redisReply *reply);
static void ask_secrets(struct app *app);
static void on_secrets(void *arg, int status, const struct redisReply *reply);

static void on_retry(struct wheel_timer *timer)
{
    struct app *app = LIST_ENTRY(timer, struct app, shared_retry);

    app_shared_start(app);
}

static void retry(struct app *app)
{
    if (!app->closing)
        wheel_start(stream_loop_wheel(app->loop), &app->shared_retry, RETRY_MS,
                    on_retry);
}

/* Its answer does not matter: the read behind it tells. */
static void on_written(void *arg, int status, const struct redisReply *reply)
{
    (void)arg;
    (void)status;
    (void)reply;
}

static int send_command(struct app *app, const struct span *argv, size_t argc,
                        redis_reply_cb cb)
{
    return redis_send(app->redis, &(struct redis_call){.key = argv[1],
                                                       .argv = argv,
                                                       .argc = argc,
                                                       .repeatable = true,
                                                       .cb = cb,
                                                       .arg = app});
}

void app_shared_start(struct app *app)
{
    struct span key = SPAN("cm:partitions");
    const struct span set[] = {SPAN("SET"), key, SPAN("128"), SPAN("NX")};
    const struct span get[] = {SPAN("GET"), key};

    _Static_assert(HASH_PARTITIONS == 128, "spelled out above");
    if (send_command(app, set, 4, on_written) < 0 ||
        send_command(app, get, 2, on_partitions) < 0)
        retry(app);
}

void app_shared_stop(struct app *app)
{
    wheel_stop(stream_loop_wheel(app->loop), &app->shared_retry);
}

static void on_partitions(void *arg, int status, const struct redisReply *reply)
{
    struct app *app = arg;

    if (status < 0 || reply->type != REDIS_REPLY_STRING ||
        !span_to_u64((struct span){reply->str, reply->len}, UINT64_MAX,
                     &app->partitions)) {
        retry(app);
        return;
    }
    if (app->partitions != HASH_PARTITIONS) {
        app->shared = APP_SHARED_MISMATCH;
        retry(app); /* until whoever wrote another number is gone */
        return;
    }
    app->shared = APP_SHARED_WAITING;
    if (app->secrets_known || app->service->secrets == NULL)
        app_on_shared(app);
    else
        ask_secrets(app);
}

/* Secrets. */

static size_t secret_count(const struct app *app)
{
    size_t n = 0;

    while (app->service->secrets != NULL && app->service->secrets[n] != NULL)
        n++;
    assert(n <= APP_MAX_SECRETS);
    return n;
}

static void make_hex(char hex[HEX_LEN])
{
    unsigned char bytes[APP_SECRET_LEN];
    ssize_t n = getrandom(bytes, sizeof(bytes), 0);

    assert(n == (ssize_t)sizeof(bytes)); /* up to 256 bytes: never short */
    span_hex(hex, (struct span){(const char *)bytes, sizeof(bytes)});
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool parse_hex(struct span hex, unsigned char out[APP_SECRET_LEN])
{
    unsigned char bytes[APP_SECRET_LEN];

    if (hex.len != HEX_LEN)
        return false;
    for (size_t i = 0; i < APP_SECRET_LEN; i++) {
        int high = hex_value(hex.ptr[2 * i]);
        int low = hex_value(hex.ptr[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    memcpy(out, bytes, sizeof(bytes));
    return true;
}

static void ask_secrets(struct app *app)
{
    const char *const *names = app->service->secrets;
    struct span all[2 + APP_MAX_SECRETS];
    size_t count = secret_count(app);
    char key[64];
    int err = 0;

    snprintf(key, sizeof(key), "%s:secrets", app->service->prefix);
    all[0] = SPAN("HMGET");
    all[1] = span_str(key);
    for (size_t i = 0; i < count && err == 0; i++) {
        char hex[HEX_LEN];
        const struct span set[] = {
            SPAN("HSETNX"), all[1], span_str(names[i]), {hex, HEX_LEN}};

        make_hex(hex);
        all[2 + i] = set[2];
        err = send_command(app, set, 4, on_written);
    }
    if (err < 0 || send_command(app, all, 2 + count, on_secrets) < 0)
        retry(app);
}

static void on_secrets(void *arg, int status, const struct redisReply *reply)
{
    struct app *app = arg;
    size_t count = secret_count(app);
    bool fine = status == 0 && reply->type == REDIS_REPLY_ARRAY &&
                reply->elements == count;

    for (size_t i = 0; i < count && fine; i++)
        fine = reply->element[i]->type == REDIS_REPLY_STRING &&
               parse_hex((struct span){reply->element[i]->str,
                                       reply->element[i]->len},
                         app->secrets[i]);
    if (!fine) {
        retry(app);
        return;
    }
    app->secrets_known = true;
    app_on_shared(app);
}

/* --secrets FILE */

static bool read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = 1;

    if (fd < 0)
        return false;
    while (n > 0 && out->len < FILE_MAX) {
        n = read(fd, buf_reserve(out, FILE_MAX), FILE_MAX);
        buf_commit(out, n > 0 ? (size_t)n : 0);
    }
    close(fd);
    return n == 0;
}

static bool take_secrets(struct app *app, const json_t *object,
                         char reason[APP_REASON_MAX])
{
    for (size_t i = 0; i < secret_count(app); i++) {
        const char *name = app->service->secrets[i];
        const char *hex = json_string_value(json_object_get(object, name));

        if (!parse_hex(span_str(hex), app->secrets[i])) {
            snprintf(reason, APP_REASON_MAX,
                     "%.160s: \"%s\" must be %zu hex digits",
                     app->options.secrets, name, HEX_LEN);
            return false;
        }
    }
    app->secrets_known = true;
    return true;
}

bool app_secrets_read(struct app *app, char reason[APP_REASON_MAX])
{
    const char *path = app->options.secrets;
    struct json_errors errors = {0};
    struct buf text;
    json_t *object = NULL;
    bool fine = false;

    if (!app_file_is_private(path, reason))
        return false;
    buf_init(&text, MEM_APP);
    if (!read_file(path, &text))
        snprintf(reason, APP_REASON_MAX, "%.160s: cannot be read whole", path);
    else if (json_read(buf_span(&text), &object, &errors) < 0)
        snprintf(reason, APP_REASON_MAX, "%.120s: %.120s", path,
                 errors.at[0].detail);
    else
        fine = take_secrets(app, object, reason);
    json_decref(object);
    buf_deinit(&text);
    return fine;
}

const unsigned char *app_secret(const struct app *app, const char *name)
{
    for (size_t i = 0; i < secret_count(app); i++)
        if (app->secrets_known && strcmp(app->service->secrets[i], name) == 0)
            return app->secrets[i];
    return NULL;
}
