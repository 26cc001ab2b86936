/* redis_kit.c - see redis_kit.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/common/redis_kit.h"

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static void on_closed(uv_handle_t *handle)
{
    struct kit_link *link = handle->data;

    resp_reader_destroy(link->reader);
    link->reader = NULL;
}

static void close_link(struct kit_link *link)
{
    if (link->open)
        uv_close((uv_handle_t *)&link->pipe, on_closed);
    link->open = false;
}

static struct kit_link *last_link(struct kit *kit)
{
    assert_in_range(kit->accepted, 1, KIT_LINKS);
    return &kit->links[kit->accepted - 1];
}

static void say(struct kit_link *link, struct span bytes)
{
    uv_buf_t buf =
        uv_buf_init((char *)(uintptr_t)bytes.ptr, (unsigned)bytes.len);

    assert_true(link->open);
    assert_int_equal(uv_try_write((uv_stream_t *)&link->pipe, &buf, 1),
                     bytes.len);
}

void kit_say_bytes(struct kit *kit, struct span bytes)
{
    say(last_link(kit), bytes);
}

void kit_say(struct kit *kit, const char *bytes)
{
    kit_say_bytes(kit, span_str(bytes));
}

static void greet(struct kit *kit, struct kit_link *link, const char *command)
{
    char info[256];

    if (strncmp(command, "AUTH ", 5) == 0) {
        say(link, span_str(kit->auth));
    } else if (strncmp(command, "SELECT ", 7) == 0) {
        say(link, SPAN("+OK\r\n"));
    } else {
        assert_string_equal(command, "INFO");
        snprintf(info, sizeof(info), "$%zu\r\n%s\r\n", strlen(kit->info),
                 kit->info);
        say(link, span_str(info));
    }
}

void kit_greet(struct kit *kit)
{
    size_t due = last_link(kit)->greeted;

    assert_in_range(due, 1, kit->count);
    for (size_t i = kit->count - due; i < kit->count; i++)
        greet(kit, last_link(kit), kit->commands[i]);
    last_link(kit)->greeted = 0;
}

static bool is_greeting(const char *command)
{
    return strncmp(command, "AUTH ", 5) == 0 ||
           strncmp(command, "SELECT ", 7) == 0 || strcmp(command, "INFO") == 0;
}

static void take(struct kit *kit, struct kit_link *link,
                 const struct redisReply *command)
{
    struct buf text;

    buf_init(&text, MEM_APP);
    assert_int_equal(command->type, REDIS_REPLY_ARRAY);
    for (size_t i = 0; i < command->elements; i++) {
        if (i)
            buf_append_char(&text, ' ');
        buf_append(&text, (struct span){command->element[i]->str,
                                        command->element[i]->len});
    }
    buf_append_char(&text, '\0');
    bool greeting = is_greeting(text.ptr);
    if (greeting && !kit->mute) {
        greet(kit, link, text.ptr);
        buf_deinit(&text);
    } else if (kit->ping && strcmp(text.ptr, "PING") == 0) {
        say(link, span_str(kit->ping));
        buf_deinit(&text);
    } else {
        link->greeted += greeting;
        assert_true(kit->count < KIT_COMMANDS);
        kit->commands[kit->count++] = text.ptr;
    }
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    static char bytes[65536];

    (void)handle;
    (void)size;
    *buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct kit_link *link = stream->data;
    struct redisReply *command;

    if (n < 0) {
        close_link(link);
        return;
    }
    assert_int_equal(
        resp_reader_feed(link->reader, (struct span){buf->base, (size_t)n}), 0);
    while (link->open && resp_reader_next(link->reader, &command) == 0 &&
           command) {
        take(stream->loop->data, link, command);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct kit *kit = listener->loop->data;
    struct kit_link *link = &kit->links[kit->accepted];

    assert_int_equal(status, 0);
    assert_true(kit->accepted < KIT_LINKS);
    kit->accepted++;
    uv_pipe_init(&kit->uv, &link->pipe, 0);
    link->pipe.data = link;
    link->open = true;
    link->reader = resp_reader_create();
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&link->pipe), 0);
    uv_read_start((uv_stream_t *)&link->pipe, on_alloc, on_read);
}

void kit_start(struct kit *kit)
{
    uv_pipe_init(&kit->uv, &kit->listener, 0);
    assert_int_equal(uv_pipe_bind(&kit->listener, kit->options.url.path), 0);
    assert_int_equal(
        uv_listen((uv_stream_t *)&kit->listener, 16, on_connection), 0);
}

void kit_hang_up(struct kit *kit)
{
    close_link(last_link(kit));
}

void kit_stop(struct kit *kit)
{
    if (!uv_is_closing((uv_handle_t *)&kit->listener))
        uv_close((uv_handle_t *)&kit->listener, NULL);
    for (int i = 0; i < kit->accepted; i++)
        close_link(&kit->links[i]);
    uv_run(&kit->uv, UV_RUN_NOWAIT); /* the listener may be opened anew */
}

int kit_setup(void **state)
{
    struct kit *kit = calloc(1, sizeof(*kit));

    strcpy(kit->dir, "/tmp/redis-XXXXXX");
    assert_non_null(mkdtemp(kit->dir));
    kit->options = (struct redis_options){
        .timeout_ms = 60000, .max_pending = 100, .max_bytes = 1 << 20};
    snprintf(kit->options.url.path, sizeof(kit->options.url.path),
             "%.31s/socket", kit->dir);
    kit->info = "redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n";
    kit->auth = "+OK\r\n";
    assert_int_equal(uv_loop_init(&kit->uv), 0);
    kit->uv.data = kit;
    uv_timer_init(&kit->uv, &kit->tick);
    uv_timer_start(&kit->tick, on_tick, 5, 5);
    kit->loop = stream_loop_open(&kit->uv);
    kit_start(kit);
    *state = kit;
    return 0;
}

const char *kit_command(struct kit *kit, size_t i)
{
    assert_true(i < kit->count);
    return kit->commands[i];
}

void kit_forget(struct kit *kit)
{
    while (kit->count)
        mem_free(kit->commands[--kit->count]);
}

int kit_teardown(void **state)
{
    struct kit *kit = *state;

    kit_stop(kit);
    uv_close((uv_handle_t *)&kit->tick, NULL);
    uv_run(&kit->uv, UV_RUN_DEFAULT);
    stream_loop_close(kit->loop);
    uv_run(&kit->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&kit->uv), 0);
    kit_forget(kit);
    assert_int_equal(mem_live(MEM_REDIS), 0);
    assert_int_equal(mem_live(MEM_CONN), 0);
    rmdir(kit->dir);
    free(kit);
    return 0;
}
