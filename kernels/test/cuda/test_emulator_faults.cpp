/*
 * Each kernel of broken/ has a fault: the emulator must find it, and the repaired kernel must pass.
 */
#include "broken/args.h"
#include "harness.h"
#include "kernels/args.h"

namespace {

constexpr int SCHEDULES = 6;

/* With its own module; the context is new afterwards. */
struct Broken {
  explicit Broken(const char* name) {
    reset_device();
    EXPECT_OK(load_module(std::string("broken/") + name));
  }
  ~Broken() { reset_device(); }
};

/* Runs a kernel on 128 values: the result is `expected` when it is repaired. */
std::vector<float> output(const char* name, unsigned threads, unsigned shared, int32_t n,
                          int32_t repaired, CUresult* result = nullptr) {
  Tensor x = Tensor::floats(random_values(128, 1)), y = Tensor::empty_floats(128);
  const CUresult launched =
      try_launch(name, {1}, {threads}, shared, broken_args{x, y, n, repaired});
  if (result) {
    *result = launched;
  } else {
    EXPECT_OK(launched);
  }
  return launched == CUDA_SUCCESS ? y.values() : std::vector<float>();
}

/*
 * The fault changes the result under some schedule, in delayed mode or not; the repaired kernel's
 * is the same always.
 */
void expect_wrong_result(const char* name, unsigned threads, unsigned shared, int32_t n = 0) {
  Broken broken(name);
  const std::vector<float> expected = output(name, threads, shared, n, 1);
  int wrong = 0;
  for (int order = 0; order < SCHEDULES; order++) {
    for (const int delay : {0, 1}) {
      fathom_emulator_configure(order, delay);
      const std::vector<float> repaired = output(name, threads, shared, n, 1);
      EXPECT(memcmp(repaired.data(), expected.data(), 4 * expected.size()) == 0,
             "%s repaired, schedule %d", name, order);
      const std::vector<float> faulty = output(name, threads, shared, n, 0);
      wrong += memcmp(faulty.data(), expected.data(), 4 * expected.size()) != 0;
    }
  }
  EXPECT(wrong > 0, "%s: the fault is not seen", name);
}

/* The launch fails with this error, and the report has these words. */
void expect_fault(const char* name, unsigned threads, unsigned shared, int32_t n, CUresult error,
                  const std::vector<const char*>& words) {
  for (int order = 0; order < SCHEDULES; order++) {
    Broken broken(name);
    fathom_emulator_configure(order, order % 2);
    output(name, threads, shared, n, 1);
    fathom_emulator_clear_report();
    CUresult result;
    output(name, threads, shared, n, 0, &result);
    EXPECT(result == error, "%s, n %d, schedule %d: %s", name, n, order, describe(result).c_str());
    EXPECT(cuCtxSynchronize() == error, "%s: the error does not stay", name);
    const std::string report = fathom_emulator_last_report();
    for (const char* word : words) {
      EXPECT(report.find(word) != std::string::npos, "%s: no \"%s\" in: %s", name, word,
             report.c_str());
    }
  }
}

}  // namespace

TEST_ONCE(missing_barrier) { expect_wrong_result("missing_barrier", 128, 0); }
TEST_ONCE(missing_reuse_barrier) { expect_wrong_result("missing_reuse_barrier", 128, 0); }
TEST_ONCE(missing_copy_wait) { expect_wrong_result("missing_copy_wait", 32, 512); }
TEST_ONCE(uninitialised_shared) {
  expect_wrong_result("uninitialised_shared", 64, 256, 0);
  expect_wrong_result("uninitialised_shared", 64, 256, 1);
}

