/*
 * missed.c - what a subscriber missed, from rings, logs and references.
 *
 *   missed_step() -- the ring has what comes next: the follow joins
 *                 -- else a chunk --> missed_take(): its messages, gaps
 *
 * What waits for the client holds the next step up: a chunk at a time.
 */
#include "common/clock.h"
#include "notifier/resume_internal.h"

/* ---- what the ring has */

static bool is_aged(const struct topic_setting *setting,
                    const struct message *message)
{
    return message->ts &&
           (int64_t)(message->ts + setting->max_age_ms) < clock_wall_ms();
}

/* A gap to nothing, of a log that Redis lost, stands behind what was lost. */
static bool is_had(struct log_id have, const struct message *message)
{
    return message->id.epoch != 0 && !log_id_is_before(have, message->id);
}

/* The first place whose message it has not had; false: not in the ring. */
bool missed_find_place(const struct follow *follow, uint64_t *place)
{
    const struct fanout_topic *ring = &follow->topic->ring;
    struct log_id last = topic_last(follow->topic);
    uint64_t low = ring->first;
    uint64_t high = ring->next;

    if (follow->have.epoch == last.epoch &&
        !log_id_is_before(follow->have, last)) {
        *place = ring->next;
        return true;
    }
    if (low == high)
        return false;
    const struct message *oldest = message_of(fanout_at(ring, low));
    uint64_t from = oldest->gap ? oldest->from : oldest->id.offset;
    if (oldest->id.epoch != follow->have.epoch ||
        oldest->gap == MESSAGE_GAP_EPOCH || from > follow->have.offset + 1)
        return false;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (is_had(follow->have, message_of(fanout_at(ring, middle))))
            low = middle + 1;
        else
            high = middle;
    }
    *place = low;
    return low == ring->next ||
           !is_aged(follow->topic->setting, message_of(fanout_at(ring, low)));
}

bool missed_has_more(const struct resume *resume)
{
    return !log_id_eq(resume->missed->places[resume->partition],
                      resume->missed->targets[resume->partition]);
}

void missed_read_log(struct resume *resume)
{
    const struct follow *follow = resume_follow(resume);

    resume->chunk_wait.behind = follow->have;
    logs_read(resume->subscriber->app->chunks, topic_name(follow->topic),
              &resume->chunk_wait);
}

void missed_read_references(struct resume *resume)
{
    resume->chunk_wait.behind = resume->missed->places[resume->partition];
    logs_read_references(resume->subscriber->app->chunks, resume->partition,
                         &resume->chunk_wait);
}

/* ---- MISSED: writing */

/*
 * All that a step gives is one write: when nothing is kept a write is taken
 * whole, whatever its size.
 */
struct out {
    struct subscriber *subscriber;
    struct buf bytes;
};

static void begin_out(struct out *out, struct subscriber *subscriber)
{
    out->subscriber = subscriber;
    buf_init(&out->bytes, MEM_CONN);
}

/* What the stream does not take it keeps; when it has ended it says so. */
static void end_out(struct out *out)
{
    if (out->bytes.len)
        stream_write(out->subscriber->reader.stream, buf_span(&out->bytes));
    buf_deinit(&out->bytes);
}

/* The client is to read this first. */
static bool is_full(const struct out *out)
{
    return out->bytes.len >= (size_t)out->subscriber->app->config->max_kept;
}

static void put_message(struct out *out, struct message *message)
{
    char own[FANOUT_OWN_MAX];
    struct form form = {.own = own};

    out->subscriber->events->form(out->subscriber, message, &form);
    buf_append(&out->bytes, (struct span){own, form.head_len});
    for (size_t i = 0; i < 2; i++)
        buf_append(&out->bytes, form.shared[i]);
    buf_append(&out->bytes, (struct span){own + form.head_len, form.tail_len});
    metrics_add(out->subscriber->app->delivered, 1);
}

static void put_gap(struct out *out, struct span topic, uint64_t from,
                    struct log_id to, enum message_gap gap)
{
    struct message *message = message_create_gap(topic, from, to, gap);

    put_message(out, message);
    message_unref(message);
    metrics_add(out->subscriber->app->gaps, 1);
}

/* ---- MISSED: of topics */

static void skip_to(struct out *out, struct follow *follow, struct log_id to)
{
    uint64_t from = follow->have.offset + 1;

    if (!log_id_is_before(follow->have, to))
        return;
    follow->have = to;
    if (!follow->quiet)
        put_gap(out, topic_name(follow->topic), from, to, MESSAGE_GAP_TRIMMED);
}

