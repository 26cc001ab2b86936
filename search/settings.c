/* settings.c - what a new index may be told of settings. */
#include <stdio.h>

#include "search/manage.h"

#define ILLEGAL "illegal_argument_exception"

enum setting { SHARDS, REPLICAS, REFRESH, SETTINGS };

static const char *const known[SETTINGS] = {
    "number_of_shards", "number_of_replicas", "refresh_interval"};

/* A number and a unit, "-1" for never: false: it is no such text. */
static bool read_time(const char *text, uint64_t *ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t digits = strspn(text, "0123456789");

    *ms = UINT64_MAX;
    if (strcmp(text, "-1") == 0)
        return true;
    if (digits > 9 || !span_to_u64((struct span){text, digits}, UINT32_MAX, ms))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(text + digits, units[i].name) == 0) {
            *ms *= units[i].ms;
            return true;
        }
    return false;
}

/* All indexes are refreshed as often, so none can ask for more. */
static bool takes(const struct service *service, enum setting which,
                  const char *text)
{
    uint64_t number;

    if (which == SHARDS)
        return strcmp(text, "1") == 0;
    if (which == REPLICAS)
        return span_to_u64(span_str(text), INT32_MAX, &number);
    return read_time(text, &number) &&
           number >= (uint64_t)service->config->refresh_ms;
}

static bool refuse(struct request *req, const struct service *service,
                   enum setting which, const char *key)
{
    if (which == SHARDS)
        answer_refuse(req, ILLEGAL, "[%.100s] is 1: an index has one shard",
                      key);
    else if (which == REPLICAS)
        answer_refuse(req, ILLEGAL,
                      "[%.100s] is an integer that is not negative", key);
    else if (which == REFRESH)
        answer_refuse(req, ILLEGAL,
                      "[%.100s] is a time, at least the service's, %lldms, or "
                      "-1",
                      key, (long long)service->config->refresh_ms);
    else
        answer_refuse(req, ILLEGAL, "unknown setting [%.100s]", key);
    return false;
}

static bool take(struct request *req, const struct service *service,
                 const char *key, const json_t *value, json_t *into)
{
    const char *name = strncmp(key, "index.", 6) == 0 ? key + 6 : key;
    char text[32] = "";
    size_t i = 0;

    while (i < SETTINGS && strcmp(known[i], name) != 0)
        i++;
    if (json_is_integer(value))
        snprintf(text, sizeof(text), "%lld",
                 (long long)json_integer_value(value));
    else if (json_is_string(value) && json_string_length(value) < sizeof(text))
        snprintf(text, sizeof(text), "%s", json_string_value(value));
    if (i == SETTINGS || !takes(service, (enum setting)i, text))
        return refuse(req, service, (enum setting)i, key);
    json_object_set_new(into, name, json_string(text));
    return true;
}

bool settings_take(struct request *req, const struct service *service,
                   json_t *from, json_t *into)
{
    const char *key;
    json_t *value;

    if (!json_is_object(from)) {
        answer_refuse(req, ILLEGAL, "[settings] is an object of settings");
        return false;
    }
    json_object_foreach(from, key, value)
    {
        bool inner = strcmp(key, "index") == 0 && json_is_object(value);
        if (inner ? !settings_take(req, service, value, into)
                  : !take(req, service, key, value, into))
            return false;
    }
    return true;
}
