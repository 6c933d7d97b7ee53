/* Preloaded into a process: kills it before or after the n-th call that changes what a disk holds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

static long left;

/* Count from now on, and kill the process at the point with this number. Each call has two: before and after it. */
void arm(long number) { left = number; }

static void point(void) {
  if (left > 0 && --left == 0) kill(getpid(), SIGKILL);
}

#define WATCH(type, name, parameters, arguments)                        \
  type name parameters {                                                \
    static type(*real) parameters;                                      \
    if (!real) real = (type(*) parameters)dlsym(RTLD_NEXT, #name);      \
    point();                                                            \
    type result = real arguments;                                       \
    point();                                                            \
    return result;                                                      \
  }

WATCH(int, fsync, (int file), (file))
WATCH(int, fdatasync, (int file), (file))
WATCH(int, ftruncate, (int file, off_t length), (file, length))
WATCH(int, ftruncate64, (int file, off_t length), (file, length))
WATCH(ssize_t, write, (int file, const void *data, size_t length), (file, data, length))
WATCH(ssize_t, pwrite, (int file, const void *data, size_t length, off_t offset), (file, data, length, offset))
WATCH(ssize_t, pwrite64, (int file, const void *data, size_t length, off_t offset), (file, data, length, offset))
WATCH(int, link, (const char *old, const char *new), (old, new))
WATCH(int, rename, (const char *old, const char *new), (old, new))
WATCH(int, unlink, (const char *name), (name))
