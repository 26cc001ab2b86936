/*
 * sbg.c - see sbg.h.
 *
 *   read_queries(), read_peers() --> measure(): turns, in each all commands of
 *   each engine, a few runs --> reckon(): a row for each command and class -->
 *   sbg_print(), sbg_put_json(), sbg_put_plot()
 */
#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "common/json.h"
#include "search/sbg.h"

#define FLOOR_TIMES 200
#define ALL "all"

struct options {
    bool sbg;
    const char *index, *field, *queries, *peers, *commands, *options;
    const char *json, *plot;
    int64_t turns, runs, warmups, seed;
};

static const struct config_option option_table[] = {
#define OPTION(member) offsetof(struct options, member)
    {"sbg", CONFIG_BOOLEAN, OPTION(sbg), "false", 0, 1,
     "the search benchmark game, not a load test of the service"},
    {"index", CONFIG_STRING, OPTION(index), NULL, 1, 3000,
     "directory of the index"},
    {"field", CONFIG_STRING, OPTION(field), "text", 1, 256,
     "field that is searched"},
    {"queries", CONFIG_STRING, OPTION(queries), NULL, 1, 3000,
     "file with {\"query\", \"tags\"} a line; the first tag is its class"},
    {"peers", CONFIG_STRING, OPTION(peers), "", 0, 65536,
     "other engines: NAME=COMMAND, with semicolons between"},
    {"commands", CONFIG_STRING, OPTION(commands),
     "COUNT,TOP_10,TOP_100,TOP_1000,TOP_100_COUNT", 1, 1000,
     "of the game, with commas between"},
    {"options", CONFIG_STRING, OPTION(options), "", 0, 1000,
     "more options of search-query: --json, --without …"},
    {"turns", CONFIG_INTEGER, OPTION(turns), "5", 1, SBG_RUNS_MAX,
     "of each engine with each command"},
    {"runs", CONFIG_INTEGER, OPTION(runs), "2", 1, SBG_RUNS_MAX,
     "of all queries in a turn"},
    {"warmups", CONFIG_INTEGER, OPTION(warmups), "1", 0, SBG_RUNS_MAX,
     "turns before those that count"},
    {"seed", CONFIG_INTEGER, OPTION(seed), "1", 0, INT32_MAX,
     "of the order of the queries"},
    {"json", CONFIG_STRING, OPTION(json), NULL, 1, 3000, "file for the result"},
    {"plot", CONFIG_STRING, OPTION(plot), NULL, 1, 3000,
     "file for a plot, in SVG"},
    {0},
};

struct game {
    struct options options;
    struct sbg_engine engines[SBG_ENGINES_MAX];
    size_t engine_count;
    char *commands[SBG_COMMANDS_MAX];
    size_t command_count;
    char *classes[SBG_CLASSES_MAX];
    size_t class_count;
    char **queries;
    size_t *class_of, *order; /* of each query; as they are asked */
    size_t query_count;
    double *took;     /* of each engine, command, query, run */
    int64_t *numbers; /* of each engine, command, query */
    struct buf line;
};

static bool fail(const char *what, const char *why)
{
    fprintf(stderr, "search-load: %s: %s\n", what, why);
    return false;
}

