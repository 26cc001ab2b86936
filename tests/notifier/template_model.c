/* template_model.c - see template_model.h. */
#include "tests/notifier/template_model.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define ATTEMPTS 200000

struct rules { /* RFC 6570, appendix A */
    char sign;
    const char *first, *sep;
    bool named;
    const char *ifemp;
    bool reserved;
};

struct search {
    const struct rules *rules;
    struct span after; /* the template behind the expression */
    long *left;        /* attempts */
};

static const struct rules *rules_of(char sign)
{
    static const struct rules table[] = {
        {'\0', "", ",", false, "", false}, {'+', "", ",", false, "", true},
        {'#', "#", ",", false, "", true},  {'.', ".", ".", false, "", false},
        {'/', "/", "/", false, "", false}, {';', ";", ";", true, "", false},
        {'?', "?", "&", true, "=", false}, {'&', "&", "&", true, "=", false},
    };

    for (size_t i = 1; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].sign == sign)
            return &table[i];
    return &table[0];
}

static bool is_unreserved(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("-._~", c)) ||
           (unsigned char)c >= 0x80;
}

static bool is_reserved(char c)
{
    return c && strchr(":/?#[]@!$&'()*+,;=", c);
}

static bool is_escape(struct span s)
{
    return s.len >= 3 && s.ptr[0] == '%' && isxdigit((unsigned char)s.ptr[1]) &&
           isxdigit((unsigned char)s.ptr[2]);
}

static struct span head(struct span s, size_t length)
{
    return (struct span){s.ptr, length};
}

/* ---- is it an expansion? */

/* Bytes of s that are one character of a value, or 0. */
static size_t one_character(struct span s, bool reserved)
{
    char bytes[4];
    size_t count = 0;

    if (!is_escape(s))
        return is_unreserved(*s.ptr) || (reserved && is_reserved(*s.ptr))
                   ? span_utf8_length(s)
                   : 0;
    for (struct span t = s; count < 4 && is_escape(t); t = span_skip(t, 3)) {
        char digits[3] = {t.ptr[1], t.ptr[2], '\0'};
        bytes[count++] = (char)strtol(digits, NULL, 16);
    }
    size_t length = span_utf8_length((struct span){bytes, count});
    return 3 * (length + (length == 0));
}

/* Characters of a value, or -1 if it is none. */
static long value_length(struct span s, bool reserved)
{
    long length = 0;

    while (s.len > 0) {
        size_t n = one_character(s, reserved);
        if (n == 0)
            return -1;
        s = span_skip(s, n);
        length++;
    }
    return length;
}

static bool is_value(struct span s, bool reserved)
{
    return value_length(s, reserved) >= 0;
}

static bool is_list(struct span s, bool reserved)
{
    struct span part;

    if (reserved)
        return is_value(s, true);
    while (span_cut(&s, ',', &part))
        if (!is_value(part, false))
            return false;
    return true;
}

typedef bool member_test(const struct rules *rules, struct span member,
                         struct span name);

static bool is_member(const struct rules *rules, struct span s,
                      struct span name)
{
    if (!rules->named)
        return is_value(s, rules->reserved);
    if (!span_has_prefix(s, name))
        return false;
    s = span_skip(s, name.len);
    return span_eq(s, span_str(rules->ifemp)) ||
           (s.len > 1 && *s.ptr == '=' && is_value(span_skip(s, 1), false));
}

static bool is_pair(const struct rules *rules, struct span s, struct span name)
{
    bool any_name = rules->named || rules->reserved;

    (void)name;
    if (rules->named && *rules->ifemp == '\0' && is_value(s, true))
        return true;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '=' && is_value(head(s, i), any_name) &&
            is_value(span_skip(s, i + 1), rules->reserved))
            return true;
    return false;
}

