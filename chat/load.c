/*
 * load.c - the chat's load test: its options, its profiles.
 *
 *   --serve PORT: no load test, but the bare loop to compare with
 */
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <uv.h>

#include "chat/load_crowd.h"
#include "common/clock.h"
#include "common/config.h"

#define SHARED(member) offsetof(struct load_options, member)
#define OWN(member) offsetof(struct crowd_options, member)

static const struct config_option shared_options[] = {
    {"url", CONFIG_STRING, SHARED(url), "http://127.0.0.1:8104", 8, 255,
     "http://host:port of the service"},
    {"duration", CONFIG_DURATION, SHARED(duration_ms), "5s", 10, 3600000,
     "length of the window"},
    {"warmup", CONFIG_DURATION, SHARED(warmup_ms), "1s", 0, 600000,
     "left out before it"},
    {"connections", CONFIG_INTEGER, SHARED(connections), "64", 1,
     LOAD_MAX_CONNECTIONS, "that read history"},
    {"server-pid", CONFIG_STRING, SHARED(server_pid), NULL, 1, 128,
     "processes whose CPU and memory are measured, comma-separated"},
    {"redis-pid", CONFIG_STRING, SHARED(redis_pid), NULL, 1, 16,
     "Redis, measured apart"},
    {"json", CONFIG_STRING, SHARED(json), NULL, 1, 255,
     "file for the whole result"},
    {0},
};

static const struct config_option own_options[] = {
    {"profile", CONFIG_STRING, OWN(profile), "", 0, 32,
     "what to do; see below"},
    {"token-keys", CONFIG_STRING, OWN(keys), NULL, 1, 255,
     "the service's keys: each member is a user with a token of its own"},
    {"rooms", CONFIG_INTEGER, OWN(rooms), "0", 0, LOAD_MAX_CONNECTIONS,
     "how many; 0: as the profile says"},
    {"members", CONFIG_INTEGER, OWN(members), "0", 0, LOAD_MAX_CONNECTIONS,
     "of each room, or, in lurkers, of the large one, or, in storm, idle and "
     "presence, in all; 0: as the profile says"},
    {"rooms-each", CONFIG_INTEGER, OWN(rooms_each), "20", 2, 200,
     "that a storm's members are in; each room has as many members"},
    {"watching", CONFIG_INTEGER, OWN(watching), "0", 0, LOAD_MAX_CONNECTIONS,
     "of a room with more than 10 members only so many; 0: all, or, in "
     "lurkers, 1 %"},
    {"absent", CONFIG_INTEGER, OWN(absent), "0", 0, 1000000,
     "more members of the last room, who are not connected"},
    {"looking", CONFIG_INTEGER, OWN(looking), "0", 0, LOAD_MAX_CONNECTIONS,
     "members who ask for a roster, where presence changes"},
    {"fill", CONFIG_INTEGER, OWN(fill), "10000", 100, 100000000,
     "messages of which there is history"},
    {"room", CONFIG_STRING, OWN(room), NULL, 1, CROWD_ID_MAX - 1,
     "one with as many, made by an earlier run, whose history is read"},
    {"rate", CONFIG_INTEGER, OWN(rate), "0", 0, 1000000,
     "bursts a second, on schedule; 0: as the profile says, or a closed loop"},
    {"large-rate", CONFIG_INTEGER, OWN(large_rate), "10", 1, 100000,
     "messages a second of the large room of lurkers, every other window"},
    {"out", CONFIG_INTEGER, OWN(out), "256", 1, LOAD_MAX_CONNECTIONS,
     "requests of all members that are not answered, at most"},
    {"burst", CONFIG_INTEGER, OWN(burst), "1", 1, 64,
     "messages that one member sends at once"},
    {"size", CONFIG_INTEGER, OWN(size), "130", CROWD_SIZE_MIN, CROWD_SIZE_MAX,
     "bytes of a message"},
    {"messages", CONFIG_INTEGER, OWN(messages), "0", 0, 100000000,
     "end after so many requests; 0: by time alone"},
    {"missed", CONFIG_INTEGER, OWN(missed), "3", 1, 1000,
     "messages in each room that has news when a storm comes"},
    {"rounds", CONFIG_INTEGER, OWN(rounds), "1", 1, 100,
     "storms, pairs of windows of lurkers, changes of presence"},
    {"stall", CONFIG_DURATION, OWN(stall_ms), "10s", 10, 600000,
     "after which without an answer no more are waited for"},
    {"opening", CONFIG_INTEGER, OWN(opening), "256", 1, 4096,
     "members that are on their way at a time"},
    {"tls", CONFIG_BOOLEAN, OWN(tls), "false", 0, 0,
     "idle ones are over TLS; the URL's port is that of TLS"},
    {"prepare", CONFIG_BOOLEAN, OWN(prepare), "true", 0, 0,
     "no rooms, users and tokens: those of the bare loop"},
    {"serve", CONFIG_INTEGER, OWN(serve), "0", 0, 65535,
     "be the bare loop on this port instead"},
    {0},
};

