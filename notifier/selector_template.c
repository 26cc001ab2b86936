/*
 * selector_template.c - a URI template's automaton (RFC 6570, appendix A).
 *
 * Built from left to right: each state follows those that are open.  An
 * expression keeps two sets of them, for its first variable that is defined
 * begins with another character than the later ones.
 */
#include "notifier/selector_internal.h"

enum {
    CLASS_UNRESERVED = 1, /* also what begins an escape, and is past ASCII */
    CLASS_RESERVED = 2,
    CLASS_DIGIT = 4, /* within an escape */
    CLASS_REST = 8,  /* what a character's first symbol is followed by */
    CLASSES = 4
};

struct operation {
    char sign;
    char first; /* NUL: nothing */
    char sep;
    bool reserved; /* characters stay as they are */
    bool named;
    bool bare; /* no = behind a name without a value */
};

struct variable {
    struct span name;
    uint64_t prefix; /* 0: all of it */
    bool explode;
};

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

unsigned char selector_digit_symbol(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned char)(SYMBOL_DIGIT + c - '0');
    if (c >= 'A' && c <= 'F')
        return (unsigned char)(SYMBOL_DIGIT + 10 + c - 'A');
    if (c >= 'a' && c <= 'f')
        return (unsigned char)(SYMBOL_DIGIT + 16 + c - 'a');
    return SYMBOL_NONE;
}

static int digit_value(char c)
{
    int value = selector_digit_symbol(c) - SYMBOL_DIGIT;

    return value < 16 ? value : value - 6;
}