TEST_ONCE(out_of_bounds_read) {
  for (int order = 0; order < SCHEDULES; order++) {
    Broken broken("out_of_bounds_read");
    fathom_emulator_configure(order, 0);
    /* 1024 floats fill whole pages: the next one is inaccessible whatever the schedule. */
    Tensor x = Tensor::floats(random_values(1024, 1)), y = Tensor::empty_floats(1024);
    EXPECT_OK(try_launch("out_of_bounds_read", {17}, {64}, 0, broken_args{x, y, 1024, 1}));
    EXPECT(try_launch("out_of_bounds_read", {17}, {64}, 0, broken_args{x, y, 1024, 0}) ==
               CUDA_ERROR_ILLEGAL_ADDRESS,
           "schedule %d: no fault", order);
    const std::string report = fathom_emulator_last_report();
    for (const char* word : {"kernel out_of_bounds_read", "block (16,0,0), thread (0,0,0)", "read",
                             "0 bytes past the end of the 4096 bytes"}) {
      EXPECT(report.find(word) != std::string::npos, "no \"%s\" in: %s", word, report.c_str());
    }
  }
}
TEST_ONCE(out_of_bounds_write) {
  /*
   * 128 floats are a multiple of 256 bytes and part of a page: a guard page or a changed pattern.
   */
  expect_fault("out_of_bounds_write", 32, 0, 128, CUDA_ERROR_ILLEGAL_ADDRESS,
               {"out_of_bounds_write", "0 bytes past the end of the 512 bytes"});
  expect_fault("out_of_bounds_write", 32, 0, 0, CUDA_ERROR_ILLEGAL_ADDRESS,
               {"out_of_bounds_write", "before the 512 bytes"});
}
TEST_ONCE(shared_out_of_bounds) {
  expect_fault("shared_out_of_bounds", 32, 4000, 1000, CUDA_ERROR_ILLEGAL_ADDRESS,
               {"kernel shared_out_of_bounds", "shared memory"});
  expect_fault("shared_out_of_bounds", 32, 4096, 1024, CUDA_ERROR_ILLEGAL_ADDRESS,
               {"kernel shared_out_of_bounds", "thread (31,0,0)", "write", "shared memory"});
}
TEST_ONCE(misaligned) {
  expect_fault("misaligned", 32, 0, 0, CUDA_ERROR_MISALIGNED_ADDRESS, {"kernel misaligned", "16"});
}
TEST_ONCE(divergent_barrier) {
  expect_fault("divergent_barrier", 64, 0, 0, CUDA_ERROR_LAUNCH_FAILED,
               {"__syncthreads", "divergent_barrier.cu"});
  expect_fault("divergent_barrier", 64, 0, 1, CUDA_ERROR_LAUNCH_FAILED, {"__syncthreads"});
  expect_fault("divergent_barrier", 64, 0, 2, CUDA_ERROR_LAUNCH_FAILED,
               {"divergent __syncthreads", "divergent_barrier.cu"});
}
TEST_ONCE(divergent_shuffle) {
  Broken broken("divergent_shuffle");
  expect_fault("divergent_shuffle", 32, 0, 1, CUDA_ERROR_LAUNCH_FAILED,
               {"divergent", "__shfl_xor_sync", "__shfl_down_sync"});
  for (int order = 0; order < SCHEDULES; order++) {
    Broken again("divergent_shuffle");
    fathom_emulator_configure(order, 0);
    CUresult result;
    output("divergent_shuffle", 32, 0, 0, 0, &result);
    EXPECT(result == CUDA_ERROR_LAUNCH_FAILED || result == CUDA_ERROR_LAUNCH_TIMEOUT,
           "schedule %d: %s", order, describe(result).c_str());
    EXPECT(strstr(fathom_emulator_last_report(), "__shfl_xor_sync"), "%s",
           fathom_emulator_last_report());
  }
}
TEST_ONCE(deadlock) {
  expect_fault("deadlock", 64, 0, 0, CUDA_ERROR_LAUNCH_TIMEOUT,
               {"deadlock", "threads 0-63", "named barrier", "deadlock.cu"});
}
TEST_ONCE(division_by_zero) {
  expect_fault("trap", 32, 0, 0, CUDA_ERROR_LAUNCH_FAILED, {"kernel trap", "division by zero"});
}

