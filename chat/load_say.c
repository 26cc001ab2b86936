/* load_say.c - what members say and do. */
#include "chat/load_crowd.h"
#include "common/clock.h"

static void begin_text(struct crowd *crowd, uint64_t number)
{
    for (size_t i = CROWD_NUMBER_LEN; i-- > 0; number /= 10)
        crowd->text[i] = (char)('0' + number % 10);
}

/* The number of the next message, which begins its text. */
static uint64_t next_text(struct crowd *crowd, struct crowd_member *member,
                          uint64_t due_us, bool measured)
{
    uint64_t number = crowd->messages++;

    crowd->sent[number % CROWD_KEPT] =
        (struct crowd_message){.due_us = due_us,
                               .from = (size_t)(member - crowd->members),
                               .room = member->seats[0].room,
                               .measured = measured};
    begin_text(crowd, number);
    return number;
}

static struct crowd_room *room_of(const struct crowd *crowd,
                                  const struct crowd_member *member)
{
    return &crowd->rooms[member->seats[0].room];
}

static void put_room(struct crowd *crowd, const struct crowd_room *room)
{
    buf_append(&crowd->out, SPAN(",\"room\":\""));
    buf_append(&crowd->out, span_str(room->id));
    buf_append_char(&crowd->out, '"');
}

static void put_client_id(struct crowd *crowd, uint64_t number)
{
    buf_append(&crowd->out, SPAN(",\"client_id\":\""));
    buf_append(&crowd->out, span_str(crowd->run));
    buf_append_char(&crowd->out, '-');
    buf_append_u64(&crowd->out, number);
    buf_append_char(&crowd->out, '"');
}

static void put_text(struct crowd *crowd)
{
    buf_append(&crowd->out, SPAN(",\"text\":\""));
    buf_append(&crowd->out,
               (struct span){crowd->text, (size_t)crowd->options.size});
    buf_append_char(&crowd->out, '"');
}

static void put_target(struct crowd *crowd, uint64_t target)
{
    buf_append(&crowd->out, SPAN(",\"target\":"));
    buf_append_u64(&crowd->out, target);
}

static void end(struct crowd *crowd, struct crowd_member *member)
{
    buf_append_char(&crowd->out, '}');
    member->asked_us = clock_mono_us();
    crowd->acts++;
    crowd_ask(crowd, member);
}

static void put_send(struct crowd *crowd, uint64_t number)
{
    crowd_begin(crowd, CROWD_SEND, number, "send");
    put_room(crowd, &crowd->rooms[crowd->sent[number % CROWD_KEPT].room]);
    put_client_id(crowd, number);
    put_text(crowd);
}

static void say(struct crowd *crowd, struct crowd_member *member,
                uint64_t number)
{
    put_send(crowd, number);
    crowd->due += crowd->rooms[crowd->sent[number % CROWD_KEPT].room].watchers;
    end(crowd, member);
}

void crowd_say(struct crowd *crowd, struct crowd_member *member,
               uint64_t due_us, bool measured)
{
    say(crowd, member, next_text(crowd, member, due_us, measured));
}

void crowd_say_in(struct crowd *crowd, struct crowd_member *member,
                  uint32_t room, uint64_t due)
{
    uint64_t number = next_text(crowd, member, clock_mono_us(), true);

    crowd->sent[number % CROWD_KEPT].room = room;
    say(crowd, member, number);
    crowd->due += due;
}

bool crowd_put_again(struct crowd *crowd, uint64_t number, uint64_t wait_ms)
{
    if (number + CROWD_KEPT < crowd->messages ||
        crowd->refused - crowd->sent_again >= CROWD_KEPT)
        return false;
    crowd->again[crowd->refused++ % CROWD_KEPT] = (struct crowd_again){
        .number = number, .at_us = clock_mono_us() + wait_ms * 1000};
    return true;
}

void crowd_say_again(struct crowd *crowd)
{
    uint64_t now_us = clock_mono_us();

    while (crowd->sent_again < crowd->refused) {
        const struct crowd_again *again =
            &crowd->again[crowd->sent_again % CROWD_KEPT];
        if (again->at_us > now_us)
            return;
        crowd->sent_again++;
        begin_text(crowd, again->number);
        put_send(crowd, again->number);
        buf_append_char(&crowd->out, '}');
        crowd_ask(
            crowd,
            &crowd->members[crowd->sent[again->number % CROWD_KEPT].from]);
    }
}

/* ---- a mixed crowd: each goes through a round of these, one at a time */

static void act_typing(struct crowd *crowd, struct crowd_member *member)
{
    crowd_begin(crowd, CROWD_ACT, 0, "typing");
    put_room(crowd, room_of(crowd, member));
    buf_append(&crowd->out, SPAN(",\"on\":true"));
    end(crowd, member);
}

static void act_send(struct crowd *crowd, struct crowd_member *member)
{
    crowd_say(crowd, member, clock_mono_us(), true);
}

static void act_read(struct crowd *crowd, struct crowd_member *member)
{
    crowd_begin(crowd, CROWD_ACT, 0, "read");
    put_room(crowd, room_of(crowd, member));
    buf_append(&crowd->out, SPAN(",\"seq\":"));
    buf_append_u64(&crowd->out, member->seats[0].have);
    end(crowd, member);
}

static void act_edit(struct crowd *crowd, struct crowd_member *member)
{
    struct crowd_room *room = room_of(crowd, member);
    uint64_t number = next_text(crowd, member, clock_mono_us(), true);

    crowd_begin(crowd, CROWD_ACT, 0, "edit");
    put_room(crowd, room);
    put_client_id(crowd, number);
    put_target(crowd, member->said);
    put_text(crowd);
    crowd->due += room->watchers;
    end(crowd, member);
}

static void act_react(struct crowd *crowd, struct crowd_member *member)
{
    struct crowd_room *room = room_of(crowd, member);
    uint64_t number = next_text(crowd, member, clock_mono_us(), false);

    crowd_begin(crowd, CROWD_ACT, 0, "react");
    put_room(crowd, room);
    put_client_id(crowd, number);
    put_target(crowd, member->said);
    buf_append(&crowd->out, SPAN(",\"emoji\":\"+1\",\"on\":true"));
    crowd->due += room->watchers;
    end(crowd, member);
}

void crowd_act(struct crowd *crowd, struct crowd_member *member)
{
    static void (*const acts[])(struct crowd * crowd,
                                struct crowd_member * member) = {
        act_typing, act_send,  act_read,   act_typing, act_send,
        act_edit,   act_react, act_typing, act_send,   act_read};

    acts[member->step](crowd, member);
    member->step =
        (uint8_t)((member->step + 1) % (sizeof(acts) / sizeof(acts[0])));
}
