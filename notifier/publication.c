/* publication.c - see publication.h. */
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "notifier/notifier.h"
#include "notifier/publication.h"
#include "notifier/scripts.h"

#define ONCE_MS "86400000" /* how long an id is remembered */
#define ARGV_MAX 17
#define LIFE_LEAST_MS (UINT64_C(7) * 86400000) /* of a log that is quiet */

static void on_published(void *arg, int status, const struct redisReply *reply);

/* One topic of a publication, in its redis_call. */
struct sending {
    struct publication *publication;
    size_t index;
};

struct span publication_new_id(char room[PUBLICATION_NEW_ID])
{
    struct hash_key random = hash_random_key();
    uint64_t high = (random.k0 & ~UINT64_C(0xf000)) | 0x4000;
    uint64_t low = (random.k1 >> 2) | UINT64_C(1) << 63;
    char text[PUBLICATION_NEW_ID + 1];

    snprintf(text, sizeof(text), "urn:uuid:%08x-%04x-%04x-%04x-%012llx",
             (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xffff),
             (unsigned)(high & 0xffff), (unsigned)(low >> 48),
             (unsigned long long)(low & UINT64_C(0xffffffffffff)));
    memcpy(room, text, PUBLICATION_NEW_ID);
    return (struct span){room, PUBLICATION_NEW_ID};
}

static bool has_control(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return true;
    return false;
}

static const char *check_topic(struct span topic)
{
    if (topic.len == 0 || topic.len > PUBLICATION_TOPIC_MAX)
        return "a topic must have 1 to 1024 bytes";
    if (span_eq(topic, SPAN("*")))
        return "* is a selector, not a topic";
    if (memmem(topic.ptr, topic.len, NOTIFIER_HUB, sizeof(NOTIFIER_HUB) - 1))
        return "topics with " NOTIFIER_HUB " are the hub's own";
    if (has_control(topic) || !span_is_utf8(topic))
        return "a topic must be UTF-8 without control characters";
    return NULL;
}

static const char *check_id(struct span id)
{
    if (id.len > PUBLICATION_ID_MAX)
        return "an id must have at most 256 bytes";
    if (has_control(id) || !span_is_utf8(id))
        return "an id must be UTF-8 without control characters";
    if (id.len && id.ptr[0] == '#')
        return "an id must not begin with #";
    if (span_eq(id, SPAN("earliest")))
        return "earliest is no id";
    return NULL;
}

static const char *check_type(struct span type)
{
    if (type.len > PUBLICATION_TYPE_MAX)
        return "a type must have at most 256 bytes";
    if (has_control(type) || !span_is_utf8(type))
        return "a type must be UTF-8 without control characters";
    if (span_eq(type, SPAN("mercure")) ||
        span_has_prefix(type, SPAN("notifier.")))
        return "this type is the hub's own";
    return NULL;
}

const char *publication_check(const struct record *record)
{
    const char *wrong = check_id(record->id);

    if (record->topic_count == 0)
        return "at least one topic is needed";
    for (size_t i = 0; i < record->topic_count && !wrong; i++)
        wrong = check_topic(record->topics[i]);
    if (!wrong)
        wrong = check_type(record->type);
    if (!wrong && !span_is_utf8(record->data))
        wrong = "data must be UTF-8";
    return wrong;
}

/* ---- the scripts */

/* This topic first: the record is of its log. */
static void put_record(struct buf *out, const struct record *record,
                       size_t index)
{
    struct record own = *record;

    own.topics[0] = record->topics[index];
    own.topics[index] = record->topics[0];
    record_append(out, &own);
}

static size_t put_keys(struct arena *arena, const struct publication *p,
                       size_t index, struct span *argv)
{
    struct span topic = p->record.topics[index];

    argv[0] = keys_log(arena, topic);
    argv[1] = keys_references(arena, hash_partition(topic));
    if (!p->has_id && !p->entry)
        return 2;
    argv[2] = p->entry ? keys_places(arena, hash_partition(topic))
                       : keys_once(arena, topic, p->record.id);
    return 3;
}

static size_t put_entry(const struct publication_entry *entry,
                        struct span *argv)
{
    if (!entry)
        return 0;
    argv[0] = entry->source;
    argv[1] = entry->generation;
    argv[2] = entry->id;
    argv[3] = entry->before;
    return 4;
}

