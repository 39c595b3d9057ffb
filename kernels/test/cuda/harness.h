/*
 * Harness of the CUDA tests: programs on the driver API that run on the emulator and on a GPU.
 *
 *   TEST(axpby_with_odd_size) {
 *     Tensor x = Tensor::floats(random_values(1001, 1)), y = Tensor::empty_floats(1001);
 *     fathom_cuda_axpby_args args = {x, y, ...};          // a Tensor converts to any pointer
 *     launch("fathom_axpby", {4}, {256}, 0, args);
 *     EXPECT_CLOSE(y.values(), expected, 1e-6);
 *   }
 *
 * Each test runs for elem = bf16 and for elem = float (elem_is_float()), under several orders of
 * threads and with delayed asynchronous copies. A test program is test_<family>.cpp; it has no main
 * of its own.
 *
 *   build/emulator/test_vector [--schedule N] [--delayed] [--elem bf16|float] [name-prefix ...]
 */
#ifndef FATHOM_TEST_CUDA_HARNESS_H
#define FATHOM_TEST_CUDA_HARNESS_H

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "../../emulator/driver_api.h"
#include "../../emulator/emulator_api.h"

namespace harness {

/* ---- tests ---- */

void add_test(const char* name, void (*body)(), bool once);
#define TEST_(name, once)                                                                \
  static void test_##name();                                                             \
  static const int registered_##name = (harness::add_test(#name, test_##name, once), 0); \
  static void test_##name()
#define TEST(name) TEST_(name, false)
/* Not repeated for every schedule: the body configures the emulator itself. */
#define TEST_ONCE(name) TEST_(name, true)

/* Reports the place and counts a failure; the test goes on. */
void fail(const char* file, int line, const char* format, ...)
    __attribute__((format(printf, 3, 4)));
#define EXPECT(condition, ...)                                        \
  do {                                                                \
    if (!(condition)) harness::fail(__FILE__, __LINE__, __VA_ARGS__); \
  } while (0)
#define EXPECT_OK(call)                                                                       \
  do {                                                                                        \
    const CUresult result_ = (call);                                                          \
    if (result_ != CUDA_SUCCESS) {                                                            \
      harness::fail(__FILE__, __LINE__, "%s: %s", #call, harness::describe(result_).c_str()); \
    }                                                                                         \
  } while (0)
/* "CUDA_ERROR_...", with the emulator's last report. */
std::string describe(CUresult result);

bool on_emulator();
int schedule();
bool delayed();

/* ---- numbers ---- */

/* Whether elem is float in this run, else bf16. */
bool elem_is_float();
float to_bf16(float x); /* rounded */
float to_elem(float x);
std::vector<float> to_elem(std::vector<float> values);
/* n values in [low, high), a pure function of the arguments. */
std::vector<float> random_values(int64_t n, uint64_t seed, float low = -1, float high = 1);
std::vector<int32_t> random_integers(int64_t n, uint64_t seed, int32_t low,
                                     int32_t high); /* [low, high] */

/* ---- device tensors ---- */

enum class Type { ELEM, FLOAT, INT32, BYTE };

/*
 * Device memory that is freed with the object. New memory holds NaN. On a GPU sentinels lie around
 * it and are checked when it is read and freed; the emulator has guard pages of its own.
 */
class Tensor {
 public:
  static Tensor empty_elems(int64_t n) { return Tensor(Type::ELEM, n); }
  static Tensor empty_floats(int64_t n) { return Tensor(Type::FLOAT, n); }
  static Tensor empty_integers(int64_t n) { return Tensor(Type::INT32, n); }
  static Tensor empty_bytes(int64_t n) { return Tensor(Type::BYTE, n); }
  /* Values are rounded to elem: compare with results of to_elem(values). */
  static Tensor elems(const std::vector<float>& values);
  static Tensor floats(const std::vector<float>& values);
  static Tensor integers(const std::vector<int32_t>& values);
  static Tensor bytes(const std::vector<uint8_t>& values);
  static Tensor bytes(const void* data, size_t size);

  Tensor(Tensor&& other) noexcept;
  Tensor& operator=(Tensor&& other) noexcept;
  Tensor(const Tensor&) = delete;
  ~Tensor();

  int64_t size() const { return n_; }
  CUdeviceptr address() const { return address_; }
  /* For argument structs: the device address as any kind of pointer. */
  template <class T>
  operator T*() const {
    return reinterpret_cast<T*>(address_);
  }
  /* The contents; elem and float tensors. */
  std::vector<float> values() const;
  std::vector<int32_t> integers() const;
  std::vector<uint8_t> bytes() const;
  void set(const std::vector<float>& values);
  void fill_bytes(uint8_t value);

 private:
  Tensor(Type type, int64_t n);
  void check_sentinels() const;
  void read(void* to) const;
  void release();

  Type type_;
  int64_t n_;
  size_t bytes_, padding_;
  CUdeviceptr address_ = 0;
};

/* ---- kernels ---- */

struct Dim {
  unsigned x = 1, y = 1, z = 1;
};
inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Of any module in the folder of modules; null, and a failure, if there is none. */
CUfunction kernel(const char* name);
/* Launches in the legacy stream and waits. The kernel's parameter must have `bytes` bytes. */
CUresult try_launch(const char* name, Dim grid, Dim block, unsigned shared_bytes, const void* args,
                    size_t bytes);
template <class Args>
CUresult try_launch(const char* name, Dim grid, Dim block, unsigned shared_bytes,
                    const Args& args) {
  return try_launch(name, grid, block, shared_bytes, &args, sizeof args);
}
/* The same; anything but success fails the test. */
template <class Args>
void launch(const char* name, Dim grid, Dim block, unsigned shared_bytes, const Args& args) {
  const CUresult result = try_launch(name, grid, block, shared_bytes, &args, sizeof args);
  if (result != CUDA_SUCCESS) fail(__FILE__, __LINE__, "%s: %s", name, describe(result).c_str());
}
/* Frees everything and forgets the error that a faulty kernel left. */
void reset_device();
/*
 * A module beside the others, such as "kernels/fragments", with this run's elem; kernel() finds its
 * kernels too, until the next reset or change of elem.
 */
CUresult load_module(const std::string& name);
/* Where the modules are: FATHOM_CUDA_MODULES, else the test program's folder. */
std::string module_folder();

/* ---- errors ---- */

/* NaN and infinity where the reference is finite count as infinite errors. */
double max_error(const std::vector<float>& actual, const std::vector<double>& reference);
/* |actual - reference| / |reference|, Euclidean norms. */
double relative_error(const std::vector<float>& actual, const std::vector<double>& reference);

/* Every element: |actual - reference| <= tolerance * max(1, |reference|). */
void expect_close(const char* file, int line, const std::vector<float>& actual,
                  const std::vector<double>& reference, double tolerance);
#define EXPECT_CLOSE(actual, reference, tolerance) \
  harness::expect_close(__FILE__, __LINE__, actual, reference, tolerance)
/*
 * For results that went through elem. `plain` is the same computed in a plain way with values
 * rounded to bf16 where a framework would round them. bf16: the error, relative and largest, is at
 * most twice that of `plain` plus an ulp of the largest value. float: at most 1e-5, relative.
 */
void expect_calibrated(const char* file, int line, const std::vector<float>& actual,
                       const std::vector<double>& reference, const std::vector<float>& plain);
#define EXPECT_CALIBRATED(actual, reference, plain) \
  harness::expect_calibrated(__FILE__, __LINE__, actual, reference, plain)

std::vector<double> to_double(const std::vector<float>& values);
std::vector<float> to_float(const std::vector<double>& values);

}  // namespace harness

using namespace harness;

#endif
