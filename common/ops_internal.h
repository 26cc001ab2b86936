/* ops_internal.h - what the files of ops.h share. */
#pragma once

#include "common/ops.h"

/* A message: take it apart and do it. */
void ops_take(struct ops_client *client, struct span text);
/* Who it is, and until when; NULL, or why it may not. */
const char *ops_identify(struct ops_client *client,
                         const struct auth_identity *identity);