/* ---- wrong calls of a correct kernel ---- */

TEST_ONCE(use_after_free) {
  Broken broken("copy");
  Tensor y = Tensor::empty_floats(64);
  CUdeviceptr x;
  EXPECT_OK(cuMemAlloc(&x, 256));
  EXPECT_OK(cuMemFree(x));
  EXPECT(cuMemFree(x) == CUDA_ERROR_INVALID_VALUE, "freed twice");
  EXPECT(cuMemsetD8(x, 0, 1) == CUDA_ERROR_INVALID_VALUE, "filled after it was freed");
  const broken_args args = {reinterpret_cast<const float*>(x), y, 64, 1};
  EXPECT(try_launch("copy", {1}, {64}, 0, args) == CUDA_ERROR_ILLEGAL_ADDRESS, "read after free");
  EXPECT(strstr(fathom_emulator_last_report(), "freed"), "%s", fathom_emulator_last_report());
}
TEST_ONCE(host_pointer) {
  Broken broken("copy");
  Tensor y = Tensor::empty_floats(64);
  std::vector<float> host(100000);
  EXPECT(try_launch("copy", {1}, {64}, 0, broken_args{host.data(), y, 64, 1}) ==
             CUDA_ERROR_ILLEGAL_ADDRESS,
         "a host pointer was accepted");
  EXPECT(strstr(fathom_emulator_last_report(), "address of the host"), "%s",
         fathom_emulator_last_report());
}
TEST_ONCE(wild_pointer) {
  Broken broken("copy");
  Tensor y = Tensor::empty_floats(64);
  EXPECT(try_launch("copy", {1}, {64}, 0, broken_args{nullptr, y, 64, 1}) ==
             CUDA_ERROR_ILLEGAL_ADDRESS,
         "null");
  EXPECT(strstr(fathom_emulator_last_report(), "no device address"), "%s",
         fathom_emulator_last_report());
}
TEST_ONCE(refused_launches) {
  Broken broken("copy");
  Tensor x = Tensor::floats(random_values(64, 1)), y = Tensor::empty_floats(64);
  const broken_args args = {x, y, 64, 1};
  EXPECT(try_launch("copy", {1}, {65}, 0, args) == CUDA_ERROR_INVALID_VALUE,
         "above the launch bound");
  EXPECT(strstr(fathom_emulator_last_report(), "launch bound is 64"), "%s",
         fathom_emulator_last_report());
  EXPECT(try_launch("copy", {1}, {0}, 0, args) == CUDA_ERROR_INVALID_VALUE, "an empty block");
  EXPECT(try_launch("copy", {0}, {64}, 0, args) == CUDA_ERROR_INVALID_VALUE, "an empty grid");
  EXPECT(try_launch("copy", {1, 70000}, {64}, 0, args) == CUDA_ERROR_INVALID_VALUE,
         "a grid too high");

  const CUfunction copy = kernel("copy");
  void* parameters[] = {const_cast<broken_args*>(&args)};
  EXPECT(cuLaunchKernel(copy, 1, 1, 1, 64, 1, 1, 48 * 1024 + 1, nullptr, parameters, nullptr) ==
             CUDA_ERROR_INVALID_VALUE,
         "more than 48 KB without the attribute");
  EXPECT(cuFuncSetAttribute(copy, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                            227 * 1024 + 1) == CUDA_ERROR_INVALID_VALUE,
         "more than a block can have");
  EXPECT_OK(try_launch("copy", {1}, {64}, 227 * 1024, args));

  size_t bytes = sizeof args - 8;
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, const_cast<broken_args*>(&args),
                   CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
  EXPECT(cuLaunchKernel(copy, 1, 1, 1, 64, 1, 1, 0, nullptr, nullptr, extra) ==
             CUDA_ERROR_INVALID_VALUE,
         "parameters of the wrong size");
  bytes = sizeof args;
  EXPECT_OK(cuLaunchKernel(copy, 1, 1, 1, 64, 1, 1, 0, nullptr, nullptr, extra));
  EXPECT_OK(cuCtxSynchronize());
}
TEST_ONCE(missing_wait_for_a_host_copy) {
  Broken broken("copy");
  fathom_emulator_configure(0, 1);
  Tensor x = Tensor::floats(std::vector<float>(64, 3)), y = Tensor::empty_floats(64);
  CUstream stream;
  EXPECT_OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  void* pinned;
  EXPECT_OK(cuMemAllocHost(&pinned, 256));
  auto* host = static_cast<float*>(pinned);
  EXPECT_OK(cuMemcpyDtoHAsync(host, x.address(), 256, stream));
  EXPECT(std::isnan(host[0]), "the copy's result is there before the wait");
  EXPECT_OK(cuStreamSynchronize(stream));
  EXPECT(host[0] == 3 && host[63] == 3, "%f", host[0]);

  /* The source of a copy to the device is read when the copy runs. */
  EXPECT_OK(cuMemcpyHtoDAsync(y.address(), host, 256, stream));
  host[5] = 7;
  EXPECT_OK(cuStreamSynchronize(stream));
  EXPECT(y.values()[5] == 7, "a pinned source was read early");
  EXPECT_OK(cuMemFreeHost(pinned));
  EXPECT_OK(cuStreamDestroy(stream));
}

