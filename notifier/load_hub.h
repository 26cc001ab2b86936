/*
 * load_hub.h - what the files of the notifier's load test share.
 *
 * The unit is a delivery: one message to one subscriber.  Each message carries
 * its number in its topic, and each subscriber knows which it has had: so all
 * that were due come once and in order, or are errors.
 */
#pragma once

#include "common/load_internal.h"

#define HUB_BURST_MAX 256 /* also requests that one publisher has out */
#define HUB_PUBLISHERS_MAX 64
#define HUB_NUMBER_LEN 9 /* digits that a message begins with, and - */
#define HUB_SIZE_MIN 16  /* bytes of a message */
#define HUB_SIZE_MAX 8192
#define HUB_DUE_KEPT (1u << 20) /* messages whose due time is remembered */
#define HUB_TEXT_MAX 16384      /* bytes of a head, or of an event */
#define HUB_ID_MAX 1200

enum hub_error {
    HUB_REFUSED,  /* no connection, or no stream */
    HUB_RESET,    /* a stream or a publisher's connection that ended */
    HUB_WRONG,    /* an answer or an event that is none of ours, a gap */
    HUB_TIMEOUT,  /* a publication that was not answered */
    HUB_LOST,     /* a delivery that did not come */
    HUB_TWICE,    /* that came again */
    HUB_DISORDER, /* that came behind a later one */
    HUB_ERRORS
};

struct hub_options {
    const char *profile, *face;
    int64_t subscribers, topics, publishers, pipeline, burst, rate, size;
    int64_t messages, missed, resume_rate, away_ms, slow, slow_ms, stall_ms,
        opening, serve;
    bool websocket, tls;
};

struct hub_subscriber {
    int fd; /* -1: closed */
    uint32_t topic;
    uint64_t next; /* the number that it has not had */
    uint64_t seen; /* bit n: next - 1 - n was had */
    bool streams;  /* its head was read */
    bool settled;  /* it was told where it stands */
    uint64_t settled_us;
    uint32_t rest_len, last_len;
    char *rest; /* of a head or an event that is not whole */
    char *last; /* the id of its last event; NULL: none */
};

/* Who left, and is to come back. */
struct hub_away {
    struct hub_subscriber *subscriber;
    uint64_t until_us;
};

struct hub_publisher {
    int fd;
    uint64_t turns; /* of its topics */
    size_t waiting; /* requests that are not answered */
    bool writing;
    struct buf out, in;
};

struct hub_profile;

struct hub {
    struct load *load;
    struct hub_options options;
    const struct hub_profile *profile;
    bool is_nchan;
    int epoll;
    struct hub_subscriber *subscribers;
    size_t count, opening, settled;
    struct hub_publisher *publishers;
    size_t publisher_count;
    uint32_t topic_count;
    uint64_t *published; /* of each topic */
    uint64_t *due_us;    /* HUB_DUE_KEPT, by place_of() */
    int *slow_fds;
    uint64_t messages, answered; /* published so far; of them answered */
    uint64_t due, received;      /* deliveries */
    uint64_t resumed, caught_up; /* caught_up: deliveries of what was missed */
    struct hub_away *away; /* a ring of count; leave and come back in turn */
    size_t away_first, away_count;
    bool counts_missed;         /* what was missed is a latency too */
    uint64_t next_at, churn_at; /* counts of bursts and of resumptions */
    uint64_t slow_us, weigh_us; /* when these are next looked at */
    enum load_phase phase;
    uint64_t from_us, end_us, moved_us; /* moved: the last delivery */
    double seconds, own_before, own_after;
    uint64_t in_window, answered_in_window; /* that came in it */
    uint64_t done;                          /* that were due in it */
    struct hist *hist;
    uint64_t errors[HUB_ERRORS];
    int wrong_status;
    /* Of the servers: before and after all subscribed, in the window. */
    int64_t bytes_before, bytes_open, bytes_from, bytes_most;
    char *message; /* "NNNNNNNNN-", then filling */
    char text[LOAD_READ + HUB_TEXT_MAX];
};

/* What a profile does where no option says otherwise. */
struct hub_profile {
    const char *name, *help;
    int64_t topics; /* 0: one for each subscriber */
    int64_t publishers, rate, slow, resume_rate;
    bool pipelines; /* publishers are held busy, whatever was delivered */
    /* All of it; 0 or UV_E*. */
    int (*run)(struct hub *hub);
};

/* load_subscriber.c */
/* A blocking connection, and the request for a stream on it: fd or UV_E*. */
int hub_ask(struct hub *hub, uint32_t topic, struct span last, int receive);
/* With its last id, if it has one. */
int hub_open(struct hub *hub, struct hub_subscriber *subscriber);
void hub_close(struct hub *hub, struct hub_subscriber *subscriber);
void hub_on_stream(struct hub *hub, struct hub_subscriber *subscriber);
void hub_subscriber_deinit(struct hub_subscriber *subscriber);

/* load_publisher.c */
int hub_publisher_open(struct hub *hub, size_t index);
void hub_publisher_close(struct hub_publisher *publisher);
/* The next message of a topic, due then; hub_push() sends what is queued. */
void hub_publish(struct hub *hub, uint32_t topic, uint64_t due_us);
void hub_push(struct hub *hub, struct hub_publisher *publisher);
void hub_on_answers(struct hub *hub, struct hub_publisher *publisher,
                    uint32_t events);
uint64_t *hub_due_of(const struct hub *hub, uint32_t topic, uint64_t number);

/* load_run.c */
int hub_run_window(struct hub *hub);
int hub_run_storm(struct hub *hub);
int hub_open_all(struct hub *hub);
void hub_wait(struct hub *hub, uint64_t until_us);

/* load_idle.c */
int hub_run_idle(struct hub *hub);

/* load_bare.c: does not end; UV_E* if it cannot begin. */
int hub_serve_bare(uint16_t port);

static inline struct hub_publisher *hub_publisher_of(struct hub *hub,
                                                     uint32_t topic)
{
    return &hub->publishers[topic % hub->publisher_count];
}
