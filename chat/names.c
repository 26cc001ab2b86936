/* names.c - see names.h. */
#include <openssl/rand.h>

#include "chat/names.h"
#include "common/hash.h"

#define ID_BITS 5
#define ID_CHARS 16

static const struct {
    char letter;
    const char *name;
} roles[] = {{'o', "owner"}, {'a', "admin"}, {'m', "member"}, {'r', "reader"}};

const char *role_name(char letter)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (roles[i].letter == letter)
            return roles[i].name;
    return NULL;
}

char role_letter(struct span name)
{
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (span_eq(span_str(roles[i].name), name))
            return roles[i].letter;
    return 0;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

static bool is_made_of(struct span s, size_t most, bool (*is)(char c))
{
    if (s.len == 0 || s.len > most)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!is(s.ptr[i]))
            return false;
    return true;
}

static bool is_printable(char c)
{
    return c > ' ' && c < 0x7f;
}

bool name_is_valid(struct span name)
{
    return is_made_of(name, NAME_MAX_LEN, is_name_char) &&
           !span_eq(name, SPAN(".")) && !span_eq(name, SPAN(".."));
}

bool room_id_is_valid(struct span id)
{
    return is_made_of(id, ROOM_ID_MAX, is_name_char);
}

bool client_id_is_valid(struct span id)
{
    return is_made_of(id, CLIENT_ID_MAX, is_printable);
}

bool emoji_is_valid(struct span emoji)
{
    if (emoji.len == 0 || emoji.len > EMOJI_MAX || !span_is_utf8(emoji))
        return false;
    for (size_t i = 0; i < emoji.len; i++)
        if ((unsigned char)emoji.ptr[i] <= ' ' || emoji.ptr[i] == 0x7f)
            return false;
    return true;
}

/* 'r' or 'd', and 80 bits in letters and digits that cannot be mistaken. */
static void spell(char kind, uint64_t high, uint64_t low, char out[ROOM_ID_LEN])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

    out[0] = kind;
    for (size_t i = 0; i < ID_CHARS; i++) {
        uint64_t half = i < ID_CHARS / 2 ? high : low;
        out[1 + i] = digits[half >> ID_BITS * (i % (ID_CHARS / 2)) &
                            (sizeof(digits) - 2)];
    }
}

void room_id_new(char out[ROOM_ID_LEN])
{
    struct hash_key random = hash_random_key();

    spell('r', random.k0, random.k1, out);
}

void room_id_direct(const unsigned char key[32], struct span a, struct span b,
                    char out[ROOM_ID_LEN])
{
    char text[2 * NAME_MAX_LEN + 1];
    bool swap = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len) > 0 ||
                (a.len > b.len && memcmp(a.ptr, b.ptr, b.len) == 0);
    struct span first = swap ? b : a;
    struct span second = swap ? a : b;
    struct hash_key keys[2];

    memcpy(keys, key, sizeof(keys));
    memcpy(text, first.ptr, first.len);
    text[first.len] = '/'; /* is in no name */
    memcpy(text + first.len + 1, second.ptr, second.len);
    struct span both = {text, first.len + 1 + second.len};
    spell('d', hash_sip(&keys[0], both), hash_sip(&keys[1], both), out);
}

static bool has_name(struct span list, struct span name)
{
    for (struct span one; span_cut(&list, ',', &one);)
        if (span_eq(one, name))
            return true;
    return false;
}

/* Of what stands behind an @; a dot or a dash at its end ends a sentence. */
static struct span name_at(struct span text)
{
    size_t len = 0;

    while (len < text.len && is_name_char(text.ptr[len]))
        len++;
    while (len && !is_alnum(text.ptr[len - 1]) && text.ptr[len - 1] != '_')
        len--;
    return (struct span){text.ptr, len};
}

struct span names_mentioned(struct arena *arena, struct span text,
                            struct span from)
{
    char *out = NULL;
    size_t len = 0;
    unsigned count = 0;

    for (size_t i = 0; i < text.len && count < MENTIONS_MAX; i++) {
        if (text.ptr[i] != '@' || (i && is_alnum(text.ptr[i - 1])))
            continue;
        struct span name = name_at(span_skip(text, i + 1));
        if (!name.len || name.len > NAME_MAX_LEN || span_eq(name, from) ||
            has_name((struct span){out, len}, name))
            continue;
        if (!out)
            out = arena_alloc(arena, (size_t)MENTIONS_MAX * (NAME_MAX_LEN + 1));
        if (len)
            out[len++] = ',';
        memcpy(out + len, name.ptr, name.len);
        len += name.len;
        count++;
    }
    return (struct span){out, len};
}
