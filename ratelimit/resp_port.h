/*
 * resp_port.h - the RESP port: CL.THROTTLE, PING, AUTH and a few words more.
 *
 *   read -> resp_command_parse() -> throttle -> answers in order, one write
 */
#pragma once

#include "ratelimit/ratelimit.h"

struct resp_port;

/* Serves app_extra_socket(); NULL when there is none. */
struct resp_port *resp_port_open(struct ratelimit *app);
/* Accept no more; close each connection when it has its answers. */
void resp_port_stop(struct resp_port *port);
/* Close what is left; Redis has ended what waited.  Memory goes as the loop
   turns. */
void resp_port_close(struct resp_port *port);
