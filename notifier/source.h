/*
 * source.h - the outbox: streams of others in Redis whose entries are
 * published, each once and in order.
 *
 *   lease.lua: mine -- XREADGROUP, what is pending first -- publish each, by
 *   its id -- XACK -- the next ones
 *
 * One worker at a time reads a source, as long as it renews its lease; all use
 * one consumer of one group, so that what one left pending is what the next
 * one reads first.  An entry's id is its update's, so publishing it again does
 * nothing: none is lost, and none comes twice unless it stays pending,
 * published but not acknowledged, for longer than ids are remembered (24 h).
 *
 * An entry is {data, type?, private?, topic?}; without data, all of it as a
 * JSON object is.  topic counts where the source's topic is "*".  One that
 * cannot be published is counted, logged and acknowledged.
 */
#pragma once

#include "notifier/notifier.h"

#define SOURCES_MAX 16

struct sources;

/* NULL and reason: "STREAM=topic,…" is none. */
struct sources *sources_create(struct notifier *app, const char *option,
                               char *reason, size_t reason_size);
/* Begin to read; app is whole. */
void sources_start(struct sources *sources);
/* No further entries; then cb, when those that were read are done with. */
void sources_stop(struct sources *sources);
void sources_drain(struct sources *sources, void (*cb)(void *arg), void *arg);
/* The app's links are closed. */
void sources_destroy(struct sources *sources);
