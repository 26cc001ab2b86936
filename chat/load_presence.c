/*
 * load_presence.c - one user's presence changes, in many rooms with many
 * members who are all there: what it makes the others hear.
 *
 *   all join all rooms -- some look, or nobody does -- one is away, is back,
 *   leaves, returns, by turns -- what came beside logs is counted
 */
#include <stdio.h>
#include <uv.h>

#include "chat/load_crowd.h"
#include "common/clock.h"

#define QUIET_US 1000000 /* for what is told later */
#define CHANGE_US 100000 /* between two of them */

int crowd_make_all(struct crowd *crowd)
{
    size_t rooms = (size_t)crowd->options.rooms;

    crowd->room_count = rooms;
    crowd->count = (size_t)crowd->options.members;
    crowd_make_members(crowd);
    crowd->seats =
        mem_zalloc(MEM_LOAD, crowd->count * rooms * sizeof(crowd->seats[0]));
    for (size_t i = 0; i < crowd->count; i++) {
        crowd->members[i].seats = &crowd->seats[i * rooms];
        crowd->members[i].seat_count = rooms;
        for (size_t room = 0; room < rooms; room++)
            crowd->seats[i * rooms + room].room = (uint32_t)room;
    }
    for (size_t room = 0; room < rooms; room++)
        crowd->rooms[room].size = crowd->count;
    return 0;
}

static void wait_for(struct crowd *crowd, uint64_t us)
{
    uint64_t end_us = clock_mono_us() + us;

    while (clock_mono_us() < end_us)
        crowd_wait(crowd, end_us);
}

static void set_state(struct crowd *crowd, struct crowd_member *member,
                      const char *state)
{
    crowd_begin(crowd, CROWD_ACT, 0, "presence");
    buf_printf(&crowd->out, ",\"state\":\"%s\"}", state);
    crowd->acts++;
    member->asked_us = clock_mono_us();
    crowd_ask(crowd, member);
}

static int change(struct crowd *crowd, struct crowd_member *member)
{
    set_state(crowd, member, "away");
    wait_for(crowd, CHANGE_US);
    set_state(crowd, member, "online");
    wait_for(crowd, CHANGE_US);
    crowd_close(crowd, member);
    wait_for(crowd, CHANGE_US);
    int err = crowd_open(crowd, member);
    wait_for(crowd, CHANGE_US);
    return err;
}

/* The last ones look into the first room. */
static int look(struct crowd *crowd)
{
    size_t looking = (size_t)crowd->options.looking;

    for (size_t i = 0; i < looking && i < crowd->count - 1; i++) {
        crowd_begin(crowd, CROWD_WATCH, 0, "watch");
        buf_printf(&crowd->out, ",\"room\":\"%s\",\"roster\":true}",
                   crowd->rooms[0].id);
        crowd_ask(crowd, &crowd->members[crowd->count - 1 - i]);
    }
    return crowd_settle(crowd, 0) ? 0 : UV_ETIMEDOUT;
}

int crowd_run_presence(struct crowd *crowd)
{
    static int (*const steps[])(struct crowd * crowd) = {
        crowd_open_all, crowd_sync_all, crowd_make_rooms, crowd_join_all, look};
    int err = 0;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && err == 0; i++)
        err = steps[i](crowd);
    wait_for(crowd, QUIET_US);
    crowd->frames = 0;
    crowd_sample(crowd, false);
    crowd->from_us = clock_mono_us();
    crowd->end_us = UINT64_MAX;
    crowd->phase = LOAD_WINDOW;
    for (int64_t i = 0; i < crowd->options.rounds && err == 0; i++)
        err = change(crowd, &crowd->members[0]);
    wait_for(crowd, QUIET_US);
    crowd->seconds = (double)(clock_mono_us() - crowd->from_us) / 1e6;
    crowd_sample(crowd, true);
    crowd->phase = LOAD_DRAIN;
    if (err == 0)
        crowd_drain(crowd);
    return err;
}