/* ---- sm_90: faults of a kernel with TMA, mbarriers and wgmma ---- */

namespace {

/* Runs gemm90 on 64 x 64 x 320 with fault number `broken`; empty if the launch failed. */
std::vector<float> gemm90(int broken, CUresult* result) {
  constexpr int M = 64, N = 64, K = 320;
  Tensor a = Tensor::elems(random_values(M * K, 1)), b = Tensor::elems(random_values(N * K, 2));
  Tensor c = Tensor::empty_floats(M * N);
  const auto encode = [](fathom_cuda_tensor_map* map, const Tensor& t, int type, uint64_t columns,
                         uint32_t box) {
    const uint64_t sizes[] = {columns, 64},
                   strides[] = {columns * (type == CU_TENSOR_MAP_DATA_TYPE_FLOAT32 ? 4 : 2)};
    const uint32_t boxes[] = {box, 64}, ones[] = {1, 1};
    EXPECT_OK(cuTensorMapEncodeTiled(reinterpret_cast<CUtensorMap*>(map), type, 2, t, sizes,
                                     strides, boxes, ones, 0, CU_TENSOR_MAP_SWIZZLE_128B, 0, 0));
  };
  gemm90_args args = {};
  encode(&args.a, a, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, K, 64);
  encode(&args.b, b, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, K, 64);
  encode(&args.c, c, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, N, 32);
  args.k = K, args.broken = broken;
  *result = try_launch("gemm90", {1}, {160}, GEMM90_SHARED, args);
  return *result == CUDA_SUCCESS ? c.values() : std::vector<float>();
}

/*
 * Under some schedule and mode the launch fails or the result is wrong, and reports say one of the
 * words.
 */
void expect_gemm90_fault(int fault, const std::vector<const char*>& words) {
  int seen = 0, told = 0;
  for (int order = 0; order < SCHEDULES; order++) {
    for (const int delay : {0, 1}) {
      reset_device();
      EXPECT_OK(load_module("kernels/gemm90"));
      fathom_emulator_configure(order, delay);
      CUresult result;
      const std::vector<float> right = gemm90(0, &result);
      EXPECT(result == CUDA_SUCCESS, "the correct kernel: %s", describe(result).c_str());
      fathom_emulator_clear_report();
      const std::vector<float> wrong = gemm90(fault, &result);
      const bool differs =
          result == CUDA_SUCCESS && memcmp(right.data(), wrong.data(), 4 * right.size()) != 0;
      seen += result != CUDA_SUCCESS || differs;
      for (const char* word : words) told += strstr(fathom_emulator_last_report(), word) != nullptr;
    }
  }
  reset_device();
  EXPECT(seen > 0, "fault %d is not seen", fault);
  EXPECT(told > 0 || words.empty(), "fault %d: last report %s", fault,
         fathom_emulator_last_report());
}

}  // namespace

