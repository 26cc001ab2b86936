/*
 * reach.h - which rooms a token covers: all of them, or those of its narrowed
 * scopes, chat:use:PATTERN.
 *
 * It is beside what its user is in a room: who has a token for one room has
 * the others still, by another token.
 */
#pragma once

#include "common/auth.h"

#define REACH_SCOPE SPAN("chat:use")
#define REACH_DETAIL "the token's scope does not cover this room"

/* The scopes that narrow it, as long as identity's; ptr NULL: all rooms. */
struct span reach_of(const struct auth_identity *identity);
bool reach_covers(struct span reach, struct span room);
