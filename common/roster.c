/*
 * roster.c - see roster.h.
 *
 *   on_beat() -- nodes_list() --> on_nodes(): who lives; one has died?
 *             -- roster_all.lua of each partition --> on_rosters()
 *             -- roster_change.lua 'leave' --> on_swept(), if it was there
 */
#include <assert.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/common_scripts.h"
#include "common/hash.h"
#include "common/key.h"
#include "common/nodes.h"
#include "common/roster.h"

#define BEAT_MS 1000
#define RENEW_BEATS 30 /* between two renewals of all entries */
#define LIFE "120000"  /* ms that a roster lives unless it is renewed */
#define LISTED "10000" /* ROSTER_LISTED_MAX */
#define YOUNG_MS 10000 /* of an entry whose worker may not be known yet */
#define GONE_MS 4000   /* since a worker was seen last */
#define WORKERS_MAX 1024
#define LEFT_MAX 20000 /* that have left, and Redis does not know it yet */

struct worker {
    char id[128];
    size_t len;
    uint64_t seen_ms;
};

/* One that has left: until Redis knows it. */
struct leaver {
    struct list node;
    struct roster_entry entry; /* its texts are the leaver's */
};

struct roster {
    struct roster_options options;
    struct wheel_timer beat;
    struct list entries;
    struct list left; /* leavers that Redis did not take */
    size_t left_count;
    struct worker *workers;
    size_t worker_count;
    unsigned beats, sweeping;
    bool looked; /* at what was there before this worker */
};

static void on_beat(struct wheel_timer *timer);
static void on_nodes(void *arg, int status, const struct node *nodes,
                     size_t count);
static void on_rosters(void *arg, int status, const struct redisReply *reply);
static void on_taken_off(void *arg, int status, const struct redisReply *reply);
static void forget_leaver(struct leaver *leaver);
static void on_left(void *arg, int status, const struct redisReply *reply);

static uint64_t now_of(const struct roster *roster)
{
    return stream_loop_now(roster->options.loop);
}

static struct wheel *wheel_of(const struct roster *roster)
{
    return stream_loop_wheel(roster->options.loop);
}

static struct span worker_of(const struct roster *roster)
{
    return span_str(roster->options.worker);
}

struct roster *roster_open(const struct roster_options *options)
{
    struct roster *roster = mem_zalloc(MEM_APP, sizeof(*roster));

    roster->options = *options;
    list_init(&roster->entries);
    list_init(&roster->left);
    roster->workers = mem_zalloc(MEM_APP, WORKERS_MAX * sizeof(struct worker));
    wheel_start(wheel_of(roster), &roster->beat, BEAT_MS, on_beat);
    return roster;
}

void roster_close(struct roster *roster)
{
    wheel_stop(wheel_of(roster), &roster->beat);
    for (struct list *node; (node = list_pop(&roster->left));)
        forget_leaver(LIST_ENTRY(node, struct leaver, node));
    mem_free(roster->workers);
    mem_free(roster);
}

/* ---- keys */

static struct span roster_key(const struct roster *roster, struct arena *arena,
                              struct span selector)
{
    return key_name(arena, roster->options.prefix, "roster", selector,
                    selector);
}

/* What stands before a selector in the key of its roster. */
static struct span rosters_prefix(const struct roster *roster,
                                  struct arena *arena, uint32_t partition)
{
    return arena_printf(arena, "%s:roster:{p%03u}:", roster->options.prefix,
                        partition);
}

/* Of a partition: its selectors that have a roster, its wake channel. */
static struct span partition_key(const struct roster *roster,
                                 struct arena *arena, const char *type,
                                 uint32_t partition)
{
    return arena_printf(arena, "%s:%s:{p%03u}", roster->options.prefix, type,
                        partition);
}

/* ---- entries */

bool roster_said_parse(struct span text, struct roster_said *said)
{
    if (!span_cut(&text, '\n', &said->worker) ||
        !span_cut(&text, '\n', &said->user) ||
        !span_cut(&text, '\n', &said->since) || !text.ptr)
        return false;
    said->payload = text;
    return true;
}

static void ignore(void *arg, int status, const struct redisReply *reply)
{
    (void)arg;
    (void)status;
    (void)reply;
}

