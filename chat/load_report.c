/* load_report.c - what a crowd measured. */
#include <inttypes.h>
#include <uv.h>

#include "chat/load_crowd.h"

static const char *const error_names[] = {
    "refused", "reset", "wrong", "timeout", "lost", "twice", "disorder"};

void crowd_explain(const struct crowd *crowd, int err)
{
    fprintf(stderr, "chat-load: %s", uv_strerror(err));
    for (size_t i = 0; i < CROWD_ERRORS; i++)
        if (crowd->errors[i])
            fprintf(stderr, ", %" PRIu64 " %s", crowd->errors[i],
                    error_names[i]);
    if (crowd->wrong_status)
        fprintf(stderr, ", status %d", crowd->wrong_status);
    fprintf(stderr, "%s%s\n", crowd->wrong[0] ? ": " : "", crowd->wrong);
}

static uint64_t put_errors(struct json_writer *w, const struct crowd *crowd)
{
    uint64_t total = 0;

    json_put_key(w, "errors");
    json_put_open(w, '{');
    for (size_t i = 0; i < CROWD_ERRORS; i++) {
        load_put_int(w, error_names[i], crowd->errors[i]);
        total += crowd->errors[i];
    }
    json_put_close(w, '}');
    return total;
}

static void put_setting(struct json_writer *w, const struct crowd *crowd)
{
    const struct crowd_options *options = &crowd->options;

    json_put_key(w, "profile");
    json_put_string(w, span_str(crowd->profile->name));
    json_put_key(w, "model");
    json_put_string(w, options->rate ? SPAN("open") : SPAN("closed"));
    load_put_int(w, "rate", (uint64_t)options->rate);
    load_put_int(w, "rooms", crowd->room_count);
    load_put_int(w, "members", crowd->count);
    load_put_int(w, "burst", (uint64_t)options->burst);
    load_put_int(w, "out", (uint64_t)options->out);
    load_put_int(w, "size", (uint64_t)options->size);
}

/* What the profile is about. */
static uint64_t units_of(const struct crowd *crowd)
{
    return crowd->profile->by_answer ? crowd->answered_in_window
                                     : crowd->in_window;
}

static double each_of(const struct crowd *crowd)
{
    uint64_t units = units_of(crowd);

    return 1e6 / (double)(units ? units : 1);
}

static double redis_cpu(const struct crowd *crowd)
{
    return crowd->load->redis.after - crowd->load->redis.before;
}

static double own_cpu(const struct crowd *crowd)
{
    return crowd->own_after - crowd->own_before;
}

static double bytes_each(const struct crowd *crowd)
{
    return (double)(crowd->bytes_open - crowd->bytes_before) /
           (double)crowd->count;
}

/* It had no time left, while the server had. */
static bool is_inconclusive(const struct crowd *crowd)
{
    return own_cpu(crowd) > 0.97 * crowd->seconds &&
           load_server_cpu(crowd->load) < 0.9 * crowd->seconds;
}

static void put_cost(struct json_writer *w, const struct crowd *crowd)
{
    load_put_real(w, "own_cpu_us", own_cpu(crowd) * each_of(crowd));
    if (crowd->load->server_count) {
        load_put_real(w, "server_cpu_us",
                      load_server_cpu(crowd->load) * each_of(crowd));
        load_put_real(w, "idle_connection_bytes", bytes_each(crowd));
    }
    if (crowd->load->redis.pid)
        load_put_real(w, "redis_cpu_us", redis_cpu(crowd) * each_of(crowd));
}

/* Those of round_figures from `first` on, each step-th. */
static void put_figures(struct json_writer *w, const char *key,
                        const struct crowd *crowd, int64_t first, int64_t step)
{
    json_put_key(w, key);
    json_put_open(w, '[');
    for (int64_t i = first; i < step * crowd->options.rounds; i += step)
        json_put_real(w, crowd->round_figures[i]);
    json_put_close(w, ']');
}

