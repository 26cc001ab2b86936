/* limit_json.c - see limit_json.h. */
#include <stdio.h>

#include "ratelimit/duration.h"
#include "ratelimit/limit_json.h"

enum field {
    ALGORITHM,
    RATE,
    PER,
    BURST,
    MODE,
    ON_REDIS_FAILURE,
    DEADLINE_MS,
    SHADOW,
    MAX_COST,
    DESCRIPTION,
    NAME, /* of a file's alone */
    FIELDS
};

static const struct json_field fields[FIELDS] = {
    [ALGORITHM] = {"algorithm", JSON_KIND_STRING, false, true, 0, 0, 0},
    [RATE] = {"rate", JSON_KIND_INTEGER, true, false, 1, 1000000000, 0},
    [PER] = {"per", JSON_KIND_STRING, false, true, 0, 0, 0},
    [BURST] = {"burst", JSON_KIND_INTEGER, false, true, 1, 1000000000, 0},
    [MODE] = {"mode", JSON_KIND_STRING, false, true, 0, 0, 0},
    [ON_REDIS_FAILURE] = {"on_redis_failure", JSON_KIND_STRING, false, true, 0,
                          0, 0},
    [DEADLINE_MS] = {"deadline_ms", JSON_KIND_INTEGER, false, true, 1,
                     LIMIT_DEADLINE_MAX_MS, 0},
    [SHADOW] = {"shadow", JSON_KIND_BOOLEAN, false, true, 0, 0, 0},
    [MAX_COST] = {"max_cost", JSON_KIND_INTEGER, false, true, 1, 1000000000, 0},
    [DESCRIPTION] = {"description", JSON_KIND_STRING, false, true, 0,
                     DESCRIPTION_MAX, 0},
    [NAME] = {"name", JSON_KIND_STRING, true, false, 1, LIMIT_NAME_MAX, 0},
};

static const char *const modes[] = {
    [LIMIT_STRICT] = "strict", [LIMIT_LEASED] = "leased"};
static const char *const policies[] = {
    [LIMIT_OPEN] = "open", [LIMIT_CLOSED] = "closed", [LIMIT_LOCAL] = "local"};

const char *limit_mode_name(enum limit_mode mode)
{
    return modes[mode];
}

const char *limit_policy_name(enum limit_policy policy)
{
    return policies[policy];
}

static int find_name(const char *const names[], int count, struct span name)
{
    for (int i = 0; i < count; i++)
        if (span_eq(name, span_str(names[i])))
            return i;
    return -1;
}

bool limit_mode_parse(struct span name, enum limit_mode *out)
{
    int found = find_name(modes, 2, name);

    if (found >= 0)
        *out = (enum limit_mode)found;
    return found >= 0;
}

bool limit_policy_parse(struct span name, enum limit_policy *out)
{
    int found = find_name(policies, 3, name);

    if (found >= 0)
        *out = (enum limit_policy)found;
    return found >= 0;
}

bool limit_name_is_valid(struct span name)
{
    if (name.len == 0 || name.len > LIMIT_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
            return false;
    }
    return true;
}

/* A member that turns out to be wrong is so from then on: see refuse(). */
struct reading {
    struct json_value *values;
    struct limit_spec *spec;
    struct json_errors *errors;
};

static bool is_set(const struct reading *r, enum field field)
{
    return r->values[field].state == JSON_STATE_SET;
}

/* What it says, or says by its absence, is known. */
static bool is_known(const struct reading *r, enum field field)
{
    return r->values[field].state != JSON_STATE_WRONG;
}

static void refuse(struct reading *r, enum field field, const char *why)
{
    char pointer[32];

    snprintf(pointer, sizeof(pointer), "/%s", fields[field].name);
    json_errors_add(r->errors, pointer, "%s", why);
    r->values[field].state = JSON_STATE_WRONG;
}

static void read_names(struct reading *r)
{
    struct limit_spec *spec = r->spec;

    if (is_set(r, ALGORITHM) &&
        !limit_algorithm_parse(r->values[ALGORITHM].text,
                               &spec->numbers.algorithm))
        refuse(r, ALGORITHM,
               "one of token_bucket, gcra, fixed_window, sliding_window, "
               "sliding_log and concurrency");
    if (is_set(r, MODE) && !limit_mode_parse(r->values[MODE].text, &spec->mode))
        refuse(r, MODE, "strict or leased");
    if (is_set(r, ON_REDIS_FAILURE) &&
        !limit_policy_parse(r->values[ON_REDIS_FAILURE].text, &spec->policy))
        refuse(r, ON_REDIS_FAILURE, "one of open, closed and local");
}

static void read_per(struct reading *r)
{
    struct limit_numbers *n = &r->spec->numbers;
    bool slots = n->algorithm == LIMIT_CONCURRENCY;

    if (!is_known(r, PER))
        return;
    if (is_set(r, PER) && slots)
        refuse(r, PER, "concurrency has none");
    else if (is_set(r, PER) && !duration_parse(r->values[PER].text, &n->per_us))
        refuse(r, PER, "a number and one of ms, s, m, h, d, w: \"250ms\"");
    else if (!is_set(r, PER) && !slots && is_known(r, ALGORITHM))
        refuse(r, PER, "is missing");
}

