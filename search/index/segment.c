/* segment.c - see segment.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/mem.h"
#include "search/index/segment.h"

#define WORD 64
#define WHY_MAX 160

struct segment {
    unsigned char *bytes; /* mapped, not to be written */
    size_t size;
    struct segment_foot foot;
    const struct segment_section *table;
    _Atomic uint64_t *checked;   /* a bit for each chunk */
    _Atomic bool found, damaged; /* damaged: damage can be read */
    char damage[WHY_MAX];
    char *path;
    _Atomic unsigned holders; /* each will close it */
};

const char *segment_kind_name(enum segment_kind kind)
{
    static const char *const names[SEGMENT_KINDS] = {
        [SEGMENT_SCHEMA] = "schema",
        [SEGMENT_STORED] = "documents",
        [SEGMENT_SOURCES] = "document index",
        [SEGMENT_IDS] = "ids",
        [SEGMENT_VALUES] = "values",
        [SEGMENT_TERMS] = "terms",
        [SEGMENT_INDEX] = "term index",
        [SEGMENT_KEYS] = "term keys",
        [SEGMENT_LISTS] = "lists",
        [SEGMENT_PLACES] = "positions",
        [SEGMENT_LENGTHS] = "lengths",
        [SEGMENT_TOTALS] = "totals",
    };

    return kind < SEGMENT_KINDS ? names[kind] : "unknown";
}

/* ---- opening */

static const char *map(struct segment *segment, const char *path)
{
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return strerror(errno);
    if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode) ||
        stat.st_size < (off_t)(SEGMENT_ALIGN + sizeof(struct segment_foot))) {
        close(fd);
        return "too short for a segment";
    }
    segment->size = (size_t)stat.st_size;
    void *bytes = mmap(NULL, segment->size, PROT_READ, MAP_SHARED, fd, 0);
    int err = errno;
    close(fd);
    if (bytes == MAP_FAILED)
        return strerror(err);
    segment->bytes = bytes;
    return NULL;
}

static uint64_t chunks(const struct segment *segment)
{
    return (segment->foot.sums + SEGMENT_CHUNK - 1) / SEGMENT_CHUNK;
}

/* All that follows is within what was mapped. */
static bool fits(const struct segment *segment)
{
    const struct segment_foot *foot = &segment->foot;
    uint64_t end = segment->size - sizeof(*foot);

    return foot->docs <= SEGMENT_DOCS_MAX &&
           foot->sections <= SEGMENT_SECTIONS_MAX && foot->sums <= end &&
           foot->sums % SEGMENT_ALIGN == 0 &&
           foot->table == foot->sums + chunks(segment) * sizeof(uint64_t) &&
           foot->table <= end &&
           foot->sections * sizeof(struct segment_section) == end - foot->table;
}

static bool sections_fit(const struct segment *segment)
{
    for (uint32_t i = 0; i < segment->foot.sections; i++) {
        const struct segment_section *section = &segment->table[i];
        if (section->offset % SEGMENT_ALIGN ||
            section->offset > segment->foot.sums ||
            section->size > segment->foot.sums - section->offset)
            return false;
    }
    return true;
}

/* NULL: all is well. */
static const char *read_foot(struct segment *segment)
{
    struct segment_foot *foot = &segment->foot;
    size_t end = segment->size - sizeof(*foot);

    memcpy(foot, segment->bytes + end, sizeof(*foot));
    if (memcmp(foot->magic, SEGMENT_MAGIC, sizeof(foot->magic)) != 0)
        return "its end is not a segment's";
    if (foot->own != XXH3_64bits(foot, offsetof(struct segment_foot, own)))
        return "its foot is damaged";
    if (foot->version != SEGMENT_VERSION)
        return "it is of another version";
    if (!fits(segment))
        return "its foot does not fit the file";
    if (foot->inner !=
        XXH3_64bits(segment->bytes + foot->sums, end - foot->sums))
        return "its table is damaged";
    segment->table = (const void *)(segment->bytes + foot->table);
    return sections_fit(segment) ? NULL : "its table does not fit the file";
}

struct segment *segment_open(const char *path, char *why, size_t why_size)
{
    struct segment *segment = mem_zalloc(MEM_APP, sizeof(*segment));
    size_t len = strlen(path) + 1;
    const char *wrong = map(segment, path);

    segment->holders = 1;
    segment->path = mem_alloc(MEM_APP, len);
    memcpy(segment->path, path, len);
    if (!wrong)
        wrong = read_foot(segment);
    if (wrong) {
        snprintf(why, why_size, "%s: %s", path, wrong);
        segment_close(segment);
        return NULL;
    }
    segment->checked = mem_zalloc(MEM_APP, (chunks(segment) + WORD - 1) / WORD *
                                               sizeof(uint64_t));
    return segment;
}

