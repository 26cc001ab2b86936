/* analyzer_json.c - an analyzer as settings have it. */
#include "search/index/analyzer_internal.h"

enum { TYPE, STEMMER, LOWERCASE, FOLD, CJK, STOPWORDS, SYNONYMS, MEMBERS };

/* The string that node is, or those of its array; the caller frees them. */
static struct span *texts_of(const json_t *node, size_t *count)
{
    bool is_one = json_is_string(node);

    *count = is_one ? 1 : json_array_size(node);
    struct span *texts = mem_alloc(MEM_APP, (*count + 1) * sizeof(*texts));
    for (size_t i = 0; i < *count; i++) {
        const json_t *text = is_one ? node : json_array_get(node, i);
        texts[i].ptr = json_string_value(text);
        texts[i].len = json_string_length(text);
    }
    return texts;
}

/* What is absent is as the type has it. */
static struct analyzer *create(const struct json_value *values,
                               struct analyzer_options *options,
                               struct json_errors *errors)
{
    bool *flags[] = {&options->lowercase, &options->fold, &options->cjk};
    struct span *stopwords = NULL;
    struct span *synonyms = NULL;
    char why[160];

    for (size_t i = 0; i < 3; i++)
        if (values[LOWERCASE + i].node)
            *flags[i] = values[LOWERCASE + i].flag;
    if (values[STEMMER].node)
        options->stemmer = values[STEMMER].text;
    if (values[STOPWORDS].node)
        options->stopwords = stopwords =
            texts_of(values[STOPWORDS].node, &options->stopword_count);
    if (values[SYNONYMS].node)
        options->synonyms = synonyms =
            texts_of(values[SYNONYMS].node, &options->synonym_count);
    struct analyzer *analyzer = analyzer_create(options, why, sizeof(why));
    mem_free(stopwords);
    mem_free(synonyms);
    if (!analyzer)
        json_errors_add(errors, "", "%s", why);
    return analyzer;
}

struct analyzer *analyzer_of_json(const json_t *object,
                                  struct json_errors *errors)
{
    bool is_one = json_is_string(json_object_get(object, "stopwords"));
    const struct json_field fields[MEMBERS] = {
        [TYPE] = {.name = "type", .kind = JSON_KIND_STRING},
        [STEMMER] = {.name = "stemmer", .kind = JSON_KIND_STRING},
        [LOWERCASE] = {.name = "lowercase", .kind = JSON_KIND_BOOLEAN},
        [FOLD] = {.name = "fold", .kind = JSON_KIND_BOOLEAN},
        [CJK] = {.name = "cjk", .kind = JSON_KIND_BOOLEAN},
        [STOPWORDS] = {.name = "stopwords",
                       .kind = is_one ? JSON_KIND_STRING : JSON_KIND_STRINGS},
        [SYNONYMS] = {.name = "synonyms", .kind = JSON_KIND_STRINGS},
    };
    struct json_value values[MEMBERS];
    struct analyzer_options options;

    if (!json_bind(object, fields, MEMBERS, values, errors))
        return NULL;
    if (analyzer_options_of_name(
            values[TYPE].node ? values[TYPE].text : SPAN("standard"), &options))
        return create(values, &options, errors);
    json_errors_add(errors, "/type", "there is no analyzer of the name");
    return NULL;
}
