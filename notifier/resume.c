/*
 * resume.c - a subscriber's way from a position to what comes.
 *
 *   STANDING  where do topics and partitions stand?  -> settle()
 *   PROBING   is what was missed still there?  (only who asks is told)
 *             -> on_ready()
 *   MISSED    what was missed, from logs and references, chunk by chunk, as
 *             the client takes it; then each follow joins its ring
 *
 * A topic joins where its ring has what comes next.  Patterns join together
 * where their rings stood when it was settled how far the references are to be
 * read.
 *
 * Failure modes: Redis does not answer (the patient try again, the others are
 * told), what comes is faster than the client reads (once more, from where it
 * is).
 */

#define RETRY_MS 500
#define FEED_MS 5000 /* until it is known where partitions stand */

#include "notifier/resume_internal.h"

static void run(struct resume *resume);
static void on_topic(struct topic_wait *wait, int status);
static void on_feed(struct feed_wait *wait);
static void on_chunk(struct chunk_wait *wait, int status,
                     const struct chunk *chunk);
static void on_retry(struct wheel_timer *timer);

static struct wheel *wheel_of(const struct resume *resume)
{
    return stream_loop_wheel(app_loop(resume->subscriber->app->app));
}

/* ---- beginning and end */

void resume_go_on(struct resume *resume)
{
    do
        resume->at = resume->at->next;
    while (!resume_is_at_end(resume) && resume_follow(resume)->live);
}

static void begin_phase(struct resume *resume, enum phase phase)
{
    resume->phase = phase;
    resume->partition = 0;
    resume->at = &resume->subscriber->follows;
    resume_go_on(resume);
}

static void read_since(struct follow *follow, const struct since *since)
{
    struct notifier *app = follow->subscriber->app;

    follow->since = (uint8_t)since->kind;
    if (since->kind != SINCE_POSITION || !follow->topic)
        return;
    if (!position_find(app->position_key, since->position,
                       topic_name(follow->topic), &follow->have))
        follow->since = SINCE_NOW;
}

static struct missed *make_missed(const struct since *since)
{
    struct missed *missed = mem_zalloc(MEM_CONN, sizeof(*missed));

    missed->since = since->kind;
    if (since->kind == SINCE_POSITION && since->position->has_partitions)
        missed->position = *since->position->opened;
    else if (since->kind == SINCE_POSITION)
        missed->since = SINCE_NOW;
    return missed;
}

void resume_start(struct subscriber *subscriber, const struct since *since)
{
    struct resume *resume = mem_zalloc(MEM_CONN, sizeof(*resume));
    bool has_patterns = false;

    resume->subscriber = subscriber;
    resume->recovered = true;
    resume->positioned = since->kind == SINCE_POSITION;
    resume->topic_wait.cb = on_topic;
    resume->feed_wait.cb = on_feed;
    resume->chunk_wait.cb = on_chunk;
    list_init(&resume->topic_wait.node);
    list_init(&resume->feed_wait.node);
    list_init(&resume->chunk_wait.node);
    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        struct follow *follow = LIST_ENTRY(n, struct follow, node);
        if (follow->live)
            continue;
        read_since(follow, since);
        has_patterns |= follow->pattern != NULL;
    }
    if (has_patterns)
        resume->missed = make_missed(since);
    subscriber->resume = resume;
    begin_phase(resume, STANDING);
    wheel_start(wheel_of(resume), &resume->timer, 0, on_retry);
}

void resume_cancel(struct subscriber *subscriber)
{
    struct resume *resume = subscriber->resume;

    if (!resume)
        return;
    subscriber->resume = NULL;
    if (resume->gone)
        *resume->gone = true;
    list_remove(&resume->topic_wait.node);
    list_remove(&resume->feed_wait.node);
    list_remove(&resume->chunk_wait.node);
    wheel_stop(wheel_of(resume), &resume->timer);
    mem_free(resume->missed);
    mem_free(resume);
}

/* Nothing of what was asked for; or all of it is live. */
static void finish(struct resume *resume, int status)
{
    struct subscriber *subscriber = resume->subscriber;
    bool was_ready = resume->phase == MISSED;

    resume_cancel(subscriber);
    if (status < 0)
        for (struct list *n = subscriber->follows.next, *next;
             n != &subscriber->follows; n = next) {
            next = n->next;
            if (!LIST_ENTRY(n, struct follow, node)->live)
                follow_drop(LIST_ENTRY(n, struct follow, node));
        }
    if (subscriber->events->is_stream && subscriber->topic_count == 0) {
        mem_free(subscriber->places);
        subscriber->places = NULL;
    }
    if (!was_ready)
        subscriber->events->on_ready(subscriber, status);
    else if (subscriber->events->on_live)
        subscriber->events->on_live(subscriber);
}

static void on_retry(struct wheel_timer *timer)
{
    run(LIST_ENTRY(timer, struct resume, timer));
}

