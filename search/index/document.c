/* document.c - see document.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "search/index/document.h"

#define FEW 8 /* members are compared with each other */

struct reading {
    struct arena *arena;
    const char *at, *end;
    unsigned depth;
};

static struct document_node *read_value(struct reading *reading);

static char peek(const struct reading *reading)
{
    return (char)(reading->at < reading->end ? *reading->at : '\0');
}

static char peek_behind_blanks(struct reading *reading)
{
    while (reading->at < reading->end &&
           (*reading->at == ' ' || *reading->at == '\t' ||
            *reading->at == '\n' || *reading->at == '\r'))
        reading->at++;
    return peek(reading);
}

static bool take(struct reading *reading, struct span literal)
{
    if ((size_t)(reading->end - reading->at) < literal.len ||
        memcmp(reading->at, literal.ptr, literal.len) != 0)
        return false;
    reading->at += literal.len;
    return true;
}

/* ---- strings */

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* A bit is set for the first byte at least that is no plain character of a
   string: a control, a quote, a backslash, or not ASCII. */
static uint64_t find_special(uint64_t word)
{
    uint64_t quote = word ^ EACH('"');
    uint64_t slash = word ^ EACH('\\');

    return ((word - EACH(' ')) | (quote - EACH(1)) | (slash - EACH(1)) | word) &
           EACH(0x80);
}

/* Past characters that stand for themselves; to the end, a quote, a backslash;
   false: a byte that cannot be there. */
static bool pass_plain(struct reading *reading)
{
    for (;;) {
        uint64_t word;
        while (reading->end - reading->at >= (ptrdiff_t)sizeof(word)) {
            memcpy(&word, reading->at, sizeof(word));
            word = find_special(word);
            if (word) {
                reading->at += __builtin_ctzll(word) / 8;
                break;
            }
            reading->at += sizeof(word);
        }
        unsigned char c = (unsigned char)peek(reading);
        if (reading->at == reading->end || c == '"' || c == '\\')
            return true;
        size_t len = span_utf8_length(
            (struct span){reading->at, (size_t)(reading->end - reading->at)});
        if (c < ' ' || len == 0)
            return false;
        reading->at += len;
    }
}

/* Four digits; negative: there are none. */
static int32_t read_unit(struct reading *reading)
{
    int32_t unit = 0;

    for (int i = 0; i < 4; i++) {
        char c = peek(reading);
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
        reading->at++;
    }
    return unit;
}

/* Behind \u; in UTF-8. */
static bool read_escaped_char(struct reading *reading, struct buf *out)
{
    int32_t c = read_unit(reading);

    if (c >= 0xd800 && c < 0xdc00) {
        int32_t low = take(reading, SPAN("\\u")) ? read_unit(reading) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return false;
        c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
    } else if (c <= 0 || (c >= 0xdc00 && c < 0xe000)) {
        return false;
    }
    unsigned more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char firsts[] = {0, 0xc0, 0xe0, 0xf0};
    buf_append_char(out, (char)(firsts[more] | c >> 6 * more));
    while (more-- > 0)
        buf_append_char(out, (char)(0x80 | (c >> 6 * more & 0x3f)));
    return true;
}

static bool read_escape(struct reading *reading, struct buf *out)
{
    static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    char c = peek(reading);

    if (reading->at++ == reading->end)
        return false;
    if (c == 'u')
        return read_escaped_char(reading, out);
    for (size_t i = 0; escapes[i]; i += 2)
        if (escapes[i] == c) {
            buf_append_char(out, escapes[i + 1]);
            return true;
        }
    return false;
}

/* At the first backslash of a string that began at start. */
static bool unescape(struct reading *reading, const char *start,
                     struct span *out)
{
    struct buf text;
    bool fine = true;

    buf_init(&text, MEM_APP);
    while (fine) {
        buf_append(&text, (struct span){start, (size_t)(reading->at - start)});
        if (peek(reading) != '\\')
            break;
        reading->at++;
        fine = read_escape(reading, &text);
        start = reading->at;
        fine = fine && pass_plain(reading);
    }
    if (fine)
        *out = arena_copy(reading->arena, buf_span(&text));
    buf_deinit(&text);
    return fine;
}

/* Behind its quote. */
static bool read_string(struct reading *reading, struct span *out)
{
    const char *start = reading->at;

    if (!pass_plain(reading))
        return false;
    *out = (struct span){start, (size_t)(reading->at - start)};
    if (peek(reading) == '\\' && !unescape(reading, start, out))
        return false;
    return take(reading, SPAN("\""));
}

/* ---- numbers */

static bool pass_digits(struct reading *reading)
{
    const char *start = reading->at;

    while (peek(reading) >= '0' && peek(reading) <= '9')
        reading->at++;
    return reading->at > start;
}

/* Behind the digits that it begins with; false: it is none. */
static bool pass_fraction(struct reading *reading)
{
    if (take(reading, SPAN(".")) && !pass_digits(reading))
        return false;
    if (!take(reading, SPAN("e")) && !take(reading, SPAN("E")))
        return true;
    if (!take(reading, SPAN("-")))
        take(reading, SPAN("+"));
    return pass_digits(reading);
}

