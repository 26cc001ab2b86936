/*
 * position_model.h - the text of a position by the letter of position.c's first
 * comment: a second encoder, and AES-256-SIV with its key set up each time.
 *
 * What positions are compared with, and how tests seal bytes that
 * position_seal() never would.
 */
#pragma once

#include "notifier/position.h"

#define MODEL_PLAIN_MAX 8192
#define MODEL_TEXT_MAX 16384

/* The bytes behind a position that was opened; returns how many. */
size_t model_encode(const struct position *opened, bool named,
                    unsigned char out[MODEL_PLAIN_MAX]);

/* Bytes, sealed; returns the length of the text. */
size_t model_seal(const unsigned char secret[POSITION_SECRET],
                  const unsigned char *plain, size_t len,
                  char out[MODEL_TEXT_MAX]);
size_t model_seal_version(const unsigned char secret[POSITION_SECRET],
                          struct span version, const unsigned char *plain,
                          size_t len, char out[MODEL_TEXT_MAX]);
