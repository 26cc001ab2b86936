/* record.c - see record.h. */
#include "chat/record.h"
#include "chat/names.h"

#define ROOM_WORDS 10
#define MEMBER_WORDS 8

/* Exactly so many. */
static bool cut_words(struct span text, struct span *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!span_cut(&text, ' ', &words[i]))
            return false;
    return !text.ptr;
}

static bool read_kind(struct span word, enum room_kind *kind)
{
    static const char letters[] = "uvd";
    const char *at = word.len == 1
                         ? memchr(letters, word.ptr[0], sizeof(letters) - 1)
                         : NULL;

    if (!at)
        return false;
    *kind = (enum room_kind)(at - letters);
    return true;
}

bool room_head_parse(struct span text, struct room_head *head)
{
    struct span word[ROOM_WORDS];
    uint64_t members;
    uint64_t archived;

    if (!cut_words(text, word, ROOM_WORDS) ||
        !span_to_u64(word[0], UINT64_MAX, &head->seq) ||
        !span_to_u64(word[1], UINT64_MAX, &head->ts) ||
        !span_to_u64(word[2], UINT64_MAX, &head->oldest) ||
        !span_to_u64(word[3], UINT64_MAX, &head->count) ||
        !span_to_u64(word[4], UINT32_MAX, &members) ||
        !span_to_u64(word[5], UINT64_MAX, &head->hole) ||
        !read_kind(word[6], &head->kind) ||
        !span_to_u64(word[7], 1, &archived) ||
        !span_to_u64(word[8], UINT64_MAX, &head->keep))
        return false;
    head->members = (uint32_t)members;
    head->archived = archived;
    return true;
}

static bool read_until(struct span word, int64_t *until)
{
    uint64_t ms = 0;

    if (span_eq(word, SPAN("-1"))) {
        *until = -1;
        return true;
    }
    if (!span_to_u64(word, INT64_MAX, &ms))
        return false;
    *until = (int64_t)ms;
    return true;
}

bool member_parse(struct span text, struct member *member)
{
    struct span word[MEMBER_WORDS];

    if (!cut_words(text, word, MEMBER_WORDS) ||
        !span_to_u64(word[0], UINT64_MAX, &member->read) ||
        !span_to_u64(word[1], UINT64_MAX, &member->read_n) ||
        !span_to_u64(word[2], UINT64_MAX, &member->delivered) ||
        !span_to_u64(word[3], UINT64_MAX, &member->mentions) ||
        word[4].len != 1 || !role_name(word[4].ptr[0]) ||
        !span_to_u64(word[5], UINT64_MAX, &member->joined) ||
        !read_until(word[6], &member->muted) ||
        !read_until(word[7], &member->silenced))
        return false;
    member->role = word[4].ptr[0];
    return true;
}
