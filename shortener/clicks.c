/*
 * clicks.c - see clicks.h.
 *
 *   count() -- cell of its partition -- on_tick() -- send_batch() -->
 *   on_answer(): the batch is counted and freed; or it failed and is kept, with
 *   its number, for the next tick.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "shortener/clicks.h"
#include "shortener/code.h"
#include "shortener/scripts.h"

#define MS_A_MINUTE 60000
#define MINUTES_A_DAY 1440
#define VISITORS_FIRST 8 /* room of a set, a power of two */
#define FIRST_ARGS 2     /* key and number */
#define ARGS_A_CELL 5
#define DRAIN_TRIES 10
#define MAX_WAITING 4 /* batches out: Redis has others to serve in between */

/* What one partition has gathered, and what is on its way. */
struct partition {
    struct list cells; /* not sent yet */
    struct list dirty; /* in clicks->dirty while cells or sent has any */
    struct list sent;  /* the batch that is numbered, until it is counted */
    uint64_t number;   /* of that batch */
    struct clicks *clicks;
    bool waiting; /* for an answer */
};

struct clicks {
    struct app *app;
    struct redis *redis;
    struct list dirty; /* partitions with something to send */
    struct list due;   /* those of them whose turn it is in this tick */
    struct wheel_timer timer;
    struct partition partitions[HASH_PARTITIONS];
    uint64_t flush_ms;
    size_t cells, waiting;
    struct hash_key secret, today_key;
    uint64_t today; /* day of today_key; 0: none */
    bool has_secret;
    uint64_t *counted, *dropped, *retried, *pending; /* metric cells */
    void (*drained)(void *arg);
    void *drained_arg;
    unsigned drain_tries;
};

static void on_tick(struct wheel_timer *timer);
static bool send_batch(struct partition *partition);
static void on_answer(void *arg, int status, const struct redisReply *reply);

struct clicks *clicks_create(struct app *app, uint64_t flush_ms)
{
    struct clicks *clicks = mem_zalloc(MEM_JOB, sizeof(*clicks));
    struct metrics *metrics = app_metrics(app);

    clicks->app = app;
    clicks->redis = app_redis(app);
    clicks->flush_ms = flush_ms;
    list_init(&clicks->dirty);
    list_init(&clicks->due);
    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        struct partition *partition = &clicks->partitions[i];
        list_init(&partition->cells);
        list_init(&partition->dirty);
        list_init(&partition->sent);
        partition->clicks = clicks;
    }
    clicks->counted =
        metrics_cell(metrics, METRICS_COUNTER, "shortener_clicks_total", "",
                     "Redirects counted in Redis, bots among them.");
    clicks->dropped = metrics_cell(
        metrics, METRICS_COUNTER, "shortener_clicks_dropped_total", "",
        "Redirects not counted because Redis was away for too long.");
    clicks->retried =
        metrics_cell(metrics, METRICS_COUNTER, "shortener_clicks_retries_total",
                     "", "Batches of clicks that were sent again.");
    clicks->pending =
        metrics_cell(metrics, METRICS_GAUGE, "shortener_clicks_pending", "",
                     "Cells of clicks that Redis has not counted yet.");
    return clicks;
}

void clicks_set_secret(struct clicks *clicks, const unsigned char *secret)
{
    clicks->secret = code_key(secret);
    clicks->has_secret = true;
}

static void change_day(struct clicks *clicks, uint64_t day)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "k0:%" PRIu64, day);
    struct span bytes = {text, (size_t)len};

    clicks->today_key.k0 = hash_sip(&clicks->secret, bytes);
    text[1] = '1';
    clicks->today_key.k1 = hash_sip(&clicks->secret, bytes);
    clicks->today = day;
}

