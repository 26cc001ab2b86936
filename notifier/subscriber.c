/* subscriber.c - see subscriber.h. */
#include "notifier/subscriber.h"
#include "notifier/notifier.h"
#include "notifier/publication.h"
#include "notifier/subscription.h"

static void put(struct fanout_follow *base, struct fanout_message *message,
                struct fanout_write *write);
static bool on_overtaken(struct fanout_follow *base);

static const struct fanout_reader_events reader_events = {
    .put = put, .on_overtaken = on_overtaken};

void subscriber_init(struct subscriber *subscriber, struct notifier *app,
                     struct rights *rights,
                     const struct subscriber_events *events)
{
    *subscriber =
        (struct subscriber){.app = app, .rights = rights, .events = events};
    list_init(&subscriber->follows);
    fanout_reader_init(&subscriber->reader, NULL, &reader_events);
}

void subscriber_set_stream(struct subscriber *subscriber, struct stream *stream)
{
    subscriber->reader.stream = stream;
}

static struct fanout_topic *ring_of(const struct follow *follow)
{
    return follow->topic ? &follow->topic->ring : &follow->pattern->ring;
}

void follow_join(struct follow *follow, uint64_t place)
{
    fanout_follow(&follow->base, &follow->subscriber->reader, ring_of(follow),
                  place);
    follow->live = true;
}

struct watch {
    struct presence_watch base;
    struct subscriber *subscriber;
};

static struct span payload_of(const struct subscriber *subscriber)
{
    struct span payload = rights_payload(subscriber->rights);

    return payload.ptr ? payload : SPAN("");
}

void follow_enter(struct follow *follow, struct span user)
{
    struct subscriber *subscriber = follow->subscriber;

    if (follow->entry)
        return;
    if (!subscriber->id) {
        subscriber->id = mem_alloc(MEM_CONN, PUBLICATION_NEW_ID);
        publication_new_id(subscriber->id);
    }
    follow->entry = mem_alloc(MEM_CONN, sizeof(*follow->entry));
    roster_enter(subscriber->app->roster, follow->entry, follow_text(follow),
                 (struct span){subscriber->id, PUBLICATION_NEW_ID}, user,
                 payload_of(subscriber));
    subscription_tell(subscriber->app, follow_text(follow),
                      (struct span){subscriber->id, PUBLICATION_NEW_ID},
                      payload_of(subscriber), true);
}

static void on_presence(struct presence_watch *base, struct span event)
{
    struct subscriber *subscriber =
        LIST_ENTRY(base, struct watch, base)->subscriber;

    subscriber->events->on_presence(subscriber, event);
}

void follow_watch(struct follow *follow)
{
    if (follow->watch)
        return;
    follow->watch = mem_zalloc(MEM_CONN, sizeof(*follow->watch));
    follow->watch->subscriber = follow->subscriber;
    follow->watch->base.cb = on_presence;
    presence_watch(follow->subscriber->app->presence, &follow->watch->base,
                   follow_text(follow));
}

static void leave_roster(struct follow *follow)
{
    struct subscriber *subscriber = follow->subscriber;

    if (follow->watch)
        presence_unwatch(&follow->watch->base);
    mem_free(follow->watch);
    follow->watch = NULL;
    if (!follow->entry)
        return;
    subscription_tell(subscriber->app, follow_text(follow),
                      (struct span){subscriber->id, PUBLICATION_NEW_ID},
                      payload_of(subscriber), false);
    roster_leave(follow->entry);
    mem_free(follow->entry);
    follow->entry = NULL;
}

void follow_drop(struct follow *follow)
{
    struct subscriber *subscriber = follow->subscriber;

    if (follow->live)
        fanout_unfollow(&follow->base);
    leave_roster(follow);
    if (follow->topic) {
        topic_leave(follow->topic);
        subscriber->topic_count--;
    } else {
        pattern_leave(follow->pattern);
        subscriber->pattern_count--;
    }
    list_remove(&follow->node);
    mem_free(follow);
}