/* Redis does not answer. */
static void put_off(struct resume *resume, int status)
{
    if (resume->phase != MISSED && !resume->subscriber->events->is_stream)
        finish(resume, status);
    else
        wheel_start(wheel_of(resume), &resume->timer, RETRY_MS, on_retry);
}

/* ---- STANDING */

static void on_topic(struct topic_wait *wait, int status)
{
    struct resume *resume = LIST_ENTRY(wait, struct resume, topic_wait);

    if (status < 0)
        put_off(resume, status);
    else
        run(resume);
}

static void on_no_feed(struct wheel_timer *timer)
{
    struct resume *resume = LIST_ENTRY(timer, struct resume, timer);

    list_remove(&resume->feed_wait.node);
    finish(resume, UV_ETIMEDOUT);
}

static void on_feed(struct feed_wait *wait)
{
    wheel_stop(wheel_of(LIST_ENTRY(wait, struct resume, feed_wait)),
               &LIST_ENTRY(wait, struct resume, feed_wait)->timer);
    run(LIST_ENTRY(wait, struct resume, feed_wait));
}

/* Where it begins, now that it is known where the log stands. */
static void settle_topic(struct follow *follow)
{
    struct log_id last = topic_last(follow->topic);
    struct log_id have = follow->have;

    if (follow->since == SINCE_NOW) {
        follow->have = last;
        return;
    }
    if (follow->since == SINCE_EARLIEST) {
        follow->quiet = true;
        have = (struct log_id){last.epoch, 0};
    } else if (follow->since == SINCE_UNKNOWN) {
        follow->lost = true;
        follow->recovered = false;
        follow->lost_epoch = LOG_ID_NO_EPOCH;
        follow->lost_from = 1;
        have = (struct log_id){last.epoch, 0};
    } else if (have.epoch == 0) { /* there was no log */
        have.epoch = last.epoch;
    } else if (have.epoch != last.epoch || have.offset > last.offset) {
        follow->lost = true;
        follow->recovered = false;
        follow->lost_epoch = have.epoch;
        follow->lost_from = have.offset + 1;
        have = (struct log_id){last.epoch, 0};
    }
    if (follow->topic->setting->is_state && last.offset > 0) {
        follow->quiet = true;
        if (have.offset + 1 < last.offset)
            have.offset = last.offset - 1;
    }
    follow->have = have;
}

void resume_settle_patterns(struct resume *resume)
{
    struct subscriber *subscriber = resume->subscriber;
    struct missed *missed = resume->missed;

    memcpy(missed->targets, feed_places(subscriber->app->feed),
           sizeof(missed->targets));
    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        struct follow *follow = LIST_ENTRY(n, struct follow, node);
        if (follow->pattern && !follow->live)
            follow->start = follow->pattern->ring.next;
    }
}

/* Who is cut before it was told what is lost is to be told when it returns. */
static void begin_patterns(struct resume *resume)
{
    struct missed *missed = resume->missed;
    struct log_id *places;

    resume_settle_patterns(resume);
    switch (missed->since) {
    case SINCE_NOW:
        memcpy(missed->places, missed->targets, sizeof(missed->places));
        break;
    case SINCE_EARLIEST:
        resume->quiet = true;
        for (uint32_t i = 0; i < HASH_PARTITIONS; i++)
            missed->places[i].epoch = missed->targets[i].epoch;
        break;
    case SINCE_UNKNOWN:
        for (uint32_t i = 0; i < HASH_PARTITIONS; i++) {
            missed->places[i].epoch = missed->targets[i].epoch;
            missed->lost[i] = true;
        }
        break;
    case SINCE_POSITION:
        position_resolve(resume->subscriber->app->position_key,
                         &missed->position, missed->targets, missed->places,
                         missed->lost);
        break;
    }
    places = subscriber_places(resume->subscriber);
    memcpy(places, missed->places, sizeof(missed->places));
    for (uint32_t i = 0; i < HASH_PARTITIONS; i++)
        if (missed->lost[i])
            places[i] = (struct log_id){LOG_ID_NO_EPOCH, 1};
}

/* Another worker has given what this one has not heard of yet, or Redis has
   lost it: that is seen when it was read. */
static bool is_ahead(const struct follow *follow)
{
    struct log_id last = topic_last(follow->topic);

    return follow->since == SINCE_POSITION &&
           log_id_is_before(last, follow->have);
}

/* The same of patterns: all that are ahead are read at once. */
static bool is_feed_behind(struct resume *resume)
{
    struct feed *feed = resume->subscriber->app->feed;
    const struct missed *missed = resume->missed;

    if (!missed || missed->since != SINCE_POSITION)
        return false;
    for (uint32_t i = 0; !resume->expected && i < HASH_PARTITIONS; i++)
        if (missed->position.offsets[i] > feed_place(feed, i).offset)
            feed_read_on(feed, i);
    resume->expected = true;
    return !feed_is_current(feed);
}

