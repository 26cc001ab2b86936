/*
 * metrics.c - see metrics.h.
 *
 * The file: a head, the directory of series (it only grows), then one run of
 * cells per slot.  A series is a name with labels and the index of its first
 * cell, the same in every slot.
 *
 * Locks are open-file-description locks on bytes of the file, so the kernel
 * drops them when their process dies, however it dies:
 *
 *   byte 0         held while a series is appended
 *   byte 1 + 2i    slot i is taken
 *   byte 2 + 2i    slot i is taken and its old gauges are cleared
 *
 * A dying writer leaves the directory whole, because an appended series counts
 * only from the store of head->count on.
 */
#include "common/metrics.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#define MAGIC UINT64_C(0x0001736369727464) /* ends in the layout's version */
#define MAX_CELLS 16384                    /* of a slot */
#define HELP_MAX 88
#define HISTOGRAM 100 /* beside enum metrics_kind */
#define BOUNDS 17
#define HISTOGRAM_CELLS (sizeof(struct metrics_histogram) / sizeof(uint64_t))

static const uint64_t bounds_us[BOUNDS] = {
    50,    100,    250,    500,    1000,    2500,    5000,    10000,   25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};
static const char *const bounds_text[BOUNDS + 1] = {
    "5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025",
    "0.005", "0.01",   "0.025",   "0.05",   "0.1",   "0.25",
    "0.5",   "1",      "2.5",     "5",      "10",    "+Inf"};

struct metrics_histogram {
    uint64_t bucket[BOUNDS + 1]; /* not cumulative; the last is +Inf */
    uint64_t sum_us;
};

struct series {
    uint32_t kind;
    uint32_t first;              /* its first cell */
    char text[METRICS_NAME_MAX]; /* name, NUL, labels, NUL */
    char help[HELP_MAX];
};

struct head {
    uint64_t magic;
    uint32_t slots;
    uint32_t count;                    /* series that are whole */
    uint32_t hash[METRICS_MAX_SERIES]; /* of their texts: a short search */
    struct series series[METRICS_MAX_SERIES];
};

struct metrics {
    struct head *head;
    size_t size;
    int fd;        /* our own description of the file: the locks are ours */
    uint64_t *own; /* the cells of our slot, or NULL */
    uint32_t slot;
    uint64_t dropped[HISTOGRAM_CELLS]; /* where refused series count */
};

static size_t align(size_t n)
{
    return (n + 4095) & ~(size_t)4095;
}

static size_t file_size(uint32_t slots)
{
    return align(sizeof(struct head)) +
           (size_t)slots * MAX_CELLS * sizeof(uint64_t);
}

static uint64_t *slot_cells(const struct metrics *m, uint32_t slot)
{
    return (uint64_t *)(void *)((char *)m->head + align(sizeof(*m->head))) +
           (size_t)slot * MAX_CELLS;
}

static int lock_byte(int fd, int command, short type, off_t at)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    int n;

    do
        n = fcntl(fd, command, &lock);
    while (n < 0 && errno == EINTR);
    if (command == F_OFD_GETLK)
        return n == 0 && lock.l_type != F_UNLCK;
    return n;
}

static off_t taken_byte(uint32_t slot)
{
    return 1 + 2 * (off_t)slot;
}

static off_t live_byte(uint32_t slot)
{
    return 2 + 2 * (off_t)slot;
}

/* Directory. */

static uint32_t hash_text(const char *text, size_t len)
{
    uint32_t h = 2166136261U; /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * 16777619U;
    return h;
}

static const char *series_labels(const struct series *s)
{
    return s->text + strlen(s->text) + 1;
}

static uint32_t series_width(const struct series *s)
{
    return s->kind == HISTOGRAM ? HISTOGRAM_CELLS : 1;
}

static uint32_t series_count(const struct metrics *m)
{
    return __atomic_load_n(&m->head->count, __ATOMIC_ACQUIRE);
}

