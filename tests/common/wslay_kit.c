/* wslay_kit.c - see wslay_kit.h. */
#include "tests/common/wslay_kit.h"

#ifdef LAB_WSLAY

#include <stdlib.h>
#include <wslay/wslay.h>

#include "tests/common/ws_kit.h"

struct reader {
    struct span rest;
    struct buf *log;
    bool is_closed;
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

bool wslay_kit_is_there(void)
{
    return true;
}

static ssize_t on_read(wslay_event_context_ptr context, uint8_t *to, size_t len,
                       int flags, void *arg)
{
    struct reader *reader = arg;
    size_t here = reader->rest.len < len ? reader->rest.len : len;
    (void)flags;

    if (here == 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(to, reader->rest.ptr, here);
    reader->rest = span_skip(reader->rest, here);
    return (ssize_t)here;
}

/* What it answers by itself is not looked at. */
static ssize_t on_write(wslay_event_context_ptr context, const uint8_t *bytes,
                        size_t len, int flags, void *arg)
{
    (void)context;
    (void)bytes;
    (void)flags;
    (void)arg;
    return (ssize_t)len;
}

static int on_key(wslay_event_context_ptr context, uint8_t *to, size_t len,
                  void *arg)
{
    (void)context;
    (void)arg;
    memset(to, 'k', len);
    return 0;
}

static void on_message(wslay_event_context_ptr context,
                       const struct wslay_event_on_msg_recv_arg *message,
                       void *arg)
{
    struct reader *reader = arg;
    struct span bytes = {(const char *)message->msg, message->msg_length};
    (void)context;

    if (message->opcode != WSLAY_CONNECTION_CLOSE) {
        ws_kit_log(reader->log, message->opcode, bytes);
        return;
    }
    reader->is_closed = true;
    ws_kit_log_close(reader->log,
                     message->status_code ? message->status_code : WS_CODE_NONE,
                     message->status_code ? span_skip(bytes, 2) : bytes);
}

void wslay_kit_read(bool is_client, size_t max_message, struct span bytes,
                    struct buf *log)
{
    struct wslay_event_callbacks callbacks = {.recv_callback = on_read,
                                              .send_callback = on_write,
                                              .genmask_callback = on_key,
                                              .on_msg_recv_callback =
                                                  on_message};
    struct reader reader = {.rest = bytes, .log = log};
    wslay_event_context_ptr context;

    check((is_client ? wslay_event_context_client_init
                     : wslay_event_context_server_init)(&context, &callbacks,
                                                        &reader) == 0);
    wslay_event_config_set_max_recv_msg_length(context, max_message);
    /* A wrong head is an error of the call, all else is answered. */
    bool is_head_wrong = wslay_event_recv(context) != 0;
    check(wslay_event_send(context) == 0);
    if (is_head_wrong)
        ws_kit_log_fail(log, WS_CODE_PROTOCOL);
    else if (!reader.is_closed && wslay_event_get_close_sent(context))
        ws_kit_log_fail(log, wslay_event_get_status_code_sent(context));
    wslay_event_context_free(context);
}

struct writer {
    struct buf *out;
    uint32_t key;
};

static ssize_t on_frame_bytes(const uint8_t *bytes, size_t len, int flags,
                              void *arg)
{
    struct writer *writer = arg;
    (void)flags;

    buf_append(writer->out, (struct span){(const char *)bytes, len});
    return (ssize_t)len;
}

static int on_frame_key(uint8_t *to, size_t len, void *arg)
{
    struct writer *writer = arg;

    check(len == sizeof(writer->key));
    memcpy(to, &writer->key, len);
    return 0;
}

void wslay_kit_write(struct buf *out, bool is_client, bool is_last,
                     unsigned opcode, struct span bytes, uint32_t key)
{
    struct wslay_frame_callbacks callbacks = {.send_callback = on_frame_bytes,
                                              .genmask_callback = on_frame_key};
    struct writer writer = {out, key};
    struct wslay_frame_iocb frame = {.fin = is_last,
                                     .opcode = (uint8_t)opcode,
                                     .payload_length = bytes.len,
                                     .mask = is_client};
    wslay_frame_context_ptr context;

    check(wslay_frame_context_init(&context, &callbacks, &writer) == 0);
    do {
        frame.data = (const uint8_t *)bytes.ptr;
        frame.data_length = bytes.len;
        ssize_t sent = wslay_frame_send(context, &frame);
        check(sent >= 0);
        bytes = span_skip(bytes, (size_t)sent);
    } while (bytes.len);
    wslay_frame_context_free(context);
}

#else

bool wslay_kit_is_there(void)
{
    return false;
}

void wslay_kit_read(bool is_client, size_t max_message, struct span bytes,
                    struct buf *log)
{
    (void)is_client;
    (void)max_message;
    (void)bytes;
    (void)log;
}

void wslay_kit_write(struct buf *out, bool is_client, bool is_last,
                     unsigned opcode, struct span bytes, uint32_t key)
{
    (void)out;
    (void)is_client;
    (void)is_last;
    (void)opcode;
    (void)bytes;
    (void)key;
}

#endif