/* Each way to cut s at separators. */
static bool all_are(const struct rules *rules, struct span s, struct span name,
                    member_test *test, long *left)
{
    if (--*left < 0)
        return false;
    if (test(rules, s, name))
        return true;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == *rules->sep && test(rules, head(s, i), name) &&
            all_are(rules, span_skip(s, i + 1), name, test, left))
            return true;
    return false;
}

static bool is_plain(const struct rules *rules, struct span s, long prefix)
{
    long length = prefix ? value_length(s, rules->reserved) : 0;

    return prefix ? length >= 0 && length <= prefix
                  : is_list(s, rules->reserved);
}

static bool is_named(const struct rules *rules, struct span s, struct span name,
                     long prefix)
{
    if (!span_has_prefix(s, name))
        return false;
    s = span_skip(s, name.len);
    if (s.len == 0)
        return *rules->ifemp == '\0';
    if (*s.ptr != '=')
        return false;
    s = span_skip(s, 1);
    /* A list of one empty member is not an empty value. */
    if (s.len == 0)
        return *rules->ifemp == '=' || prefix == 0;
    return is_plain(rules, s, prefix);
}

/* Is s what the variable, which is defined, becomes? */
static bool is_variable(const struct rules *rules, struct span spec,
                        struct span s, long *left)
{
    size_t colon = span_find(spec, ':');
    long prefix = colon < spec.len ? strtol(spec.ptr + colon + 1, NULL, 10) : 0;
    struct span name = head(spec, colon);

    if (spec.ptr[spec.len - 1] != '*')
        return rules->named ? is_named(rules, s, name, prefix)
                            : is_plain(rules, s, prefix);
    name.len--;
    return all_are(rules, s, name, is_member, left) ||
           all_are(rules, s, name, is_pair, left);
}

static bool matches(struct span text, struct span topic, long *left);

/* specs: the variables from here on; any: one was defined. */
static bool expression(const struct search *search, struct span specs, bool any,
                       struct span topic)
{
    const struct rules *rules = search->rules;
    struct span spec;

    if (--*search->left < 0)
        return false;
    if (!span_cut(&specs, ',', &spec))
        return matches(search->after, topic, search->left);
    if (expression(search, specs, any, topic))
        return true; /* it is not defined */
    struct span start = span_str(any ? rules->sep : rules->first);
    if (!span_has_prefix(topic, start))
        return false;
    topic = span_skip(topic, start.len);
    for (size_t i = 0; i <= topic.len; i++)
        if (is_variable(rules, spec, head(topic, i), search->left) &&
            expression(search, specs, true, span_skip(topic, i)))
            return true;
    return false;
}

static bool literal(struct span text, struct span topic, long *left)
{
    size_t length = is_escape(text) ? 3 : span_utf8_length(text);
    struct span own = head(text, length);
    bool wide = (unsigned char)*text.ptr >= 0x80;

    text = span_skip(text, length);
    if (span_has_prefix(topic, own) &&
        matches(text, span_skip(topic, length), left))
        return true;
    for (size_t i = 0; wide && i < length; i++) {
        char escape[4];
        snprintf(escape, sizeof(escape), "%%%02X", (unsigned char)own.ptr[i]);
        if (topic.len < 3 || !span_eq_nocase(head(topic, 3), span_str(escape)))
            return false;
        topic = span_skip(topic, 3);
    }
    return wide && matches(text, topic, left);
}

static bool matches(struct span text, struct span topic, long *left)
{
    if (--*left < 0)
        return false;
    if (text.len == 0)
        return topic.len == 0;
    if (*text.ptr != '{')
        return literal(text, topic, left);
    size_t end = span_find(text, '}');
    struct span specs = {text.ptr + 1, end - 1};
    struct search search = {rules_of(*specs.ptr), span_skip(text, end + 1),
                            left};
    if (search.rules->sign)
        specs = span_skip(specs, 1);
    return expression(&search, specs, false, topic);
}

enum model_answer model_matches(struct span selector, struct span topic)
{
    long left = ATTEMPTS;
    bool same = span_eq(selector, topic) || matches(selector, topic, &left);