static int call(struct roster *roster, const char *how, struct span subscriber,
                struct span said, struct span selector, redis_reply_cb cb,
                void *arg)
{
    uint32_t partition = hash_partition(selector);
    char remember[SPAN_U64_MAX];
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    struct span argv[] = {
        roster_key(roster, &arena, selector),
        partition_key(roster, &arena, "selectors", partition),
        span_str(how),
        subscriber,
        said,
        selector,
        partition_key(roster, &arena, "wake", partition),
        SPAN(LIFE),
        SPAN(LISTED),
        span_from_u64(remember, roster->options.remember_ms),
    };
    int err = redis_eval(roster->options.redis, &script_roster_change, 2,
                         &(struct redis_call){.key = selector,
                                              .argv = argv,
                                              .argc = 10,
                                              .repeatable = true,
                                              .cb = cb,
                                              .arg = arg});
    arena_deinit(&arena);
    return err;
}

static struct span selector_of(const struct roster_entry *entry)
{
    return (struct span){entry->selector, entry->selector_len};
}

static int tell(struct roster_entry *entry, const char *how, redis_reply_cb cb,
                void *arg)
{
    return call(entry->roster, how,
                (struct span){entry->subscriber, entry->subscriber_len},
                (struct span){entry->said, entry->said_len}, selector_of(entry),
                cb, arg);
}

/* What Redis does not take now is told when the link is there again. */
static void tell_entry(struct roster_entry *entry)
{
    tell(entry, "enter", ignore, NULL);
}

static char *copy(struct span text)
{
    char *out = mem_alloc(MEM_CONN, text.len + 1);

    if (text.len)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return out;
}

void roster_enter(struct roster *roster, struct roster_entry *entry,
                  struct span selector, struct span subscriber,
                  struct span user, struct span payload)
{
    struct buf said;
    char since[SPAN_U64_MAX];

    assert(subscriber.len > 0 && subscriber.len <= ROSTER_ID_MAX);
    buf_init(&said, MEM_CONN);
    buf_append(&said, worker_of(roster));
    buf_append_char(&said, '\n');
    buf_append(&said, user);
    buf_append_char(&said, '\n');
    buf_append(&said, span_from_u64(since, (uint64_t)clock_wall_ms()));
    buf_append_char(&said, '\n');
    buf_append(&said, payload);
    *entry = (struct roster_entry){.roster = roster,
                                   .selector = copy(selector),
                                   .selector_len = selector.len,
                                   .said = copy(buf_span(&said)),
                                   .said_len = said.len,
                                   .subscriber_len = (uint8_t)subscriber.len};
    memcpy(entry->subscriber, subscriber.ptr, subscriber.len);
    list_append(&roster->entries, &entry->node);
    buf_deinit(&said);
    tell_entry(entry);
}

static void forget_leaver(struct leaver *leaver)
{
    mem_free(leaver->entry.selector);
    mem_free(leaver->entry.said);
    mem_free(leaver);
}

/* The oldest goes where there are too many: then it is there for LIFE yet. */
static void keep_leaver(struct roster *roster, struct leaver *leaver)
{
    if (roster->left_count == LEFT_MAX) {
        struct list *oldest = roster->left.next;
        list_remove(oldest);
        forget_leaver(LIST_ENTRY(oldest, struct leaver, node));
        roster->left_count--;
    }
    list_append(&roster->left, &leaver->node);
    roster->left_count++;
}

static void tell_leaver(struct leaver *leaver)
{
    if (tell(&leaver->entry, "leave", on_left, leaver) < 0)
        keep_leaver(leaver->entry.roster, leaver);
}

static void on_left(void *arg, int status, const struct redisReply *reply)
{
    struct leaver *leaver = arg;

    (void)reply;
    if (status < 0)
        keep_leaver(leaver->entry.roster, leaver);
    else
        forget_leaver(leaver);
}

void roster_leave(struct roster_entry *entry)
{
    struct leaver *leaver = mem_zalloc(MEM_CONN, sizeof(*leaver));

    list_remove(&entry->node);
    leaver->entry = *entry;
    entry->selector = entry->said = NULL;
    tell_leaver(leaver);
}

static void tell_left(struct roster *roster)
{
    struct list left;

    list_init(&left);
    list_move(&roster->left, &left);
    roster->left_count = 0;
    for (struct list *node; (node = list_pop(&left));)
        tell_leaver(LIST_ENTRY(node, struct leaver, node));
}

