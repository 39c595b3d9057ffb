#include <stdarg.h>

#include "test.h"

#define MAX_TESTS 256
static struct {
  const char* name;
  test_function function;
} tests[MAX_TESTS];
static int test_count;
static int failures;
static const char* running = "";
static test_environment environment;

void test_register(const char* name, test_function function) {
  if (test_count == MAX_TESTS) abort();
  tests[test_count].name = name;
  tests[test_count++].function = function;
}

void test_fail(const char* file, int line, const char* format, ...) {
  failures++;
  if (failures > 50) return;
  fprintf(stderr, "FAILED %s (%s, %d threads) %s:%d: ", running,
          fathom_isa_name(environment.isa), environment.threads, file, line);
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
}

float* hashed(const char* name, int64_t n) {
  uint64_t h = 0xcbf29ce484222325u;
  for (const char* c = name; *c; c++) h = (h ^ (uint8_t)*c) * 0x100000001b3u;
  float* r = malloc((size_t)(n > 0 ? n : 1) * sizeof *r);
  if (!r) abort();
  for (int64_t k = 0; k < n; k++) {
    uint64_t z = h + (uint64_t)(k + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    r[k] = 2.0f * ((float)(z >> 40) * 0x1p-24f) - 1.0f;
  }
  return r;
}

#define GUARD 64
float* guarded_alloc(int64_t n) {
  float* p = malloc(((size_t)n + 2 * GUARD) * sizeof *p + 64);
  if (!p) abort();
  memcpy(p, &n, sizeof n);
  for (int64_t i = 2; i < n + 2 * GUARD; i++) p[i] = NAN;
  return p + GUARD;
}

void guarded_check(const char* file, int line, const float* p) {
  int64_t n;
  memcpy(&n, p - GUARD, sizeof n);
  for (int64_t i = 2 - GUARD; i < 0; i++)
    if (!isnan(p[i])) return test_fail(file, line, "written %ld floats before the output", (long)-i);
  for (int64_t i = n; i < n + GUARD; i++)
    if (!isnan(p[i]))
      return test_fail(file, line, "written %ld floats past the output", (long)(i - n));
}

void guarded_free(float* p) { free(p - GUARD); }

double relative_error(const float* actual, const double* expected, int64_t n) {
  double error = 0, norm = 0;
  for (int64_t i = 0; i < n; i++) {
    if (isnan(actual[i])) return INFINITY;
    error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  return norm > 0 ? sqrt(error / norm) : sqrt(error);
}

static int selected(const char* name, int argc, char** argv) {
  int any = 0;
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] == '-') continue;
    any = 1;
    if (strncmp(name, argv[i], strlen(argv[i])) == 0) return 1;
  }
  return !any;
}

int main(int argc, char** argv) {
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "--quick") == 0) environment.quick = 1;
  static const int32_t thread_counts[] = {1, 2, 5};
  int ran = 0, failed = 0;
  for (int32_t isa = FATHOM_ISA_PORTABLE; isa <= fathom_best_isa(); isa++) {
    for (int i = 0; i < 3; i++) {
      environment.isa = isa;
      environment.threads = thread_counts[i];
      if (fathom_context_create(thread_counts[i], isa, &environment.context) != FATHOM_OK) {
        fprintf(stderr, "no context: %s\n", fathom_last_error());
        return 1;
      }
      for (int k = 0; k < test_count; k++) {
        if (!selected(tests[k].name, argc, argv)) continue;
        int before = failures;
        running = tests[k].name;
        tests[k].function(&environment);
        ran++;
        failed += failures > before;
      }
      fathom_context_destroy(environment.context);
    }
  }
  printf("native kernels: %d passed, %d failed\n", ran - failed, failed);
  return failed != 0 || ran == 0;
}
