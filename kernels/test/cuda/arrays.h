/* Device arrays of any type, and runs under every order of threads, on top of the harness. */
#ifndef FATHOM_TEST_CUDA_ARRAYS_H
#define FATHOM_TEST_CUDA_ARRAYS_H

#include <algorithm>

#include "harness.h"

namespace harness {

template <class T>
Tensor array_of(const std::vector<T>& values) {
  return Tensor::bytes(values.data(), values.size() * sizeof(T));
}
template <class T>
Tensor empty_array(int64_t n) {
  return Tensor::empty_bytes(n * static_cast<int64_t>(sizeof(T)));
}
template <class T>
std::vector<T> contents(const Tensor& tensor) {
  const std::vector<uint8_t> bytes = tensor.bytes();
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}
/* `bytes` bytes, of which the first `zero` are 0 and the others NaN. */
inline Tensor workspace_of(int64_t bytes, int64_t zero) {
  std::vector<uint8_t> contents(static_cast<size_t>(bytes), 0xff);
  std::fill_n(contents.begin(), zero, 0);
  return Tensor::bytes(contents);
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}
inline bool same_bits(double a, double b) { return memcmp(&a, &b, sizeof a) == 0; }

inline Dim dim(int64_t x, int64_t y = 1, int64_t z = 1) {
  return {static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z)};
}

/* Runs body in several orders of threads, for tests that compare the results; for TEST_ONCE. */
template <class Body>
void each_schedule(Body body) {
  for (int schedule = 1; schedule < 5; schedule++) {
    if (on_emulator()) fathom_emulator_configure(schedule, schedule > 1);
    body();
  }
  if (on_emulator()) fathom_emulator_configure(0, 0);
}

}  // namespace harness

#endif
