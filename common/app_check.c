/* app_check.c - what options must satisfy beyond their table's bounds. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/app_internal.h"

enum { BAD_OPTION = 2, CANNOT_START = 1 };

#define LOCK_WAIT_MS 10000
#define LOCK_POLL_MS 20

/* The pieces of a comma list, NULL-ended: one block, freed as one. */
static const char **split_list(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    size_t count = 2;

    for (size_t i = 0; i < len; i++)
        count += text[i] == ',';

    const char **list = mem_zalloc(MEM_APP, count * sizeof(char *) + len + 1);
    char *copy = (char *)(list + count);
    char *save = NULL;
    size_t n = 0;

    if (len == 0)
        return list;
    memcpy(copy, text, len + 1);
    for (char *s = strtok_r(copy, ", ", &save); s != NULL;
         s = strtok_r(NULL, ", ", &save))
        list[n++] = s;
    return list;
}

static bool is_cidr(const char *text)
{
    char address[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    struct span rest = span_str(text);
    struct span head;
    uint64_t bits = 0;

    if (!span_cut(&rest, '/', &head) || head.len >= sizeof(address))
        return false;
    memcpy(address, head.ptr, head.len);
    address[head.len] = '\0';

    uint64_t most = strchr(address, ':') ? 128 : 32;

    if (inet_pton(most == 128 ? AF_INET6 : AF_INET, address, bytes) != 1)
        return false;
    return rest.ptr == NULL || span_to_u64(rest, most, &bits);
}

/* "http://host[:port]", and whether a path may follow. */
static bool is_web_address(const char *text, bool path)
{
    static const char bad[] = "\"<>\\^`{|} \t\r\n";
    const char *host = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : "";
    size_t len = strcspn(host, "/?#@");

    return len > 0 && host[0] != ':' && strcspn(text, bad) == strlen(text) &&
           (host[len] == '\0' || (path && host[len] == '/')) &&
           strcspn(host + len, "?#@") == strlen(host + len);
}

static bool check_proxies(struct app *app, char reason[APP_REASON_MAX])
{
    app->trusted_proxies = split_list(app->options.trusted_proxy);
    app->cors_origins = split_list(app->options.cors_origin);
    for (const char **p = app->trusted_proxies; *p != NULL; p++)
        if (!is_cidr(*p)) {
            snprintf(reason, APP_REASON_MAX,
                     "--trusted-proxy: \"%.80s\" is no address or CIDR", *p);
            return false;
        }
    for (const char **o = app->cors_origins; *o != NULL; o++)
        if (!is_web_address(*o, false)) {
            snprintf(reason, APP_REASON_MAX,
                     "--cors-origin: \"%.80s\" is no origin: "
                     "https://host[:port]",
                     *o);
            return false;
        }
    return true;
}

static bool check_public_url(struct app *app, char reason[APP_REASON_MAX])
{
    const char *url = app->options.public_url ? app->options.public_url : "";
    size_t len = strlen(url);

    if (len > 0 && !is_web_address(url, true)) {
        snprintf(reason, APP_REASON_MAX,
                 "--public-url: \"%.80s\" is no http:// or https:// address",
                 url);
        return false;
    }
    while (len > 0 && url[len - 1] == '/')
        len--;
    app->public_url = mem_zalloc(MEM_APP, len + 1);
    memcpy(app->public_url, url, len);
    return true;
}

static bool check_tls(struct app *app, char reason[APP_REASON_MAX])
{
    const struct app_options *o = &app->options;
    int64_t port = o->tls_port ? o->tls_port : o->port ? o->port + 300 : 0;

    app->tls_port = (uint16_t)port;
    if ((o->tls_cert == NULL) != (o->tls_key == NULL))
        snprintf(reason, APP_REASON_MAX,
                 "--tls-cert and --tls-key go together");
    else if (o->tls_cert == NULL && o->tls_port != 0)
        snprintf(reason, APP_REASON_MAX, "--tls-port needs --tls-cert");
    else if (o->tls_cert != NULL && port > UINT16_MAX)
        snprintf(reason, APP_REASON_MAX,
                 "--tls-port is needed: port + 300 is past 65535");
    else
        return true;
    return false;
}

static bool check_open(const struct app *app, char reason[APP_REASON_MAX])
{
    int loopback = app_host_is_loopback(app->options.host);

    if (loopback < 0)
        snprintf(reason, APP_REASON_MAX, "--host: \"%.80s\" is no address",
                 app->options.host);
    else if (app->options.open && !loopback)
        snprintf(reason, APP_REASON_MAX,
                 "--open is refused on %.80s: not a loopback address",
                 app->options.host);
    else if (app->options.lab && !app->options.open)
        snprintf(reason, APP_REASON_MAX, "--lab needs --open");
    else
        return true;
    return false;
}

static bool check_names(struct app *app, char reason[APP_REASON_MAX])
{
    static const char fine[] = "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    enum log_level level;

    if (!log_level_parse(span_str(app->options.log_level), &level))
        snprintf(reason, APP_REASON_MAX,
                 "--log-level is debug, info, warn or error");
    else if (redis_url_parse(span_str(app->options.redis), &app->redis_url) < 0)
        /* Not repeated: it may hold a password. */
        snprintf(reason, APP_REASON_MAX,
                 "--redis is redis://[user:pass@]host:port[/db], rediss://… "
                 "or unix:///path");
    else if (strspn(app->node_id, fine) != strlen(app->node_id))
        snprintf(reason, APP_REASON_MAX,
                 "--node-id is letters, digits, dots, - and _");
    else
        return true;
    return false;
}

bool app_file_is_private(const char *path, char reason[APP_REASON_MAX])
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 || fstat(fd, &st) < 0) {
        snprintf(reason, APP_REASON_MAX, "%.160s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    close(fd);
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) == 0)
        return true;
    snprintf(reason, APP_REASON_MAX,
             "%.160s: open to group or others (chmod 600)", path);
    return false;
}