static void tell_lost(struct out *out, struct follow *follow)
{
    follow->lost = false;
    follow->quiet = true;
    put_gap(out, topic_name(follow->topic), follow->lost_from, follow->have,
            MESSAGE_GAP_EPOCH);
}

/* The log began, began again, or there is none any more. */
static void enter(struct out *out, struct follow *follow, uint64_t epoch)
{
    struct log_id have = follow->have;

    if (have.epoch == epoch)
        return;
    follow->have.epoch = epoch;
    if (have.epoch == 0)
        return;
    follow->have.offset = 0;
    follow->lost_from = have.offset + 1;
    tell_lost(out, follow);
}

static void put_entry(struct out *out, struct follow *follow,
                      const struct chunk_entry *entry)
{
    struct log_id place = entry->place;
    struct message *message = message_of(entry->message);

    enter(out, follow, place.epoch);
    skip_to(out, follow, (struct log_id){place.epoch, place.offset - 1});
    follow->quiet = false;
    follow->have = place;
    if (follow_wants(follow, message))
        put_message(out, message);
}

/* Nothing of what it misses is there; of another epoch it is read next. */
static void skip_all(struct out *out, struct follow *follow)
{
    struct log_id last = topic_last(follow->topic);

    if (follow->have.epoch == last.epoch)
        skip_to(out, follow, last);
    else
        enter(out, follow, last.epoch);
}

static void deliver_log(struct resume *resume, const struct chunk *chunk)
{
    struct follow *follow = resume_follow(resume);
    struct log_id aged = {0};
    struct out out;
    size_t i;

    begin_out(&out, resume->subscriber);
    for (i = 0; i < chunk->count && !is_full(&out); i++) {
        const struct chunk_entry *entry = &chunk->entries[i];
        if (!log_id_is_before(follow->have, entry->place))
            continue;
        if (is_aged(follow->topic->setting, message_of(entry->message)))
            aged = entry->place;
        else
            put_entry(&out, follow, entry);
    }
    if (log_id_is_before(follow->have, aged))
        skip_to(&out, follow, aged);
    else if (log_id_eq(resume->chunk_wait.behind, follow->have))
        skip_all(&out, follow);
    end_out(&out);
}

static enum step miss_topic(struct resume *resume, struct follow *follow)
{
    uint64_t place;

    if (follow->lost) {
        struct out out;
        begin_out(&out, resume->subscriber);
        tell_lost(&out, follow);
        end_out(&out);
    }
    if (!missed_find_place(follow, &place)) {
        missed_read_log(resume);
        return STEP_WAIT;
    }
    follow_join(follow, place);
    resume_go_on(resume);
    return STEP_MORE;
}

/* ---- MISSED: of patterns */

static struct follow *next_pattern(struct subscriber *subscriber,
                                   struct list *n)
{
    while ((n = n->next) != &subscriber->follows) {
        struct follow *follow = LIST_ENTRY(n, struct follow, node);
        if (follow->pattern && !follow->live)
            return follow;
    }
    return NULL;
}

/* Who is cut before the last of them is told all of it when it returns. */
static void tell_patterns(struct out *out, const struct resume *resume,
                          uint64_t from, enum message_gap gap)
{
    struct subscriber *subscriber = resume->subscriber;
    struct log_id to = resume->missed->places[resume->partition];
    struct follow *follow = next_pattern(subscriber, &subscriber->follows);

    while (follow) {
        struct follow *next = next_pattern(subscriber, &follow->node);
        if (!next)
            subscriber->places[resume->partition] = to;
        put_gap(out, follow_text(follow), from, to, gap);
        follow = next;
    }
}

static void put_to_patterns(struct out *out, struct subscriber *subscriber,
                            struct message *message)
{
    struct span topic = message->record.topics[0];

    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        struct follow *follow = LIST_ENTRY(n, struct follow, node);
        if (follow->pattern && !follow->live &&
            selector_matches(follow->pattern->selector, topic) &&
            follow_wants(follow, message))
            put_message(out, message);
    }
}

/* Of a hole the subscriber's own place is before it until it has been told. */
static void step_to(struct resume *resume, struct log_id place)
{
    resume->missed->places[resume->partition] = place;
    if (!resume->hole)
        resume->subscriber->places[resume->partition] = place;
}

/* Up to this place nothing is left, except what is there. */
static void skip_references(struct resume *resume, struct log_id to)
{
    struct log_id place = resume->missed->places[resume->partition];

    if (!log_id_is_before(place, to))
        return;
    if (!resume->hole && !resume->quiet)
        resume->hole = place.offset + 1;
    step_to(resume, to);
}

