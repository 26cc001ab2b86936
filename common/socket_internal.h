/*
 * socket_internal.h - what the files of the socket room share.
 *
 *   socket.c            a socket's life, its frames, how it closes
 *   socket_handshake.c  what makes a request a good handshake
 */
#pragma once

#include "common/request.h"
#include "common/socket.h"

/* The headers of the 101 are added; false: it has been refused. */
bool socket_shake_hands(struct request *req, const char *subprotocol);