static const struct crowd_profile profiles[] = {
    {"rooms", "bursts to rooms, each delivered to all before the next",
     .rooms = 1, .members = 1000, .speakers = 1, .make = crowd_make_rows,
     .run = crowd_run_window},
    {"pairs", "messages between two, so many out at a time", .rooms = 7500,
     .members = 2, .speakers = 2, .pipelines = true, .by_answer = true,
     .make = crowd_make_pairs, .run = crowd_run_window},
    {"storm", "all come back at once, with news in two rooms of each",
     .members = 15000, .make = crowd_make_mesh, .run = crowd_run_storm},
    {"lurkers", "messages in a small room beside a large one that few watch",
     .members = 15000, .rate = 50, .speakers = 1, .make = crowd_make_large,
     .run = crowd_run_lurkers},
    {"idle", "members to whom nothing happens", .members = 1000,
     .make = crowd_make_alone, .run = crowd_run_idle},
    {"presence", "one user's changes in rooms that all members are in",
     .rooms = 50, .members = 1000, .by_answer = true, .make = crowd_make_all,
     .run = crowd_run_presence},
    {"history", "pages of 50 out of a long history, by HTTP", .rooms = 1,
     .members = 8, .make = crowd_make_rows, .run = crowd_run_history},
    {"mixed", "typing, sends, reads, edits and reactions by all members",
     .rooms = 50, .members = 20, .pipelines = true, .mixes = true,
     .by_answer = true, .make = crowd_make_rows, .run = crowd_run_window},
    {0},
};

static int64_t option_or(int64_t option, int64_t otherwise)
{
    return option ? option : otherwise;
}

static void take_defaults(struct crowd *crowd)
{
    struct crowd_options *o = &crowd->options;
    const struct crowd_profile *p = crowd->profile;

    o->rooms = option_or(o->rooms, p->rooms);
    o->members = option_or(o->members, p->members);
    o->rate = option_or(o->rate, p->rate);
    if (p->make == crowd_make_large)
        o->watching = option_or(o->watching, (o->members + 99) / 100);
    if (p->make == crowd_make_pairs)
        o->members = 2;
}

static void make_parts(struct crowd *crowd)
{
    const struct crowd_options *options = &crowd->options;

    snprintf(crowd->run, sizeof(crowd->run), "l%06llx",
             (unsigned long long)clock_wall_us() >> 10 & 0xffffff);
    crowd->load->data = crowd;
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    crowd->deliveries = hist_create();
    crowd->answers = hist_create();
    crowd->behind = hist_create();
    crowd->sent = mem_zalloc(MEM_LOAD, CROWD_KEPT * sizeof(crowd->sent[0]));
    crowd->again = mem_zalloc(MEM_LOAD, CROWD_KEPT * sizeof(crowd->again[0]));
    buf_init(&crowd->out, MEM_LOAD);
    buf_init(&crowd->frame, MEM_LOAD);
    crowd->text = mem_alloc(MEM_LOAD, (size_t)options->size);
    memset(crowd->text, 'x', (size_t)options->size);
    crowd->text[CROWD_NUMBER_LEN] = '-';
    crowd->round_figures =
        mem_zalloc(MEM_LOAD, 2 * (size_t)options->rounds * sizeof(double));
}