/* name, NUL, labels, NUL; its length, or 0 when it does not fit. */
static size_t spell(char text[METRICS_NAME_MAX], const char *name,
                    const char *labels)
{
    size_t n = strlen(name);
    size_t l = strlen(labels);

    if (n == 0 || n + l + 2 > METRICS_NAME_MAX)
        return 0;
    memcpy(text, name, n + 1);
    memcpy(text + n + 1, labels, l + 1);
    return n + l + 2;
}

static const struct series *find(const struct metrics *m, const char *text,
                                 size_t len)
{
    uint32_t count = series_count(m);
    uint32_t hash = hash_text(text, len);

    for (uint32_t i = 0; i < count; i++)
        if (m->head->hash[i] == hash &&
            memcmp(m->head->series[i].text, text, len) == 0)
            return &m->head->series[i];
    return NULL;
}

struct wanted {
    uint32_t kind;
    char text[METRICS_NAME_MAX];
    size_t len;
    const char *help;
};

/* One name, one TYPE line. */
static bool family_differs(const struct head *head, const struct wanted *wanted)
{
    for (uint32_t i = 0; i < head->count; i++)
        if (head->series[i].kind != wanted->kind &&
            strcmp(head->series[i].text, wanted->text) == 0)
            return true;
    return false;
}

/* The directory is locked.  NULL when it is full. */
static const struct series *append(struct head *head,
                                   const struct wanted *wanted)
{
    uint32_t n = head->count;
    struct series s = {.kind = wanted->kind};

    if (n > 0)
        s.first =
            head->series[n - 1].first + series_width(&head->series[n - 1]);
    if (n == METRICS_MAX_SERIES || s.first + series_width(&s) > MAX_CELLS ||
        family_differs(head, wanted))
        return NULL;
    memcpy(s.text, wanted->text, wanted->len);
    snprintf(s.help, sizeof(s.help), "%s", wanted->help);
    head->series[n] = s;
    head->hash[n] = hash_text(wanted->text, wanted->len);
    __atomic_store_n(&head->count, n + 1, __ATOMIC_RELEASE);
    return &head->series[n];
}

static const struct series *find_or_append(struct metrics *m,
                                           const struct wanted *wanted)
{
    const struct series *s = find(m, wanted->text, wanted->len);

    if (s != NULL)
        return s;
    if (lock_byte(m->fd, F_OFD_SETLKW, F_WRLCK, 0) < 0)
        return NULL;
    s = find(m, wanted->text, wanted->len); /* a sibling may have been first */
    if (s == NULL)
        s = append(m->head, wanted);
    lock_byte(m->fd, F_OFD_SETLK, F_UNLCK, 0);
    return s;
}

/* The cells of a series in our slot; those that are refused share one. */
static uint64_t *cells(struct metrics *m, struct wanted *wanted,
                       const char *name, const char *labels)
{
    const struct series *s = NULL;

    if (m->own == NULL)
        return m->dropped;
    wanted->len = spell(wanted->text, name, labels);
    if (wanted->len > 0)
        s = find_or_append(m, wanted);
    if (s != NULL && s->kind == wanted->kind)
        return m->own + s->first;
    metrics_add(m->own, 1); /* series 0, see metrics_make() */
    return m->dropped;
}

uint64_t *metrics_cell(struct metrics *metrics, enum metrics_kind kind,
                       const char *name, const char *labels, const char *help)
{
    struct wanted wanted = {.kind = kind, .help = help};

    return cells(metrics, &wanted, name, labels);
}

struct metrics_histogram *metrics_histogram(struct metrics *metrics,
                                            const char *name,
                                            const char *labels,
                                            const char *help)
{
    struct wanted wanted = {.kind = HISTOGRAM, .help = help};

    return (struct metrics_histogram *)(void *)cells(metrics, &wanted, name,
                                                     labels);
}

void metrics_observe(struct metrics_histogram *histogram, uint64_t us)
{
    size_t i = 0;

    while (i < BOUNDS && us > bounds_us[i])
        i++;
    metrics_add(&histogram->bucket[i], 1);
    metrics_add(&histogram->sum_us, us);
}

