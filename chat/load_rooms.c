/*
 * load_rooms.c - who is there before the clock starts: members, rooms, and who
 * is in them.
 *
 *   names and tokens, seats -- a socket of each member, and its sync -- POST
 *   /v1/rooms or /v1/dms of each room, pipelined -- join -- watch
 *
 * Nothing but the public API is used; requests of all members are out at once,
 * --out of them.  Names are new in each run, so that nobody is in rooms of
 * another.  A direct room wants two who were here before.  All join before
 * anybody watches: else each would hear of each.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include "chat/load_crowd.h"
#include "common/clock.h"
#include "common/load_line.h"

#define TOKEN_S 86400

/* ---- members */

static char *mint(const struct crowd *crowd, const char *name)
{
    struct token_claims claims = {.scope = "chat:use",
                                  .exp = clock_wall_ms() / 1000 + TOKEN_S};

    snprintf(claims.sub, sizeof(claims.sub), "%s", name);
    return token_mint(crowd->keys, &claims);
}

int crowd_make_members(struct crowd *crowd)
{
    crowd->members =
        mem_zalloc(MEM_LOAD, crowd->count * sizeof(crowd->members[0]));
    crowd->rooms =
        mem_zalloc(MEM_LOAD, (crowd->room_count + 1) * sizeof(crowd->rooms[0]));
    for (size_t i = 0; i < crowd->count; i++) {
        struct crowd_member *member = &crowd->members[i];
        member->fd = -1;
        snprintf(member->name, sizeof(member->name), "%s-%05u", crowd->run,
                 (unsigned)i);
        if (crowd->keys)
            member->token = mint(crowd, member->name);
    }
    return 0;
}

/* ---- rooms */

static void append_post(struct load *load, struct buf *out,
                        const struct crowd_member *member, const char *path,
                        struct span body)
{
    char extra[TOKEN_MAX + 64];

    snprintf(extra, sizeof(extra),
             "Authorization: Bearer %s\r\nContent-Type: application/json\r\n",
             member->token);
    load_append(load, out, "POST", span_str(path), span_str(extra), body);
}

static void append_room(struct load *load, uint64_t n, struct buf *out)
{
    const struct crowd *crowd = load->data;
    char body[64];
    int len =
        snprintf(body, sizeof(body),
                 "{\"name\":\"load-%" PRIu64 "\",\"kind\":\"public\"}", n);

    append_post(load, out, &crowd->members[crowd->rooms[n].first], "/v1/rooms",
                (struct span){body, (size_t)len});
}

static void append_direct(struct load *load, uint64_t n, struct buf *out)
{
    const struct crowd *crowd = load->data;
    const struct crowd_member *first = &crowd->members[crowd->rooms[n].first];
    char body[64];
    int len = snprintf(body, sizeof(body), "{\"user\":\"%s\"}", first[1].name);

    append_post(load, out, first, "/v1/dms", (struct span){body, (size_t)len});
}

static void take_room(void *arg, uint64_t n, const struct load_answer *answer)
{
    struct crowd *crowd = arg;
    const char *key = "\"room\":\"";
    const char *at =
        memmem(answer->body.ptr, answer->body.len, key, strlen(key));
    struct span id = span_skip(
        answer->body,
        at ? (size_t)(at - answer->body.ptr) + strlen(key) : answer->body.len);

    id.len = span_find(id, '"');
    if (answer->status == 201 && id.len < CROWD_ID_MAX) {
        snprintf(crowd->rooms[n].id, CROWD_ID_MAX, "%.*s", (int)id.len, id.ptr);
    } else {
        crowd->errors[CROWD_WRONG]++;
        crowd->wrong_status = answer->status;
    }
}

int crowd_make_rooms(struct crowd *crowd)
{
    bool direct = crowd->profile->make == crowd_make_pairs;

    if (!crowd->options.prepare) {
        for (size_t i = 0; i < crowd->room_count; i++)
            crowd_bare_id(crowd->rooms[i].id, i);
        return 0;
    }
    int err =
        load_exchange(crowd->load, crowd->room_count,
                      direct ? append_direct : append_room, take_room, crowd);
    return err == 0 && crowd->errors[CROWD_WRONG] ? UV_EACCES : err;
}