static void renew(struct roster *roster)
{
    tell_left(roster);
    for (struct list *n = roster->entries.next; n != &roster->entries;
         n = n->next)
        tell_entry(LIST_ENTRY(n, struct roster_entry, node));
}

void roster_set_live(struct roster *roster, bool live)
{
    if (!live)
        return;
    renew(roster);
    roster->options.events->on_again(roster->options.arg);
}

/* "@version +|- subscriber length selector said" */
void roster_hear(struct roster *roster, struct span payload)
{
    struct roster_change change;
    struct span rest = span_skip(payload, 1);
    struct span version;
    struct span sign;
    struct span length;
    uint64_t len;

    if (!span_cut(&rest, ' ', &version) || !span_cut(&rest, ' ', &sign) ||
        !span_cut(&rest, ' ', &change.subscriber) ||
        !span_cut(&rest, ' ', &length) || !rest.ptr ||
        !span_to_u64(version, UINT64_MAX, &change.version) ||
        !span_to_u64(length, rest.len, &len))
        return;
    change.entered = span_eq(sign, SPAN("+"));
    change.selector = (struct span){rest.ptr, (size_t)len};
    change.text = span_skip(rest, (size_t)len);
    if (roster_said_parse(change.text, &change.said))
        roster->options.events->on_change(roster->options.arg, &change);
}

/* ---- reading */

int roster_read(struct roster *roster, struct span selector, redis_reply_cb cb,
                void *arg)
{
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    struct span argv[] = {SPAN("HGETALL"),
                          roster_key(roster, &arena, selector)};
    int err = redis_send(roster->options.redis,
                         &(struct redis_call){.key = selector,
                                              .argv = argv,
                                              .argc = 2,
                                              .repeatable = true,
                                              .cb = cb,
                                              .arg = arg});
    arena_deinit(&arena);
    return err;
}

int roster_read_all(struct roster *roster, uint32_t partition,
                    redis_reply_cb cb, void *arg)
{
    struct arena arena;

    arena_init(&arena, MEM_JOB, 0);
    struct span key = partition_key(roster, &arena, "selectors", partition);
    struct span argv[] = {key, rosters_prefix(roster, &arena, partition),
                          SPAN(LISTED)};
    int err = redis_eval(roster->options.redis, &script_roster_all, 1,
                         &(struct redis_call){.key = key,
                                              .argv = argv,
                                              .argc = 3,
                                              .repeatable = true,
                                              .cb = cb,
                                              .arg = arg});
    arena_deinit(&arena);
    return err;
}

/* ---- who lives */

static struct worker *find_worker(const struct roster *roster, struct span id)
{
    for (size_t i = 0; i < roster->worker_count; i++) {
        struct worker *worker = &roster->workers[i];
        if (span_eq((struct span){worker->id, worker->len}, id))
            return worker;
    }
    return NULL;
}

static bool is_alive(const struct roster *roster, struct span id)
{
    const struct worker *worker = find_worker(roster, id);

    return span_eq(id, worker_of(roster)) ||
           (worker && now_of(roster) - worker->seen_ms < GONE_MS);
}

bool roster_is_own(const struct roster *roster, const struct roster_said *said)
{
    return span_eq(said->worker, worker_of(roster));
}

void roster_each_own(const struct roster *roster, struct span selector,
                     void (*cb)(void *arg, const struct roster_said *said),
                     void *arg)
{
    struct roster_said said;

    for (struct list *n = roster->entries.next; n != &roster->entries;
         n = n->next) {
        const struct roster_entry *entry =
            LIST_ENTRY(n, struct roster_entry, node);
        if (span_eq(selector_of(entry), selector) &&
            roster_said_parse((struct span){entry->said, entry->said_len},
                              &said))
            cb(arg, &said);
    }
}

static bool is_young(const struct roster_said *said)
{
    uint64_t since;

    return span_to_u64(said->since, UINT64_MAX, &since) &&
           clock_wall_ms() < (int64_t)since + YOUNG_MS;
}

bool roster_counts(const struct roster *roster, const struct roster_said *said)
{
    return is_alive(roster, said->worker) || is_young(said);
}

