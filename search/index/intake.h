/*
 * intake.h - lines of JSON made into segments of an index by several threads.
 *
 *   intake_put() cuts the input into batches of whole lines --> a worker's
 *   builder, until its memory is full --> a segment --> ledger.h
 *
 * What comes out is as if one thread had taken a line after the other: a field
 * is what the first line says that has it; of one id the last line stays; the
 * same lines are refused for the same reasons.  Only the order of documents in
 * the index is another where there are several threads.
 *
 * For that a worker that finds a new field waits until the batches before its
 * own are done: then it is the first that has it, or knows it.
 */
#pragma once

#include "search/index/manifest.h"

#define INTAKE_THREADS_MAX 64

struct intake;

struct intake_options {
    size_t threads, ram; /* at most INTAKE_THREADS_MAX are begun; ram: of all
                            their segments in the making */
    size_t batch;        /* bytes, about; 0: as is good */
    /* As in builder.h; a document that has none gets RUN-LINE: the first
       generation of the index by this run. */
    const char *id_field;
    bool no_source, no_values;
    bool merges;   /* in the background */
    bool reorders; /* at the end (reorder.h) */
    /* By any thread, one at a time. */
    void (*refused)(void *arg, uint64_t line, const char *why);
    void *arg;
};

struct intake_counts {
    uint64_t docs, refused;
};

/* The manifest is the intake's until it is finished. */
struct intake *intake_create(struct manifest *manifest, const char *dir,
                             const struct intake_options *options);
/* More of the input, of any length; waits while the workers have enough to do.
   False: something has failed: what is left is not taken. */
bool intake_put(struct intake *intake, struct span bytes);
struct intake_counts intake_counts(const struct intake *intake);
/* There is no more: all is in the index and on the disk, in segments of which
   there are at most so many, if most is not 0.  False: why. */
bool intake_finish(struct intake *intake, size_t most, char *why,
                   size_t why_size);
void intake_destroy(struct intake *intake);