/* Life. */

int metrics_make(uint32_t slots)
{
    static const struct wanted first = {
        .kind = METRICS_COUNTER,
        .text = "metrics_overflow_total\0",
        .len = sizeof("metrics_overflow_total\0"),
        .help = "Series refused: too many, too long, or of two kinds.",
    };
    int fd = memfd_create("metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct head *head;

    if (fd < 0)
        return uv_translate_sys_error(errno);
    /* Sealed: no process can cut the file under the others. */
    if (ftruncate(fd, (off_t)file_size(slots)) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
        goto err_after_fd;
    head = mmap(NULL, sizeof(*head), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (head == MAP_FAILED)
        goto err_after_fd;
    head->magic = MAGIC;
    head->slots = slots;
    append(head, &first);
    munmap(head, sizeof(*head));
    return fd;

err_after_fd:;
    int err = uv_translate_sys_error(errno);

    close(fd);
    return err;
}

/* What the last holder of the slot left as gauges does not count. */
static void clear_gauges(struct metrics *m)
{
    uint32_t count = series_count(m);

    for (uint32_t i = 0; i < count; i++)
        if (m->head->series[i].kind == METRICS_GAUGE ||
            m->head->series[i].kind == METRICS_GAUGE_SECONDS)
            metrics_set(m->own + m->head->series[i].first, 0);
}

static bool take_slot(struct metrics *m)
{
    for (uint32_t i = 0; i < m->head->slots; i++) {
        if (lock_byte(m->fd, F_OFD_SETLK, F_WRLCK, taken_byte(i)) < 0)
            continue;
        m->slot = i;
        m->own = slot_cells(m, i);
        clear_gauges(m);
        return lock_byte(m->fd, F_OFD_SETLK, F_WRLCK, live_byte(i)) == 0;
    }
    return false;
}

/*
 * An inherited descriptor shares its description, and so its locks, with the
 * master and all siblings: open one of our own.
 */
static int reopen(int fd)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDWR | O_CLOEXEC);
}

static bool map_file(struct metrics *m)
{
    struct stat st;

    if (fstat(m->fd, &st) < 0 || (size_t)st.st_size < file_size(1))
        return false;
    m->head = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                   m->fd, 0);
    if (m->head == MAP_FAILED) {
        m->head = NULL;
        return false;
    }
    m->size = (size_t)st.st_size;
    return m->head->magic == MAGIC && file_size(m->head->slots) == m->size;
}

struct metrics *metrics_open(int fd, bool observer)
{
    struct metrics *m = mem_zalloc(MEM_APP, sizeof(*m));

    m->fd = reopen(fd);
    if (m->fd >= 0 && map_file(m) && (observer || take_slot(m)))
        return m;
    metrics_close(m);
    return NULL;
}

void metrics_close(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    if (metrics->head != NULL)
        munmap(metrics->head, metrics->size);
    if (metrics->fd >= 0)
        close(metrics->fd); /* the locks go with it */
    mem_free(metrics);
}

/* Reading. */

static bool slot_is_live(const struct metrics *m, uint32_t slot)
{
    if (m->own != NULL && m->slot == slot)
        return true; /* our own lock does not stand in our way */
    return lock_byte(m->fd, F_OFD_GETLK, F_WRLCK, live_byte(slot)) == 1;
}

/* Which slots count for gauges, asked once per text. */
struct view {
    const struct metrics *m;
    bool *live;
};

static void view_init(struct view *v, const struct metrics *m)
{
    *v = (struct view){m, mem_alloc(MEM_APP, m->head->slots * sizeof(bool))};
    for (uint32_t i = 0; i < m->head->slots; i++)
        v->live[i] = slot_is_live(m, i);
}

static void view_deinit(struct view *v)
{
    mem_free(v->live);
}