uint64_t clicks_visitor(struct clicks *clicks, struct span address,
                        uint64_t agent, int64_t now_ms)
{
    uint64_t day = (uint64_t)now_ms / MS_A_MINUTE / MINUTES_A_DAY;

    if (!clicks->has_secret)
        return 0;
    if (clicks->today != day)
        change_day(clicks, day);

    char who[STREAM_ADDRESS_MAX + sizeof(agent)];
    size_t len =
        address.len < STREAM_ADDRESS_MAX ? address.len : STREAM_ADDRESS_MAX;
    memcpy(who, &agent, sizeof(agent));
    memcpy(who + sizeof(agent), address.ptr, len);
    uint64_t hash =
        hash_sip(&clicks->today_key, (struct span){who, sizeof(agent) + len});
    return hash ? hash : 1;
}

/* True if it was not there yet. */
static bool set_add(uint64_t *set, uint32_t room, uint64_t visitor)
{
    uint32_t i = (uint32_t)visitor & (room - 1);

    while (set[i] && set[i] != visitor)
        i = (i + 1) & (room - 1);
    bool added = set[i] == 0;
    set[i] = visitor;
    return added;
}

static void grow_visitors(struct click_cell *cell)
{
    uint32_t room =
        cell->visitor_room ? cell->visitor_room * 2 : VISITORS_FIRST;
    uint64_t *grown = mem_zalloc(MEM_JOB, room * sizeof(*grown));

    for (uint32_t i = 0; i < cell->visitor_room; i++)
        if (cell->visitors[i])
            set_add(grown, room, cell->visitors[i]);
    mem_free(cell->visitors);
    cell->visitors = grown;
    cell->visitor_room = room;
}

/* Most cells have one: only the second makes a set. */
static void add_visitor(struct click_cell *cell, uint64_t visitor)
{
    if (visitor == cell->first_visitor)
        return;
    if (!cell->first_visitor) {
        cell->first_visitor = visitor;
        return;
    }
    if (cell->visitor_count * 2 >= cell->visitor_room)
        grow_visitors(cell);
    if (set_add(cell->visitors, cell->visitor_room, visitor))
        cell->visitor_count++;
}

void clicks_detach(struct click_cell *cell)
{
    *cell->slot = NULL;
    cell->slot = NULL;
}

static void free_cell(struct clicks *clicks, struct click_cell *cell)
{
    list_remove(&cell->node);
    if (cell->slot)
        clicks_detach(cell);
    mem_free(cell->visitors);
    mem_free(cell);
    clicks->cells--;
    metrics_set(clicks->pending, clicks->cells);
}

static struct click_cell *add_cell(struct clicks *clicks, struct span code,
                                   uint32_t minute)
{
    struct click_cell *cell = mem_alloc(MEM_JOB, sizeof(*cell) + code.len);
    struct partition *partition = &clicks->partitions[hash_partition(code)];

    *cell =
        (struct click_cell){.minute = minute, .code_len = (uint8_t)code.len};
    memcpy(cell->code, code.ptr, code.len);
    list_append(&partition->cells, &cell->node);
    if (list_is_empty(&partition->dirty))
        list_append(&clicks->dirty, &partition->dirty);
    clicks->cells++;
    metrics_set(clicks->pending, clicks->cells);
    if (!wheel_is_started(&clicks->timer))
        wheel_start(stream_loop_wheel(app_loop(clicks->app)), &clicks->timer,
                    clicks->flush_ms, on_tick);
    return cell;
}

/* The cell that this click goes to, or NULL where there is no room. */
static struct click_cell *find_cell(struct clicks *clicks, struct span code,
                                    struct click_cell **slot, uint32_t minute)
{
    struct click_cell *cell = slot ? *slot : NULL;

    if (cell && cell->minute == minute &&
        cell->visitor_count < CLICKS_MAX_VISITORS)
        return cell;
    if (clicks->cells == CLICKS_MAX_CELLS)
        return NULL;
    if (cell)
        clicks_detach(cell);
    cell = add_cell(clicks, code, minute);
    if (slot) {
        *slot = cell;
        cell->slot = slot;
    }
    return cell;
}

