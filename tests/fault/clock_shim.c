/* Steps the wall clock of one process: adds the microseconds in the file CLOCK_SHIM_FILE (eight bytes, signed) to it.
   For LD_PRELOAD. Clocks that only count are left alone, as they are when a host's clock is set. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long long *step;
static const long long none = 0;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("CLOCK_SHIM_FILE");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  void *there = file < 0 ? MAP_FAILED : mmap(0, sizeof *step, PROT_READ, MAP_SHARED, file, 0);
  step = there == MAP_FAILED ? &none : there;
  if (file >= 0) close(file);
}

static long long wall_ns(void) {
  struct timespec now;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec + (step ? *step : 0) * 1000;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  if (clock != CLOCK_REALTIME) return syscall(SYS_clock_gettime, clock, now);
  long long ns = wall_ns();
  now->tv_sec = ns / 1000000000;
  now->tv_nsec = ns % 1000000000;
  return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  long long ns = wall_ns();
  now->tv_sec = ns / 1000000000;
  now->tv_usec = ns % 1000000000 / 1000;
  return 0;
}

time_t time(time_t *now) {
  time_t seconds = wall_ns() / 1000000000;
  if (now) *now = seconds;
  return seconds;
}