struct segment *segment_ref(struct segment *segment)
{
    atomic_fetch_add(&segment->holders, 1);
    return segment;
}

void segment_close(struct segment *segment)
{
    if (!segment || atomic_fetch_sub(&segment->holders, 1) > 1)
        return;
    if (segment->bytes)
        munmap(segment->bytes, segment->size);
    mem_free(segment->checked);
    mem_free(segment->path);
    mem_free(segment);
}

/* ---- reading */

uint32_t segment_docs(const struct segment *segment)
{
    return segment->foot.docs;
}

uint64_t segment_size(const struct segment *segment)
{
    return segment->size;
}

struct span segment_section(const struct segment *segment,
                            enum segment_kind kind, uint32_t field)
{
    for (uint32_t i = 0; i < segment->foot.sections; i++) {
        const struct segment_section *section = &segment->table[i];
        if (section->kind == kind && section->field == field)
            return (struct span){(const char *)segment->bytes + section->offset,
                                 section->size};
    }
    return (struct span){(const char *)segment->bytes, 0};
}

/* Whose bytes are in the chunk: one, or the first and the last. */
static void name_chunk(const struct segment *segment, uint64_t from, char *out,
                       size_t size)
{
    const struct segment_section *first = NULL;
    const struct segment_section *last = NULL;

    for (uint32_t i = 0; i < segment->foot.sections; i++) {
        const struct segment_section *section = &segment->table[i];
        if (section->offset >= from + SEGMENT_CHUNK ||
            section->offset + section->size <= from)
            continue;
        if (!first || section->offset < first->offset)
            first = section;
        if (!last || section->offset > last->offset)
            last = section;
    }
    const char *one = first ? segment_kind_name(first->kind) : "head";
    const char *other = last ? segment_kind_name(last->kind) : one;
    snprintf(out, size, "%s%s%s", one,
             one == other ? "" : ", or what is up to its ",
             one == other ? "" : other);
}

static void set_damage(struct segment *segment, uint64_t chunk)
{
    uint64_t from = chunk * SEGMENT_CHUNK;
    char names[80];

    if (atomic_exchange(&segment->found, true))
        return;
    name_chunk(segment, from, names, sizeof(names));
    snprintf(segment->damage, sizeof(segment->damage),
             "%s: its %s are damaged at byte %llu", segment->path, names,
             (unsigned long long)from);
    atomic_store(&segment->damaged, true);
}

static bool is_sound(const struct segment *segment, uint64_t chunk)
{
    uint64_t from = chunk * SEGMENT_CHUNK;
    uint64_t left = segment->foot.sums - from;
    uint64_t sum;

    memcpy(&sum, segment->bytes + segment->foot.sums + chunk * sizeof(sum),
           sizeof(sum));
    return sum ==
           XXH3_64bits(segment->bytes + from,
                       left < SEGMENT_CHUNK ? (size_t)left : SEGMENT_CHUNK);
}

bool segment_check(struct segment *segment, struct span bytes)
{
    if (bytes.len == 0)
        return true;
    uint64_t from = (uint64_t)(bytes.ptr - (const char *)segment->bytes);
    uint64_t last = (from + bytes.len - 1) / SEGMENT_CHUNK;

    for (uint64_t chunk = from / SEGMENT_CHUNK; chunk <= last; chunk++) {
        _Atomic uint64_t *word = &segment->checked[chunk / WORD];
        uint64_t bit = UINT64_C(1) << chunk % WORD;
        if (atomic_load_explicit(word, memory_order_relaxed) & bit)
            continue;
        if (!is_sound(segment, chunk)) {
            set_damage(segment, chunk);
            return false;
        }
        atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
    }
    return true;
}

const char *segment_damage(const struct segment *segment)
{
    return atomic_load(&segment->damaged) ? segment->damage : NULL;
}

const char *segment_check_all(struct segment *segment, uint32_t fields)
{
    const struct segment_foot *foot = &segment->foot;
    struct span all = {(const char *)segment->bytes, foot->sums};
    size_t kinds = SEGMENT_KINDS;
    bool *there = mem_zalloc(MEM_JOB, (fields + 1) * kinds * sizeof(*there));
    const char *wrong = NULL;

    if (!segment_check(segment, all))
        wrong = segment_damage(segment);
    for (uint32_t i = 0; i < foot->sections && !wrong; i++) {
        const struct segment_section *section = &segment->table[i];
        uint32_t field =
            section->field == SEGMENT_NO_FIELD ? fields : section->field;
        if (section->kind >= kinds || field > fields ||
            there[field * kinds + section->kind])
            wrong = "its table has what it cannot have, or has it twice";
        else
            there[field * kinds + section->kind] = true;
    }
    mem_free(there);
    return wrong;
}