/* What does not go with the algorithm. */
static void check_members(struct reading *r)
{
    enum limit_algorithm algorithm = r->spec->numbers.algorithm;
    bool slots = algorithm == LIMIT_CONCURRENCY;

    if (is_set(r, BURST) && !limit_is_bucket(algorithm))
        refuse(r, BURST, "token_bucket and gcra alone have one");
    if (r->spec->mode == LIMIT_LEASED && slots)
        refuse(r, MODE, "concurrency is strict");
    if (r->spec->mode == LIMIT_LEASED && algorithm == LIMIT_SLIDING_LOG)
        refuse(r, MODE, "sliding_log is strict");
    if (slots && is_set(r, SHADOW) && r->values[SHADOW].flag)
        refuse(r, SHADOW, "a slot that is held is held");
    if (slots && is_set(r, MAX_COST))
        refuse(r, MAX_COST, "a slot is a slot");
}

/* What is not known stands as what is in bounds beside anything. */
static struct limit_numbers numbers_of(const struct reading *r)
{
    struct limit_numbers n = r->spec->numbers;
    bool pace = is_known(r, RATE) && is_known(r, PER);

    n.rate = is_known(r, RATE) ? (uint64_t)r->values[RATE].number : 1;
    if (!is_known(r, PER))
        n.per_us = 1000000;
    n.burst = 1;
    if (pace && is_known(r, BURST))
        n.burst = is_set(r, BURST) ? (uint64_t)r->values[BURST].number : n.rate;
    return n;
}

static enum field field_of(const char *member)
{
    enum field field = ALGORITHM;

    while (strcmp(fields[field].name, member) != 0)
        field++;
    return field;
}

/* Each number that is out of bounds. */
static void read_numbers(struct reading *r)
{
    struct limit_spec *spec = r->spec;
    struct limit_numbers n = numbers_of(r);
    const char *member = "";
    const char *wrong;

    while ((wrong = limit_numbers_check(&n, &member)) &&
           is_known(r, field_of(member))) {
        refuse(r, field_of(member), wrong);
        n = numbers_of(r);
    }
    spec->numbers = n;
    spec->max_cost =
        is_set(r, MAX_COST) ? (uint64_t)r->values[MAX_COST].number : n.burst;
    if (is_known(r, RATE) && is_known(r, PER) && is_known(r, BURST) &&
        spec->max_cost > n.burst)
        refuse(r, MAX_COST, "at most what can pass at once");
}

static void read_rest(struct reading *r, struct limit_text *out)
{
    struct limit_spec *spec = r->spec;

    if (is_set(r, DEADLINE_MS))
        spec->deadline_ms = (uint32_t)r->values[DEADLINE_MS].number;
    spec->shadow = is_set(r, SHADOW) && r->values[SHADOW].flag;
    if (is_set(r, DESCRIPTION))
        out->description = r->values[DESCRIPTION].text;
}

bool limit_from_json(const json_t *object, bool named, struct limit_text *out,
                     struct json_errors *errors)
{
    struct json_value values[FIELDS] = {0};
    struct reading r = {values, &out->spec, errors};
    size_t before = errors->count;

    *out = (struct limit_text){
        .spec = {.policy = LIMIT_LOCAL, .deadline_ms = LIMIT_DEADLINE_MS}};
    json_bind(object, fields, named ? FIELDS : NAME, values, errors);
    if (!json_is_object(object))
        return false;
    if (is_set(&r, NAME) && !limit_name_is_valid(values[NAME].text))
        refuse(&r, NAME, "letters, digits, -, _ and .");
    else if (is_set(&r, NAME))
        memcpy(out->spec.name, values[NAME].text.ptr, values[NAME].text.len);
    read_names(&r);
    read_per(&r);
    if (is_known(&r, ALGORITHM)) {
        check_members(&r);
        read_numbers(&r);
    }
    read_rest(&r, out);
    return errors->count == before;
}

static void put_text(struct json_writer *w, const char *key, struct span text)
{
    json_put_key(w, key);
    if (text.ptr)
        json_put_string(w, text);
    else
        json_put_null(w);
}

static void put_number(struct json_writer *w, const char *key, uint64_t number)
{
    json_put_key(w, key);
    json_put_int(w, (int64_t)number);
}

void limit_put_json(struct json_writer *w, const struct limit_spec *spec,
                    struct span description)
{
    const struct limit_numbers *n = &spec->numbers;
    char per[DURATION_TEXT_MAX];

    json_put_open(w, '{');
    put_text(w, "name", span_str(spec->name));
    put_text(w, "algorithm", span_str(limit_algorithm_name(n->algorithm)));
    put_number(w, "rate", n->rate);
    put_text(w, "per",
             n->per_us ? duration_write(n->per_us, per)
                       : (struct span){NULL, 0});
    json_put_key(w, "burst");
    if (limit_is_bucket(n->algorithm))
        json_put_int(w, (int64_t)n->burst);
    else
        json_put_null(w);
    put_text(w, "mode", span_str(modes[spec->mode]));
    put_text(w, "on_redis_failure", span_str(policies[spec->policy]));
    put_number(w, "deadline_ms", spec->deadline_ms);
    json_put_key(w, "shadow");
    json_put_bool(w, spec->shadow);
    json_put_key(w, "max_cost");
    if (n->algorithm == LIMIT_CONCURRENCY)
        json_put_null(w);
    else
        json_put_int(w, (int64_t)spec->max_cost);
    put_text(w, "description", description);
    put_number(w, "version", n->version);
    json_put_close(w, '}');
}
