/* record.c - see record.h. */
#include "notifier/record.h"

static void append_line(struct buf *out, struct span text)
{
    buf_append(out, text);
    buf_append_char(out, '\n');
}

void record_append(struct buf *out, const struct record *record)
{
    append_line(out, record->id);
    append_line(out, record->type);
    append_line(out, record->retry);
    append_line(out, record->is_private ? SPAN("p") : SPAN(""));
    for (size_t i = 0; i < record->topic_count; i++)
        append_line(out, record->topics[i]);
    buf_append_char(out, '\n');
    buf_append(out, record->data);
}

static bool cut_line(struct span *rest, struct span *line)
{
    return rest->ptr && span_cut(rest, '\n', line) && rest->ptr;
}

bool record_parse(struct span text, struct record *record)
{
    struct record found = {0};
    struct span mark;
    struct span topic;

    if (!cut_line(&text, &found.id) || !cut_line(&text, &found.type) ||
        !cut_line(&text, &found.retry) || !cut_line(&text, &mark))
        return false;
    found.is_private = span_eq(mark, SPAN("p"));
    while (cut_line(&text, &topic) && topic.len) {
        if (found.topic_count == RECORD_TOPICS_MAX)
            return false;
        found.topics[found.topic_count++] = topic;
    }
    if (!text.ptr || found.topic_count == 0)
        return false;
    found.data = text;
    *record = found;
    return true;
}
