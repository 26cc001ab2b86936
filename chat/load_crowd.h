/*
 * load_crowd.h - what the files of the chat's load test share.
 *
 * A crowd is members, each a user with a socket of its own, and the rooms that
 * they are in.  Entries of a room's log are checked by their numbers: each that
 * was due comes once to each who watches, in order, or is an error.  A message
 * begins with its own number in the run, by which its time is known.  What is
 * answered 503 is sent again, and is late.
 */
#pragma once

#include "common/load_internal.h"
#include "common/token.h"
#include "common/ws.h"

#define CROWD_NUMBER_LEN 9 /* digits that a text begins with, and - */
#define CROWD_SIZE_MIN 16  /* bytes of a text */
#define CROWD_SIZE_MAX 8192
#define CROWD_KEPT (1u << 18) /* messages whose times are remembered */
#define CROWD_TEXT_MAX 16384  /* bytes of a head, or of a request */
#define CROWD_NAME_MAX 33
#define CROWD_ID_MAX 33 /* of a room */
#define CROWD_SMALL 10  /* members of the room beside a large one */

enum crowd_error {
    CROWD_REFUSED,  /* no connection, or no socket */
    CROWD_RESET,    /* one that ended */
    CROWD_WRONG,    /* a refusal, or what is none of ours */
    CROWD_TIMEOUT,  /* a request that was not answered */
    CROWD_LOST,     /* a delivery that did not come */
    CROWD_TWICE,    /* that came again */
    CROWD_DISORDER, /* that came before one it is behind */
    CROWD_ERRORS
};

/* What was asked for: the last digit of a request's id. */
enum crowd_ask {
    CROWD_JOIN,
    CROWD_WATCH, /* before it: which of the member's seats */
    CROWD_SYNC,
    CROWD_SEND, /* before it: the message's number */
    CROWD_ACT,
    CROWD_ASKS = 10
};

struct crowd_options {
    const char *profile, *keys, *room;
    int64_t rooms, members, rooms_each, watching, rate, large_rate, out, burst;
    int64_t size, messages, missed, rounds, absent, fill, looking, stall_ms,
        opening, serve;
    bool prepare, tls;
};

/* One member in one room. */
struct crowd_seat {
    uint32_t room;
    uint64_t have; /* the last number that it had */
    uint64_t seen; /* bit n: have - n was had */
};

struct crowd_member {
    struct ws ws;
    struct crowd *crowd;
    int fd; /* -1: closed */
    bool upgraded, settled;
    uint8_t step;            /* of a mixed one's round */
    uint32_t waiting;        /* requests that are not answered */
    uint64_t asked_us, said; /* said: the number in its room of what it said */
    size_t seat_count;
    struct crowd_seat *seats;
    char *token;
    char name[CROWD_NAME_MAX];
};

struct crowd_room {
    char id[CROWD_ID_MAX];
    size_t first, size; /* of the members, where they stand in a row */
    uint64_t watchers;
};

struct crowd_message {
    uint64_t due_us, acked_us; /* acked_us 0: not yet */
    size_t from;
    uint32_t room;
    bool measured;
};

/* One that was answered 503, and is sent again then, by the same client_id. */
struct crowd_again {
    uint64_t number, at_us;
};

struct crowd;

/* What a profile does where no option says otherwise. */
struct crowd_profile {
    const char *name, *help;
    int64_t rooms, members, rate;
    size_t speakers; /* of each room: its first members */
    bool pipelines;  /* requests are held out, whatever was delivered */
    bool mixes;      /* members do all there is to do */
    bool by_answer;  /* the unit is an answer, not a delivery */
    int (*make)(struct crowd *crowd); /* members, and their seats */
    int (*run)(struct crowd *crowd);  /* all of it; 0 or UV_E* */
};