static struct log_id known_of(const struct notifier *app, struct span name)
{
    const struct topic *topic = topics_find(app->topics, name);

    return topic ? topic_last(topic) : (struct log_id){0};
}

static struct span epoch_text(struct arena *arena, uint64_t epoch)
{
    char room[SPAN_U64_MAX];

    return epoch ? arena_copy(arena, span_from_u64(room, epoch)) : SPAN("");
}

static struct span number_text(struct arena *arena, uint64_t number)
{
    char room[SPAN_U64_MAX];

    return arena_copy(arena, span_from_u64(room, number));
}

static int send_one(struct publication *p, size_t index, struct arena *arena,
                    struct buf *text)
{
    struct notifier *app = p->app;
    struct span topic = p->record.topics[index];
    const struct topic_setting *setting = settings_of(app->settings, topic);
    uint32_t partition = hash_partition(topic);
    struct log_id known = known_of(app, topic);
    uint64_t life = setting->max_age_ms > LIFE_LEAST_MS ? setting->max_age_ms
                                                        : LIFE_LEAST_MS;
    struct sending *sending = mem_alloc(MEM_JOB, sizeof(*sending));
    struct span argv[ARGV_MAX];
    size_t keys = put_keys(arena, p, index, argv);
    size_t argc = keys;

    *sending = (struct sending){p, index};
    text->len = 0;
    put_record(text, &p->record, index);
    argv[argc++] = buf_span(text);
    argv[argc++] = topic;
    argv[argc++] = epoch_text(arena, known.epoch);
    argv[argc++] = number_text(arena, known.offset);
    argv[argc++] = epoch_text(arena, feed_place(app->feed, partition).epoch);
    argv[argc++] = number_text(arena, setting->max_count);
    argv[argc++] = number_text(arena, life);
    argv[argc++] = number_text(arena, (uint64_t)app->config->references);
    argv[argc++] = keys_wake(arena, partition);
    argv[argc++] = SPAN(ONCE_MS);
    argc += put_entry(p->entry, argv + argc);
    int err =
        redis_eval(app_redis(app->app), &script_publish, keys,
                   &(struct redis_call){.key = topic,
                                        .argv = argv,
                                        .argc = argc,
                                        .repeatable = p->has_id || p->entry,
                                        .cb = on_published,
                                        .arg = sending});
    if (err < 0)
        mem_free(sending);
    return err;
}

int publication_send(struct notifier *app, struct publication *p)
{
    struct arena arena;
    struct buf text;
    int err = 0;

    app_crash_point(app->app, "publication-send");
    p->app = app;
    p->left = p->replays = 0;
    p->status = 0;
    p->replayed = false;
    arena_init(&arena, MEM_JOB, 0);
    buf_init(&text, MEM_JOB);
    for (size_t i = 0; i < p->record.topic_count && err == 0; i++) {
        err = send_one(p, i, &arena, &text);
        if (err == 0)
            p->left++;
    }
    buf_deinit(&text);
    arena_deinit(&arena);
    if (p->left == 0)
        return err;
    p->status = err; /* told when those that were sent have answered */
    return 0;
}

/* {the log's id, ts (ms), replayed, the references' id} */
static int read_answer(struct publication *p, size_t index,
                       const struct redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 4 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        !log_id_parse(
            (struct span){reply->element[0]->str, reply->element[0]->len},
            &p->ids[index]))
        return UV_EPROTO;
    p->replays += reply->element[2]->integer == 1;
    return 0;
}

static void on_published(void *arg, int status, const struct redisReply *reply)
{
    struct sending *sending = arg;
    struct publication *p = sending->publication;

    if (status == 0)
        status = read_answer(p, sending->index, reply);
    if (status < 0 && p->status == 0)
        p->status = status;
    mem_free(sending);
    if (--p->left > 0) {
        app_crash_point(p->app->app, "publication-half");
        return;
    }
    app_crash_point(p->app->app, "publication-done");
    p->replayed = p->replays == p->record.topic_count;
    if (p->status == 0)
        metrics_add(p->replayed ? p->app->replayed : p->app->published, 1);
    p->cb(p, p->status);
}