static uint64_t sum_cell(const struct view *v, const struct series *s,
                         size_t cell)
{
    bool gauge = s->kind == METRICS_GAUGE || s->kind == METRICS_GAUGE_SECONDS;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < v->m->head->slots; i++)
        if (!gauge || v->live[i])
            sum += __atomic_load_n(slot_cells(v->m, i) + s->first + cell,
                                   __ATOMIC_RELAXED);
    return sum;
}

uint64_t metrics_sum(const struct metrics *metrics, const char *name,
                     const char *labels)
{
    char text[METRICS_NAME_MAX];
    size_t len = spell(text, name, labels);
    const struct series *s = len ? find(metrics, text, len) : NULL;
    struct view v;
    uint64_t sum = 0;

    if (s == NULL)
        return 0;
    view_init(&v, metrics);
    /* A histogram's sum is the number of its observations. */
    for (size_t i = 0; i < (s->kind == HISTOGRAM ? BOUNDS + 1 : 1); i++)
        sum += sum_cell(&v, s, i);
    view_deinit(&v);
    return sum;
}

static int compare_series(const void *a, const void *b)
{
    const struct series *x = *(const struct series *const *)a;
    const struct series *y = *(const struct series *const *)b;
    int by_name = strcmp(x->text, y->text);

    return by_name ? by_name : strcmp(series_labels(x), series_labels(y));
}

static void write_seconds(struct buf *out, uint64_t us)
{
    buf_printf(out, "%llu.%06llu", (unsigned long long)(us / 1000000),
               (unsigned long long)(us % 1000000));
}

static void write_labels(struct buf *out, const char *labels)
{
    if (*labels != '\0')
        buf_printf(out, "{%s}", labels);
}

static void write_histogram(const struct view *v, const struct series *s,
                            struct buf *out)
{
    const char *labels = series_labels(s);
    uint64_t count = 0;

    for (size_t i = 0; i <= BOUNDS; i++) {
        count += sum_cell(v, s, i);
        buf_printf(out, "%s_bucket{%s%sle=\"%s\"} ", s->text, labels,
                   *labels ? "," : "", bounds_text[i]);
        buf_append_u64(out, count);
        buf_append_char(out, '\n');
    }
    buf_printf(out, "%s_sum", s->text);
    write_labels(out, labels);
    buf_append_char(out, ' ');
    write_seconds(out, sum_cell(v, s, BOUNDS + 1));
    buf_printf(out, "\n%s_count", s->text);
    write_labels(out, labels);
    buf_printf(out, " %llu\n", (unsigned long long)count);
}

static void write_series(const struct view *v, const struct series *s,
                         struct buf *out)
{
    if (s->kind == HISTOGRAM) {
        write_histogram(v, s, out);
        return;
    }
    buf_append(out, span_str(s->text));
    write_labels(out, series_labels(s));
    buf_append_char(out, ' ');
    if (s->kind == METRICS_GAUGE_SECONDS)
        write_seconds(out, sum_cell(v, s, 0));
    else
        buf_append_u64(out, sum_cell(v, s, 0));
    buf_append_char(out, '\n');
}

static void write_family(const struct series *s, struct buf *out)
{
    const char *type = s->kind == HISTOGRAM         ? "histogram"
                       : s->kind == METRICS_COUNTER ? "counter"
                                                    : "gauge";

    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", s->text, s->help, s->text,
               type);
}

void metrics_write(const struct metrics *metrics, struct buf *out)
{
    uint32_t count = series_count(metrics);
    const struct series **sorted =
        mem_alloc(MEM_APP, count * sizeof(struct series *));
    struct view v;

    for (uint32_t i = 0; i < count; i++)
        sorted[i] = &metrics->head->series[i];
    qsort(sorted, count, sizeof(struct series *), compare_series);
    view_init(&v, metrics);
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(sorted[i]->text, sorted[i - 1]->text) != 0)
            write_family(sorted[i], out);
        write_series(&v, sorted[i], out);
    }
    view_deinit(&v);
    mem_free(sorted);
}
