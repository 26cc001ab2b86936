/* sbg_report.c - what the engines took, as text, JSON and SVG: see sbg.h. */
#include <math.h>
#include <string.h>

#include "common/json.h"
#include "search/sbg.h"

/* ---- text */

void sbg_print(const struct sbg_report *report, FILE *to)
{
    fprintf(to, "%-14s %-19s %7s  %-12s %9s %9s %9s %9s %12s\n", "command",
            "class", "queries", "engine", "mean us", "p50", "p99", "x", "sum");
    for (size_t i = 0; i < report->row_count; i++) {
        const struct sbg_row *row = &report->rows[i];
        for (size_t j = 0; j < report->engine_count; j++) {
            const struct sbg_figure *figure = &row->figures[j];
            if (!figure->answered)
                continue;
            fprintf(
                to, "%-14s %-19s %7zu  %-12s %9.1f %9.1f %9.1f %9.2f %12lld",
                j ? "" : row->command, j ? "" : row->class, figure->answered,
                report->engines[j].name, figure->mean_us, figure->p50_us,
                figure->p99_us, figure->ratio, (long long)figure->sum);
            if (figure->differs)
                fprintf(to, "  %zu differ", figure->differs);
            fputc('\n', to);
        }
    }
    for (size_t j = 0; j < report->engine_count; j++)
        fprintf(to,
                "%s: an empty round trip takes %.1f us, which is left out\n",
                report->engines[j].name, report->engines[j].floor_us);
}

/* ---- JSON */

static void put_figure(struct json_writer *json,
                       const struct sbg_figure *figure)
{
    json_put_open(json, '{');
    json_put_key(json, "answered");
    json_put_int(json, (int64_t)figure->answered);
    json_put_key(json, "mean_us");
    json_put_real(json, figure->mean_us);
    json_put_key(json, "p50_us");
    json_put_real(json, figure->p50_us);
    json_put_key(json, "p99_us");
    json_put_real(json, figure->p99_us);
    json_put_key(json, "ratio");
    json_put_real(json, figure->ratio);
    json_put_key(json, "sum");
    json_put_int(json, figure->sum);
    json_put_key(json, "differs");
    json_put_int(json, (int64_t)figure->differs);
    json_put_close(json, '}');
}

static void put_row(struct json_writer *json, const struct sbg_report *report,
                    const struct sbg_row *row)
{
    json_put_open(json, '{');
    json_put_key(json, "command");
    json_put_string(json, span_str(row->command));
    json_put_key(json, "class");
    json_put_string(json, span_str(row->class));
    json_put_key(json, "queries");
    json_put_int(json, (int64_t)row->queries);
    json_put_key(json, "engines");
    json_put_open(json, '{');
    for (size_t i = 0; i < report->engine_count; i++) {
        json_put_name(json, span_str(report->engines[i].name));
        put_figure(json, &row->figures[i]);
    }
    json_put_close(json, '}');
    json_put_close(json, '}');
}

void sbg_put_json(const struct sbg_report *report, struct buf *out)
{
    struct json_writer json = {.out = out};

    json_put_open(&json, '{');
    json_put_key(&json, "engines");
    json_put_open(&json, '[');
    for (size_t i = 0; i < report->engine_count; i++) {
        json_put_open(&json, '{');
        json_put_key(&json, "name");
        json_put_string(&json, span_str(report->engines[i].name));
        json_put_key(&json, "command");
        json_put_string(&json, span_str(report->engines[i].command));
        json_put_key(&json, "floor_us");
        json_put_real(&json, report->engines[i].floor_us);
        json_put_close(&json, '}');
    }
    json_put_close(&json, ']');
    json_put_key(&json, "rows");
    json_put_open(&json, '[');
    for (size_t i = 0; i < report->row_count; i++)
        put_row(&json, report, &report->rows[i]);
    json_put_close(&json, ']');
    json_put_close(&json, '}');
    buf_append_char(out, '\n');
}