/* Room `room` has these members; each of them one seat. */
static void seat_row(struct crowd *crowd, size_t room, size_t first,
                     size_t size)
{
    crowd->rooms[room].first = first;
    crowd->rooms[room].size = size;
    for (size_t i = first; i < first + size; i++) {
        crowd->seats[i].room = (uint32_t)room;
        crowd->members[i].seats = &crowd->seats[i];
        crowd->members[i].seat_count = 1;
    }
}

int crowd_make_rows(struct crowd *crowd)
{
    size_t size = (size_t)crowd->options.members;

    crowd->room_count = (size_t)crowd->options.rooms;
    crowd->count = crowd->room_count * size;
    if (crowd->count > LOAD_MAX_CONNECTIONS)
        return UV_EMFILE;
    crowd_make_members(crowd);
    crowd->seats = mem_zalloc(MEM_LOAD, crowd->count * sizeof(crowd->seats[0]));
    for (size_t i = 0; i < crowd->room_count; i++)
        seat_row(crowd, i, i * size, size);
    return 0;
}

int crowd_make_pairs(struct crowd *crowd)
{
    return crowd_make_rows(crowd);
}

int crowd_make_large(struct crowd *crowd)
{
    crowd->room_count = 2;
    crowd->count = CROWD_SMALL + (size_t)crowd->options.members;
    if (crowd->count > LOAD_MAX_CONNECTIONS)
        return UV_EMFILE;
    crowd_make_members(crowd);
    crowd->seats = mem_zalloc(MEM_LOAD, crowd->count * sizeof(crowd->seats[0]));
    seat_row(crowd, 0, 0, CROWD_SMALL);
    seat_row(crowd, 1, CROWD_SMALL, (size_t)crowd->options.members);
    return 0;
}

/*
 * Each member is in one room of each of so many groups, and each room has as
 * many members as there are groups: those whose places are in a row in the
 * first group are spread over all rooms of the next.
 */
int crowd_make_mesh(struct crowd *crowd)
{
    size_t groups = (size_t)crowd->options.rooms_each;
    size_t each = (size_t)crowd->options.members / groups;

    if (each == 0)
        return UV_EINVAL;
    crowd->count = each * groups;
    crowd->room_count = each * groups;
    crowd_make_members(crowd);
    crowd->seats =
        mem_zalloc(MEM_LOAD, crowd->count * groups * sizeof(crowd->seats[0]));
    for (size_t i = 0; i < crowd->count; i++) {
        struct crowd_member *member = &crowd->members[i];
        member->seats = &crowd->seats[i * groups];
        member->seat_count = groups;
        for (size_t group = 0; group < groups; group++) {
            size_t room = group * each + (i + group * (i / each)) % each;
            member->seats[group].room = (uint32_t)room;
            if (i < each) /* one of each room */
                crowd->rooms[room].first = i;
            crowd->rooms[room].size++;
        }
    }
    return 0;
}

int crowd_make_alone(struct crowd *crowd)
{
    crowd->count = (size_t)crowd->options.members;
    return crowd_make_members(crowd);
}

/* ---- into them */

int crowd_open_all(struct crowd *crowd)
{
    crowd->moved_us = clock_mono_us();
    for (size_t i = 0; i < crowd->count; i++) {
        while (crowd->opening >= (size_t)crowd->options.opening &&
               !crowd_is_stalled(crowd))
            crowd_wait(crowd, UINT64_MAX);
        if (crowd->members[i].fd < 0 &&
            crowd_open(crowd, &crowd->members[i]) < 0)
            return UV_ECONNREFUSED;
    }
    while (crowd->opening > 0 && !crowd_is_stalled(crowd))
        crowd_wait(crowd, UINT64_MAX);
    return crowd->opening || crowd->errors[CROWD_REFUSED] ? UV_ECONNREFUSED : 0;
}

