/*
 * load_history.c - pages of a room's history, by HTTP.
 *
 *   one room of a few -- they send --fill messages, or join --room, which has
 *   as many -- GET of pages of 50 that lie anywhere in it, by --connections
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

#include "chat/load_crowd.h"
#include "common/clock.h"

#define PAGE 50
#define SEED 1

static uint64_t mix(uint64_t n)
{
    n = (n + SEED) * UINT64_C(0x9e3779b97f4a7c15);
    n ^= n >> 32;
    return n * UINT64_C(0xd6e8feb86659fd93) >> 11;
}

static void append_page(struct load *load, uint64_t n, struct buf *out)
{
    const struct crowd *crowd = load->data;
    uint64_t entries = (uint64_t)(crowd->options.fill + crowd->options.members);
    char path[128];

    snprintf(path, sizeof(path),
             "/v1/rooms/%s/messages?before=%" PRIu64 "&limit=%d",
             crowd->rooms[0].id, PAGE + 1 + mix(n) % entries, PAGE);
    load_append(load, out, "GET", span_str(path), SPAN(""), SPAN(""));
}

/* Without rooms it is a peer that answers something. */
static bool accept_page(struct load *load, const struct load_answer *answer)
{
    const struct crowd *crowd = load->data;

    return !crowd->options.prepare || answer->status == 200;
}

static int enter(struct crowd *crowd)
{
    struct crowd_room *room = &crowd->rooms[0];
    int err = crowd_open_all(crowd);

    if (crowd->options.room) {
        snprintf(room->id, sizeof(room->id), "%s", crowd->options.room);
        room->first = crowd->count; /* none of these made it */
    } else if (err == 0) {
        err = crowd_make_rooms(crowd);
    }
    return err == 0 ? crowd_join_all(crowd) : err;
}

static int fill(struct crowd *crowd)
{
    size_t at = 0;
    int err = enter(crowd);

    if (crowd->options.room)
        return err;
    for (int64_t i = 0; i < crowd->options.fill && err == 0; i++) {
        crowd_settle(crowd, (size_t)crowd->options.out - 1);
        crowd_say(crowd, &crowd->members[at++ % crowd->count], clock_mono_us(),
                  false);
        err = crowd_is_stalled(crowd) ? UV_ETIMEDOUT : 0;
    }
    return err == 0 && !crowd_settle(crowd, 0) ? UV_ETIMEDOUT : err;
}

static const struct load_profile pages = {
    .name = "history", .request = append_page, .accept = accept_page};

int crowd_run_history(struct crowd *crowd)
{
    struct load *load = crowd->load;
    int err = crowd->options.prepare ? fill(crowd) : crowd_make_rooms(crowd);

    if (err < 0 || crowd->errors[CROWD_WRONG])
        return err < 0 ? err : UV_EACCES;
    load->service = "chat";
    load->profile = &pages;
    load->options.token = crowd->members[0].token;
    load->options.rate = crowd->options.rate;
    load->options.pipeline = 1;
    load->conn_count = (size_t)load->options.connections;
    load->conns = mem_zalloc(MEM_LOAD, (load->conn_count + LOAD_EXTRA) *
                                           sizeof(load->conns[0]));
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->window.hist = hist_create();
    load->window.own_late = hist_create();
    load_run_window(load);
    return 0;
}

int crowd_report_history(struct crowd *crowd, FILE *json)
{
    struct load *load = crowd->load;
    int status = load_report(load, json);

    hist_destroy(load->window.hist);
    hist_destroy(load->window.own_late);
    mem_free(load->conns);
    close(load->epoll);
    return status;
}
