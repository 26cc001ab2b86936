/* field_put.c - see field_put.h. */
#include "search/index/field_put.h"

void field_put_begin(struct field_put *put, struct segment_writer *out,
                     uint32_t field, bool full, struct span norms)
{
    *put = (struct field_put){
        .out = out, .field = field, .full = full, .norms = norms};
    dict_writer_init(&put->dict, MEM_APP, full);
    buf_init(&put->list, MEM_APP);
    buf_init(&put->places, MEM_APP);
    segment_writer_begin(out, SEGMENT_LISTS, field);
}

void field_put_term(struct field_put *put, struct span term,
                    struct list_source *source)
{
    struct dict_entry entry = {.count = (uint32_t)source->count,
                               .doc = source->docs[0],
                               .freq = source->freqs[0],
                               .total = source->step_count,
                               .list = put->lists,
                               .places = put->places.len};

    source->norms = (const uint8_t *)put->norms.ptr;
    if (source->count > 1) {
        put->list.len = 0;
        list_write(&put->list, source);
        entry.list_size = put->list.len;
        segment_writer_put(put->out, buf_span(&put->list));
        put->lists += put->list.len;
    }
    if (put->full) {
        list_append_positions(&put->places, source);
        entry.places_size = put->places.len - entry.places;
    }
    dict_writer_add(&put->dict, term, &entry);
}

static void section(struct field_put *put, enum segment_kind kind,
                    struct span bytes)
{
    segment_writer_section(put->out, kind, put->field, bytes);
}

void field_put_end(struct field_put *put, const struct field_totals *totals)
{
    struct dict_writer *dict = &put->dict;

    dict_writer_finish(dict);
    section(put, SEGMENT_TERMS, buf_span(&dict->blocks));
    section(put, SEGMENT_INDEX, buf_span(&dict->index));
    section(put, SEGMENT_KEYS, buf_span(&dict->keys));
    if (put->full) {
        section(put, SEGMENT_PLACES, buf_span(&put->places));
        section(put, SEGMENT_LENGTHS, put->norms);
    }
    section(put, SEGMENT_TOTALS,
            (struct span){(const char *)totals, sizeof(*totals)});
    dict_writer_deinit(dict);
    buf_deinit(&put->list);
    buf_deinit(&put->places);
}
