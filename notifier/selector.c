/*
 * selector.c - see selector.h.
 *
 * The plain text at both ends of a template is compared as it is; only what
 * stands between goes through the automaton.  Most of its states lead to the
 * next one only: these move by one shift, the others by a row of bits each.
 */
#include "common/mem.h"
#include "notifier/selector_internal.h"

#define WORDS_MAX (SELECTOR_MAX_STATES / 64)

enum kind { KIND_ANY, KIND_EXACT, KIND_TEMPLATE };

/* One piece of memory: what is pointed to lies behind. */
struct selector {
    unsigned refs;
    enum kind kind;
    struct span text, prefix, suffix;
    size_t states, words;
    const uint64_t *accept, *plain; /* sets of `words` words */
    const uint64_t *masks, *rows;   /* many of them */
    const uint16_t *row_of;         /* state */
    const uint8_t *mask_of;         /* symbol */
};

/* Where a topic is read. */
struct reader {
    struct span rest;
    unsigned digits; /* of the escape that is being read */
    unsigned more;   /* escapes that go on with its character */
    size_t bytes;    /* of the bare character that is being read */
};

/* What is worked out before a selector's size is known. */
struct plan {
    struct selector_automaton automaton;
    struct selector_set plain;
    uint8_t mask_of[SYMBOLS];
    uint8_t mask_symbol[SYMBOLS]; /* by mask: one that has it */
    size_t masks, rows;
};

const char *selector_verdict_text(enum selector_verdict verdict)
{
    static const char *const texts[SELECTOR_VERDICTS] = {
        [SELECTOR_OK] = "",
        [SELECTOR_EMPTY] = "a topic selector is not empty",
        [SELECTOR_TOO_LONG] = "a topic selector has at most 1024 bytes",
        [SELECTOR_HAS_CONTROL] = "the topic selector has a control character",
        [SELECTOR_NOT_UTF8] = "the topic selector is not UTF-8",
        [SELECTOR_TOO_COMPLEX] =
            "the selector's template needs more than 512 states",
    };

    return texts[verdict];
}

static enum selector_verdict check_text(struct span text)
{
    if (text.len == 0)
        return SELECTOR_EMPTY;
    if (text.len > SELECTOR_MAX)
        return SELECTOR_TOO_LONG;
    while (text.len > 0) {
        unsigned char c = (unsigned char)text.ptr[0];
        size_t length = span_utf8_length(text);
        if (c < ' ' || c == 0x7f)
            return SELECTOR_HAS_CONTROL;
        if (length == 0)
            return SELECTOR_NOT_UTF8;
        text = span_skip(text, length);
    }
    return SELECTOR_OK;
}

/* ---- the compiled form */

static void plan_rows(struct plan *plan)
{
    struct selector_automaton *a = &plan->automaton;

    for (size_t i = 0; i < a->states; i++) {
        struct selector_set next = {{0}};
        if (i + 1 < a->states)
            selector_set_add(&next, i + 1);
        if (memcmp(&next, &a->follow[i], sizeof(next)) == 0)
            selector_set_add(&plan->plain, i);
        else
            plan->rows++;
    }
}

/* Symbols that the same states take share a mask. */
static void plan_masks(struct plan *plan)
{
    const struct selector_set *masks = plan->automaton.masks;

    for (size_t symbol = 0; symbol < SYMBOLS; symbol++) {
        size_t i = 0;
        while (i < plan->masks && memcmp(&masks[plan->mask_symbol[i]],
                                         &masks[symbol], sizeof(*masks)) != 0)
            i++;
        if (i == plan->masks)
            plan->mask_symbol[plan->masks++] = (uint8_t)symbol;
        plan->mask_of[symbol] = (uint8_t)i;
    }
}

static bool is_plain(const struct plan *plan, size_t state)
{
    return plan->plain.words[state / 64] >> state % 64 & 1;
}

static void fill(const struct plan *plan, struct selector *selector,
                 uint64_t *words, uint16_t *row_of)
{
    const struct selector_automaton *a = &plan->automaton;
    size_t n = selector->words;
    uint16_t row = 0;

    selector->accept = memcpy(words, &a->open, n * sizeof(*words));
    words += n;
    selector->plain = memcpy(words, &plan->plain, n * sizeof(*words));
    words += n;
    selector->masks = words;
    for (size_t i = 0; i < plan->masks; i++, words += n)
        memcpy(words, &a->masks[plan->mask_symbol[i]], n * sizeof(*words));
    selector->rows = words;
    selector->row_of = row_of;
    for (size_t i = 0; i < a->states; i++) {
        if (is_plain(plan, i))
            continue;
        memcpy(words, &a->follow[i], n * sizeof(*words));
        words += n;
        row_of[i] = row++;
    }
}

