/*
 * load_internal.h - what the files of the load room share, and load tests
 * whose units are no requests borrow: address, processes, report.
 */
#pragma once

#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "common/json.h"
#include "common/load.h"

#define LOAD_MAX_PIPELINE 256
#define LOAD_MAX_PIDS 64
#define LOAD_READ 65536
#define LOAD_MAX_ANSWER (1u << 20)
#define LOAD_EXTRA 16 /* connections of one request each, at once */

enum load_error {
    LOAD_REFUSED, /* no connection */
    LOAD_RESET,
    LOAD_TIMEOUT, /* sent, and not answered when the drain was over */
    LOAD_CUT,     /* closed before an answer was whole */
    LOAD_WRONG,   /* what accept() does not take, or no HTTP */
    LOAD_UNSENT,  /* due, and no connection was free for it until then */
    LOAD_ERRORS
};

enum load_phase { LOAD_WARMUP, LOAD_WINDOW, LOAD_DRAIN };

struct load_options {
    const char *url, *profile, *json, *token, *server_pid, *redis_pid;
    const char *workers_scan, *redis;
    int64_t connections, pipeline, rate, duration_ms, warmup_ms, requests;
    int64_t idle, units, seed, renew_every, objective_ms;
    bool find_knee, prepare;
};

/* A process whose CPU time is measured. */
struct load_process {
    int pid;
    clockid_t clock;
    double before, after; /* seconds */
};

/*
 * What was measured.  Each of the due units is in done or in one of errors, so
 * due + connection_errors = done + all errors.
 */
struct load_window {
    struct hist *hist;     /* of latencies */
    struct hist *own_late; /* sent so late though a connection was free */
    uint64_t due, done, errors[LOAD_ERRORS];
    uint64_t connection_errors; /* of the errors, those that ended no unit */
    uint64_t answers; /* that came while the window was open, to any unit */
    uint64_t opened;
    int wrong_status; /* of the last that was not taken */
    uint64_t late_us; /* the most that a unit was sent after it was due */
    double seconds, own_before, own_after;
};

struct load_conn {
    struct load *load;
    int fd; /* -1: closed */
    bool connecting, writing;
    bool last;  /* the server will close behind this answer */
    bool extra; /* for one request */
    struct buf out, in;
    uint64_t due_us[LOAD_MAX_PIPELINE]; /* a ring of what waits */
    unsigned first, count;
};

struct load {
    const char *service;
    const struct load_profile *profile;
    struct load_options options;
    char authority[300]; /* Host */
    struct sockaddr_storage address;
    socklen_t address_len;
    int epoll, *idle_fds;
    struct load_conn *conns;
    size_t conn_count, free_at; /* where the search for a free one goes on */
    uint64_t next_n, answered, waiting; /* waiting: sent, not ended */
    uint64_t start_us, from_us, end_us; /* of the schedule; of the window */
    uint64_t free_us;   /* since when a connection was free, unless held */
    uint64_t revive_us; /* when lost connections are opened again */
    enum load_phase phase;
    bool held;  /* the server holds every connection */
    bool renew; /* the next unit gets a connection of its own */
    struct load_window window;
    struct load_process servers[LOAD_MAX_PIDS], redis;
    size_t server_count;
    int workers;       /* of this step of --workers-scan; 0: no scan */
    double idle_bytes; /* of the server's own, for each idle connection */
    void *data;
    char read[LOAD_READ];
};

/* load_conn.c */
/* A socket to connect to the target from, or -1; flags: SOCK_NONBLOCK or 0. */
int load_socket(const struct load *load, int flags);
void load_open(struct load *load, struct load_conn *conn);
void load_close(struct load_conn *conn);
/* End the units that wait with error (the connection, if none), and close. */
void load_fail(struct load_conn *conn, enum load_error error);
void load_on_event(struct load_conn *conn, uint32_t events);
/* Queue unit n, due then; load_push() sends what is queued. */
void load_queue(struct load_conn *conn, uint64_t n, uint64_t due_us);
void load_push(struct load_conn *conn);
/* The first whole answer in bytes: its length, 0 for none yet, or UV_EPROTO. */
int64_t load_parse(struct span bytes, bool is_head, struct load_answer *answer);

/* load_report.c */
int load_find_processes(struct load *load);
void load_sample(struct load *load, bool after);
int64_t load_server_bytes(const struct load *load);
double load_own_cpu(void);
/* Seconds between the samples, of all servers. */
double load_server_cpu(const struct load *load);
void load_put_real(struct json_writer *w, const char *key, double value);
void load_put_int(struct json_writer *w, const char *key, uint64_t value);
void load_put_hist(struct json_writer *w, const char *key,
                   const struct hist *hist);
/* Do the figures show the generator, and not the server? */
bool load_is_inconclusive(const struct load *load);
int load_report(struct load *load, FILE *json);

/* load_window.c */
/* The open model's schedule: when unit n is due; how many are due before us. */
uint64_t load_due_us(const struct load *load, uint64_t n);
uint64_t load_due_before(const struct load *load, uint64_t us);
/* Does a unit that was due then belong to the window? */
bool load_counts(const struct load *load, uint64_t due_us);
/* A connection may take more, or is gone. */
void load_refill(struct load_conn *conn);
void load_run_window(struct load *load);

/* load.c */
void load_raise_file_limit(void);
int load_find_address(struct load *load);
/* A blocking socket with a deadline; UV_E*. */
int load_connect(const struct load *load);
int load_prepare(struct load *load);

/* load_series.c */
void load_find_knee(struct load *load);
/* 0 or UV_E*: a service that does not start is UV_ESRCH. */
int load_scan_workers(struct load *load, FILE *json);
