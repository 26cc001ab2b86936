/*
 * users_pass.c - what passes in rooms, for who is here: see users.h.
 *
 *   an entry of a log, or a word --> the seats that it is about -->
 * on_counts(), on_gone()
 */
#include "chat/told.h"
#include "chat/users_internal.h"

static void tell_counts(struct seat *seat)
{
    seat->user->users->events->on_counts(seat->user->users->arg, seat);
}

/* Something passed about it: an answer that is older does not count.  True:
   nothing is known of it yet. */
static bool touch(struct seat *seat)
{
    seat->touched = true;
    return seat->role == 0;
}

/* It is none any more; one that is being asked for stays until that is over. */
static void end_seat(struct seat *seat, const char *reason)
{
    struct users *users = seat->user->users;

    users->events->on_gone(users->arg, seat, reason);
    seat->role = 0;
    if (!seat->asked)
        user_drop_seat(seat);
}

static void on_message(struct users *users, struct room *room,
                       const struct entry *entry)
{
    struct span rest = entry->mentions;
    struct user *from = users_find(users, entry->from);
    struct seat *seat = from ? user_seat_in(room, from) : NULL;

    if (seat && !touch(seat)) {
        seat->read = seat->delivered = entry->seq;
        seat->read_n = (uint32_t)entry->count;
        seat->mentions = 0;
        tell_counts(seat);
    }
    for (struct span name; span_cut(&rest, ',', &name);) {
        struct user *user = users_find(users, name);
        seat = user ? user_seat_in(room, user) : NULL;
        if (seat && !touch(seat) && entry->seq > seat->since) {
            seat->mentions++;
            tell_counts(seat);
        }
    }
    if (room->members > users->chat->config->large_room) {
        told_large(users->chat, room);
        return;
    }
    for (struct list *n = room->seats.next; n != &room->seats; n = n->next)
        tell_counts(LIST_ENTRY(n, struct seat, of_room));
}

static const char *reason_of(struct span change)
{
    return span_eq(change, SPAN("kicked"))   ? "kicked"
           : span_eq(change, SPAN("banned")) ? "banned"
                                             : "left";
}

static void on_member(struct users *users, struct room *room,
                      const struct entry *entry)
{
    struct user *user = users_find(users, entry->user);
    struct seat *seat = user ? user_seat_in(room, user) : NULL;

    if (!user || (seat && touch(seat)))
        return;
    if (span_eq(entry->change, SPAN("joined"))) {
        if (!seat)
            user_ask_seat(user, room_id(room), NULL);
    } else if (span_eq(entry->change, SPAN("role"))) {
        if (seat)
            seat->role = entry->role.ptr[0];
    } else if (seat && entry->seq > seat->since) {
        end_seat(seat, reason_of(entry->change));
    }
}

void users_on_entry(struct users *users, struct room *room,
                    const struct entry *entry)
{
    if (entry->kind == ENTRY_MESSAGE)
        on_message(users, room, entry);
    else if (entry->kind == ENTRY_MEMBER)
        on_member(users, room, entry);
}

void users_on_joined(struct users *users, struct span room, struct span name)
{
    struct user *user = users_find(users, name);
    struct seat *seat = user ? user_seat(user, room) : NULL;

    if (seat)
        touch(seat);
    else if (user)
        user_ask_seat(user, room, NULL);
}

/* Those that are being asked for stay: their answers are of the new log. */
void users_on_lost(struct room *room)
{
    for (struct list *n = room->seats.next, *next; n != &room->seats;
         n = next) {
        struct seat *seat = LIST_ENTRY(n, struct seat, of_room);
        struct user *user = seat->user;
        next = n->next;
        if (touch(seat))
            continue;
        user->loaded = false;
        end_seat(seat, "reset");
    }
}

struct seat *users_on_state(struct users *users, struct span text)
{
    struct member member;
    struct span id;
    struct span name;

    if (!span_cut(&text, ' ', &id) || !span_cut(&text, ' ', &name) ||
        !text.ptr || !member_parse(text, &member))
        return NULL;
    struct room *room = rooms_find(users->chat->rooms, id);
    struct user *user = room ? users_find(users, name) : NULL;
    struct seat *seat = user ? user_seat_in(room, user) : NULL;
    if (!seat || touch(seat))
        return NULL;
    seat_take_member(seat, &member, seat->since);
    tell_counts(seat);
    return seat;
}

/* Those that are being asked for are asked for again. */
static void distrust_seats(struct user *user)
{
    for (struct list *n = user->seats.next; n != &user->seats; n = n->next)
        touch(LIST_ENTRY(n, struct seat, of_user));
}

void users_reload(struct users *users)
{
    for (size_t i = 0; i < USERS_BUCKETS; i++)
        for (struct list *n = users->buckets[i].next; n != &users->buckets[i];
             n = n->next) {
            struct user *user = LIST_ENTRY(n, struct user, bucket);
            distrust_seats(user);
            if (user->loading)
                user->again = true;
            else if (user->loaded)
                user_reload(user);
        }
}