/* Of digits, behind a minus or not; false: it does not fit. */
static bool to_integer(struct span text, int64_t *out)
{
    bool negative = text.ptr[0] == '-';
    int64_t sum = 0;

    for (size_t i = negative; i < text.len; i++) {
        int digit = text.ptr[i] - '0';
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_sub_overflow(sum, digit, &sum))
            return false;
    }
    *out = sum;
    return negative || !__builtin_sub_overflow(0, sum, out);
}

static double to_real(struct reading *reading, struct span text)
{
    char room[64];

    if (text.len >= sizeof(room))
        return strtod(arena_copy(reading->arena, text).ptr, NULL);
    memcpy(room, text.ptr, text.len);
    room[text.len] = '\0';
    return strtod(room, NULL);
}

static bool read_number(struct reading *reading, struct document_node *node)
{
    const char *start = reading->at;

    take(reading, SPAN("-"));
    bool zero = peek(reading) == '0';
    const char *digits = reading->at;
    if (!pass_digits(reading) || (zero && reading->at > digits + 1))
        return false;
    const char *whole = reading->at;
    if (!pass_fraction(reading))
        return false;
    struct span text = {start, (size_t)(reading->at - start)};
    if (reading->at == whole) {
        node->kind = DOCUMENT_INTEGER;
        return to_integer(text, &node->integer);
    }
    node->kind = DOCUMENT_REAL;
    node->real = to_real(reading, text);
    return isfinite(node->real);
}

/* ---- objects and arrays */

static int by_name(const void *a, const void *b)
{
    const struct document_node *const *one = a;
    const struct document_node *const *two = b;

    return span_compare((*one)->name, (*two)->name);
}

static bool are_many_different(const struct document_node *first, size_t count)
{
    const struct document_node **order =
        mem_alloc(MEM_APP, count * sizeof(const struct document_node *));
    bool different = true;
    size_t at = 0;

    for (; first; first = first->next)
        order[at++] = first;
    qsort(order, count, sizeof(const struct document_node *), by_name);
    for (size_t i = 1; i < count && different; i++)
        different = by_name(&order[i - 1], &order[i]) != 0;
    mem_free(order);
    return different;
}

static bool are_different(const struct document_node *first, size_t count)
{
    if (count > FEW)
        return are_many_different(first, count);
    for (; first; first = first->next)
        for (const struct document_node *other = first->next; other;
             other = other->next)
            if (span_eq(first->name, other->name))
                return false;
    return true;
}

/* Of an object: its name and the colon. */
static bool read_name(struct reading *reading, struct span *name)
{
    if (peek_behind_blanks(reading) != '"')
        return false;
    reading->at++;
    if (!read_string(reading, name))
        return false;
    peek_behind_blanks(reading);
    return take(reading, SPAN(":"));
}

/* Behind its bracket; close: the other one. */
static bool read_inner(struct reading *reading, struct document_node *node,
                       char close)
{
    struct document_node **last = &node->first;
    struct span name = {NULL, 0};
    size_t count = 0;

    *last = NULL;
    if (++reading->depth > JSON_MAX_DEPTH)
        return false;
    if (peek_behind_blanks(reading) != close)
        do {
            if (close == '}' && !read_name(reading, &name))
                return false;
            struct document_node *inner = read_value(reading);
            if (!inner)
                return false;
            inner->name = name;
            *last = inner;
            last = &inner->next;
            count++;
            peek_behind_blanks(reading);
        } while (take(reading, SPAN(",")));
    reading->depth--;
    return take(reading, (struct span){&close, 1}) &&
           (close == ']' || are_different(node->first, count));
}

static bool read_as(struct reading *reading, struct document_node *node)
{
    switch (peek_behind_blanks(reading)) {
    case '"':
        node->kind = DOCUMENT_STRING;
        reading->at++;
        return read_string(reading, &node->text);
    case '{':
        node->kind = DOCUMENT_OBJECT;
        reading->at++;
        return read_inner(reading, node, '}');
    case '[':
        node->kind = DOCUMENT_ARRAY;
        reading->at++;
        return read_inner(reading, node, ']');
    case 't':
        node->kind = DOCUMENT_TRUE;
        return take(reading, SPAN("true"));
    case 'f':
        node->kind = DOCUMENT_FALSE;
        return take(reading, SPAN("false"));
    case 'n':
        node->kind = DOCUMENT_NULL;
        return take(reading, SPAN("null"));
    default:
        return read_number(reading, node);
    }
}

static struct document_node *read_value(struct reading *reading)
{
    struct document_node *node = arena_alloc(reading->arena, sizeof(*node));

    node->next = NULL;
    return read_as(reading, node) ? node : NULL;
}

const struct document_node *document_read(struct arena *arena,
                                          struct span source)
{
    struct reading reading = {arena, source.ptr, source.ptr + source.len, 0};

    if (source.len == 0)
        return NULL;
    const struct document_node *node = read_value(&reading);
    peek_behind_blanks(&reading);
    return node && node->kind == DOCUMENT_OBJECT && reading.at == reading.end
               ? node
               : NULL;
}

const struct document_node *document_get(const struct document_node *object,
                                         struct span name)
{
    for (const struct document_node *node = object->first; node;
         node = node->next)
        if (span_eq(node->name, name))
            return node;
    return NULL;
}
