/*
 * sbg.h - the commands of quickwit-oss/search-benchmark-game, asked of engines
 * through pipes, as its driver does: "COMMAND<TAB>QUERY" in, a number or
 * UNSUPPORTED out.
 *
 * Engines take turns, of a few runs each; a query counts with the best of its
 * runs, as on the game's page, less what an empty round trip takes (the floor,
 * the best of each engine's). The first engine is search-query beside this
 * program; the others, its peers, are any programs that speak the protocol.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/buf.h"

#define SBG_ENGINES_MAX 16
#define SBG_COMMANDS_MAX 16
#define SBG_CLASSES_MAX 16
#define SBG_QUERIES_MAX 100000
#define SBG_RUNS_MAX 100
#define SBG_UNSUPPORTED (-1)

struct sbg_engine {
    char *name, *command; /* of the shell */
    pid_t pid;
    int in, out;
    double floor_us;
};

/* False: it is gone, silent for a minute, or says what is no number. */
bool sbg_engine_start(struct sbg_engine *engine);
bool sbg_engine_ask(struct sbg_engine *engine, struct span line,
                    int64_t *number, double *took_us);
void sbg_engine_stop(struct sbg_engine *engine);

/* An engine's answers to a command, over the queries of a class. */
struct sbg_figure {
    size_t answered;
    double mean_us, p50_us, p99_us;
    double ratio;   /* to the first engine, of what both answer; 0: nothing */
    int64_t sum;    /* of the numbers */
    size_t differs; /* from the first engine's number */
};

struct sbg_row {
    const char *command, *class;
    size_t queries;
    struct sbg_figure figures[SBG_ENGINES_MAX];
};

struct sbg_report {
    const struct sbg_engine *engines;
    size_t engine_count;
    struct sbg_row rows[SBG_COMMANDS_MAX * SBG_CLASSES_MAX];
    size_t row_count;
};

void sbg_print(const struct sbg_report *report, FILE *to);
void sbg_put_json(const struct sbg_report *report, struct buf *out);
void sbg_put_plot(const struct sbg_report *report, struct buf *out);

/* main() with --sbg. */
int sbg_run(int argc, char **argv);
