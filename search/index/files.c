/* files.c - see files.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "search/index/files.h"

bool files_read(const char *path, struct buf *out)
{
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 1;

    if (fd < 0)
        return false;
    errno = 0;
    bool fine = fstat(fd, &stat) == 0 && stat.st_size <= FILES_SIZE_MAX;
    while (fine && got > 0) {
        got = read(fd, buf_reserve(out, 65536), 65536);
        fine = got >= 0 && out->len <= FILES_SIZE_MAX;
        if (got > 0)
            buf_commit(out, (size_t)got);
    }
    close(fd);
    return fine;
}

int files_write(const char *path, struct span bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int err = 0;

    if (fd < 0)
        return errno;
    while (bytes.len && !err) {
        ssize_t done = write(fd, bytes.ptr, bytes.len);
        if (done < 0 && errno != EINTR)
            err = errno;
        else if (done > 0)
            bytes = span_skip(bytes, (size_t)done);
    }
    if (!err && fsync(fd) < 0)
        err = errno;
    close(fd);
    return err;
}

int files_lock(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

int files_sync(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err;

    if (fd < 0)
        return errno;
    err = fsync(fd) < 0 ? errno : 0;
    close(fd);
    return err;
}
