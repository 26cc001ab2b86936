/* field_write.c - see field_write.h. */
#include "search/index/field_write.h"
#include <string.h>

#include "search/index/dict.h"
#include "search/index/norm.h"

struct field_writer {
    struct inverter *inverter;
    struct buf lengths; /* norms, a byte for each document */
    struct field_totals totals;
    bool full;
};

struct field_writer *field_writer_create(bool full)
{
    struct field_writer *writer = mem_zalloc(MEM_APP, sizeof(*writer));

    writer->inverter = inverter_create();
    writer->full = full;
    buf_init(&writer->lengths, MEM_APP);
    return writer;
}

void field_writer_destroy(struct field_writer *writer)
{
    if (!writer)
        return;
    inverter_destroy(writer->inverter);
    buf_deinit(&writer->lengths);
    mem_free(writer);
}

void field_writer_add(struct field_writer *writer, struct span term,
                      uint32_t doc, uint32_t position)
{
    inverter_add(writer->inverter, term, doc, position);
}

/* Those without one are 0. */
static void have_lengths(struct field_writer *writer, uint32_t docs)
{
    size_t more = docs - writer->lengths.len;

    if (more == 0)
        return;
    memset(buf_reserve(&writer->lengths, more), 0, more);
    buf_commit(&writer->lengths, more);
}

void field_writer_end(struct field_writer *writer, uint32_t doc,
                      uint32_t length)
{
    uint8_t norm = writer->full ? norm_of(length) : 0;

    have_lengths(writer, doc);
    buf_append_char(&writer->lengths, (char)norm);
    writer->totals.tokens += length;
    writer->totals.docs += length > 0;
}

size_t field_writer_size(const struct field_writer *writer)
{
    return inverter_size(writer->inverter) + writer->lengths.len;
}

static void put_term(void *arg, struct span term, struct list_source *source)
{
    field_put_term(arg, term, source);
}

void field_writer_put(struct field_writer *writer, struct segment_writer *out,
                      uint32_t field, uint32_t docs)
{
    struct field_put put;

    have_lengths(writer, docs);
    field_put_begin(&put, out, field, writer->full, buf_span(&writer->lengths));
    inverter_each(writer->inverter, put_term, &put);
    field_put_end(&put, &writer->totals);
}
