/* segment_write.c - see segment_write.h. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/buf.h"
#include "search/index/files.h"
#include "search/index/segment_write.h"

#define ROOM (16 * (size_t)SEGMENT_CHUNK) /* bytes of a write */

struct segment_writer {
    char path[PATH_MAX], whole[PATH_MAX]; /* while it is written; its name */
    int fd, err;
    uint64_t written; /* bytes before room */
    struct buf room, sums, table;
};

struct segment_writer *segment_writer_open(const char *path)
{
    struct segment_writer *writer = mem_zalloc(MEM_APP, sizeof(*writer));
    int len =
        snprintf(writer->path, sizeof(writer->path), "%s.unfinished", path);

    snprintf(writer->whole, sizeof(writer->whole), "%s", path);
    writer->fd = -1;
    if (len >= (int)sizeof(writer->path))
        errno = ENAMETOOLONG;
    else
        writer->fd =
            open(writer->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (writer->fd < 0) {
        mem_free(writer);
        return NULL;
    }
    buf_init(&writer->room, MEM_APP);
    buf_init(&writer->sums, MEM_APP);
    buf_init(&writer->table, MEM_APP);
    buf_append(&writer->room, SPAN(SEGMENT_MAGIC));
    return writer;
}

/* ---- bytes */

static void append_sum(struct buf *out, const void *bytes, size_t len)
{
    uint64_t sum = XXH3_64bits(bytes, len);

    buf_append_bytes(out, &sum, sizeof(sum));
}

static void write_all(struct segment_writer *writer, struct span bytes)
{
    while (bytes.len && !writer->err) {
        ssize_t done = write(writer->fd, bytes.ptr, bytes.len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            writer->err = errno;
        else
            bytes = span_skip(bytes, (size_t)done);
    }
}

/* The room is whole chunks, but at the end. */
static void write_room(struct segment_writer *writer)
{
    struct buf *room = &writer->room;

    for (size_t at = 0; at < room->len; at += SEGMENT_CHUNK)
        append_sum(&writer->sums, room->ptr + at,
                   room->len - at < SEGMENT_CHUNK ? room->len - at
                                                  : SEGMENT_CHUNK);
    write_all(writer, buf_span(room));
    writer->written += room->len;
    room->len = 0;
}

void segment_writer_put(struct segment_writer *writer, struct span bytes)
{
    while (bytes.len) {
        size_t len = ROOM - writer->room.len;
        if (len > bytes.len)
            len = bytes.len;
        buf_append(&writer->room, (struct span){bytes.ptr, len});
        bytes = span_skip(bytes, len);
        if (writer->room.len == ROOM)
            write_room(writer);
    }
}

static uint64_t offset(const struct segment_writer *writer)
{
    return writer->written + writer->room.len;
}

static void align(struct segment_writer *writer)
{
    static const char zeros[SEGMENT_ALIGN];
    size_t over = offset(writer) % SEGMENT_ALIGN;

    if (over)
        segment_writer_put(writer, (struct span){zeros, SEGMENT_ALIGN - over});
}

/* ---- sections */

static void end_section(struct segment_writer *writer)
{
    const struct buf *table = &writer->table;

    if (table->len) {
        struct segment_section *section =
            (void *)(table->ptr + table->len - sizeof(*section));
        section->size = offset(writer) - section->offset;
    }
    align(writer);
}

void segment_writer_begin(struct segment_writer *writer, enum segment_kind kind,
                          uint32_t field)
{
    end_section(writer);
    struct segment_section section = {
        .kind = kind, .field = field, .offset = offset(writer)};
    buf_append_bytes(&writer->table, &section, sizeof(section));
}

void segment_writer_section(struct segment_writer *writer,
                            enum segment_kind kind, uint32_t field,
                            struct span bytes)
{
    segment_writer_begin(writer, kind, field);
    segment_writer_put(writer, bytes);
}

/* ---- the end */

static int compare(const void *a, const void *b)
{
    const struct segment_section *one = a;
    const struct segment_section *two = b;

    if (one->kind != two->kind)
        return one->kind < two->kind ? -1 : 1;
    return (one->field > two->field) - (one->field < two->field);
}

static void write_foot(struct segment_writer *writer, uint32_t docs)
{
    struct buf *sums = &writer->sums;
    struct buf *table = &writer->table;
    size_t sections = table->len / sizeof(struct segment_section);

    assert(sections <= SEGMENT_SECTIONS_MAX);
    end_section(writer);
    if (sections)
        qsort(table->ptr, sections, sizeof(struct segment_section), compare);
    write_room(writer);
    struct segment_foot foot = {
        .version = SEGMENT_VERSION,
        .sections = (uint32_t)sections,
        .docs = docs,
        .sums = writer->written,
        .table = writer->written + sums->len,
    };
    memcpy(foot.magic, SEGMENT_MAGIC, sizeof(foot.magic));
    buf_append(sums, buf_span(table));
    foot.inner = XXH3_64bits(sums->ptr, sums->len);
    foot.own = XXH3_64bits(&foot, offsetof(struct segment_foot, own));
    buf_append_bytes(sums, &foot, sizeof(foot));
    write_all(writer, buf_span(sums));
}

static void drop(struct segment_writer *writer)
{
    if (writer->fd >= 0)
        close(writer->fd);
    buf_deinit(&writer->room);
    buf_deinit(&writer->sums);
    buf_deinit(&writer->table);
    mem_free(writer);
}

int segment_writer_finish(struct segment_writer *writer, uint32_t docs)
{
    write_foot(writer, docs);
    if (!writer->err && fsync(writer->fd) < 0)
        writer->err = errno;
    if (!writer->err && rename(writer->path, writer->whole) < 0)
        writer->err = errno;
    if (!writer->err)
        writer->err = files_sync(dirname(writer->whole));
    int err = writer->err;
    if (err)
        unlink(writer->path);
    drop(writer);
    return err;
}

void segment_writer_abandon(struct segment_writer *writer)
{
    unlink(writer->path);
    drop(writer);
}