void clicks_count(struct clicks *clicks, struct span code,
                  struct click_cell **slot, uint64_t visitor, bool bot,
                  int64_t now_ms)
{
    uint32_t minute = (uint32_t)(now_ms / MS_A_MINUTE);
    struct click_cell *cell = find_cell(clicks, code, slot, minute);

    if (!cell) {
        metrics_add(clicks->dropped, 1);
        return;
    }
    if (bot) {
        cell->bots++;
        return;
    }
    cell->humans++;
    if (visitor)
        add_visitor(cell, visitor);
}

/* Number what is to go next; its cells take no more clicks. */
static void seal_batch(struct partition *partition)
{
    for (size_t n = 0; n < CLICKS_MAX_BATCH; n++) {
        struct list *node = list_pop(&partition->cells);
        if (!node)
            break;
        struct click_cell *cell = LIST_ENTRY(node, struct click_cell, node);
        if (cell->slot)
            clicks_detach(cell);
        list_append(&partition->sent, node);
    }
    partition->number++;
}

static bool is_empty(const struct clicks *clicks)
{
    return list_is_empty(&clicks->dirty) && list_is_empty(&clicks->due);
}

static void end_drain(struct clicks *clicks)
{
    void (*drained)(void *arg) = clicks->drained;

    clicks->drained = NULL;
    wheel_stop(stream_loop_wheel(app_loop(clicks->app)), &clicks->timer);
    drained(clicks->drained_arg);
}

/* The next partitions whose turn it is, as many as may be out at once. */
static void send_due(struct clicks *clicks)
{
    while (clicks->waiting < MAX_WAITING && !list_is_empty(&clicks->due)) {
        struct partition *partition =
            LIST_ENTRY(list_pop(&clicks->due), struct partition, dirty);
        list_append(&clicks->dirty, &partition->dirty);
        if (!partition->waiting && !send_batch(partition))
            return; /* the link refuses: at the next tick */
    }
}

static void on_tick(struct wheel_timer *timer)
{
    struct clicks *clicks = LIST_ENTRY(timer, struct clicks, timer);

    if (is_empty(clicks))
        return;
    if (clicks->drained && clicks->drain_tries++ == DRAIN_TRIES) {
        end_drain(clicks);
        return;
    }
    list_move(&clicks->dirty, &clicks->due);
    send_due(clicks);
    wheel_start(stream_loop_wheel(app_loop(clicks->app)), timer,
                clicks->flush_ms, on_tick);
}

static size_t put_hex(char *out, uint64_t value)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < 16; i++)
        out[i] = digits[value >> (60 - 4 * i) & 15];
    return 16;
}

static struct span visitors_hex(struct arena *arena,
                                const struct click_cell *cell)
{
    char *out = arena_alloc(arena, (size_t)(cell->visitor_count + 1) * 16);
    size_t len = 0;

    if (cell->first_visitor)
        len += put_hex(out, cell->first_visitor);
    for (uint32_t i = 0; i < cell->visitor_room; i++)
        if (cell->visitors[i])
            len += put_hex(out + len, cell->visitors[i]);
    return (struct span){out, len};
}

/* Three of these for each cell: snprintf() would cost more than the rest. */
static struct span number_text(struct arena *arena, uint64_t number)
{
    char *text = arena_alloc(arena, 20);
    size_t at = 20;

    do
        text[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    return (struct span){text + at, 20 - at};
}

static size_t batch_args(struct arena *arena, const struct partition *partition,
                         struct span *argv)
{
    size_t argc = 0;