TEST_ONCE(mbarrier_without_init) { expect_gemm90_fault(1, {"not initialised"}); }
TEST_ONCE(missing_wait_for_an_empty_stage) { expect_gemm90_fault(2, {}); }
TEST_ONCE(fewer_bytes_expected_than_arrive) { expect_gemm90_fault(3, {"more bytes arrive"}); }
TEST_ONCE(more_bytes_expected_than_arrive) { expect_gemm90_fault(4, {"deadlock"}); }
TEST_ONCE(over_arrival) { expect_gemm90_fault(5, {"over-arrival"}); }
TEST_ONCE(missing_wait_for_a_full_stage) { expect_gemm90_fault(6, {}); }
TEST_ONCE(missing_wgmma_fence) { expect_gemm90_fault(7, {"wgmma_fence"}); }
TEST_ONCE(missing_wait_for_wgmma) { expect_gemm90_fault(8, {}); }
TEST_ONCE(missing_wait_for_a_bulk_store) { expect_gemm90_fault(9, {"bulk stores"}); }
TEST_ONCE(missing_fence_of_initialised_mbarriers) {
  expect_gemm90_fault(10, {"mbarrier_fence_init"});
}
TEST_ONCE(missing_fence_before_a_bulk_store) { expect_gemm90_fault(11, {"fence_async_shared"}); }
TEST_ONCE(misaligned_coordinate_of_a_bulk_load) { expect_gemm90_fault(12, {"coordinate 4"}); }
TEST_ONCE(missing_fence_before_a_bulk_load_overwrites) {
  expect_gemm90_fault(13, {"read by ldmatrix"});
  for (int order = 0; order < SCHEDULES; order++) {
    fathom_emulator_configure(order, 0);
    EXPECT_OK(load_module("kernels/gemm90"));
    CUresult result;
    gemm90(14, &result);
    EXPECT(result == CUDA_SUCCESS, "with the fence: %s", describe(result).c_str());
    reset_device();
  }
}

namespace {

CUresult registers90(int broken, std::vector<int32_t>* y) {
  Tensor result = Tensor::integers(std::vector<int32_t>(256, 0));
  const registers90_args args = {result, broken};
  const CUresult error = try_launch("registers90", {1}, {384}, 0, args);
  if (error == CUDA_SUCCESS) *y = result.integers();
  return error;
}

}  // namespace

TEST_ONCE(registers_pass_between_warpgroups) {
  for (int order = 0; order < SCHEDULES; order++) {
    fathom_emulator_configure(order, 0);
    EXPECT_OK(load_module("kernels/registers90"));
    std::vector<int32_t> y;
    EXPECT_OK(registers90(0, &y));
    EXPECT(y.size() == 256 && y[0] == 1 && y[255] == 2, "registers90 did not run");
    /* More than there are; a warp that stays away; fewer than before. */
    const char* words[] = {"registers_take", "registers_give", "instead of 168"};
    for (int broken = 1; broken <= 3; broken++) {
      EXPECT(registers90(broken, &y) != CUDA_SUCCESS, "fault %d is not seen", broken);
      EXPECT(strstr(fathom_emulator_last_report(), words[broken - 1]) != nullptr, "last report %s",
             fathom_emulator_last_report());
      reset_device();
      EXPECT_OK(load_module("kernels/registers90"));
    }
    reset_device();
  }
}