void subscriber_stop(struct subscriber *subscriber)
{
    resume_cancel(subscriber);
    for (struct list *n;
         (n = subscriber->follows.next) != &subscriber->follows;)
        follow_drop(LIST_ENTRY(n, struct follow, node));
    mem_free(subscriber->places);
    subscriber->places = NULL;
}

void subscriber_deinit(struct subscriber *subscriber)
{
    subscriber_stop(subscriber);
    mem_free(subscriber->id);
    subscriber->id = NULL;
    rights_unref(subscriber->rights);
    subscriber->rights = NULL;
}

/* ---- subscriptions */

struct follow *subscriber_find(const struct subscriber *subscriber,
                               struct span selector)
{
    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        struct follow *follow = LIST_ENTRY(n, struct follow, node);
        if (span_eq(follow_text(follow), selector))
            return follow;
    }
    return NULL;
}

/* False: too many patterns. */
static bool add(struct subscriber *subscriber, struct selector *selector)
{
    struct notifier *app = subscriber->app;
    struct follow follow = {.subscriber = subscriber, .recovered = true};

    if (subscriber_find(subscriber, selector_text(selector)))
        return true;
    if (selector_is_exact(selector))
        follow.topic = topics_use(app->topics, selector_text(selector));
    else
        follow.pattern = feed_use(app->feed, selector);
    if (!follow.topic && !follow.pattern)
        return false;
    struct follow *kept = mem_alloc(MEM_CONN, sizeof(*kept));
    *kept = follow;
    list_append(&subscriber->follows, &kept->node);
    if (kept->topic)
        subscriber->topic_count++;
    else
        subscriber->pattern_count++;
    return true;
}

static void drop_new(struct subscriber *subscriber)
{
    for (struct list *n = subscriber->follows.next, *next;
         n != &subscriber->follows; n = next) {
        struct follow *follow = LIST_ENTRY(n, struct follow, node);
        next = n->next;
        if (!follow->live)
            follow_drop(follow);
    }
}

bool subscriber_add(struct subscriber *subscriber,
                    struct selector *const *selectors, size_t count,
                    const struct since *since)
{
    for (size_t i = 0; i < count; i++)
        if (!add(subscriber, selectors[i])) {
            drop_new(subscriber);
            return false;
        }
    resume_start(subscriber, since);
    return true;
}

void subscriber_remove(struct subscriber *subscriber, struct span selector)
{
    struct follow *follow = subscriber_find(subscriber, selector);

    if (follow)
        follow_drop(follow);
}

void subscriber_drained(struct subscriber *subscriber)
{
    fanout_reader_drained(&subscriber->reader);
    if (subscriber->resume)
        resume_drained(subscriber);
}

/* ---- where it stands */

struct log_id *subscriber_places(struct subscriber *subscriber)
{
    size_t size = HASH_PARTITIONS * sizeof(struct log_id);

    if (!subscriber->places) {
        subscriber->places = mem_alloc(MEM_CONN, size);
        memcpy(subscriber->places, feed_places(subscriber->app->feed), size);
    }
    return subscriber->places;
}

/* Has it had all that its patterns' rings hold? */
static bool has_had_patterns(const struct subscriber *subscriber)
{
    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        const struct follow *follow = LIST_ENTRY(n, struct follow, node);
        if (follow->pattern &&
            (!follow->live || follow->base.place != ring_of(follow)->next))
            return false;
    }
    return true;
}

static const struct log_id *places_of(const struct subscriber *subscriber)
{
    if (!subscriber->places || has_had_patterns(subscriber))
        return feed_places(subscriber->app->feed);
    return subscriber->places;
}

/* What is lost and not told yet is to be lost still for who returns here. */
static struct log_id place_of(const struct follow *follow)
{
    return follow->lost
               ? (struct log_id){follow->lost_epoch, follow->lost_from - 1}
               : follow->have;
}

