/* key_set.c - see key_set.h. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base64.h"
#include "common/json.h"
#include "common/key_set.h"

#define MAX_FILE 65536

static const char wrong_alg[] = "a key's alg must be ";

/* base64url, perhaps padded; -1: it is none, or too long. */
static int decode_secret(const char *text, unsigned char out[KEY_SECRET_MAX])
{
    unsigned char bytes[BASE64_BYTES(BASE64_TEXT(KEY_SECRET_MAX))];
    struct span digits = {text, strcspn(text, "=")};
    size_t padding = strspn(text + digits.len, "=");
    size_t size = 0;

    bool good = digits.len <= BASE64_TEXT(KEY_SECRET_MAX) && padding < 3 &&
                !text[digits.len + padding] &&
                base64_decode(digits, bytes, &size);
    if (good)
        memcpy(out, bytes, size);
    explicit_bzero(bytes, sizeof(bytes));
    return good ? (int)size : -1;
}

static const char *read_key(const json_t *node, const char *alg,
                            struct key_set_key *key)
{
    const char *kid = json_string_value(json_object_get(node, "kid"));
    const char *of = json_string_value(json_object_get(node, "alg"));
    const char *secret = json_string_value(json_object_get(node, "secret"));

    if (!kid || !*kid || strlen(kid) > KEY_ID_MAX)
        return "a key needs a kid of 1 to 64 bytes";
    if (!of || strcmp(of, alg) != 0)
        return wrong_alg;
    int len = secret ? decode_secret(secret, key->secret) : -1;
    if (len < KEY_SECRET_MIN)
        return "a key's secret must be base64url of 32 to 256 bytes";
    key->secret_len = (size_t)len;
    snprintf(key->kid, sizeof(key->kid), "%s", kid);
    return NULL;
}

const struct key_set_key *key_set_find(const struct key_set *set,
                                       const char *kid)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->keys[i].kid, kid) == 0)
            return &set->keys[i];
    return NULL;
}

static const char *read_keys(const json_t *document, const char *alg,
                             struct key_set *set)
{
    const json_t *array = json_object_get(document, "keys");
    const char *current =
        json_string_value(json_object_get(document, "current"));
    size_t count = json_array_size(array);

    if (count == 0 || count > KEY_SET_MAX)
        return "keys must be an array of 1 to 32";
    for (size_t i = 0; i < count; i++) {
        struct key_set_key *key = &set->keys[set->count];
        const char *wrong = read_key(json_array_get(array, i), alg, key);
        if (wrong)
            return wrong;
        if (key_set_find(set, key->kid))
            return "two keys have the same kid";
        set->count++;
    }
    const struct key_set_key *found =
        current ? key_set_find(set, current) : NULL;
    if (!found)
        return "current must name one of the keys";
    set->current = (size_t)(found - set->keys);
    return NULL;
}

/* What is wrong with the file, or NULL and its text. */
static const char *read_file(const char *path, char text[MAX_FILE], size_t *len)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *wrong = NULL;

    if (fd < 0)
        return strerror(errno);
    if (fstat(fd, &info) < 0)
        wrong = strerror(errno);
    else if (!S_ISREG(info.st_mode))
        wrong = "not a regular file";
    else if (info.st_mode & 077)
        wrong = "open to group or others; chmod 600";
    else if (info.st_size <= 0 || info.st_size > MAX_FILE)
        wrong = "must have 1 to 65536 bytes";
    else if (read(fd, text, (size_t)info.st_size) != info.st_size)
        wrong = "cannot be read whole";
    *len = wrong ? 0 : (size_t)info.st_size;
    close(fd);
    return wrong;
}

struct key_set *key_set_load(const char *path, const char *alg, char *reason,
                             size_t reason_size)
{
    struct key_set *set = mem_zalloc(MEM_AUTH, sizeof(*set));
    char *text = mem_alloc(MEM_AUTH, MAX_FILE);
    struct json_errors errors = {0};
    json_t *document = NULL;
    size_t len = 0;
    const char *wrong = read_file(path, text, &len);

    if (!wrong && json_read((struct span){text, len}, &document, &errors) < 0)
        wrong = errors.at[0].detail;
    if (!wrong)
        wrong = read_keys(document, alg, set);
    if (wrong) {
        snprintf(reason, reason_size, "%s: %s%s", path, wrong,
                 wrong == wrong_alg ? alg : "");
        key_set_destroy(set);
        set = NULL;
    }
    json_decref(document);
    explicit_bzero(text, MAX_FILE);
    mem_free(text);
    return set;
}

struct key_set *key_set_of(const unsigned char *secret, size_t len)
{
    struct key_set *set = mem_zalloc(MEM_AUTH, sizeof(*set));
    struct key_set_key *key = &set->keys[set->count++];

    assert(len >= KEY_SECRET_MIN && len <= KEY_SECRET_MAX);
    snprintf(key->kid, sizeof(key->kid), "shared");
    memcpy(key->secret, secret, len);
    key->secret_len = len;
    return set;
}

void key_set_destroy(struct key_set *set)
{
    if (!set)
        return;
    explicit_bzero(set, sizeof(*set));
    mem_free(set);
}