/* Without a plan there is only the text. */
static struct selector *make(enum kind kind, struct span text,
                             const struct plan *plan)
{
    size_t states = plan ? plan->automaton.states : 0;
    size_t words = (states + 63) / 64;
    size_t count = plan ? words * (2 + plan->masks + plan->rows) : 0;
    size_t symbols = plan ? SYMBOLS : 0;
    struct selector *selector = mem_zalloc(
        MEM_CACHE, sizeof(*selector) + count * sizeof(uint64_t) +
                       states * sizeof(uint16_t) + symbols + text.len);
    uint64_t *sets = (uint64_t *)(selector + 1);
    uint16_t *row_of = (uint16_t *)(sets + count);
    uint8_t *mask_of = (uint8_t *)(row_of + states);

    *selector = (struct selector){
        .refs = 1, .kind = kind, .states = states, .words = words};
    if (plan) {
        fill(plan, selector, sets, row_of);
        selector->mask_of = memcpy(mask_of, plan->mask_of, symbols);
    }
    char *copy = memcpy(mask_of + symbols, text.ptr, text.len);
    selector->text = (struct span){copy, text.len};
    return selector;
}

/* What no expansion changes. */
static bool is_fixed(char c)
{
    return c != '{' && c != '}' && (unsigned char)c < 0x80;
}

static struct span fixed_prefix(struct span text)
{
    size_t length = 0;

    while (length < text.len && is_fixed(text.ptr[length]))
        length++;
    return (struct span){text.ptr, length};
}

static struct span fixed_suffix(struct span text)
{
    size_t start = text.len;

    while (start > 0 && is_fixed(text.ptr[start - 1]))
        start--;
    return span_skip(text, start);
}

/* The text has an expression, or looks like it. */
static enum selector_verdict make_template(struct span text, struct plan *plan,
                                           struct selector **out)
{
    struct span prefix = fixed_prefix(text);
    struct span suffix = fixed_suffix(text);
    struct span middle = {text.ptr + prefix.len,
                          text.len - prefix.len - suffix.len};

    if (!selector_is_literal(prefix) || !selector_is_literal(suffix) ||
        !selector_build(middle, &plan->automaton)) {
        *out = make(KIND_EXACT, text, NULL);
        return SELECTOR_OK;
    }
    if (plan->automaton.full)
        return SELECTOR_TOO_COMPLEX;
    plan_rows(plan);
    plan_masks(plan);
    struct selector *selector = make(KIND_TEMPLATE, text, plan);
    selector->prefix = (struct span){selector->text.ptr, prefix.len};
    selector->suffix = span_skip(selector->text, text.len - suffix.len);
    *out = selector;
    return SELECTOR_OK;
}

enum selector_verdict selector_create(struct span text, struct selector **out)
{
    enum selector_verdict verdict = check_text(text);

    if (verdict != SELECTOR_OK)
        return verdict;
    if (span_eq(text, SPAN("*"))) {
        *out = make(KIND_ANY, text, NULL);
    } else if (span_find(text, '{') == text.len) {
        *out = make(KIND_EXACT, text, NULL);
    } else {
        struct plan *plan = mem_zalloc(MEM_CACHE, sizeof(*plan));
        verdict = make_template(text, plan, out);
        mem_free(plan);
    }
    return verdict;
}

struct selector *selector_ref(struct selector *selector)
{
    selector->refs++;
    return selector;
}

void selector_unref(struct selector *selector)
{
    if (selector && --selector->refs == 0)
        mem_free(selector);
}

struct span selector_text(const struct selector *selector)
{
    return selector->text;
}

bool selector_is_exact(const struct selector *selector)
{
    return selector->kind == KIND_EXACT;
}

size_t selector_states(const struct selector *selector)
{
    return selector->states;
}

/* ---- matching */

static bool intersects(const uint64_t *set, const uint64_t *other, size_t words)
{
    for (size_t i = 0; i < words; i++)
        if (set[i] & other[i])
            return true;
    return false;
}