static void put_times(struct json_writer *w, const struct crowd *crowd)
{
    load_put_real(w, "seconds", crowd->seconds);
    if (crowd->profile->run == crowd_run_storm)
        put_figures(w, "storms_s", crowd, 0, 1);
    if (crowd->profile->run != crowd_run_lurkers)
        return;
    put_figures(w, "alone_p99_us", crowd, 0, 2);
    put_figures(w, "beside_p99_us", crowd, 1, 2);
}

static uint64_t put_report(struct json_writer *w, const struct crowd *crowd)
{
    json_put_open(w, '{');
    put_setting(w, crowd);
    put_times(w, crowd);
    load_put_int(w, "messages", crowd->messages);
    load_put_int(w, "acts", crowd->acts);
    load_put_int(w, "answered", crowd->answered);
    load_put_int(w, "sent_again", crowd->sent_again);
    load_put_int(w, "due", crowd->due);
    load_put_int(w, "delivered", crowd->received);
    load_put_int(w, "frames", crowd->frames);
    load_put_int(w, "requests", units_of(crowd));
    load_put_real(w, "requests_per_s",
                  (double)units_of(crowd) / crowd->seconds);
    load_put_real(w, "answers_per_s",
                  (double)crowd->answered_in_window / crowd->seconds);
    load_put_hist(w, "latency_us", crowd->deliveries);
    load_put_hist(w, "answer_us", crowd->answers);
    load_put_hist(w, "behind_us", crowd->behind);
    uint64_t errors = put_errors(w, crowd);
    if (crowd->wrong_status)
        load_put_int(w, "wrong_status", (uint64_t)crowd->wrong_status);
    put_cost(w, crowd);
    json_put_key(w, "inconclusive");
    json_put_bool(w, is_inconclusive(crowd));
    json_put_close(w, '}');
    return errors;
}

static void print_cost(const struct crowd *crowd)
{
    fprintf(stderr, "CPU us %s: own %.3f",
            crowd->profile->by_answer ? "an answer" : "a delivery",
            own_cpu(crowd) * each_of(crowd));
    if (crowd->load->server_count)
        fprintf(stderr, ", server %.3f",
                load_server_cpu(crowd->load) * each_of(crowd));
    if (crowd->load->redis.pid)
        fprintf(stderr, ", Redis %.3f", redis_cpu(crowd) * each_of(crowd));
    if (crowd->load->server_count)
        fprintf(stderr, "; %.0f bytes a member", bytes_each(crowd));
    fprintf(stderr, "\n");
    if (is_inconclusive(crowd))
        fprintf(stderr, "inconclusive: the generator was the bottleneck\n");
}

static void print_human(const struct crowd *crowd)
{
    fprintf(stderr,
            "chat %s, %zu members in %zu rooms: %.0f deliveries/s, %.0f "
            "answers/s in %.2f s\n"
            "delivered: p50 %" PRIu64 " p99 %" PRIu64 " max %" PRIu64
            " us; behind the acknowledgement: p99 %" PRIu64
            "; answered: p99 %" PRIu64 "\n",
            crowd->profile->name, crowd->count, crowd->room_count,
            (double)crowd->in_window / crowd->seconds,
            (double)crowd->answered_in_window / crowd->seconds, crowd->seconds,
            hist_quantile(crowd->deliveries, 0.5),
            hist_quantile(crowd->deliveries, 0.99), hist_max(crowd->deliveries),
            hist_quantile(crowd->behind, 0.99),
            hist_quantile(crowd->answers, 0.99));
    print_cost(crowd);
}

int crowd_report(const struct crowd *crowd, FILE *json)
{
    struct buf text;
    struct json_writer w = {.out = &text};

    buf_init(&text, MEM_LOAD);
    uint64_t errors = put_report(&w, crowd);
    if (json)
        fprintf(json, "%.*s\n", (int)text.len, text.ptr);
    print_human(crowd);
    if (errors)
        fprintf(stderr, "errors: %.*s\n%s\n", (int)text.len, text.ptr,
                crowd->wrong);
    buf_deinit(&text);
    return errors ? 1 : 0;
}