static void tell_hole(struct out *out, struct resume *resume)
{
    uint64_t from = resume->hole;

    resume->hole = 0;
    if (from)
        tell_patterns(out, resume, from, MESSAGE_GAP_TRIMMED);
}

static bool is_there(const struct resume *resume, const struct message *message)
{
    return !message->gap &&
           !is_aged(settings_of(resume->subscriber->app->settings,
                                message->record.topics[0]),
                    message);
}

/* It is not there, and nobody misses it. */
static bool is_missed_by_none(const struct resume *resume,
                              const struct message *message)
{
    const struct subscriber *subscriber = resume->subscriber;
    struct span topic = message->record.topics[0];

    if (settings_of(subscriber->app->settings, topic)->is_state)
        return true;
    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        const struct follow *follow = LIST_ENTRY(n, struct follow, node);
        if (follow->pattern && !follow->live &&
            selector_matches(follow->pattern->selector, topic))
            return false;
    }
    return true;
}

/* How far it has what there is, up to the target. */
static struct log_id end_of(const struct chunk *chunk, struct log_id target)
{
    struct log_id last =
        chunk->count ? chunk->entries[chunk->count - 1].place : target;

    return log_id_is_before(last, target) ? last : target;
}

static void deliver_references(struct resume *resume, const struct chunk *chunk)
{
    struct missed *missed = resume->missed;
    struct log_id *place = &missed->places[resume->partition];
    struct log_id target = missed->targets[resume->partition];
    struct out out;
    size_t i;

    begin_out(&out, resume->subscriber);
    for (i = 0; i < chunk->count && !is_full(&out); i++) {
        const struct chunk_entry *entry = &chunk->entries[i];
        struct message *message = message_of(entry->message);
        if (!log_id_is_before(*place, entry->place) ||
            log_id_is_before(target, entry->place))
            continue;
        if (!is_there(resume, message)) {
            if (entry->place.offset == place->offset + 1 &&
                is_missed_by_none(resume, message))
                step_to(resume, entry->place);
            continue;
        }
        skip_references(resume, (struct log_id){entry->place.epoch,
                                                entry->place.offset - 1});
        tell_hole(&out, resume);
        step_to(resume, entry->place);
        put_to_patterns(&out, resume->subscriber, message);
    }
    if (i == chunk->count)
        skip_references(resume, end_of(chunk, target));
    if (!missed_has_more(resume))
        tell_hole(&out, resume);
    end_out(&out);
}

static void join_patterns(struct resume *resume)
{
    struct subscriber *subscriber = resume->subscriber;

    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        struct follow *follow = LIST_ENTRY(n, struct follow, node);
        if (follow->pattern && !follow->live)
            follow_join(follow, follow->start);
    }
}

/* Are the places where they are to join still in the rings? */
static bool may_join(const struct resume *resume)
{
    const struct subscriber *subscriber = resume->subscriber;

    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        struct follow *follow = LIST_ENTRY(n, struct follow, node);
        if (follow->pattern && !follow->live &&
            follow->start < follow->pattern->ring.first)
            return false;
    }
    return true;
}

static enum step miss_patterns(struct resume *resume)
{
    struct missed *missed = resume->missed;

    for (; resume->partition < HASH_PARTITIONS; resume->partition++) {
        if (missed->lost[resume->partition]) {
            struct out out;
            begin_out(&out, resume->subscriber);
            missed->lost[resume->partition] = false;
            tell_patterns(&out, resume, 0, MESSAGE_GAP_EPOCH);
            end_out(&out);
            return STEP_MORE; /* if it was taken */
        }
        if (missed_has_more(resume)) {
            missed_read_references(resume);
            return STEP_WAIT;
        }
    }
    if (may_join(resume)) {
        join_patterns(resume);
        return STEP_DONE;
    }
    resume_settle_patterns(resume);
    resume->partition = 0;
    return STEP_MORE;
}

enum step missed_step(struct resume *resume)
{
    if (stream_kept(resume->subscriber->reader.stream) > 0)
        return STEP_WAIT; /* resume_drained() */
    if (resume_is_at_end(resume))
        return resume->missed ? miss_patterns(resume) : STEP_DONE;
    struct follow *follow = resume_follow(resume);
    if (follow->topic)
        return miss_topic(resume, follow);
    resume_go_on(resume);
    return STEP_MORE;
}

void missed_take(struct resume *resume, const struct chunk *chunk)
{
    if (resume_is_at_end(resume))
        deliver_references(resume, chunk);
    else
        deliver_log(resume, chunk);
}
