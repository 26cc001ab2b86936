/*
 * presence_person.c - who is looked at: where each is connected.
 *
 *   person_add() -- roster_read() --> on_roster(); then persons_on_change();
 *   what changed while it was read is read again
 */
#include "chat/presence_internal.h"
#include "chat/reply.h"
#include "common/clock.h"
#include "common/hash.h"

/* One of the connections, of all nodes, of somebody who is looked at. */
struct connected {
    struct list node;
    bool away;
    uint8_t len;
    char id[ROSTER_ID_MAX];
};

static void on_roster(void *arg, int status, const struct redisReply *reply);

static struct list *bucket_of(struct presence *presence, struct span name)
{
    return &presence->buckets[hash_bucket(&presence->hash_key, name) %
                              PRESENCE_BUCKETS];
}

struct person *person_find(struct presence *presence, struct span name)
{
    struct list *bucket = bucket_of(presence, name);

    for (struct list *n = bucket->next; n != bucket; n = n->next) {
        struct person *person = LIST_ENTRY(n, struct person, bucket);
        if (span_eq((struct span){person->name, person->name_len}, name))
            return person;
    }
    return NULL;
}

struct span person_name(const struct person *person)
{
    return (struct span){person->name, person->name_len};
}

static void forget_connected(struct person *person)
{
    for (struct list *node; (node = list_pop(&person->connected));)
        mem_free(LIST_ENTRY(node, struct connected, node));
}

/* One that is read stays until that is over. */
void person_drop(struct person *person)
{
    if (!list_is_empty(&person->links) || person->reading)
        return;
    forget_connected(person);
    list_remove(&person->bucket);
    list_remove(&person->changed);
    mem_free(person);
}

static void read_roster(struct person *person)
{
    person->again = false;
    if (roster_read(person->presence->roster, person_name(person), on_roster,
                    person) == 0)
        person->reading = true;
}

struct person *person_add(struct presence *presence, struct span name)
{
    struct person *person = mem_zalloc(MEM_CACHE, sizeof(*person) + name.len);

    list_init(&person->links);
    list_init(&person->connected);
    list_init(&person->changed);
    person->presence = presence;
    person->name_len = (uint8_t)name.len;
    memcpy(person->name, name.ptr, name.len);
    list_append(bucket_of(presence, name), &person->bucket);
    read_roster(person);
    return person;
}

const char *person_state(const struct person *person)
{
    const char *state = presence_offline;

    for (struct list *n = person->connected.next; n != &person->connected;
         n = n->next) {
        if (!LIST_ENTRY(n, struct connected, node)->away)
            return presence_online;
        state = presence_away;
    }
    return state;
}

static void has_changed(struct person *person)
{
    if (list_is_empty(&person->changed))
        list_append(&person->presence->changed, &person->changed);
    presence_await_turn(person->presence);
}

static void add_connected(struct person *person, struct span id,
                          struct span state)
{
    struct connected *connected = mem_zalloc(MEM_CACHE, sizeof(*connected));

    connected->away = span_eq(state, span_str(presence_away));
    connected->len = (uint8_t)(id.len < ROSTER_ID_MAX ? id.len : ROSTER_ID_MAX);
    memcpy(connected->id, id.ptr, connected->len);
    list_append(&person->connected, &connected->node);
}

static void remove_connected(struct person *person, struct span id)
{
    for (struct list *n = person->connected.next; n != &person->connected;
         n = n->next) {
        struct connected *connected = LIST_ENTRY(n, struct connected, node);
        if (!span_eq((struct span){connected->id, connected->len}, id))
            continue;
        list_remove(n);
        mem_free(connected);
        return;
    }
}

static void take_field(struct person *person, struct span id, struct span text)
{
    struct roster_said said;
    uint64_t emptied;

    if (span_eq(id, SPAN(ROSTER_EMPTIED))) {
        if (span_to_u64(text, INT64_MAX, &emptied))
            person->seen_ms = (int64_t)emptied;
    } else if (roster_said_parse(text, &said)) {
        if (roster_counts(person->presence->roster, &said))
            add_connected(person, id, said.payload);
    }
}

static void take_roster(struct person *person, const struct redisReply *reply)
{
    forget_connected(person);
    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        take_field(person, reply_text(reply->element[i]),
                   reply_text(reply->element[i + 1]));
    has_changed(person);
}

static void on_roster(void *arg, int status, const struct redisReply *reply)
{
    struct person *person = arg;

    person->reading = false;
    if (person->again && !list_is_empty(&person->links))
        read_roster(person);
    else if (status == 0 && reply->type == REDIS_REPLY_ARRAY)
        take_roster(person, reply);
    person_drop(person);
}

void persons_on_change(void *arg, const struct roster_change *change)
{
    struct person *person = person_find(arg, change->selector);

    if (!person)
        return;
    if (person->reading) {
        person->again = true;
        return;
    }
    remove_connected(person, change->subscriber);
    person->seen_ms = clock_wall_ms();
    if (change->entered)
        add_connected(person, change->subscriber, change->said.payload);
    has_changed(person);
}

void persons_on_swept(void *arg, const struct roster_change *change)
{
    persons_on_change(arg, change);
}

void persons_read_again(struct presence *presence)
{
    for (size_t i = 0; i < PRESENCE_BUCKETS; i++)
        for (struct list *n = presence->buckets[i].next;
             n != &presence->buckets[i]; n = n->next) {
            struct person *person = LIST_ENTRY(n, struct person, bucket);
            if (person->reading)
                person->again = true;
            else
                read_roster(person);
        }
}