static enum step await_feed(struct resume *resume)
{
    feed_await(resume->subscriber->app->feed, &resume->feed_wait);
    if (!resume->subscriber->events->is_stream)
        wheel_start(wheel_of(resume), &resume->timer, FEED_MS, on_no_feed);
    return STEP_WAIT;
}

static enum step stand(struct resume *resume)
{
    struct notifier *app = resume->subscriber->app;

    /* A position may say that there was nothing: a worker that has not heard
       yet that Redis lost all would take that for the begin of what was. */
    if (resume->positioned && !feed_is_current(app->feed))
        return await_feed(resume);
    if (resume_is_at_end(resume))
        return is_feed_behind(resume) ? await_feed(resume) : STEP_DONE;
    struct follow *follow = resume_follow(resume);
    if (follow->topic && topic_is_live(follow->topic) && is_ahead(follow) &&
        !follow->expected) {
        follow->expected = true;
        topic_expect(follow->topic, follow->have);
    }
    if (follow->topic && !topic_is_live(follow->topic)) {
        topic_await(follow->topic, &resume->topic_wait);
        return STEP_WAIT;
    }
    if (follow->pattern && !feed_is_known(app->feed))
        return await_feed(resume);
    if (follow->topic)
        settle_topic(follow);
    resume_go_on(resume);
    return STEP_MORE;
}

/* ---- PROBING */

static enum step probe_patterns(struct resume *resume)
{
    for (; resume->partition < HASH_PARTITIONS; resume->partition++) {
        resume->recovered &= !resume->missed->lost[resume->partition];
        if (missed_has_more(resume)) {
            missed_read_references(resume);
            return STEP_WAIT;
        }
    }
    return STEP_DONE;
}

static enum step probe(struct resume *resume)
{
    uint64_t place;

    if (resume_is_at_end(resume))
        return resume->missed ? probe_patterns(resume) : STEP_DONE;
    struct follow *follow = resume_follow(resume);
    if (follow->topic && follow->since != SINCE_EARLIEST &&
        !missed_find_place(follow, &place)) {
        missed_read_log(resume);
        return STEP_WAIT;
    }
    resume_go_on(resume);
    return STEP_MORE;
}

static bool is_whole(const struct chunk *chunk, struct log_id have)
{
    for (size_t i = 0; i < chunk->count; i++)
        if (log_id_is_before(have, chunk->entries[i].place))
            return chunk->entries[i].place.epoch == have.epoch &&
                   chunk->entries[i].place.offset == have.offset + 1 &&
                   !message_of(chunk->entries[i].message)->gap;
    return false;
}

static void note_probe(struct resume *resume, const struct chunk *chunk)
{
    if (resume_is_at_end(resume)) {
        struct log_id place = resume->missed->places[resume->partition++];
        resume->recovered &= is_whole(chunk, place);
    } else {
        struct follow *follow = resume_follow(resume);
        follow->recovered &= is_whole(chunk, follow->have);
        resume_go_on(resume);
    }
}

/* ---- the driver */

static void on_chunk(struct chunk_wait *wait, int status,
                     const struct chunk *chunk)
{
    struct resume *resume = LIST_ENTRY(wait, struct resume, chunk_wait);

    if (status < 0) {
        put_off(resume, status);
        return;
    }
    if (resume->phase == PROBING)
        note_probe(resume, chunk);
    else
        missed_take(resume, chunk);
    run(resume);
}

static enum step take_step(struct resume *resume)
{
    switch (resume->phase) {
    case STANDING:
        return stand(resume);
    case PROBING:
        return probe(resume);
    case MISSED:
        return missed_step(resume);
    }
    return STEP_DONE;
}

/* What was asked for is settled.  False: its owner wants no more of it. */
static bool tell_ready(struct resume *resume)
{
    struct subscriber *subscriber = resume->subscriber;
    bool gone = false;

    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        struct follow *follow = LIST_ENTRY(n, struct follow, node);
        if (follow->pattern && !follow->live)
            follow->recovered = resume->recovered;
    }
    begin_phase(resume, MISSED);
    resume->gone = &gone;
    subscriber->events->on_ready(subscriber, 0);
    if (!gone)
        resume->gone = NULL;
    return !gone;
}

/* The phase is over; false: so is the resume. */
static bool next_phase(struct resume *resume)
{
    if (resume->phase == MISSED) {
        finish(resume, 0);
        return false;
    }
    if (resume->phase == STANDING && resume->missed)
        begin_patterns(resume);
    if (resume->phase == STANDING && !resume->subscriber->events->is_stream) {
        begin_phase(resume, PROBING);
        return true;
    }
    return tell_ready(resume);
}

static void run(struct resume *resume)
{
    for (;;) {
        enum step step = take_step(resume);
        if (step == STEP_WAIT || (step == STEP_DONE && !next_phase(resume)))
            return;
    }
}

void resume_drained(struct subscriber *subscriber)
{
    struct resume *resume = subscriber->resume;

    if (resume->phase == MISSED && list_is_empty(&resume->chunk_wait.node) &&
        !wheel_is_started(&resume->timer))
        run(resume);
}