static void see(struct roster *roster, struct span id)
{
    struct worker *worker = find_worker(roster, id);

    if (!worker) {
        if (roster->worker_count == WORKERS_MAX || id.len > sizeof(worker->id))
            return;
        worker = &roster->workers[roster->worker_count++];
        memcpy(worker->id, id.ptr, id.len);
        worker->len = id.len;
    }
    worker->seen_ms = now_of(roster);
}

/* Takes who is gone off the list; true: there was one. */
static bool drop_gone(struct roster *roster)
{
    bool any = false;

    for (size_t i = 0; i < roster->worker_count;) {
        if (now_of(roster) - roster->workers[i].seen_ms < GONE_MS) {
            i++;
            continue;
        }
        roster->workers[i] = roster->workers[--roster->worker_count];
        any = true;
    }
    return any;
}

static void sweep(struct roster *roster)
{
    for (uint32_t i = 0; i < HASH_PARTITIONS; i++)
        if (roster_read_all(roster, i, on_rosters, roster) == 0)
            roster->sweeping++;
}

static void on_beat(struct wheel_timer *timer)
{
    struct roster *roster = LIST_ENTRY(timer, struct roster, beat);
    struct nodes *nodes = roster->options.nodes(roster->options.arg);

    wheel_start(wheel_of(roster), &roster->beat, BEAT_MS, on_beat);
    if (++roster->beats % RENEW_BEATS == 0)
        renew(roster);
    if (nodes)
        nodes_list(nodes, on_nodes, roster);
}

/* A worker looks once at what those left that died before it was there. */
static void on_nodes(void *arg, int status, const struct node *nodes,
                     size_t count)
{
    struct roster *roster = arg;

    if (status < 0 || count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        see(roster, nodes[i].id);
    bool died = drop_gone(roster);
    if (roster->sweeping || (!died && roster->looked))
        return;
    roster->looked = true;
    sweep(roster);
}

struct taking_off {
    struct roster *roster;
    size_t selector_len, subscriber_len, said_len;
    char text[]; /* the three */
};

static void take_off(struct roster *roster, struct span selector,
                     struct span subscriber, struct span said)
{
    struct taking_off *job = mem_alloc(MEM_JOB, sizeof(*job) + selector.len +
                                                    subscriber.len + said.len);

    *job = (struct taking_off){roster, selector.len, subscriber.len, said.len};
    memcpy(job->text, selector.ptr, selector.len);
    memcpy(job->text + selector.len, subscriber.ptr, subscriber.len);
    memcpy(job->text + selector.len + subscriber.len, said.ptr, said.len);
    if (call(roster, "leave", subscriber, SPAN(""), selector, on_taken_off,
             job) < 0)
        mem_free(job);
}

static void on_taken_off(void *arg, int status, const struct redisReply *reply)
{
    struct taking_off *job = arg;
    struct roster_change change = {
        .selector = {job->text, job->selector_len},
        .subscriber = {job->text + job->selector_len, job->subscriber_len},
        .text = {job->text + job->selector_len + job->subscriber_len,
                 job->said_len}};

    if (status == 0 && reply->type == REDIS_REPLY_INTEGER &&
        reply->integer == 1 && roster_said_parse(change.text, &change.said))
        job->roster->options.events->on_swept(job->roster->options.arg,
                                              &change);
    mem_free(job);
}

static void look_at(struct roster *roster, struct span selector,
                    const struct redisReply *hash)
{
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        struct span subscriber = {hash->element[i]->str, hash->element[i]->len};
        struct span text = {hash->element[i + 1]->str,
                            hash->element[i + 1]->len};
        struct roster_said said;
        if (subscriber.len == 0 || !roster_said_parse(text, &said) ||
            is_alive(roster, said.worker))
            continue;
        if (is_young(&said))
            roster->looked = false; /* once more, later */
        else
            take_off(roster, selector, subscriber, text);
    }
}

static void on_rosters(void *arg, int status, const struct redisReply *reply)
{
    struct roster *roster = arg;

    roster->sweeping--;
    if (status < 0 || reply->type != REDIS_REPLY_ARRAY)
        return;
    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        look_at(roster,
                (struct span){reply->element[i]->str, reply->element[i]->len},
                reply->element[i + 1]);
}
