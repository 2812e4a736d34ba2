#pragma once
/*
 * One daemon of a kind per network namespace: an flock on a file of that namespace's own, in a
 * directory that only root can write to. The kernel drops it with the process.
 */
#include "common/base/cleanup.h"

#define LOCK_DIR "/run/ippriv"

/*
 * Takes DIR/NAME-INODE.lock, INODE being that of the network namespace; makes DIR (0755) when it is
 * missing. A descriptor that holds it, -EADDRINUSE when somebody has it, -EPERM when DIR or the
 * file is somebody else's or others may write there, or -errno.
 */
int lock_take(const char *dir, const char *name) _must_check_;
/* Gives it back and removes the file, and DIR when nothing else is in it. Negative FD: nothing. */
void lock_release(const char *dir, const char *name, int fd);
