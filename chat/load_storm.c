/*
 * load_storm.c - all members leave, there is news in two rooms of each, and
 * all come back at once.
 *
 *   all join -- sync: where each room stands -- all leave -- news -- all come
 *   back with their cursors and watch all their rooms, until each has all
 */
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include "chat/load_crowd.h"
#include "common/clock.h"

#define NEWS 2 /* of a member's rooms; each the first of a group */

static void put_ids(struct crowd *crowd, const struct crowd_member *member,
                    bool cursors)
{
    for (size_t i = 0; i < member->seat_count; i++) {
        const struct crowd_seat *seat = &member->seats[i];
        if (i > 0)
            buf_append_char(&crowd->out, ',');
        buf_append_char(&crowd->out, '"');
        buf_append(&crowd->out, span_str(crowd->rooms[seat->room].id));
        buf_append_char(&crowd->out, '"');
        if (cursors) {
            buf_append_char(&crowd->out, ':');
            buf_append_u64(&crowd->out, seat->have);
        }
    }
}

static void come_back(struct crowd *crowd, struct crowd_member *member)
{
    crowd_begin(crowd, CROWD_SYNC, 0, "sync");
    buf_append(&crowd->out, SPAN(",\"cursors\":{"));
    put_ids(crowd, member, true);
    buf_append(&crowd->out, SPAN("},\"watch\":["));
    put_ids(crowd, member, false);
    buf_append(&crowd->out, SPAN("]}"));
    crowd_ask(crowd, member);
}

static void leave_all(struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->count; i++)
        crowd_close(crowd, &crowd->members[i]);
}

/* All have joined: each room has had one entry a member, and no more. */
static void set_cursors(struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->count * (size_t)crowd->options.rooms_each;
         i++) {
        crowd->seats[i].have = crowd->rooms[crowd->seats[i].room].size;
        crowd->seats[i].seen = UINT64_MAX;
    }
}

/* Of each room of the first groups one member comes, says so much, leaves. */
static int tell_news(struct crowd *crowd)
{
    size_t news = crowd->room_count / (size_t)crowd->options.rooms_each;

    crowd->greet = NULL;
    crowd->moved_us = clock_mono_us();
    for (size_t i = 0; i < news; i++)
        if (crowd_open(crowd, &crowd->members[i]) < 0)
            return UV_ECONNREFUSED;
    while (crowd->opening > 0 && !crowd_is_stalled(crowd))
        crowd_wait(crowd, UINT64_MAX);
    for (int64_t n = 0; n < crowd->options.missed * NEWS; n++)
        for (size_t i = 0; i < news; i++) {
            struct crowd_member *member = &crowd->members[i];
            uint32_t room = member->seats[n % NEWS].room;
            crowd_settle(crowd, (size_t)crowd->options.out - 1);
            crowd_say_in(crowd, member, room, crowd->rooms[room].size);
        }
    bool done = crowd_settle(crowd, 0);
    leave_all(crowd);
    return done ? 0 : UV_ETIMEDOUT;
}

static bool all_are_back(const struct crowd *crowd)
{
    return crowd->settled >= crowd->count && crowd->received >= crowd->due;
}

static int storm(struct crowd *crowd, int64_t round)
{
    crowd->phase = LOAD_WINDOW;
    crowd->greet = come_back;
    crowd->from_us = clock_mono_us();
    crowd->end_us = UINT64_MAX;
    for (size_t i = 0; i < CROWD_KEPT; i++) /* all is due from now on */
        crowd->sent[i].due_us = crowd->from_us;
    crowd_sample(crowd, false);
    int err = crowd_open_all(crowd);
    while (err == 0 && !all_are_back(crowd) && !crowd_is_stalled(crowd))
        crowd_wait(crowd, UINT64_MAX);
    crowd_sample(crowd, true);
    crowd->round_figures[round] =
        (double)(crowd->moved_us - crowd->from_us) / 1e6;
    if (crowd->round_figures[round] > crowd->seconds)
        crowd->seconds = crowd->round_figures[round];
    crowd->phase = LOAD_DRAIN;
    return err;
}

int crowd_run_storm(struct crowd *crowd)
{
    int err = crowd_open_all(crowd);

    if (err == 0)
        err = crowd_make_rooms(crowd);
    if (err == 0)
        err = crowd_join_all(crowd);
    set_cursors(crowd);
    crowd->bytes_before = load_server_bytes(crowd->load);
    for (int64_t round = 0; round < crowd->options.rounds && err == 0;
         round++) {
        leave_all(crowd);
        err = tell_news(crowd);
        crowd->in_window = 0;
        if (err == 0)
            err = storm(crowd, round);
    }
    crowd->bytes_open = load_server_bytes(crowd->load);
    if (err == 0)
        crowd_drain(crowd);
    return err;
}