size_t subscriber_position(const struct subscriber *subscriber, bool named,
                           char out[POSITION_MAX])
{
    struct position_topic topics[SUBSCRIBER_SELECTORS_MAX];
    struct position position = {.topics = topics};

    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        const struct follow *follow = LIST_ENTRY(n, struct follow, node);
        if (follow->topic || named) /* a pattern's name tells who resumes */
            topics[position.topic_count++] = (struct position_topic){
                .name = follow_text(follow), .id = place_of(follow)};
    }
    position.has_partitions = subscriber->pattern_count > 0;
    if (position.has_partitions)
        position.partitions = places_of(subscriber);
    return position_seal(subscriber->app->position_key, &position, named, out);
}

/* ---- what comes */

static bool matches(const struct follow *follow, struct span topic)
{
    return follow->topic ? span_eq(topic_name(follow->topic), topic)
                         : selector_matches(follow->pattern->selector, topic);
}

/* The first of its follows that matches, an exact one before all patterns. */
static const struct follow *first_of(const struct subscriber *subscriber,
                                     struct span topic)
{
    const struct follow *found = NULL;

    for (struct list *n = subscriber->follows.next; n != &subscriber->follows;
         n = n->next) {
        const struct follow *follow = LIST_ENTRY(n, struct follow, node);
        if ((found && follow->pattern) || !matches(follow, topic))
            continue;
        if (follow->topic)
            return follow;
        found = follow;
    }
    return found;
}

static bool is_less(struct span a, struct span b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;

    return order < 0 || (order == 0 && a.len < b.len);
}

/* Another topic of the update brings it. */
static bool has_lesser(const struct subscriber *subscriber,
                       const struct record *record)
{
    for (size_t i = 1; i < record->topic_count; i++)
        if (is_less(record->topics[i], record->topics[0]) &&
            first_of(subscriber, record->topics[i]))
            return true;
    return false;
}

bool follow_wants(const struct follow *follow, const struct message *message)
{
    const struct subscriber *subscriber = follow->subscriber;
    const struct record *record = &message->record;

    if (message->gap)
        return true;
    if (subscriber->topic_count + subscriber->pattern_count > 1 &&
        first_of(subscriber, record->topics[0]) != follow)
        return false;
    if (record->topic_count > 1 && has_lesser(subscriber, record))
        return false;
    return rights_may_read(subscriber->rights, record->topics,
                           record->topic_count, record->is_private);
}

static void note(struct follow *follow, const struct message *message)
{
    struct log_id *places = follow->subscriber->places;

    if (follow->topic)
        follow->have = message->id;
    else if (places)
        places[message->partition] = message->reference;
}

/* Who came by its log may have read on before this worker heard of it. */
static bool is_had(const struct follow *follow, const struct message *message)
{
    return follow->topic && message->gap != MESSAGE_GAP_EPOCH &&
           !log_id_is_before(follow->have, message->id);
}

static void put(struct fanout_follow *base, struct fanout_message *base_message,
                struct fanout_write *write)
{
    struct follow *follow = LIST_ENTRY(base, struct follow, base);
    struct message *message = message_of(base_message);
    struct form form = {.own = fanout_own(write)};

    if (is_had(follow, message))
        return;
    note(follow, message);
    if (!follow_wants(follow, message))
        return;
    follow->subscriber->events->form(follow->subscriber, message, &form);
    if (form.head_len)
        fanout_put_own(write, form.head_len);
    for (size_t i = 0; i < 2; i++)
        if (form.shared[i].len)
            fanout_put(write, form.shared[i]);
    if (form.tail_len)
        fanout_put_own(write, form.tail_len);
    metrics_add(follow->subscriber->app->delivered, 1);
}

static bool on_overtaken(struct fanout_follow *base)
{
    struct follow *follow = LIST_ENTRY(base, struct follow, base);
    struct subscriber *subscriber = follow->subscriber;

    metrics_add(subscriber->app->late, 1);
    subscriber_stop(subscriber);
    subscriber->events->on_late(subscriber);
    return false;
}
