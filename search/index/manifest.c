/* manifest.c - see manifest.h. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "search/index/files.h"
#include "search/index/manifest.h"

#define VERSION 1
#define NUMBER_MAX (INT64_C(1) << 53) /* of a generation, or a file */
#define UNFINISHED MANIFEST_NAME ".unfinished"

void manifest_init(struct manifest *manifest)
{
    *manifest = (struct manifest){.next = 1};
    schema_init(&manifest->schema);
}

void manifest_deinit(struct manifest *manifest)
{
    schema_deinit(&manifest->schema);
    mem_free(manifest->segments);
    mem_free(manifest->gone);
}

void manifest_name(struct manifest *manifest, const char *suffix,
                   char name[MANIFEST_FILE_MAX])
{
    snprintf(name, MANIFEST_FILE_MAX, "%llu.%s",
             (unsigned long long)manifest->next++, suffix);
}

static void add_gone(struct manifest *manifest, const char *name)
{
    if (!name[0])
        return;
    manifest->gone =
        mem_realloc(MEM_APP, manifest->gone,
                    (manifest->gone_count + 1) * sizeof(manifest->gone[0]));
    memcpy(manifest->gone[manifest->gone_count++], name, MANIFEST_FILE_MAX);
}

void manifest_add(struct manifest *manifest, const char *file, uint32_t docs)
{
    struct manifest_segment segment = {.docs = docs};

    snprintf(segment.file, sizeof(segment.file), "%s", file);
    manifest->segments =
        mem_realloc(MEM_APP, manifest->segments,
                    (manifest->count + 1) * sizeof(manifest->segments[0]));
    manifest->segments[manifest->count++] = segment;
}

void manifest_replace(struct manifest *manifest, size_t from, size_t count,
                      const struct manifest_segment *by)
{
    struct manifest_segment *at = manifest->segments + from;
    size_t after = manifest->count - from - count;
    size_t kept = by->docs ? 1 : 0;

    for (size_t i = 0; i < count; i++) {
        add_gone(manifest, at[i].file);
        add_gone(manifest, at[i].live);
    }
    if (!kept)
        add_gone(manifest, by->file);
    memmove(at + kept, at + count, after * sizeof(*at));
    if (kept)
        *at = *by;
    manifest->count = from + kept + after;
}

void manifest_live_name(const struct manifest *manifest, const char *file,
                        char name[MANIFEST_FILE_MAX])
{
    snprintf(name, MANIFEST_FILE_MAX, "%.*s-%llu.live",
             (int)(strcspn(file, ".") % 24), file,
             (unsigned long long)manifest->generation + 1);
}

void manifest_set_live(struct manifest *manifest, size_t i, const char *name)
{
    struct manifest_segment *segment = &manifest->segments[i];

    if (strcmp(segment->live, name) == 0)
        return;
    add_gone(manifest, segment->live);
    snprintf(segment->live, sizeof(segment->live), "%s", name);
}

/* ---- reading */

/* A name that manifest_name() could have given: a number, of a file that is not
   to come, and the suffix; before that of a live one a generation. */
static bool take_name(const struct manifest *manifest, const json_t *node,
                      const char *suffix, char name[MANIFEST_FILE_MAX])
{
    const char *text = json_string_value(node);
    struct span rest = span_str(text);
    struct span number;
    uint64_t n;

    if (!text || rest.len >= MANIFEST_FILE_MAX ||
        !span_cut(&rest, '.', &number) || !span_eq(rest, span_str(suffix)))
        return false;
    size_t digits = span_find(number, '-');
    bool fine = digits == number.len ||
                span_to_u64(span_skip(number, digits + 1), UINT64_MAX, &n);
    number.len = digits;
    if (!fine || !span_to_u64(number, UINT64_MAX, &n) || n >= manifest->next)
        return false;
    snprintf(name, MANIFEST_FILE_MAX, "%s", text);
    return true;
}

/* It can be read again. */
static bool fits(const struct manifest *manifest)
{
    uint64_t docs = 0;

    for (size_t i = 0; i < manifest->count; i++)
        docs += manifest->segments[i].docs;
    return manifest->count <= MANIFEST_SEGMENTS_MAX &&
           docs <= MANIFEST_DOCS_MAX;
}

