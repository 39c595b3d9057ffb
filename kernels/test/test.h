/*
 * A small test harness. Each test_*.c defines TEST(name) { ... } functions; main.c runs every one on
 * every instruction set that the machine has and with 1, 2 and 5 threads.
 *
 *   build/tests [--quick] [name-prefix ...]     --quick: smaller sizes, for the sanitizers
 */
#ifndef FATHOM_TEST_H
#define FATHOM_TEST_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../include/fathom.h"

typedef struct {
  fathom_context* context;
  int32_t isa;
  int32_t threads;
  int quick;
} test_environment;

typedef void (*test_function)(const test_environment*);
void test_register(const char* name, test_function function);

#define TEST(name)                                                                            \
  static void test_##name(const test_environment* t);                                         \
  __attribute__((constructor)) static void register_##name(void) {                            \
    test_register(#name, test_##name);                                                        \
  }                                                                                           \
  static void test_##name(const test_environment* t __attribute__((unused)))

/* Reports the place and counts a failure; the test goes on. */
void test_fail(const char* file, int line, const char* format, ...)
    __attribute__((format(printf, 3, 4)));
#define EXPECT(condition, ...)                                             \
  do {                                                                     \
    if (!(condition)) test_fail(__FILE__, __LINE__, __VA_ARGS__);          \
  } while (0)
#define EXPECT_OK(call)                                                                      \
  do {                                                                                       \
    fathom_status status_ = (call);                                                          \
    if (status_ != FATHOM_OK)                                                                \
      test_fail(__FILE__, __LINE__, "%s: status %d, %s", #call, status_, fathom_last_error()); \
  } while (0)

/* n floats in [-1,1), a pure function of the name: FNV-1a, then SplitMix64. Caller frees. */
float* hashed(const char* name, int64_t n);

/*
 * n floats between two guard zones of NaN, themselves filled with NaN; guarded_check reports a write
 * outside. Freed by guarded_free.
 */
float* guarded_alloc(int64_t n);
void guarded_check(const char* file, int line, const float* p);
void guarded_free(float* p);
#define EXPECT_GUARDS(p) guarded_check(__FILE__, __LINE__, p)

/* || actual - expected || / || expected ||; NaN in actual gives infinity. */
double relative_error(const float* actual, const double* expected, int64_t n);
#define EXPECT_CLOSE(actual, expected, n, tolerance, ...)                                     \
  do {                                                                                        \
    double error_ = relative_error(actual, expected, n);                                      \
    if (!(error_ <= (tolerance))) {                                                           \
      char what_[256];                                                                        \
      snprintf(what_, sizeof what_, __VA_ARGS__);                                             \
      test_fail(__FILE__, __LINE__, "%s: relative error %.3g above %.3g", what_, error_,      \
                (double)(tolerance));                                                         \
    }                                                                                         \
  } while (0)

#endif