struct crowd {
    struct load *load;
    struct crowd_options options;
    const struct crowd_profile *profile;
    struct token_keys *keys;
    char run[12]; /* names and client_ids of this run begin with it */
    int epoll;
    struct crowd_member *members;
    struct crowd_room *rooms;
    struct crowd_seat *seats; /* of all members */
    size_t count, room_count, opening, settled;
    struct crowd_message *sent;         /* CROWD_KEPT, by number */
    struct crowd_again *again;          /* a ring of CROWD_KEPT */
    uint64_t refused, sent_again;       /* counts of that ring's */
    uint64_t messages, acts, answered;  /* acts: messages among them */
    uint64_t due, received, frames;     /* frames: beside deliveries */
    uint64_t next_at, large_at, act_at; /* counts of bursts, of the large
                                           room's messages; whose turn it is */
    size_t waiting;                     /* requests, of all members */
    /* One is upgraded: what it asks first; NULL: nothing. */
    void (*greet)(struct crowd *crowd, struct crowd_member *member);
    enum load_phase phase;
    uint64_t from_us, end_us, moved_us; /* moved: the last that came */
    double seconds, own_before, own_after;
    double *round_figures; /* a storm's seconds; p99 of alternating windows */
    uint64_t in_window, answered_in_window;     /* that came in it */
    struct hist *deliveries, *answers, *behind; /* behind: delivered to others
                                                   after it was acknowledged */
    uint64_t errors[CROWD_ERRORS];
    int wrong_status;
    char wrong[160]; /* the first that was */
    int64_t bytes_before, bytes_open;
    struct buf out, frame;
    char *text; /* "NNNNNNNNN-", then filling */
    char read[LOAD_READ + CROWD_TEXT_MAX];
};

/* load_member.c */
/* 0 or UV_E*; it has a socket when it is upgraded. */
int crowd_open(struct crowd *crowd, struct crowd_member *member);
void crowd_close(struct crowd *crowd, struct crowd_member *member);
void crowd_on_socket(struct crowd *crowd, struct crowd_member *member);
/* Send what stands in crowd->out as one frame. */
void crowd_ask(struct crowd *crowd, struct crowd_member *member);
/* {"id":…,"op":"…" into crowd->out; the rest is the caller's. */
void crowd_begin(struct crowd *crowd, enum crowd_ask ask, uint64_t number,
                 const char *op);

/* load_say.c */
/* The next message, of that member in its first room. */
void crowd_say(struct crowd *crowd, struct crowd_member *member,
               uint64_t due_us, bool measured);
/* In that room of its; due: deliveries that it causes later. */
void crowd_say_in(struct crowd *crowd, struct crowd_member *member,
                  uint32_t room, uint64_t due);
/* Message number was answered 503; false: it is too old to be sent again. */
bool crowd_put_again(struct crowd *crowd, uint64_t number, uint64_t wait_ms);
/* Send again what has waited for that. */
void crowd_say_again(struct crowd *crowd);
/* The next thing that a member of a mixed crowd does. */
void crowd_act(struct crowd *crowd, struct crowd_member *member);

/* load_rooms.c */
/* 0 or UV_E*: members, their names and tokens. */
int crowd_make_members(struct crowd *crowd);
int crowd_make_rows(struct crowd *crowd);  /* rooms of members in a row */
int crowd_make_pairs(struct crowd *crowd); /* direct ones of two */
int crowd_make_large(struct crowd *crowd); /* one of few, one of many */
int crowd_make_mesh(struct crowd *crowd);  /* each member in many */
int crowd_make_all(struct crowd *crowd);   /* each member in each */
int crowd_make_alone(struct crowd *crowd); /* no rooms */
/* All that have no socket get one. */
int crowd_open_all(struct crowd *crowd);
int crowd_sync_all(struct crowd *crowd);
int crowd_make_rooms(struct crowd *crowd); /* by the API */
/* Those of --absent are put into the last room. */
int crowd_join_absent(struct crowd *crowd);
int crowd_join_all(struct crowd *crowd);
/* In each room the first `watching` of its members; 0: all. */
int crowd_watch_all(struct crowd *crowd);

/* load_run.c */
void crowd_wait(struct crowd *crowd, uint64_t until_us);
bool crowd_is_stalled(const struct crowd *crowd);
/* Until no more than so many requests are out; false: it is stalled. */
bool crowd_settle(struct crowd *crowd, size_t most);
void crowd_sample(struct crowd *crowd, bool after);
void crowd_drain(struct crowd *crowd);
int crowd_run_window(struct crowd *crowd);
int crowd_run_lurkers(struct crowd *crowd);

/* load_storm.c, load_idle.c, load_presence.c, load_history.c */
int crowd_run_storm(struct crowd *crowd);
int crowd_run_idle(struct crowd *crowd);
int crowd_run_presence(struct crowd *crowd);
int crowd_run_history(struct crowd *crowd);
/* It is the load room's report. */
int crowd_report_history(struct crowd *crowd, FILE *json);

/* load_report.c */
void crowd_explain(const struct crowd *crowd, int err);
int crowd_report(const struct crowd *crowd, FILE *json);

/* load_bare.c: does not end; UV_E* if it cannot begin. */
int crowd_serve_bare(uint16_t port);
/* The name of a room that nobody made: as long as one that was made. */
void crowd_bare_id(char out[CROWD_ID_MAX], size_t room);
