/* files.h - small files as a whole, and what makes a rename last. */
#pragma once

#include "common/buf.h"

#define FILES_SIZE_MAX (64 << 20)

/* All of a file, to out's end; false: errno, 0 where it is too large. */
bool files_read(const char *path, struct buf *out);
/* The file is there, and on the disk: 0 or errno. */
int files_write(const char *path, struct span bytes);
/* A directory is this process's alone until what is returned is closed; -1:
   errno, EWOULDBLOCK where it is another's. */
int files_lock(const char *dir);
/* What was renamed in a directory stays so: 0 or errno. */
int files_sync(const char *dir);
