/*
 * resp_command.h - commands of a client of our own, in Redis's protocol.
 *
 * A bounded parser: hiredis's would take a client's word for any size.  Arrays
 * of bulk strings ("*2\r\n$4\r\nPING\r\n…") and inline lines ("PING x\r\n").
 * No sockets.
 */
#pragma once

#include "common/span.h"

#define RESP_COMMAND_ARGS 16
#define RESP_COMMAND_ARG 1024  /* bytes of one */
#define RESP_COMMAND_LINE 4096 /* of an inline command */

struct resp_command {
    struct span argv[RESP_COMMAND_ARGS]; /* borrowed from the bytes */
    size_t argc;                         /* 0: an empty line, to be ignored */
};

/*
 * Take the first whole command off bytes: its length; 0: not whole yet, no more
 * than RESP_COMMAND_MAX are needed; UV_EPROTO: it is none, or is too large.
 */
#define RESP_COMMAND_MAX \
    (RESP_COMMAND_ARGS * (RESP_COMMAND_ARG + (size_t)16) + (size_t)16)
int64_t resp_command_parse(struct span bytes, struct resp_command *command);
