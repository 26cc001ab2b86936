/* settings.c - see settings.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/mem.h"
#include "notifier/settings.h"

#define FILE_MAX 262144
#define COUNT_MAX 100000
#define AGE_MAX_S 31622400 /* 366 days */

static const struct topic_setting otherwise = {
    .max_count = 1000, .max_age_ms = UINT64_C(86400000)};

struct settings {
    size_t count;
    struct topic_setting at[SETTINGS_MAX];
};

enum { PATTERN, MODE, MAX_COUNT, MAX_AGE, FIELDS };

static const struct json_field fields[FIELDS] = {
    {.name = "pattern",
     .kind = JSON_KIND_STRING,
     .required = true,
     .min = 1,
     .max = SELECTOR_MAX},
    {.name = "mode", .kind = JSON_KIND_STRING, .min = 1, .max = 5},
    {.name = "max_count",
     .kind = JSON_KIND_INTEGER,
     .min = 1,
     .max = COUNT_MAX},
    {.name = "max_age_s",
     .kind = JSON_KIND_INTEGER,
     .min = 1,
     .max = AGE_MAX_S},
};

static void read_selector(struct topic_setting *setting, struct span text,
                          struct json_errors *errors)
{
    enum selector_verdict verdict = SELECTOR_OK;

    if (!span_eq(text, SPAN("*")))
        verdict = selector_create(text, &setting->selector);
    if (verdict != SELECTOR_OK)
        json_errors_add(errors, "/pattern", "%s",
                        selector_verdict_text(verdict));
}

static void read_setting(const json_t *node, struct topic_setting *setting,
                         struct json_errors *errors)
{
    struct json_value values[FIELDS];

    *setting = otherwise;
    if (!json_bind(node, fields, FIELDS, values, errors))
        return;
    read_selector(setting, values[PATTERN].text, errors);
    if (values[MODE].state == JSON_STATE_SET) {
        setting->is_state = span_eq(values[MODE].text, SPAN("state"));
        if (!setting->is_state && !span_eq(values[MODE].text, SPAN("log")))
            json_errors_add(errors, "/mode", "must be log or state");
    }
    if (values[MAX_COUNT].state == JSON_STATE_SET)
        setting->max_count = (uint32_t)values[MAX_COUNT].number;
    if (values[MAX_AGE].state == JSON_STATE_SET)
        setting->max_age_ms = (uint64_t)values[MAX_AGE].number * 1000;
    if (setting->is_state)
        setting->max_count = 1;
}

static void read_settings(const json_t *document, struct settings *settings,
                          struct json_errors *errors)
{
    if (!json_is_array(document) || json_array_size(document) > SETTINGS_MAX) {
        json_errors_add(errors, "", "must be an array of at most 256 objects");
        return;
    }
    for (size_t i = 0; i < json_array_size(document); i++) {
        errors->at_pointer = "";
        errors->at_index = (long)i;
        read_setting(json_array_get(document, i), &settings->at[i], errors);
        settings->count++;
    }
}

/* Its text, or NULL and why. */
static char *read_file(const char *path, size_t *len, char *reason,
                       size_t reason_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = mem_alloc(MEM_APP, FILE_MAX);
    ssize_t got = fd < 0 ? -1 : read(fd, text, FILE_MAX);

    if (got < 0)
        snprintf(reason, reason_size, "%s: %s", path, strerror(errno));
    else if (got == FILE_MAX)
        snprintf(reason, reason_size, "%s: must be under 262144 bytes", path);
    if (fd >= 0)
        close(fd);
    if (got < 0 || got == FILE_MAX) {
        mem_free(text);
        return NULL;
    }
    *len = (size_t)got;
    return text;
}

struct settings *settings_load(const char *path, char *reason,
                               size_t reason_size)
{
    struct settings *settings = mem_zalloc(MEM_APP, sizeof(*settings));
    struct json_errors errors = {0};
    json_t *document = NULL;
    size_t len = 0;

    json_errors_init(&errors);
    if (!path)
        return settings;
    char *text = read_file(path, &len, reason, reason_size);
    if (!text) {
        settings_destroy(settings);
        return NULL;
    }
    if (json_read((struct span){text, len}, &document, &errors) == 0)
        read_settings(document, settings, &errors);
    if (errors.count) {
        const char *pointer = errors.at[0].pointer;
        snprintf(reason, reason_size, "%s: %s%s%s", path, pointer,
                 *pointer ? ": " : "", errors.at[0].detail);
        settings_destroy(settings);
        settings = NULL;
    }
    json_decref(document);
    mem_free(text);
    return settings;
}

void settings_destroy(struct settings *settings)
{
    if (!settings)
        return;
    for (size_t i = 0; i < settings->count; i++)
        selector_unref(settings->at[i].selector);
    mem_free(settings);
}

const struct topic_setting *settings_of(const struct settings *settings,
                                        struct span topic)
{
    for (size_t i = 0; i < settings->count; i++) {
        const struct topic_setting *setting = &settings->at[i];
        if (!setting->selector || selector_matches(setting->selector, topic))
            return setting;
    }
    return &otherwise;
}