static char *copy_of(struct span text)
{
    char *copy = mem_alloc(MEM_LOAD, text.len + 1);

    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

/* ---- what is asked, and who is */

static bool find_class(struct game *game, const char *name, size_t *class)
{
    for (*class = 0; *class < game->class_count; ++*class)
        if (strcmp(game->classes[*class], name) == 0)
            return true;
    if (game->class_count == SBG_CLASSES_MAX)
        return false;
    game->classes[game->class_count++] = copy_of(span_str(name));
    return true;
}

static bool take_query(struct game *game, struct span line)
{
    struct json_errors errors;
    json_t *json = NULL;
    size_t at = game->query_count;

    json_errors_init(&errors);
    if (json_read(line, &json, &errors) < 0)
        return false;
    const char *text = json_string_value(json_object_get(json, "query"));
    const char *tag =
        json_string_value(json_array_get(json_object_get(json, "tags"), 0));
    bool fine = text && !strpbrk(text, "\t\n") && at < SBG_QUERIES_MAX &&
                find_class(game, tag ? tag : ALL, &game->class_of[at]);
    if (fine)
        game->queries[game->query_count++] = copy_of(span_str(text));
    json_decref(json);
    return fine;
}

static bool read_queries(struct game *game)
{
    const char *path = game->options.queries;
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    bool fine = true;

    if (!file)
        return fail(path, strerror(errno));
    game->queries = mem_zalloc(MEM_LOAD, SBG_QUERIES_MAX * sizeof(char *));
    game->class_of = mem_zalloc(MEM_LOAD, SBG_QUERIES_MAX * sizeof(size_t));
    while (fine && (len = getline(&line, &cap, file)) > 0)
        fine = take_query(game, (struct span){line, (size_t)len});
    free(line);
    fclose(file);
    if (!fine || game->query_count == 0)
        return fail(path, "not queries, {\"query\", \"tags\"} a line");
    return true;
}

static void add_engine(struct game *game, struct span name, char *command)
{
    game->engines[game->engine_count++] =
        (struct sbg_engine){.name = copy_of(name), .command = command};
}

/* The one that lies beside this program. */
static void add_own(struct game *game)
{
    const struct options *options = &game->options;
    char self[4096] = "";
    struct buf command;

    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        self[0] = '\0';
    buf_init(&command, MEM_LOAD);
    buf_printf(&command,
               "exec '%s/search-query' --sbg --index '%s' --field '%s' %s",
               dirname(self), options->index, options->field, options->options);
    add_engine(game, SPAN("search"), copy_of(buf_span(&command)));
    buf_deinit(&command);
}

static bool read_peers(struct game *game)
{
    struct span rest = span_str(game->options.peers);
    struct span peer;
    struct span name;

    while (rest.len > 0 && span_cut(&rest, ';', &peer)) {
        if (!span_cut(&peer, '=', &name) || !peer.ptr || name.len == 0 ||
            game->engine_count == SBG_ENGINES_MAX)
            return fail("--peers", "at most 15, each NAME=COMMAND");
        add_engine(game, span_trim(name), copy_of(peer));
    }
    return true;
}

static bool read_commands(struct game *game)
{
    struct span rest = span_str(game->options.commands);
    struct span command;

    while (span_cut(&rest, ',', &command)) {
        if (game->command_count == SBG_COMMANDS_MAX || command.len == 0)
            return fail("--commands", "at most 16, with commas between");
        game->commands[game->command_count++] = copy_of(command);
    }
    return true;
}

static void shuffle(struct game *game)
{
    unsigned state = (unsigned)game->options.seed;

    game->order = mem_alloc(MEM_LOAD, game->query_count * sizeof(size_t));
    for (size_t i = 0; i < game->query_count; i++) {
        size_t j = (size_t)rand_r(&state) % (i + 1);
        game->order[i] = game->order[j];
        game->order[j] = i;
    }
}

/* ---- measuring */

static int64_t *number_at(const struct game *game, size_t engine,
                          size_t command, size_t query)
{
    size_t at = (engine * game->command_count + command) * game->query_count;

    return &game->numbers[at + query];
}

static size_t run_count(const struct game *game)
{
    return (size_t)(game->options.turns * game->options.runs);
}

/* Of each run. */
static double *took_at(const struct game *game, size_t engine, size_t command,
                       size_t query)
{
    return &game->took[(number_at(game, engine, command, query) -
                        game->numbers) *
                       (ptrdiff_t)run_count(game)];
}

static bool ask(struct game *game, size_t which, const char *command,
                const char *query, int64_t *number, double *took)
{
    struct sbg_engine *engine = &game->engines[which];

    game->line.len = 0;
    buf_printf(&game->line, "%s\t%s\n", command, query);
    if (sbg_engine_ask(engine, buf_span(&game->line), number, took))
        return true;
    fprintf(stderr, "search-load: %s gave no answer to %s %s\n", engine->name,
            command, query);
    return false;
}

static int compare(const void *a, const void *b)
{
    double one = *(const double *)a;
    double two = *(const double *)b;

    return (one > two) - (one < two);
}

static double quantile(double *values, size_t count, double q)
{
    size_t at = (size_t)(q * (double)count);

    qsort(values, count, sizeof(values[0]), compare);
    return values[at < count ? at : count - 1];
}

static double least(const double *values, size_t count)
{
    double value = values[0];

    for (size_t i = 1; i < count; i++)
        value = values[i] < value ? values[i] : value;
    return value;
}

/* Nobody has a command of that name. */
static bool measure_floor(struct game *game, size_t engine)
{
    double took[FLOOR_TIMES];
    int64_t number;

    for (size_t i = 0; i < FLOOR_TIMES; i++)
        if (!ask(game, engine, "NOTHING", "nothing", &number, &took[i]))
            return false;
    game->engines[engine].floor_us = least(took, FLOOR_TIMES);
    return true;
}

/* run: -1 is one before those that count. */
static bool run_command(struct game *game, size_t engine, size_t command,
                        int64_t run)
{
    for (size_t i = 0; i < game->query_count; i++) {
        size_t query = game->order[i];
        int64_t *known = number_at(game, engine, command, query);
        int64_t number;
        double took;
        if (!ask(game, engine, game->commands[command], game->queries[query],
                 &number, &took))
            return false;
        if (run > 0 && number != *known)
            return fail(game->queries[query], "other runs, other answers");
        *known = number;
        if (run >= 0)
            took_at(game, engine, command, query)[run] = took;
    }
    return true;
}

/* Runs in a row: in all but the first, what the one before touched is in the
   processor's caches, however much the other engines' turns pushed out. */
static bool take_turn(struct game *game, size_t engine, size_t command,
                      int64_t turn)
{
    int64_t runs = game->options.runs;

    for (int64_t i = 0; i < runs; i++)
        if (!run_command(game, engine, command,
                         turn < 0 ? -1 : turn * runs + i))
            return false;
    return command > 0 || measure_floor(game, engine);
}

static bool measure(struct game *game)
{
    size_t cells = game->engine_count * game->command_count * game->query_count;
    const struct options *options = &game->options;

    game->numbers = mem_zalloc(MEM_LOAD, cells * sizeof(game->numbers[0]));
    game->took =
        mem_zalloc(MEM_LOAD, cells * run_count(game) * sizeof(game->took[0]));
    for (size_t i = 0; i < game->engine_count; i++)
        if (!sbg_engine_start(&game->engines[i]))
            return fail(game->engines[i].name, strerror(errno));
    for (int64_t turn = -options->warmups; turn < options->turns; turn++)
        for (size_t command = 0; command < game->command_count; command++)
            for (size_t i = 0; i < game->engine_count; i++) {
                size_t engine =
                    (i + (size_t)(turn + SBG_RUNS_MAX)) % game->engine_count;
                if (!take_turn(game, engine, command, turn))
                    return false;
            }
    return true;
}

/* ---- figures */

/* The best of a query's runs, less the floor. */
static double figure_of(const struct game *game, size_t engine, size_t command,
                        size_t query)
{
    double took =
        least(took_at(game, engine, command, query), run_count(game)) -
        game->engines[engine].floor_us;

    return took > 0 ? took : 0;
}

static bool has_numbers(const char *command)
{
    return strstr(command, "COUNT") != NULL;
}

/* class: past the last one, of all classes. */
static void reckon_engine(const struct game *game, size_t engine,
                          size_t command, size_t class,
                          struct sbg_figure *figure)
{
    double *values = mem_alloc(MEM_LOAD, game->query_count * sizeof(values[0]));
    double sum = 0;
    double theirs = 0;
    double ours = 0;

    *figure = (struct sbg_figure){0};
    for (size_t query = 0; query < game->query_count; query++) {
        int64_t number = *number_at(game, engine, command, query);
        int64_t first = *number_at(game, 0, command, query);
        if ((class < game->class_count && game->class_of[query] != class) ||
            number == SBG_UNSUPPORTED)
            continue;
        double took = figure_of(game, engine, command, query);
        values[figure->answered++] = took;
        sum += took;
        figure->sum += number;
        if (first == SBG_UNSUPPORTED)
            continue;
        theirs += took;
        ours += figure_of(game, 0, command, query);
        figure->differs +=
            has_numbers(game->commands[command]) && number != first;
    }
    if (figure->answered) {
        figure->mean_us = sum / (double)figure->answered;
        figure->p50_us = quantile(values, figure->answered, 0.5);
        figure->p99_us = quantile(values, figure->answered, 0.99);
    }
    figure->ratio = ours > 0 ? theirs / ours : 0;
    mem_free(values);
}

static void reckon_row(const struct game *game, size_t command, size_t class,
                       struct sbg_row *row)
{
    bool all = class == game->class_count;

    *row = (struct sbg_row){.command = game->commands[command],
                            .class = all ? ALL : game->classes[class]};
    for (size_t i = 0; i < game->query_count; i++)
        row->queries += all || game->class_of[i] == class;
    for (size_t engine = 0; engine < game->engine_count; engine++)
        reckon_engine(game, engine, command, class, &row->figures[engine]);
}

static void reckon(const struct game *game, struct sbg_report *report)
{
    report->engines = game->engines;
    report->engine_count = game->engine_count;
    for (size_t command = 0; command < game->command_count; command++)
        for (size_t class = 0; class < game->class_count; class ++)
            reckon_row(game, command, class,
                       &report->rows[report->row_count++]);
}

static bool write_file(const char *path, const struct buf *text)
{
    FILE *file = fopen(path, "w");
    bool fine = file && fwrite(text->ptr, 1, text->len, file) == text->len;

    if (file && fclose(file) != 0)
        fine = false;
    return fine || fail(path, strerror(errno));
}

/* Whoever counts at all counts the same. */
static bool agree(const struct sbg_report *report)
{
    bool fine = true;

    for (size_t i = 1; i < report->engine_count; i++) {
        size_t differ = 0;
        for (size_t j = 0; j < report->row_count; j++)
            differ += report->rows[j].figures[i].differs;
        if (differ > 0)
            fine = fail(report->engines[i].name, "counts otherwise");
    }
    return fine;
}

static bool write_report(const struct game *game,
                         const struct sbg_report *report)
{
    struct buf out;
    bool fine = true;

    sbg_print(report, stdout);
    buf_init(&out, MEM_LOAD);
    if (game->options.json) {
        sbg_put_json(report, &out);
        fine = write_file(game->options.json, &out);
    }
    out.len = 0;
    if (game->options.plot) {
        sbg_put_plot(report, &out);
        fine &= write_file(game->options.plot, &out);
    }
    buf_deinit(&out);
    return fine && agree(report);
}

/* ---- */

static void free_all(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free(texts[i]);
}

static void clean(struct game *game)
{
    for (size_t i = 0; i < game->engine_count; i++) {
        sbg_engine_stop(&game->engines[i]);
        mem_free(game->engines[i].name);
        mem_free(game->engines[i].command);
    }
    free_all(game->queries, game->query_count);
    free_all(game->classes, game->class_count);
    free_all(game->commands, game->command_count);
    mem_free(game->queries);
    mem_free(game->class_of);
    mem_free(game->order);
    mem_free(game->took);
    mem_free(game->numbers);
    buf_deinit(&game->line);
}

static bool play(struct game *game)
{
    if (!read_queries(game) || !read_commands(game))
        return false;
    add_own(game);
    if (!read_peers(game))
        return false;
    shuffle(game);
    if (!measure(game))
        return false;
    struct sbg_report *report = mem_zalloc(MEM_LOAD, sizeof(*report));
    reckon(game, report);
    bool fine = write_report(game, report);
    mem_free(report);
    return fine;
}

int sbg_run(int argc, char **argv)
{
    static const struct config_option *const tables[] = {option_table};
    struct game game = {0};
    void *const outs[] = {&game.options};
    char why[320] = "";

    json_setup();
    signal(SIGPIPE, SIG_IGN);
    if (config_parse(tables, outs, 1, argc, argv, why, sizeof(why)) < 0 ||
        !game.options.index || !game.options.queries) {
        fprintf(stderr, "search-load: %s\n",
                why[0] ? why : "--index and --queries are needed");
        return 2;
    }
    buf_init(&game.line, MEM_LOAD);
    bool fine = play(&game);
    clean(&game);
    return fine ? 0 : 1;
}
