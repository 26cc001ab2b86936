/* fuzz_token.c - bearer tokens: none that was not signed is good. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/token.h"

#define KEYS                                                           \
    "{\"current\":\"k1\",\"keys\":[{\"kid\":\"k1\",\"alg\":\"HS256\"," \
    "\"secret\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}]}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct token_keys *load(void)
{
    char path[] = "/tmp/lab-keys-XXXXXX";
    char reason[256];
    int fd = mkstemp(path);

    if (fd < 0 || write(fd, KEYS, strlen(KEYS)) < 0)
        abort();
    close(fd);
    struct token_keys *keys = token_keys_load(path, reason, sizeof(reason));
    unlink(path);
    return keys;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct token_keys *keys;
    struct token_claims claims;
    struct span token = {(const char *)data, size};

    if (!keys)
        keys = load();
    if (token_verify(keys, token, 4000000000, &claims) == 0)
        __builtin_trap(); /* all that the corpus signs has ended by then */
    token_scope_allows(token, SPAN("links:write"), SPAN("abc"));
    return 0;
}