static bool take_segment(struct manifest *manifest, const json_t *node)
{
    char file[MANIFEST_FILE_MAX];
    const json_t *live = json_object_get(node, "live");
    json_int_t its = json_integer_value(json_object_get(node, "docs"));

    if (!take_name(manifest, json_object_get(node, "file"), "segment", file) ||
        its < 1 || its > MANIFEST_DOCS_MAX ||
        manifest->count == MANIFEST_SEGMENTS_MAX)
        return false;
    for (size_t i = 0; i < manifest->count; i++)
        if (strcmp(file, manifest->segments[i].file) == 0)
            return false;
    manifest_add(manifest, file, (uint32_t)its);
    return !live || take_name(manifest, live, "live",
                              manifest->segments[manifest->count - 1].live);
}

static bool take_all(struct manifest *manifest, const json_t *json)
{
    const json_t *segments = json_object_get(json, "segments");
    const char *position = json_string_value(json_object_get(json, "position"));
    json_int_t generation =
        json_integer_value(json_object_get(json, "generation"));
    json_int_t next = json_integer_value(json_object_get(json, "next"));
    const json_t *node;
    size_t i;

    if (json_integer_value(json_object_get(json, "version")) != VERSION ||
        generation < 0 || generation > NUMBER_MAX || next < 1 ||
        next > NUMBER_MAX || !json_is_array(segments) || !position ||
        strlen(position) >= sizeof(manifest->position) ||
        !schema_take_list(&manifest->schema, json_object_get(json, "schema")) ||
        schema_unknown_analyzer(&manifest->schema))
        return false;
    manifest->generation = (uint64_t)generation;
    manifest->next = (uint64_t)next;
    manifest->schema.dynamic = !json_is_false(json_object_get(json, "dynamic"));
    snprintf(manifest->position, sizeof(manifest->position), "%s", position);
    json_array_foreach(segments, i, node)
    {
        if (!take_segment(manifest, node))
            return false;
    }
    return fits(manifest);
}

bool manifest_read(struct manifest *manifest, struct span text)
{
    struct json_errors errors;
    json_t *json = NULL;

    json_errors_init(&errors);
    bool fine =
        json_read(text, &json, &errors) == 0 && take_all(manifest, json);
    json_decref(json);
    return fine;
}

bool manifest_load(struct manifest *manifest, const char *dir, char *why,
                   size_t why_size)
{
    char path[PATH_MAX];
    struct buf text;

    manifest_init(manifest);
    snprintf(path, sizeof(path), "%s/" MANIFEST_NAME, dir);
    buf_init(&text, MEM_APP);
    bool there = files_read(path, &text);
    bool none = !there && errno == ENOENT;
    bool fine = there && manifest_read(manifest, buf_span(&text));
    if (!fine && !none)
        snprintf(why, why_size, "%s: %s", path,
                 there || !errno ? "it is no manifest of this version"
                                 : strerror(errno));
    buf_deinit(&text);
    return fine || none;
}

/* ---- writing */

void manifest_put(const struct manifest *manifest, struct buf *out)
{
    struct json_writer w = {.out = out};

    json_put_open(&w, '{');
    json_put_key(&w, "version");
    json_put_int(&w, VERSION);
    json_put_key(&w, "generation");
    json_put_int(&w, (int64_t)manifest->generation);
    json_put_key(&w, "next");
    json_put_int(&w, (int64_t)manifest->next);
    json_put_key(&w, "position");
    json_put_string(&w, span_str(manifest->position));
    json_put_key(&w, "dynamic");
    json_put_bool(&w, manifest->schema.dynamic);
    json_put_key(&w, "schema");
    schema_put_list(&manifest->schema, &w);
    json_put_key(&w, "segments");
    json_put_open(&w, '[');
    for (size_t i = 0; i < manifest->count; i++) {
        const struct manifest_segment *segment = &manifest->segments[i];
        json_put_open(&w, '{');
        json_put_key(&w, "file");
        json_put_string(&w, span_str(segment->file));
        json_put_key(&w, "docs");
        json_put_int(&w, segment->docs);
        if (segment->live[0]) {
            json_put_key(&w, "live");
            json_put_string(&w, span_str(segment->live));
        }
        json_put_close(&w, '}');
    }
    json_put_close(&w, ']');
    json_put_close(&w, '}');
}