/* Escapes that make up one character of UTF-8; 1 where they make none. */
static unsigned escapes_of_character(struct span s)
{
    char bytes[4];
    size_t count = 0;
    int byte;

    while (count < sizeof(bytes) && (byte = selector_read_escape(s)) >= 0) {
        bytes[count++] = (char)byte;
        s = span_skip(s, 3);
    }
    size_t length = span_utf8_length((struct span){bytes, count});
    return length > 0 ? (unsigned)length : 1;
}

static unsigned char read_percent(struct reader *reader)
{
    if (selector_read_escape(reader->rest) < 0)
        return SYMBOL_NONE;
    reader->digits = 2;
    if (reader->more > 0) {
        reader->more--;
        return SYMBOL_MORE;
    }
    reader->more = escapes_of_character(reader->rest) - 1;
    return '%';
}

/* A byte past ASCII: as it is, where it is UTF-8. */
static unsigned char read_wide(struct reader *reader)
{
    if (reader->bytes == 0)
        reader->bytes = span_utf8_length(reader->rest);
    if (reader->bytes == 0)
        return SYMBOL_NONE;
    reader->bytes--;
    return (unsigned char)reader->rest.ptr[0];
}

static inline unsigned char read_symbol(struct reader *reader)
{
    char c = reader->rest.ptr[0];
    unsigned char symbol = (unsigned char)c;

    if (reader->digits > 0) {
        reader->digits--;
        symbol = selector_digit_symbol(c);
    } else if (c == '%') {
        symbol = read_percent(reader);
    } else if (symbol >= 0x80) {
        symbol = read_wide(reader);
    } else if (symbol < ' ') {
        symbol = SYMBOL_NONE;
    }
    reader->rest = span_skip(reader->rest, 1);
    return symbol;
}

/* All that follow the active ones.  Returns how many were looked at by row. */
static inline size_t follow(const struct selector *selector, size_t words,
                            const uint64_t *active, uint64_t *next)
{
    size_t looked = 0;
    uint64_t carry = 0;

    for (size_t i = 0; i < words; i++) {
        uint64_t plain = active[i] & selector->plain[i];
        next[i] = plain << 1 | carry;
        carry = plain >> 63;
    }
    for (size_t i = 0; i < words; i++) {
        uint64_t left = active[i] & ~selector->plain[i];
        for (; left; left &= left - 1, looked++) {
            size_t state = 64 * i + (size_t)__builtin_ctzll(left);
            const uint64_t *row =
                selector->rows + words * selector->row_of[state];
            for (size_t k = 0; k < words; k++)
                next[k] |= row[k];
        }
    }
    return looked;
}

/*
 * From byte to byte.  Within a value the active states stay the same, and so
 * does what follows them.
 */
static inline bool run(const struct selector *selector, size_t words,
                       struct span topic, uint64_t *steps)
{
    uint64_t active[WORDS_MAX] = {1};
    uint64_t next[WORDS_MAX];
    struct reader reader = {.rest = topic};

    *steps += follow(selector, words, active, next);
    while (reader.rest.len > 0) {
        size_t symbol = read_symbol(&reader);
        const uint64_t *mask =
            selector->masks + words * selector->mask_of[symbol];
        uint64_t any = 0;
        uint64_t changed = 0;
        for (size_t i = 0; i < words; i++) {
            uint64_t taken = next[i] & mask[i];
            any |= taken;
            changed |= taken ^ active[i];
            active[i] = taken;
        }
        *steps += 1;
        if (!any)
            return false;
        if (changed)
            *steps += follow(selector, words, active, next);
    }
    return intersects(active, selector->accept, words);
}

static bool has_suffix(struct span s, struct span suffix)
{
    return s.len >= suffix.len &&
           span_eq(span_skip(s, s.len - suffix.len), suffix);
}

bool selector_matches_counted(const struct selector *selector,
                              struct span topic, uint64_t *steps)
{
    if (selector->kind == KIND_ANY || span_eq(selector->text, topic))
        return true;
    if (selector->kind == KIND_EXACT ||
        !span_has_prefix(topic, selector->prefix))
        return false;
    struct span rest = span_skip(topic, selector->prefix.len);
    if (!has_suffix(rest, selector->suffix))
        return false;
    rest.len -= selector->suffix.len;
    return selector->words == 1 ? run(selector, 1, rest, steps)
                                : run(selector, selector->words, rest, steps);
}

bool selector_matches(const struct selector *selector, struct span topic)
{
    uint64_t steps = 0;

    return selector_matches_counted(selector, topic, &steps);
}
