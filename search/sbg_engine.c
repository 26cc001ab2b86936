/* sbg_engine.c - an engine at the other end of two pipes: see sbg.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "search/sbg.h"

#define PATIENCE_MS 60000
#define ANSWER_MAX 64

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void become(const struct sbg_engine *engine, int in, int out)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    execl("/bin/sh", "sh", "-c", engine->command, (char *)NULL);
    _exit(127);
}

bool sbg_engine_start(struct sbg_engine *engine)
{
    int questions[2];
    int answers[2];

    if (pipe2(questions, O_CLOEXEC) < 0)
        return false;
    if (pipe2(answers, O_CLOEXEC) < 0) {
        close(questions[0]);
        close(questions[1]);
        return false;
    }
    engine->pid = fork();
    if (engine->pid == 0)
        become(engine, questions[0], answers[1]);
    close(questions[0]);
    close(answers[1]);
    engine->in = questions[1];
    engine->out = answers[0];
    return engine->pid > 0;
}

void sbg_engine_stop(struct sbg_engine *engine)
{
    if (engine->pid <= 0)
        return;
    close(engine->in);
    close(engine->out);
    kill(engine->pid, SIGTERM);
    waitpid(engine->pid, NULL, 0);
    engine->pid = 0;
}

/* 0: it said nothing in time, or what is too long. */
static size_t read_line(struct sbg_engine *engine, char answer[ANSWER_MAX])
{
    size_t len = 0;

    while (len == 0 || answer[len - 1] != '\n') {
        struct pollfd ready = {.fd = engine->out, .events = POLLIN};
        if (len == ANSWER_MAX || poll(&ready, 1, PATIENCE_MS) <= 0)
            return 0;
        ssize_t got = read(engine->out, answer + len, ANSWER_MAX - len);
        if (got <= 0)
            return 0;
        len += (size_t)got;
    }
    return len - 1;
}

static bool read_number(struct span text, int64_t *number)
{
    uint64_t value;

    if (span_eq(text, SPAN("UNSUPPORTED"))) {
        *number = SBG_UNSUPPORTED;
        return true;
    }
    if (!span_to_u64(text, INT64_MAX, &value))
        return false;
    *number = (int64_t)value;
    return true;
}

bool sbg_engine_ask(struct sbg_engine *engine, struct span line,
                    int64_t *number, double *took_us)
{
    char answer[ANSWER_MAX];
    double began = now_us();

    if (write(engine->in, line.ptr, line.len) != (ssize_t)line.len)
        return false;
    size_t len = read_line(engine, answer);
    *took_us = now_us() - began;
    return len > 0 && read_number((struct span){answer, len}, number);
}
