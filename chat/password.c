/* password.c - see password.h. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "chat/password.h"
#include "common/base64.h"

#define LOG_N 15 /* 32 MiB with R 8 */
#define R 8
#define P 3
#define MEMORY_MAX (64u << 20)
#define HASH 32
#define HEAD "scrypt15.8.3$"

static unsigned jobs; /* of this process */

static bool derive(const struct password_job *job,
                   const unsigned char salt[PASSWORD_SALT],
                   unsigned char hash[HASH])
{
    return EVP_PBE_scrypt(job->password, job->len, salt, PASSWORD_SALT,
                          UINT64_C(1) << LOG_N, R, P, MEMORY_MAX, hash,
                          HASH) == 1;
}

/* HEAD, the salt, $ and the hash. */
static void make(struct password_job *job)
{
    unsigned char hash[HASH];
    char *at = job->kept + sizeof(HEAD) - 1;

    job->failed = (!job->salted && RAND_bytes(job->salt, PASSWORD_SALT) != 1) ||
                  !derive(job, job->salt, hash);
    if (job->failed)
        return;
    memcpy(job->kept, HEAD, sizeof(HEAD) - 1);
    at += base64_encode((struct span){(const char *)job->salt, PASSWORD_SALT},
                        at);
    *at++ = '$';
    at += base64_encode((struct span){(const char *)hash, HASH}, at);
    *at = '\0';
}

static bool take_apart(struct span kept, unsigned char salt[PASSWORD_SALT + 2],
                       unsigned char hash[HASH + 2])
{
    struct span head = SPAN(HEAD);
    struct span word;
    size_t salt_len;
    size_t hash_len;

    if (!span_has_prefix(kept, head))
        return false;
    kept = span_skip(kept, head.len);
    return span_cut(&kept, '$', &word) &&
           word.len == BASE64_TEXT(PASSWORD_SALT) &&
           base64_decode(word, salt, &salt_len) && salt_len == PASSWORD_SALT &&
           kept.len == BASE64_TEXT(HASH) &&
           base64_decode(kept, hash, &hash_len) && hash_len == HASH;
}

static void verify(struct password_job *job)
{
    unsigned char salt[PASSWORD_SALT + 2] = {0};
    unsigned char hash[HASH + 2] = {0};
    unsigned char found[HASH];
    bool is_some = take_apart(span_str(job->kept), salt, hash);

    job->failed = !derive(job, salt, found);
    job->matches =
        !job->failed && is_some && CRYPTO_memcmp(found, hash, HASH) == 0;
}

static void on_work(uv_work_t *work)
{
    struct password_job *job = work->data;

    if (job->verifies)
        verify(job);
    else
        make(job);
}

static void on_done(uv_work_t *work, int status)
{
    struct password_job *job = work->data;

    jobs--;
    explicit_bzero(job->password, sizeof(job->password));
    if (status < 0)
        job->failed = true;
    job->cb(job);
}

static int start(uv_loop_t *loop, struct password_job *job,
                 struct span password)
{
    if (jobs == PASSWORD_JOBS_MAX)
        return UV_ENOBUFS;
    memcpy(job->password, password.ptr, password.len);
    job->len = password.len;
    job->work.data = job;
    int err = uv_queue_work(loop, &job->work, on_work, on_done);
    if (err == 0)
        jobs++;
    return err;
}

int password_make(uv_loop_t *loop, struct password_job *job,
                  struct span password)
{
    job->verifies = false;
    return start(loop, job, password);
}

int password_verify(uv_loop_t *loop, struct password_job *job,
                    struct span password, struct span kept)
{
    job->verifies = true;
    snprintf(job->kept, sizeof(job->kept), "%.*s", (int)kept.len,
             kept.ptr ? kept.ptr : "");
    return start(loop, job, password);
}