static void drop_parts(struct crowd *crowd)
{
    for (size_t i = 0; crowd->members && i < crowd->count; i++) {
        crowd_close(crowd, &crowd->members[i]);
        mem_free(crowd->members[i].token);
    }
    mem_free(crowd->members);
    mem_free(crowd->rooms);
    mem_free(crowd->seats);
    mem_free(crowd->sent);
    mem_free(crowd->again);
    mem_free(crowd->text);
    mem_free(crowd->round_figures);
    buf_deinit(&crowd->out);
    buf_deinit(&crowd->frame);
    hist_destroy(crowd->deliveries);
    hist_destroy(crowd->answers);
    hist_destroy(crowd->behind);
    close(crowd->epoll);
}

static int report(struct crowd *crowd, FILE *json)
{
    return crowd->profile->run == crowd_run_history
               ? crowd_report_history(crowd, json)
               : crowd_report(crowd, json);
}

static int run(struct crowd *crowd)
{
    const char *path = crowd->load->options.json;
    FILE *json = NULL;
    int err = load_find_address(crowd->load);

    if (err == 0)
        err = load_find_processes(crowd->load);
    if (err == 0 && path && !(json = fopen(path, "we")))
        err = UV_EACCES;
    if (err == 0)
        err = crowd->profile->make(crowd);
    if (err == 0)
        err = crowd->profile->run(crowd);
    int status = err == 0 ? report(crowd, json) : 1;
    if (err < 0)
        crowd_explain(crowd, err);
    if (json)
        fclose(json);
    return status;
}

static const struct crowd_profile *find_profile(const char *name)
{
    for (const struct crowd_profile *p = profiles; p->name; p++)
        if (!*name || strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

static int print_help(const struct config_option *const tables[])
{
    printf("chat-load: drive chat and measure it\n\n");
    config_help(stdout, tables, 2);
    printf("\nProfiles:\n");
    for (const struct crowd_profile *p = profiles; p->name; p++)
        printf("  %-12s %s\n", p->name, p->help);
    return 0;
}

/* False: why not was said. */
static bool load_keys(struct crowd *crowd)
{
    char reason[256] = "--token-keys is needed, as members are users";

    if (!crowd->options.prepare)
        return true;
    if (crowd->options.keys)
        crowd->keys =
            token_keys_load(crowd->options.keys, reason, sizeof(reason));
    if (!crowd->keys)
        fprintf(stderr, "chat-load: %s\n", reason);
    return crowd->keys != NULL;
}

static int serve(uint16_t port)
{
    int err = crowd_serve_bare(port);

    fprintf(stderr, "chat-load: port %u: %s\n", port, uv_strerror(err));
    return 1;
}

static int start(struct crowd *crowd)
{
    load_raise_file_limit();
    prctl(PR_SET_TIMERSLACK, 1000UL);
    if (crowd->options.serve)
        return serve((uint16_t)crowd->options.serve);
    crowd->profile = find_profile(crowd->options.profile);
    if (!crowd->profile) {
        fprintf(stderr, "chat-load: no such profile: %s\n",
                crowd->options.profile);
        return 2;
    }
    if (!load_keys(crowd))
        return 2;
    take_defaults(crowd);
    make_parts(crowd);
    int status = run(crowd);
    drop_parts(crowd);
    token_keys_destroy(crowd->keys);
    return status;
}

int main(int argc, char **argv)
{
    const struct config_option *const tables[] = {shared_options, own_options};
    struct load *load = mem_zalloc(MEM_LOAD, sizeof(*load));
    struct crowd *crowd = mem_zalloc(MEM_LOAD, sizeof(*crowd));
    void *const outs[] = {&load->options, &crowd->options};
    char reason[256];
    int status = 2;

    crowd->load = load;
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        status = print_help(tables);
    else if (config_parse(tables, outs, 2, argc, argv, reason, sizeof(reason)) <
             0)
        fprintf(stderr, "chat-load: %s\n", reason);
    else
        status = start(crowd);
    mem_free(crowd);
    mem_free(load);
    return status;
}