struct stream_tls *app_load_tls(const struct app *app,
                                char reason[APP_REASON_MAX])
{
    const struct app_options *o = &app->options;

    if (!app_file_is_private(o->tls_key, reason))
        return NULL;
    return stream_tls_server(o->tls_cert, o->tls_key, reason, APP_REASON_MAX);
}

/* Who holds the lock; 0: it does not say. */
static pid_t holder_of(int fd)
{
    char text[16];
    ssize_t len = pread(fd, text, sizeof(text), 0);
    struct span pid = {text, len > 0 ? (size_t)len : 0};
    uint64_t number = 0;

    pid.len = span_find(pid, '\n');
    span_to_u64(pid, INT32_MAX, &number);
    return (pid_t)number;
}

/*
 * Kept open, and by workers too: it goes with the last of them.  A master that
 * was killed may have workers that are still on their way out: they are waited
 * for.
 */
static bool take_lock(int fd, const char *dir, char reason[APP_REASON_MAX])
{
    const struct timespec wait = {.tv_nsec = LOCK_POLL_MS * 1000000L};
    char text[16];

    for (int ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; ms += LOCK_POLL_MS) {
        pid_t holder = holder_of(fd);
        if (holder == getppid()) {
            close(fd); /* our master's */
            return true;
        }
        if (ms >= LOCK_WAIT_MS || (holder > 0 && kill(holder, 0) == 0)) {
            snprintf(reason, APP_REASON_MAX,
                     "--data-dir: %.160s is process %d's", dir, (int)holder);
            close(fd);
            return false;
        }
        nanosleep(&wait, NULL);
    }
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) == len)
        return true;
    snprintf(reason, APP_REASON_MAX, "--data-dir: %.160s: %s", dir,
             strerror(errno));
    close(fd);
    return false;
}

static bool own_data_dir(const char *dir, char reason[APP_REASON_MAX])
{
    char path[4096];
    int fd = -1;

    /* Each of its parents as well. */
    snprintf(path, sizeof(path), "%s/lock", dir);
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(path, 0755);
        *at = '/';
    }
    int low = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (low >= 0) { /* workers inherit it, beyond what is theirs by number */
        fd = fcntl(low, F_DUPFD, APP_FD_COUNT);
        close(low);
    }
    if (fd >= 0)
        return take_lock(fd, dir, reason);
    snprintf(reason, APP_REASON_MAX, "--data-dir: %.160s: %s", path,
             strerror(errno));
    return false;
}

/* Loaded once here to refuse early; each worker loads its own. */
static bool check_files(struct app *app, char reason[APP_REASON_MAX])
{
    const struct app_options *o = &app->options;

    if (o->token_keys != NULL) {
        struct token_keys *keys =
            token_keys_load(o->token_keys, reason, APP_REASON_MAX);

        if (keys == NULL)
            return false;
        token_keys_destroy(keys);
    }
    if (o->tls_cert != NULL) {
        struct stream_tls *tls = app_load_tls(app, reason);

        if (tls == NULL)
            return false;
        stream_tls_unref(tls);
    }
    if (app->service->owns_data_dir && !own_data_dir(o->data_dir, reason))
        return false;
    if (app->service->check_files != NULL &&
        !app->service->check_files(reason, APP_REASON_MAX))
        return false;
    return o->secrets == NULL || app_secrets_read(app, reason);
}

int app_check(struct app *app, char reason[APP_REASON_MAX])
{
    const struct app_service *service = app->service;

    if (!check_names(app, reason) || !check_tls(app, reason) ||
        !check_open(app, reason) || !check_public_url(app, reason) ||
        !check_proxies(app, reason) ||
        (service->check && !service->check(reason, APP_REASON_MAX)))
        return BAD_OPTION;
    return check_files(app, reason) ? 0 : CANNOT_START;
}
