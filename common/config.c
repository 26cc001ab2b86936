/* config.c - see config.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/config.h"

#define NAME_SIZE 64

struct parse {
    const struct config_option *const *tables;
    void *const *outs;
    size_t count;
    char *reason;
    size_t reason_size;
};

static const struct config_option *find(const struct parse *parse,
                                        struct span name, void **out)
{
    for (size_t i = 0; i < parse->count; i++)
        for (const struct config_option *o = parse->tables[i]; o->name; o++)
            if (span_eq(name, span_str(o->name))) {
                *out = parse->outs[i];
                return o;
            }
    return NULL;
}

/* "max-body" is MAX_BODY; "redis" is REDIS_URL, as the world has it. */
static void environment_name(const struct config_option *option,
                             char name[NAME_SIZE])
{
    size_t i = 0;

    if (strcmp(option->name, "redis") == 0) {
        memcpy(name, "REDIS_URL", sizeof("REDIS_URL"));
        return;
    }
    for (; option->name[i] && i + 1 < NAME_SIZE; i++) {
        name[i] = option->name[i];
        if (name[i] == '-')
            name[i] = '_';
        else if (name[i] >= 'a' && name[i] <= 'z')
            name[i] = (char)(name[i] & ~0x20);
    }
    name[i] = '\0';
}

/* A number and the unit behind it. */
static bool split_number(const char *text, uint64_t *number, const char **unit)
{
    size_t digits = strspn(text, "0123456789");

    *unit = text + digits;
    return span_to_u64((struct span){text, digits}, INT64_MAX, number);
}

static bool scale(const char *unit, const char *const *units,
                  const int64_t *factors, size_t count, int64_t *factor)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(unit, units[i]) == 0) {
            *factor = factors[i];
            return true;
        }
    return false;
}

static bool read_number(enum config_kind kind, const char *text, int64_t *out)
{
    static const char *const byte_units[] = {"", "k", "K", "m", "M", "g", "G"};
    static const int64_t byte_factors[] = {1,       1024,    1024,   1 << 20,
                                           1 << 20, 1 << 30, 1 << 30};
    static const char *const time_units[] = {"", "ms", "s", "m", "h", "d"};
    static const int64_t time_factors[] = {1000,  1,       1000,
                                           60000, 3600000, 86400000};
    uint64_t number;
    const char *unit;
    int64_t factor = 1;

    if (!split_number(text, &number, &unit))
        return false;
    if (kind == CONFIG_BYTES &&
        !scale(unit, byte_units, byte_factors,
               sizeof(byte_factors) / sizeof(int64_t), &factor))
        return false;
    if (kind == CONFIG_DURATION &&
        !scale(unit, time_units, time_factors,
               sizeof(time_factors) / sizeof(int64_t), &factor))
        return false;
    if (kind == CONFIG_INTEGER && *unit)
        return false;
    return !__builtin_mul_overflow((int64_t)number, factor, out);
}

static bool read_flag(const char *text, bool *out)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcmp(text, yes[i]) == 0) {
            *out = true;
            return true;
        }
        if (strcmp(text, no[i]) == 0) {
            *out = false;
            return true;
        }
    }
    return false;
}

static void describe(const struct config_option *option, char *out, size_t size)
{
    int64_t min = option->min;
    int64_t max = option->max;

    switch (option->kind) {
    case CONFIG_BOOLEAN:
        snprintf(out, size, "true or false");
        break;
    case CONFIG_STRING:
        snprintf(out, size, "%" PRId64 " to %" PRId64 " bytes", min, max);
        break;
    case CONFIG_INTEGER:
        snprintf(out, size, "a number from %" PRId64 " to %" PRId64, min, max);
        break;
    case CONFIG_BYTES:
        snprintf(out, size,
                 "bytes (such as 64k or 1M) from %" PRId64 " to %" PRId64, min,
                 max);
        break;
    case CONFIG_DURATION:
        snprintf(out, size,
                 "a time (such as 250ms or 5s) from %" PRId64 "ms to %" PRId64
                 "ms",
                 min, max);
        break;
    }
}

/* source names the flag or the variable, for the error. */
static int set(struct parse *parse, const struct config_option *option,
               void *out, const char *source, const char *text)
{
    char *at = (char *)out + option->offset;
    char takes[128];
    int64_t number = (int64_t)strlen(text);
    bool good;

    if (option->kind == CONFIG_BOOLEAN)
        good = read_flag(text, (bool *)(void *)at);
    else if (option->kind == CONFIG_STRING)
        good = number >= option->min && number <= option->max;
    else
        good = read_number(option->kind, text, &number) &&
               number >= option->min && number <= option->max;
    if (!good) {
        describe(option, takes, sizeof(takes));
        snprintf(parse->reason, parse->reason_size, "%s takes %s, not '%.100s'",
                 source, takes, text);
        return UV_EINVAL;
    }
    if (option->kind == CONFIG_STRING)
        *(const char **)(void *)at = text;
    else if (option->kind != CONFIG_BOOLEAN)
        *(int64_t *)(void *)at = number;
    return 0;
}