    for (struct list *n = partition->sent.next; n != &partition->sent;
         n = n->next) {
        struct click_cell *cell = LIST_ENTRY(n, struct click_cell, node);
        argv[argc++] = (struct span){cell->code, cell->code_len};
        argv[argc++] = number_text(arena, cell->minute);
        argv[argc++] = number_text(arena, cell->humans);
        argv[argc++] = number_text(arena, cell->bots);
        argv[argc++] = visitors_hex(arena, cell);
    }
    return argc;
}

static bool send_batch(struct partition *partition)
{
    struct clicks *clicks = partition->clicks;
    struct span argv[FIRST_ARGS + CLICKS_MAX_BATCH * ARGS_A_CELL];
    struct arena arena;

    app_crash_point(clicks->app, "clicks-due");
    if (list_is_empty(&partition->sent))
        seal_batch(partition);
    else
        metrics_add(clicks->retried, 1);

    arena_init(&arena, MEM_JOB, 4096);
    argv[0] = arena_printf(&arena, "sh:seq:{p%03zu}:%s",
                           (size_t)(partition - clicks->partitions),
                           app_instance_id(clicks->app));
    argv[1] = number_text(&arena, partition->number);
    size_t argc = FIRST_ARGS + batch_args(&arena, partition, argv + FIRST_ARGS);

    int err = redis_eval(clicks->redis, &script_clicks, 1,
                         &(struct redis_call){.key = argv[0],
                                              .argv = argv,
                                              .argc = argc,
                                              .repeatable = true,
                                              .cb = on_answer,
                                              .arg = partition});
    arena_deinit(&arena);
    if (err < 0)
        return false;
    partition->waiting = true;
    clicks->waiting++;
    return true;
}

static void free_cells(struct clicks *clicks, struct list *cells)
{
    while (!list_is_empty(cells))
        free_cell(clicks, LIST_ENTRY(cells->next, struct click_cell, node));
}

static void on_counted(struct partition *partition,
                       const struct redisReply *reply)
{
    struct clicks *clicks = partition->clicks;
    uint64_t counted = 0;
    uint64_t refused = 0;

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        counted = (uint64_t)reply->element[0]->integer;
        refused = (uint64_t)reply->element[1]->integer;
    }
    free_cells(clicks, &partition->sent);
    metrics_add(clicks->counted, counted);
    metrics_add(clicks->dropped, refused);
    if (refused)
        log_write(LOG_WARN, "clicks of keys that are no counters",
                  LOG_NUMBER("clicks", (int64_t)refused));
    if (list_is_empty(&partition->cells))
        list_remove(&partition->dirty);
}

static void on_answer(void *arg, int status, const struct redisReply *reply)
{
    struct partition *partition = arg;
    struct clicks *clicks = partition->clicks;

    partition->waiting = false;
    clicks->waiting--;
    if (status == 0) {
        app_crash_point(clicks->app, "clicks-counted");
        on_counted(partition, reply);
        if (clicks->drained && !list_is_empty(&partition->cells)) {
            list_remove(&partition->dirty);
            list_append(&clicks->due, &partition->dirty);
        }
    } else if (status == UV_EPROTO) {
        log_write(LOG_WARN, "clicks refused by Redis",
                  LOG_TEXT("error", ((struct span){reply->str, reply->len})));
    }
    send_due(clicks);
    if (clicks->drained && is_empty(clicks))
        end_drain(clicks);
}

void clicks_drain(struct clicks *clicks, void (*done)(void *arg), void *arg)
{
    if (is_empty(clicks)) {
        done(arg);
        return;
    }
    clicks->drained = done;
    clicks->drained_arg = arg;
    wheel_start(stream_loop_wheel(app_loop(clicks->app)), &clicks->timer, 0,
                on_tick);
}

void clicks_destroy(struct clicks *clicks)
{
    if (!clicks)
        return;
    assert(clicks->waiting == 0);
    wheel_stop(stream_loop_wheel(app_loop(clicks->app)), &clicks->timer);
    for (size_t i = 0; i < HASH_PARTITIONS; i++) {
        struct partition *partition = &clicks->partitions[i];
        free_cells(clicks, &partition->sent);
        free_cells(clicks, &partition->cells);
    }
    mem_free(clicks);
}