int selector_read_escape(struct span s)
{
    if (s.len < 3 || s.ptr[0] != '%')
        return -1;
    int high = digit_value(s.ptr[1]);
    int low = digit_value(s.ptr[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static unsigned classes_of(size_t symbol)
{
    unsigned classes = 0;

    if (symbol < SYMBOL_DIGIT)
        return 0;
    if (symbol < SYMBOL_MORE)
        return CLASS_DIGIT | CLASS_REST;
    if (symbol == SYMBOL_MORE || (symbol >= 0x80 && symbol < 0xc0))
        classes |= CLASS_REST;
    if (symbol == SYMBOL_MORE || symbol >= 0x80 || is_alnum((char)symbol) ||
        is_one_of((char)symbol, "-._~%"))
        classes |= CLASS_UNRESERVED;
    if (is_one_of((char)symbol, ":/?#[]@!$&'()*+,;="))
        classes |= CLASS_RESERVED;
    return classes;
}

static void unite(struct selector_set *set, const struct selector_set *other)
{
    for (size_t i = 0; i < SELECTOR_MAX_STATES / 64; i++)
        set->words[i] |= other->words[i];
}

static bool is_empty(const struct selector_set *set)
{
    static const struct selector_set empty;

    return memcmp(set, &empty, sizeof(empty)) == 0;
}

/* ---- states */

static size_t add(struct selector_automaton *a, struct selector_takes takes)
{
    if (a->states == SELECTOR_MAX_STATES) {
        a->full = true;
        return 0;
    }
    size_t state = a->states++;

    a->takes[state] = takes;
    for (size_t i = 0; i < state; i++)
        if (a->open.words[i / 64] >> i % 64 & 1)
            selector_set_add(&a->follow[i], state);
    a->open = (struct selector_set){{0}};
    selector_set_add(&a->open, state);
    return state;
}

/* Any number of times, also none. */
static size_t add_loop(struct selector_automaton *a,
                       struct selector_takes takes)
{
    struct selector_set before = a->open;
    size_t state = add(a, takes);

    selector_set_add(&a->follow[state], state);
    unite(&a->open, &before);
    return state;
}

static size_t add_symbols(struct selector_automaton *a, unsigned char one,
                          unsigned char other)
{
    return add(a, (struct selector_takes){.symbols = {one, other}});
}

static size_t add_char(struct selector_automaton *a, char c)
{
    return add_symbols(a, (unsigned char)c, (unsigned char)c);
}

/* The text's own escape: to the letter. */
static void add_escape(struct selector_automaton *a, struct span s)
{
    unsigned char high = selector_digit_symbol(s.ptr[1]);
    unsigned char low = selector_digit_symbol(s.ptr[2]);

    add_symbols(a, '%', SYMBOL_MORE);
    add_symbols(a, high, high);
    add_symbols(a, low, low);
}

/* A byte that an expansion escapes: digits of either case. */
static void add_escaped(struct selector_automaton *a, char byte)
{
    static const char upper[] = "0123456789ABCDEF";
    static const char lower[] = "0123456789abcdef";
    unsigned char c = (unsigned char)byte;

    add_symbols(a, '%', SYMBOL_MORE);
    add_symbols(a, selector_digit_symbol(upper[c >> 4]),
                selector_digit_symbol(lower[c >> 4]));
    add_symbols(a, selector_digit_symbol(upper[c & 15]),
                selector_digit_symbol(lower[c & 15]));
}

/* As it is, or escaped as a whole. */
static void add_wide(struct selector_automaton *a, struct span character)
{
    struct selector_set before = a->open;

    for (size_t i = 0; i < character.len; i++)
        add_char(a, character.ptr[i]);
    struct selector_set bare = a->open;
    a->open = before;
    for (size_t i = 0; i < character.len; i++)
        add_escaped(a, character.ptr[i]);
    unite(&a->open, &bare);
}

/* ---- values */

/* All that a value may hold, and c. */
static struct selector_takes value_or(const struct operation *op, char c)
{
    unsigned more = op->reserved ? CLASS_RESERVED : 0;
    unsigned classes = CLASS_UNRESERVED | CLASS_DIGIT | more;
    unsigned char symbol = (unsigned char)c;

    return (struct selector_takes){(uint8_t)classes, {symbol, symbol}};
}

/* At most length characters; some: at least one. */
static void add_prefix(struct selector_automaton *a, const struct operation *op,
                       uint64_t length, bool some)
{
    struct selector_set ends = {{0}};
    struct selector_takes any = value_or(op, '\0');

    if (!some)
        ends = a->open;
    if (length > SELECTOR_MAX_PREFIX) {
        add(a, any);
        add_loop(a, any);
        unite(&a->open, &ends);
        return;
    }
    for (uint64_t i = 0; i < length; i++) {
        add(a, any);
        add_loop(a, (struct selector_takes){.classes = CLASS_REST});
        unite(&ends, &a->open);
    }
    a->open = ends;
}

/* A list, or pairs of a name and a value; with all reserved ones it is one. */
static void add_members(struct selector_automaton *a,
                        const struct operation *op)
{
    struct selector_set before = a->open;

    add_loop(a, value_or(op, op->sep));
    if (op->reserved)
        return;
    struct selector_set list = a->open;
    a->open = before;
    size_t name = add_loop(a, value_or(op, '\0'));
    size_t equals = add_char(a, '=');
    add_loop(a, value_or(op, '\0'));
    struct selector_set pairs = a->open;
    size_t sep = add_char(a, op->sep);
    selector_set_add(&a->follow[sep], name);
    selector_set_add(&a->follow[sep], equals);
    a->open = list;
    unite(&a->open, &pairs);
}

/*
 * Names are any text, so that all but the last pair may pass for its name; a
 * bare one for all of it.
 */
static void add_named_members(struct selector_automaton *a,
                              const struct operation *op)
{
    static const struct operation any = {.reserved = true};

    add_loop(a, value_or(&any, '\0'));
    if (op->bare)
        return;
    add_char(a, '=');
    add_loop(a, value_or(op, '\0'));
}

static void add_name(struct selector_automaton *a, struct span name)
{
    while (name.len > 0) {
        bool escape = name.ptr[0] == '%';
        if (escape)
            add_escape(a, name);
        else
            add_char(a, name.ptr[0]);
        name = span_skip(name, escape ? 3 : 1);
    }
}

static void add_value(struct selector_automaton *a, const struct operation *op,
                      const struct variable *variable)
{
    if (variable->prefix > 0)
        add_prefix(a, op, variable->prefix, op->bare);
    else
        add_loop(a, value_or(op, ','));
}

static void add_variable(struct selector_automaton *a,
                         const struct operation *op,
                         const struct variable *variable)
{
    if (variable->explode && op->named) {
        add_named_members(a, op);
    } else if (variable->explode) {
        add_members(a, op);
    } else if (op->named) {
        add_name(a, variable->name);
        struct selector_set bare = a->open;
        add_char(a, '=');
        add_value(a, op, variable);
        if (op->bare)
            unite(&a->open, &bare);
    } else {
        add_value(a, op, variable);
    }
}

/* ---- expressions */

/* varname: no dot at an end or beside another one */
static bool is_name(struct span s)
{
    bool dot = true;

    while (s.len > 0) {
        bool escape = selector_read_escape(s) >= 0;
        char c = s.ptr[0];
        if (c == '.' ? dot : !escape && !is_alnum(c) && c != '_')
            return false;
        dot = c == '.';
        s = span_skip(s, escape ? 3 : 1);
    }
    return !dot;
}

static bool read_variable(struct span s, struct variable *out)
{
    size_t colon = span_find(s, ':');
    struct span digits = span_skip(s, colon + 1);
    struct variable variable = {.name = {s.ptr, colon}};

    if (colon < s.len) {
        if (digits.len == 0 || digits.ptr[0] == '0' ||
            !span_to_u64(digits, 9999, &variable.prefix))
            return false;
    } else if (s.len > 0 && s.ptr[s.len - 1] == '*') {
        variable.explode = true;
        variable.name.len--;
    }
    if (!is_name(variable.name))
        return false;
    *out = variable;
    return true;
}

static const struct operation *take_operation(struct span *body)
{
    static const struct operation table[] = {
        {.sep = ','},
        {.sign = '+', .sep = ',', .reserved = true},
        {.sign = '#', .first = '#', .sep = ',', .reserved = true},
        {.sign = '.', .first = '.', .sep = '.'},
        {.sign = '/', .first = '/', .sep = '/'},
        {.sign = ';', .first = ';', .sep = ';', .named = true, .bare = true},
        {.sign = '?', .first = '?', .sep = '&', .named = true},
        {.sign = '&', .first = '&', .sep = '&', .named = true},
    };

    for (size_t i = 1; i < sizeof(table) / sizeof(table[0]); i++)
        if (body->len > 0 && body->ptr[0] == table[i].sign) {
            *body = span_skip(*body, 1);
            return &table[i];
        }
    return &table[0];
}

/* To where a variable's text begins: behind none before it, or behind some. */
static void add_entry(struct selector_automaton *a, const struct operation *op,
                      const struct selector_set *none,
                      const struct selector_set *some)
{
    a->open = *none;
    if (op->first == op->sep)
        unite(&a->open, some);
    if (op->first)
        add_char(a, op->first);
    if (op->first == op->sep || is_empty(some))
        return;
    struct selector_set first = a->open;
    a->open = *some;
    add_char(a, op->sep);
    unite(&a->open, &first);
}

static bool add_expression(struct selector_automaton *a, struct span body)
{
    const struct operation *op = take_operation(&body);
    struct selector_set none = a->open;
    struct selector_set some = {{0}};
    struct span part;

    while (span_cut(&body, ',', &part)) {
        struct variable variable;
        if (!read_variable(part, &variable))
            return false;
        add_entry(a, op, &none, &some);
        add_variable(a, op, &variable);
        unite(&some, &a->open);
    }
    a->open = none;
    unite(&a->open, &some);
    return true;
}

/* ---- templates */

/* Bytes of the character, or escape, of plain text that s begins with, or 0. */
static size_t literal_length(struct span s)
{
    char c = s.ptr[0];

    if (c == '%')
        return selector_read_escape(s) < 0 ? 0 : 3;
    return is_one_of(c, " \"<>\\^`{|}") ? 0 : span_utf8_length(s);
}

bool selector_is_literal(struct span text)
{
    while (text.len > 0) {
        size_t length = literal_length(text);
        if (length == 0)
            return false;
        text = span_skip(text, length);
    }
    return true;
}

static bool add_literal(struct selector_automaton *a, struct span *text)
{
    struct span head = {text->ptr, literal_length(*text)};

    if (head.len == 0)
        return false;
    if (head.ptr[0] == '%')
        add_escape(a, head);
    else if (head.len > 1)
        add_wide(a, head);
    else
        add_char(a, head.ptr[0]);
    *text = span_skip(*text, head.len);
    return true;
}

/* Who takes what, the other way round. */
static void make_masks(struct selector_automaton *a)
{
    struct selector_set by_class[CLASSES] = {{{0}}};

    for (size_t state = 1; state < a->states; state++) {
        const struct selector_takes *takes = &a->takes[state];
        selector_set_add(&a->masks[takes->symbols[0]], state);
        selector_set_add(&a->masks[takes->symbols[1]], state);
        for (size_t i = 0; i < CLASSES; i++)
            if (takes->classes >> i & 1)
                selector_set_add(&by_class[i], state);
    }
    a->masks[SYMBOL_NONE] = (struct selector_set){{0}};
    for (size_t symbol = 0; symbol < SYMBOLS; symbol++)
        for (size_t i = 0; i < CLASSES; i++)
            if (classes_of(symbol) >> i & 1)
                unite(&a->masks[symbol], &by_class[i]);
}

bool selector_build(struct span text, struct selector_automaton *a)
{
    a->states = 1;
    selector_set_add(&a->open, 0);
    while (text.len > 0) {
        if (text.ptr[0] != '{') {
            if (!add_literal(a, &text))
                return false;
            continue;
        }
        size_t end = span_find(text, '}');
        struct span body = {text.ptr + 1, end - 1};
        if (end == text.len || !add_expression(a, body))
            return false;
        text = span_skip(text, end + 1);
    }
    make_masks(a);
    return true;
}