static void remove_gone(struct manifest *manifest, const char *dir)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < manifest->gone_count; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, manifest->gone[i]);
        unlink(path);
    }
    manifest->gone_count = 0;
}

int manifest_save(struct manifest *manifest, const char *dir)
{
    char unfinished[PATH_MAX];
    char path[PATH_MAX];
    struct buf text;

    if (!fits(manifest))
        return EFBIG;
    snprintf(unfinished, sizeof(unfinished), "%s/" UNFINISHED, dir);
    snprintf(path, sizeof(path), "%s/" MANIFEST_NAME, dir);
    buf_init(&text, MEM_APP);
    manifest->generation++;
    manifest_put(manifest, &text);
    int err = files_write(unfinished, buf_span(&text));
    if (!err && rename(unfinished, path) < 0)
        err = errno;
    if (!err)
        err = files_sync(dir);
    if (err)
        manifest->generation--;
    else
        remove_gone(manifest, dir);
    buf_deinit(&text);
    return err;
}

/* ---- what is left behind */

static bool is_used(const struct manifest *manifest, const char *name)
{
    if (strcmp(name, MANIFEST_NAME) == 0)
        return true;
    for (size_t i = 0; i < manifest->count; i++)
        if (strcmp(name, manifest->segments[i].file) == 0 ||
            strcmp(name, manifest->segments[i].live) == 0)
            return true;
    return false;
}

/* It has a name that only files of an index have. */
static bool is_ours(const char *name)
{
    const char *dot = strchr(name, '.');

    return strcmp(name, UNFINISHED) == 0 ||
           (dot && dot > name &&
            strspn(name, "0123456789-") == (size_t)(dot - name) &&
            (strncmp(dot, ".segment", 8) == 0 ||
             strncmp(dot, ".live", 5) == 0));
}

static void clean(const struct manifest *manifest, const char *dir)
{
    DIR *open = opendir(dir);
    char path[PATH_MAX];
    struct dirent *entry;

    while (open && (entry = readdir(open))) {
        if (is_used(manifest, entry->d_name) || !is_ours(entry->d_name))
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        unlink(path);
    }
    if (open)
        closedir(open);
}

static bool has_segments(const char *dir)
{
    DIR *open = opendir(dir);
    bool any = false;
    struct dirent *entry;

    while (open && !any && (entry = readdir(open))) {
        const char *dot = strchr(entry->d_name, '.');
        any = is_ours(entry->d_name) && dot && strcmp(dot, ".segment") == 0;
    }
    if (open)
        closedir(open);
    return any;
}

bool manifest_is_there(const char *dir)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/" MANIFEST_NAME, dir);
    return access(path, F_OK) == 0;
}

/* Of a directory that is this process's.  False: why. */
static bool begin(struct manifest *manifest, const char *dir, char *why,
                  size_t why_size)
{
    if (!manifest_load(manifest, dir, why, why_size))
        return false;
    bool there = manifest_is_there(dir);
    if (!there && has_segments(dir)) {
        snprintf(why, why_size, "%s: it has segments, but no manifest", dir);
        return false;
    }
    int err = there ? 0 : manifest_save(manifest, dir);
    if (err)
        snprintf(why, why_size, "%s: %s", dir, strerror(err));
    else
        clean(manifest, dir);
    return !err;
}

int manifest_open(struct manifest *manifest, const char *dir, char *why,
                  size_t why_size)
{
    bool made = mkdir(dir, 0755) == 0 || errno == EEXIST;
    int lock = made ? files_lock(dir) : -1;

    if (lock < 0) {
        snprintf(why, why_size, "%s: %s", dir,
                 errno == EWOULDBLOCK ? "another process writes it"
                                      : strerror(errno));
    } else if (!begin(manifest, dir, why, why_size)) {
        close(lock);
        lock = -1;
    }
    return lock;
}