/* ---- SVG: a bar for each engine's mean, a stroke at its p99 */

#define WIDTH 900
#define LEFT 250
#define RIGHT 80
#define BAR 12
#define GAP 10
#define TOP 30
#define LEAST_US 0.1

static const char *const colours[] = {"#2b6cb0", "#a0a7b4", "#c98a2b",
                                      "#4f8a5b", "#8a4f7d", "#b0452b"};

static double most_of(const struct sbg_report *report)
{
    double most = 10;

    for (size_t i = 0; i < report->row_count; i++)
        for (size_t j = 0; j < report->engine_count; j++)
            most = fmax(most, report->rows[i].figures[j].p99_us);
    return most;
}

static double place_of(double us, double most)
{
    double all = WIDTH - LEFT - RIGHT;

    return LEFT +
           all * log(fmax(us, LEAST_US) / LEAST_US) / log(most / LEAST_US);
}

static void put_scale(struct buf *out, double most, size_t height)
{
    for (uint64_t ten = 1; (double)ten <= most; ten *= 10) {
        double us = (double)ten;
        buf_printf(out,
                   "<path d='M%.1f %dV%zu' stroke='currentColor' "
                   "stroke-opacity='.25'/><text x='%.1f' y='%d' "
                   "text-anchor='middle'>%g %s</text>\n",
                   place_of(us, most), TOP - 8, height, place_of(us, most),
                   TOP - 12, us < 1000 ? us : us / 1000,
                   us < 1000 ? "µs" : "ms");
    }
}

static size_t put_bars(const struct sbg_report *report,
                       const struct sbg_row *row, double most, size_t y,
                       struct buf *out)
{
    buf_printf(out, "<text x='0' y='%zu'>%s, %s (%zu)</text>\n", y + BAR - 2,
               row->command, row->class, row->queries);
    for (size_t i = 0; i < report->engine_count; i++) {
        const struct sbg_figure *figure = &row->figures[i];
        if (!figure->answered)
            continue;
        double mean = place_of(figure->mean_us, most);
        double worst = place_of(figure->p99_us, most);
        buf_printf(out,
                   "<rect x='%d' y='%zu' width='%.1f' height='%d' fill='%s'/>"
                   "<path d='M%.1f %zuv%d' stroke='%s' stroke-width='2'/>"
                   "<text x='%.1f' y='%zu'>%.3g</text>\n",
                   LEFT, y, mean - LEFT, BAR - 2,
                   colours[i % (sizeof(colours) / sizeof(colours[0]))], worst,
                   y, BAR - 2,
                   colours[i % (sizeof(colours) / sizeof(colours[0]))],
                   fmax(worst, mean) + 4, y + BAR - 3, figure->mean_us);
        y += BAR;
    }
    return y + GAP;
}

void sbg_put_plot(const struct sbg_report *report, struct buf *out)
{
    double most = most_of(report);
    struct buf bars;
    size_t y = TOP;

    buf_init(&bars, MEM_LOAD);
    for (size_t i = 0; i < report->row_count; i++)
        if (report->rows[i].queries > 1)
            y = put_bars(report, &report->rows[i], most, y, &bars);
    buf_printf(out,
               "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %zu' "
               "font-family='system-ui, sans-serif' font-size='11' "
               "fill='currentColor' role='img' aria-label='time of a query: "
               "mean, and a stroke at the 99th of a hundred'>\n",
               WIDTH, y + 20);
    put_scale(out, most, y);
    buf_append(out, buf_span(&bars));
    for (size_t i = 0; i < report->engine_count; i++)
        buf_printf(out, "<text x='%zu' y='%zu' fill='%s'>%s</text>\n",
                   LEFT + i * 100, y + 14,
                   colours[i % (sizeof(colours) / sizeof(colours[0]))],
                   report->engines[i].name);
    buf_append(out, SPAN("</svg>\n"));
    buf_deinit(&bars);
}