static int set_defaults(struct parse *parse)
{
    char name[NAME_SIZE];
    int err = 0;

    for (size_t i = 0; i < parse->count; i++)
        for (const struct config_option *o = parse->tables[i];
             o->name && err == 0; o++) {
            environment_name(o, name);
            const char *value = getenv(name);
            if (o->fallback)
                err = set(parse, o, parse->outs[i], o->name, o->fallback);
            if (err == 0 && value && *value)
                err = set(parse, o, parse->outs[i], name, value);
        }
    return err;
}

static int fail(struct parse *parse, const char *flag, const char *what)
{
    snprintf(parse->reason, parse->reason_size, "%.100s: %s", flag, what);
    return UV_EINVAL;
}

/* One flag and its value; *used is how many arguments they were. */
static int set_flag(struct parse *parse, char **argv, int left, int *used)
{
    char source[NAME_SIZE + 2];
    struct span text = span_str(argv[0]);
    void *out = NULL;

    if (!span_has_prefix(text, SPAN("--")))
        return fail(parse, argv[0], "not an option; --help lists them");
    text = span_skip(text, 2);
    size_t equals = span_find(text, '=');
    struct span name = {text.ptr, equals};
    const char *value = equals < text.len ? text.ptr + equals + 1 : NULL;
    const struct config_option *option = find(parse, name, &out);

    *used = 1;
    if (!option && !value && span_has_prefix(name, SPAN("no-"))) {
        option = find(parse, span_skip(name, 3), &out);
        if (option && option->kind != CONFIG_BOOLEAN)
            option = NULL;
        value = "false";
    }
    if (!option)
        return fail(parse, argv[0], "no such option; --help lists them");
    if (!value && option->kind == CONFIG_BOOLEAN)
        value = "true";
    if (!value && left < 2)
        return fail(parse, argv[0], "needs a value");
    if (!value) {
        value = argv[1];
        *used = 2;
    }
    snprintf(source, sizeof(source), "--%s", option->name);
    return set(parse, option, out, source, value);
}

int config_parse(const struct config_option *const tables[], void *const outs[],
                 size_t count, int argc, char **argv, char *reason,
                 size_t reason_size)
{
    struct parse parse = {tables, outs, count, reason, reason_size};
    int err = set_defaults(&parse);
    int used = 1;

    for (int i = 1; i < argc && err == 0; i += used)
        err = set_flag(&parse, argv + i, argc - i, &used);
    return err;
}

static const char *placeholder(const struct config_option *option)
{
    static const char *const names[] = {
        [CONFIG_STRING] = " TEXT", [CONFIG_INTEGER] = " N",
        [CONFIG_BYTES] = " BYTES", [CONFIG_DURATION] = " TIME",
        [CONFIG_BOOLEAN] = "",
    };

    return names[option->kind];
}

/* A boolean that is on is turned off by its other name. */
static const char *prefix_of(const struct config_option *option)
{
    bool on = false;

    if (option->kind == CONFIG_BOOLEAN && option->fallback)
        read_flag(option->fallback, &on);
    return on ? "no-" : "";
}

void config_help(FILE *to, const struct config_option *const tables[],
                 size_t count)
{
    char flag[NAME_SIZE + 16];

    for (size_t i = 0; i < count; i++)
        for (const struct config_option *o = tables[i]; o->name; o++) {
            snprintf(flag, sizeof(flag), "--%s%s%s", prefix_of(o), o->name,
                     placeholder(o));
            fprintf(to, "  %-34s %s", flag, o->help);
            if (o->fallback && o->kind != CONFIG_BOOLEAN && *o->fallback)
                fprintf(to, " (%s)", o->fallback);
            fputc('\n', to);
        }
}

void config_help_markdown(FILE *to, const struct config_option *const tables[],
                          size_t count)
{
    char variable[NAME_SIZE];
    char takes[128];

    fprintf(to, "| option | environment | default | takes | what it does |\n"
                "|---|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++)
        for (const struct config_option *o = tables[i]; o->name; o++) {
            environment_name(o, variable);
            describe(o, takes, sizeof(takes));
            fprintf(to, "| `--%s%s` | `%s` | %s | %s | %s |\n", prefix_of(o),
                    o->name, variable,
                    o->fallback && *o->fallback ? o->fallback : "", takes,
                    o->help);
        }
}