    return same ? MODEL_YES : left < 0 ? MODEL_TIRED : MODEL_NO;
}

/* ---- expansion */

void model_put(struct model_text *out, struct span s)
{
    assert(out->len + s.len <= MODEL_TEXT);
    if (s.len > 0)
        memcpy(out->bytes + out->len, s.ptr, s.len);
    out->len += s.len;
}

static void put_string(struct model_text *out, const char *s)
{
    model_put(out, span_str(s));
}

/* One character, or a kept escape. */
static void put_character(struct model_text *out, struct span s, bool reserved)
{
    bool kept = s.len == 3 && *s.ptr == '%';
    bool bare = s.len == 1 &&
                (is_unreserved(*s.ptr) || (reserved && is_reserved(*s.ptr)));

    if (kept || bare) {
        model_put(out, s);
        return;
    }
    for (size_t i = 0; i < s.len; i++) {
        char escape[4];
        snprintf(escape, sizeof(escape), "%%%02X", (unsigned char)s.ptr[i]);
        put_string(out, escape);
    }
}

/* prefix: at most so many characters; 0: all. */
static void put_value(struct model_text *out, struct span s, bool reserved,
                      int prefix)
{
    for (int n = 0; s.len > 0 && (prefix == 0 || n < prefix); n++) {
        size_t length = reserved && is_escape(s) ? 3 : span_utf8_length(s);
        put_character(out, head(s, length), reserved);
        s = span_skip(s, length);
    }
}

static void put_exploded(struct model_text *out, const struct rules *rules,
                         const struct model_variable *variable)
{
    const struct model_value *value = &variable->value;

    for (size_t i = 0; i < value->count; i++) {
        struct span member = value->members[i];
        bool pairs = value->type == MODEL_PAIRS;
        if (i > 0)
            put_string(out, rules->sep);
        if (pairs)
            put_value(out, value->names[i], rules->named || rules->reserved, 0);
        else if (rules->named)
            model_put(out, variable->name);
        if (rules->named && member.len == 0)
            put_string(out, rules->ifemp);
        else if (rules->named || pairs)
            put_string(out, "=");
        put_value(out, member, rules->reserved, 0);
    }
}

static void put_joined(struct model_text *out, const struct rules *rules,
                       const struct model_variable *variable)
{
    const struct model_value *value = &variable->value;
    bool string = value->type == MODEL_STRING;

    if (rules->named) {
        model_put(out, variable->name);
        if (string && value->members[0].len == 0)
            put_string(out, rules->ifemp);
        else
            put_string(out, "=");
    }
    for (size_t i = 0; i < value->count; i++) {
        if (i > 0)
            put_string(out, ",");
        if (value->type == MODEL_PAIRS) {
            put_value(out, value->names[i], rules->reserved, 0);
            put_string(out, ",");
        }
        put_value(out, value->members[i], rules->reserved,
                  string ? variable->prefix : 0);
    }
}

void model_write(struct model_text *out, char sign,
                 const struct model_variable *variables, size_t count)
{
    char digits[16];

    put_string(out, "{");
    model_put(out, (struct span){&sign, sign != '\0'});
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            put_string(out, ",");
        model_put(out, variables[i].name);
        snprintf(digits, sizeof(digits), ":%d", variables[i].prefix);
        if (variables[i].prefix > 0)
            put_string(out, digits);
        else if (variables[i].explode)
            put_string(out, "*");
    }
    put_string(out, "}");
}

void model_expand(struct model_text *out, char sign,
                  const struct model_variable *variables, size_t count)
{
    const struct rules *rules = rules_of(sign);
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        const struct model_variable *variable = &variables[i];
        if (variable->value.type == MODEL_UNDEFINED)
            continue;
        put_string(out, any ? rules->sep : rules->first);
        any = true;
        if (variable->explode && variable->value.type != MODEL_STRING)
            put_exploded(out, rules, variable);
        else
            put_joined(out, rules, variable);
    }
}
