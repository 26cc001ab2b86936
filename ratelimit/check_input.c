/* check_input.c - see check_input.h. */
#include <stdio.h>

#include "ratelimit/check_input.h"

enum field { LIMIT, KEY, COST, FIELDS };

static const struct json_field item_fields[FIELDS] = {
    [LIMIT] = {"limit", JSON_KIND_STRING, true, false, 1, LIMIT_NAME_MAX, 0},
    [KEY] = {"key", JSON_KIND_STRING, true, false, 1, LIMIT_KEY_MAX, 0},
    [COST] = {"cost", JSON_KIND_INTEGER, false, false, 0, CHECK_COST_MAX, 0},
};

static const struct json_field check_fields[] = {
    {"checks", JSON_KIND_ARRAY, true, false, 0, 0, LIMIT_ASKS_MAX},
    {"id", JSON_KIND_STRING, false, true, 1, CHECK_ID_MAX, 0},
};

static void read_item(struct decision *decision, const json_t *object, size_t i)
{
    struct json_value values[FIELDS];
    struct json_errors *errors = decision->errors;

    errors->at_pointer = "/checks";
    errors->at_index = (long)i;
    if (json_bind(object, item_fields, FIELDS, values, errors)) {
        decision->names[i] = values[LIMIT].text;
        decision->call.asks[i] =
            (struct limit_ask){.key = values[KEY].text,
                               .cost = values[COST].state == JSON_STATE_SET
                                           ? (uint64_t)values[COST].number
                                           : 1};
    }
    errors->at_pointer = NULL;
}

bool check_key_is_valid(struct span key)
{
    size_t at = 0;

    while (at < key.len && key.ptr[at] != '\0') {
        size_t len = span_utf8_length(span_skip(key, at));
        if (len == 0)
            return false;
        at += len;
    }
    return at == key.len && key.len > 0 && key.len <= LIMIT_KEY_MAX;
}

size_t check_has_twice(const struct decision *decision)
{
    const struct limit_call *call = &decision->call;

    for (size_t i = 1; i < call->count; i++)
        for (size_t j = 0; j < i; j++)
            if (span_eq(decision->names[i], decision->names[j]) &&
                span_eq(call->asks[i].key, call->asks[j].key))
                return i;
    return 0;
}

static void refuse_twice(struct decision *decision)
{
    size_t twice = check_has_twice(decision);
    char pointer[48];

    if (!twice)
        return;
    snprintf(pointer, sizeof(pointer), "/checks/%zu", twice);
    json_errors_add(decision->errors, pointer,
                    "this limit and key stand there twice");
}

bool check_read(struct decision *decision, const json_t *object, bool with_id)
{
    struct json_value values[2] = {0};
    struct json_errors *errors = decision->errors;
    size_t before = errors->count;

    json_bind(object, check_fields, with_id ? 2 : 1, values, errors);
    if (values[0].state != JSON_STATE_SET)
        return false; /* not without an error: it is required */
    size_t count = json_array_size(values[0].node);
    if (count == 0)
        json_errors_add(errors, "/checks", "at least one");
    decision->names =
        arena_zalloc(decision->arena, (count + 1) * sizeof(struct span));
    decision->call = (struct limit_call){
        .asks = arena_zalloc(decision->arena,
                             (count + 1) * sizeof(struct limit_ask)),
        .count = count};
    for (size_t i = 0; i < count; i++)
        read_item(decision, json_array_get(values[0].node, i), i);
    if (values[1].state == JSON_STATE_SET)
        decision->call.id = values[1].text;
    if (errors->count == before)
        refuse_twice(decision);
    return errors->count == before;
}

bool check_allowed(const struct decision *decision, const struct request *req)
{
    for (size_t i = 0; i < decision->call.count; i++)
        if (!request_allows(req, SPAN("limits:check"), decision->names[i]))
            return false;
    return true;
}