static int end_asking(struct crowd *crowd)
{
    if (!crowd_settle(crowd, 0))
        return UV_ETIMEDOUT;
    return crowd->errors[CROWD_WRONG] || crowd->errors[CROWD_RESET] ? UV_EACCES
                                                                    : 0;
}

int crowd_sync_all(struct crowd *crowd)
{
    if (!crowd->options.prepare)
        return 0;
    for (size_t i = 0; i < crowd->count; i++) {
        crowd_settle(crowd, (size_t)crowd->options.out - 1);
        crowd_begin(crowd, CROWD_SYNC, 0, "sync");
        buf_append_char(&crowd->out, '}');
        crowd_ask(crowd, &crowd->members[i]);
    }
    return end_asking(crowd);
}

static void ask_about(struct crowd *crowd, struct crowd_member *member,
                      size_t seat, enum crowd_ask ask, const char *op)
{
    crowd_begin(crowd, ask, seat, op);
    buf_append(&crowd->out, SPAN(",\"room\":\""));
    buf_append(&crowd->out,
               span_str(crowd->rooms[member->seats[seat].room].id));
    buf_append(&crowd->out, SPAN("\""));
    if (ask == CROWD_WATCH && crowd->profile->mixes)
        buf_append(&crowd->out, SPAN(",\"roster\":true"));
    buf_append(&crowd->out, SPAN("}"));
    crowd_ask(crowd, member);
}

/* Members who are not here, of the last room. */
static void append_absent(struct load *load, uint64_t n, struct buf *out)
{
    const struct crowd *crowd = load->data;
    char name[CROWD_NAME_MAX];
    char path[96];
    char extra[TOKEN_MAX + 64];

    snprintf(name, sizeof(name), "%s-a%06" PRIu64, crowd->run, n);
    snprintf(path, sizeof(path), "/v1/rooms/%s/members/%s",
             crowd->rooms[crowd->room_count - 1].id, name);
    char *token = mint(crowd, name);
    snprintf(extra, sizeof(extra),
             "Authorization: Bearer %s\r\nContent-Type: application/json\r\n",
             token);
    mem_free(token);
    load_append(load, out, "PUT", span_str(path), span_str(extra), SPAN("{}"));
}

static void take_absent(void *arg, uint64_t n, const struct load_answer *answer)
{
    struct crowd *crowd = arg;

    (void)n;
    if (answer->status == 201)
        return;
    crowd->errors[CROWD_WRONG]++;
    crowd->wrong_status = answer->status;
}

int crowd_join_absent(struct crowd *crowd)
{
    if (!crowd->options.absent)
        return 0;
    int err = load_exchange(crowd->load, (uint64_t)crowd->options.absent,
                            append_absent, take_absent, crowd);
    crowd->moved_us = clock_mono_us(); /* it took its time */
    return err == 0 && crowd->errors[CROWD_WRONG] ? UV_EACCES : err;
}

/* Group by group, so that many have something out. */
int crowd_join_all(struct crowd *crowd)
{
    size_t groups = crowd->members[0].seat_count;

    if (!crowd->options.prepare)
        return 0;
    for (size_t seat = 0; seat < groups; seat++)
        for (size_t i = 0; i < crowd->count; i++) {
            struct crowd_member *member = &crowd->members[i];
            if (crowd->rooms[member->seats[seat].room].first == i)
                continue; /* who made it */
            crowd_settle(crowd, (size_t)crowd->options.out - 1);
            ask_about(crowd, member, seat, CROWD_JOIN, "join");
        }
    return end_asking(crowd);
}

int crowd_watch_all(struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->count; i++) {
        struct crowd_member *member = &crowd->members[i];
        const struct crowd_room *room = &crowd->rooms[member->seats[0].room];
        if (crowd->options.watching && room->size > CROWD_SMALL &&
            i - room->first >= (size_t)crowd->options.watching)
            continue;
        crowd_settle(crowd, (size_t)crowd->options.out - 1);
        ask_about(crowd, member, 0, CROWD_WATCH, "watch");
    }
    return end_asking(crowd);
}
