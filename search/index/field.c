/* field.c - see field.h. */
#include "search/index/field.h"

static bool section(const struct field *field, enum segment_kind kind,
                    uint32_t number, struct span *out)
{
    *out = segment_section(field->segment, kind, number);
    return segment_check(field->segment, *out);
}

bool field_open(struct field *field, struct segment *segment, uint32_t number)
{
    struct span totals;
    struct span terms;
    struct span index;
    struct span keys;
    struct span lengths;

    *field = (struct field){.segment = segment};
    if (!section(field, SEGMENT_TOTALS, number, &totals) ||
        totals.len != sizeof(field->totals) ||
        !section(field, SEGMENT_TERMS, number, &terms) ||
        !section(field, SEGMENT_INDEX, number, &index) ||
        !section(field, SEGMENT_KEYS, number, &keys) ||
        !section(field, SEGMENT_LENGTHS, number, &lengths))
        return false;
    memcpy(&field->totals, totals.ptr, sizeof(field->totals));
    field->lists = segment_section(segment, SEGMENT_LISTS, number);
    field->places = segment_section(segment, SEGMENT_PLACES, number);
    if (lengths.len == segment_docs(segment) && lengths.len > 0)
        field->norms = (const uint8_t *)lengths.ptr;
    return dict_init(&field->dict, terms, index, keys, field->norms != NULL);
}

bool field_find(const struct field *field, struct span term,
                struct dict_entry *entry)
{
    return dict_find(&field->dict, term, entry);
}

/* NULL: it is not within all, or damaged. */
static const void *checked(const struct field *field, struct span all,
                           uint64_t from, uint64_t size)
{
    if (from > all.len || size > all.len - from)
        return NULL;
    struct span bytes = {all.ptr + from, size};
    return segment_check(field->segment, bytes) ? bytes.ptr : NULL;
}

const void *field_list(const struct field *field,
                       const struct dict_entry *entry)
{
    return checked(field, field->lists, entry->list, entry->list_size);
}

const void *field_places(const struct field *field,
                         const struct dict_entry *entry)
{
    return checked(field, field->places, entry->places, entry->places_size);
}
