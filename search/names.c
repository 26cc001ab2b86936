/* names.c - see names.h. */
#include "search/names.h"
#include "search/query/query.h"

/* Paths of the service itself, which an index of that name would hide. */
static const char *const taken[] = {
    "v1",      "healthz", "readyz", "metrics", "openapi.yaml", "page.css",
    "page.js", "lab.css", "lab.js", "lab",     "debug"};

const char *names_refuse(struct span name)
{
    static const char bad[] = "\\/*?\"<>| ,#:";

    if (name.len == 0 || name.len > NAMES_MAX)
        return "must have 1 to 255 bytes";
    if (span_eq(name, SPAN(".")) || span_eq(name, SPAN("..")))
        return "must not be '.' or '..'";
    if (name.ptr[0] == '_' || name.ptr[0] == '-' || name.ptr[0] == '+')
        return "must not start with '_', '-', or '+'";
    if (!span_is_utf8(name))
        return "must be UTF-8";
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f ||
            memchr(bad, name.ptr[i], sizeof(bad) - 1))
            return "must not contain the following characters [ , \", *, \\, "
                   "<, |, ,, >, /, ?, #, :]";
        if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')
            return "must be lowercase";
    }
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (span_eq(name, span_str(taken[i])))
            return "is a path of the service itself";
    return NULL;
}

bool names_is_pattern(struct span expression)
{
    return expression.len == 0 || span_eq(expression, SPAN("_all")) ||
           span_find(expression, '*') < expression.len ||
           span_find(expression, ',') < expression.len;
}

bool names_match(struct span expression, struct span name)
{
    struct span piece;
    bool found = false;

    if (expression.len == 0 || span_eq(expression, SPAN("_all")))
        return true;
    while (span_cut(&expression, ',', &piece)) {
        bool minus = piece.len && piece.ptr[0] == '-';
        if (query_name_matches(minus ? span_skip(piece, 1) : piece, name))
            found = !minus;
    }
    return found;
}
