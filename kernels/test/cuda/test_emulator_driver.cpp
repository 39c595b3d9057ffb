/* The emulator's driver: streams, events, graphs, memory, modules, errors. */
#include <array>

#include "broken/args.h"
#include "harness.h"

namespace {

struct Stream {
  explicit Stream(unsigned flags = CU_STREAM_NON_BLOCKING) {
    EXPECT_OK(cuStreamCreate(&stream, flags));
  }
  ~Stream() { cuStreamDestroy(stream); }
  operator CUstream() const { return stream; }
  CUstream stream = nullptr;
};
struct Event {
  Event() { EXPECT_OK(cuEventCreate(&event, CU_EVENT_DEFAULT)); }
  ~Event() { cuEventDestroy(event); }
  operator CUevent() const { return event; }
  CUevent event = nullptr;
};
struct Pinned {
  explicit Pinned(size_t n) {
    void* memory = nullptr;
    EXPECT_OK(cuMemAllocHost(&memory, n * sizeof(float)));
    p = static_cast<float*>(memory);
  }
  ~Pinned() { cuMemFreeHost(p); }
  float* p;
};

constexpr int N = 64;

/* y = x in a stream. */
void copy_in(CUstream stream, const float* x, float* y) {
  broken_args args = {x, y, N, 1};
  void* parameters[] = {&args};
  EXPECT_OK(cuLaunchKernel(kernel("copy"), 1, 1, 1, N, 1, 1, 0, stream, parameters, nullptr));
}
bool all(const std::vector<float>& values, float expected) {
  for (const float v : values) {
    if (v != expected) return false;
  }
  return true;
}
bool contains(const char* text, const char* part) { return strstr(text, part) != nullptr; }

}  // namespace

TEST(a_stream_runs_in_order) {
  load_module("broken/copy");
  Stream stream;
  Tensor x = Tensor::floats(std::vector<float>(N, 1)), y = Tensor::empty_floats(N),
         z = Tensor::empty_floats(N);
  copy_in(stream, x, y);
  copy_in(stream, y, z);
  EXPECT_OK(cuMemsetD32Async(y.address(), 0x40000000, N, stream));
  Pinned host(N);
  EXPECT_OK(cuMemcpyDtoHAsync(host.p, y.address(), N * 4, stream));
  EXPECT_OK(cuStreamSynchronize(stream));
  EXPECT(host.p[N - 1] == 2, "%f", host.p[N - 1]);
  EXPECT(all(z.values(), 1), "the second kernel ran before the first");
}

TEST(work_waits_in_delayed_mode) {
  load_module("broken/copy");
  Stream stream;
  Event done;
  Tensor x = Tensor::floats(std::vector<float>(N, 1)), y = Tensor::empty_floats(N);
  copy_in(stream, x, y);
  EXPECT_OK(cuEventRecord(done, stream));
  EXPECT((cuEventQuery(done) == CUDA_ERROR_NOT_READY) == delayed(), "an event's state");
  while (cuStreamQuery(stream) == CUDA_ERROR_NOT_READY) {
  }
  EXPECT_OK(cuEventQuery(done));
  EXPECT(all(y.values(), 1), "the stream is said to be done");
}

TEST(events_order_streams_and_measure) {
  load_module("broken/copy");
  Stream first, second;
  Event start, ready, end;
  Tensor x = Tensor::floats(std::vector<float>(N, 3)), y = Tensor::empty_floats(N),
         z = Tensor::empty_floats(N);
  EXPECT_OK(cuEventRecord(start, first));
  copy_in(first, x, y);
  EXPECT_OK(cuEventRecord(ready, first));
  EXPECT_OK(cuStreamWaitEvent(second, ready, 0));
  copy_in(second, y, z);
  EXPECT_OK(cuEventRecord(end, second));
  EXPECT_OK(cuEventSynchronize(end));
  EXPECT(all(z.values(), 3), "the second stream did not wait");
  float milliseconds = -1;
  EXPECT_OK(cuEventElapsedTime(&milliseconds, start, end));
  EXPECT(milliseconds >= 0, "%f ms", milliseconds);
  Event never;
  EXPECT(cuEventElapsedTime(&milliseconds, start, never) == CUDA_ERROR_INVALID_HANDLE,
         "an event without a record");
}

/* Without the event the order is open: one of the schedules shows it. */
TEST_ONCE(a_missing_event_wait_is_seen) {
  int wrong = 0;
  for (int order = 0; order < 2; order++) {
    reset_device();
    EXPECT_OK(load_module("broken/copy"));
    fathom_emulator_configure(order, 1);
    Stream first, second;
    Tensor x = Tensor::floats(std::vector<float>(N, 3)), y = Tensor::empty_floats(N),
           z = Tensor::empty_floats(N);
    copy_in(first, x, y);
    copy_in(second, y, z);
    EXPECT_OK(cuStreamSynchronize(second));
    Pinned host(N);
    EXPECT_OK(cuMemcpyDtoHAsync(host.p, z.address(), N * 4, second));
    EXPECT_OK(cuStreamSynchronize(second));
    wrong += host.p[0] != 3;
  }
  EXPECT(wrong > 0, "streams that do not wait for each other");
  reset_device();
}

TEST(the_legacy_stream_waits_for_blocking_streams) {
  load_module("broken/copy");
  Stream blocking(CU_STREAM_DEFAULT);
  Tensor x = Tensor::floats(std::vector<float>(N, 5)), y = Tensor::empty_floats(N);
  copy_in(blocking, x, y);
  std::vector<float> host(N);
  EXPECT_OK(cuMemcpyDtoH(host.data(), y.address(), N * 4));
  EXPECT(all(host, 5), "cuMemcpyDtoH did not wait for a blocking stream");
  EXPECT_OK(cuMemsetD32(x.address(), 0, N)); /* in the legacy stream, perhaps not done yet */
  copy_in(blocking, x, y);
  EXPECT_OK(cuStreamSynchronize(blocking));
  EXPECT(all(y.values(), 0), "a blocking stream did not wait for the legacy stream");
}

/* ---- graphs ---- */

TEST(a_graph_repeats_what_was_captured) {
  load_module("broken/copy");
  Stream stream;
  Tensor x = Tensor::floats(std::vector<float>(N, 1)), y = Tensor::floats(std::vector<float>(N, 0));
  Pinned in(N), out(N);
  EXPECT_OK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  int status = 0;
  EXPECT_OK(cuStreamIsCapturing(stream, &status));
  EXPECT(status == CU_STREAM_CAPTURE_STATUS_ACTIVE, "status %d", status);
  EXPECT_OK(cuMemcpyHtoDAsync(x.address(), in.p, N * 4, stream));
  copy_in(stream, x, y);
  EXPECT_OK(cuMemcpyDtoHAsync(out.p, y.address(), N * 4, stream));
  CUgraph graph;
  EXPECT_OK(cuStreamEndCapture(stream, &graph));
  CUgraphExec executable;
  EXPECT_OK(cuGraphInstantiateWithFlags(&executable, graph, 0));
  EXPECT_OK(cuGraphDestroy(graph));
  EXPECT(all(y.values(), 0), "capturing runs nothing");
  for (int run = 0; run < 3; run++) {
    for (int i = 0; i < N; i++) in.p[i] = static_cast<float>(run + 10);
    EXPECT_OK(cuGraphLaunch(executable, stream));
    EXPECT_OK(cuStreamSynchronize(stream));
    EXPECT(out.p[0] == run + 10 && out.p[N - 1] == run + 10, "run %d: %f", run, out.p[0]);
  }
  EXPECT_OK(cuGraphExecDestroy(executable));
  EXPECT(cuGraphLaunch(executable, stream) == CUDA_ERROR_INVALID_HANDLE, "a destroyed graph");
}

TEST(a_capture_forks_and_joins) {
  load_module("broken/copy");
  Stream origin, other;
  Event fork, join;
  Tensor x = Tensor::floats(std::vector<float>(N, 4)), y = Tensor::empty_floats(N),
         z = Tensor::empty_floats(N);
  for (const bool joins : {true, false}) {
    EXPECT_OK(cuStreamBeginCapture(origin, CU_STREAM_CAPTURE_MODE_GLOBAL));
    copy_in(origin, x, y);
    EXPECT_OK(cuEventRecord(fork, origin));
    EXPECT_OK(cuStreamWaitEvent(other, fork, 0));
    copy_in(other, y, z);
    EXPECT_OK(cuEventRecord(join, other));
    if (joins) EXPECT_OK(cuStreamWaitEvent(origin, join, 0));
    CUgraph graph;
    const CUresult result = cuStreamEndCapture(origin, &graph);
    if (!joins) {
      EXPECT(result == CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "%s", describe(result).c_str());
      continue;
    }
    EXPECT_OK(result);
    CUgraphExec executable;
    EXPECT_OK(cuGraphInstantiateWithFlags(&executable, graph, 0));
    EXPECT_OK(cuGraphLaunch(executable, origin));
    EXPECT_OK(cuStreamSynchronize(origin));
    EXPECT(all(z.values(), 4), "both branches run");
    EXPECT_OK(cuGraphExecDestroy(executable));
    EXPECT_OK(cuGraphDestroy(graph));
  }
}

TEST(calls_that_end_a_capture) {
  load_module("broken/copy");
  Stream stream;
  Tensor x = Tensor::floats(std::vector<float>(N, 4));
  std::vector<float> host(N);
  CUdeviceptr p;
  for (int call = 0; call < 5; call++) {
    EXPECT_OK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CUresult result = CUDA_SUCCESS;
    switch (call) {
      case 0: result = cuStreamSynchronize(stream); break;
      case 1: result = cuCtxSynchronize(); break;
      case 2: result = cuMemAlloc(&p, 256); break;
      case 3: result = cuMemcpyDtoH(host.data(), x.address(), 4); break;
      default: result = cuStreamQuery(stream); break;
    }
    EXPECT(result == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "call %d: %s", call,
           describe(result).c_str());
    CUgraph graph;
    EXPECT(cuStreamEndCapture(stream, &graph) == CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "call %d",
           call);
    EXPECT(graph == nullptr, "a graph of an invalid capture");
  }
}

/* ---- memory ---- */

TEST(memory_is_counted_and_ends) {
  size_t before, during, after, total;
  EXPECT_OK(cuMemGetInfo(&before, &total));
  CUdeviceptr p, q;
  EXPECT_OK(cuMemAlloc(&p, 1000));
  EXPECT(p % 256 == 0, "address %llx", (unsigned long long)p);
  EXPECT_OK(cuMemGetInfo(&during, &total));
  EXPECT(before - during == 1000, "%zu bytes", before - during);
  EXPECT(cuMemAlloc(&q, total) == CUDA_ERROR_OUT_OF_MEMORY, "more than there is");
  EXPECT(cuMemAlloc(&q, 0) == CUDA_ERROR_INVALID_VALUE, "no bytes");
  EXPECT_OK(cuMemFree(p));
  EXPECT_OK(cuMemGetInfo(&after, &total));
  EXPECT(after == before, "%zu bytes are lost", before - after);
  EXPECT(cuMemFree(p) == CUDA_ERROR_INVALID_VALUE, "freed twice");
  EXPECT(contains(fathom_emulator_last_report(), "freed"), "%s", fathom_emulator_last_report());
}

TEST(pool_memory_is_freed_in_the_order_of_the_stream) {
  load_module("broken/copy");
  Stream stream;
  CUmemoryPool pool;
  EXPECT_OK(cuDeviceGetDefaultMemPool(&pool, 0));
  uint64_t threshold = 1 << 20, used = 1;
  EXPECT_OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
  threshold = 0;
  EXPECT_OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
  EXPECT(threshold == 1 << 20, "%llu", (unsigned long long)threshold);
  CUdeviceptr p;
  EXPECT_OK(cuMemAllocAsync(&p, N * 4, stream));
  Tensor x = Tensor::floats(std::vector<float>(N, 4)), y = Tensor::empty_floats(N);
  copy_in(stream, x, reinterpret_cast<float*>(p));
  copy_in(stream, reinterpret_cast<float*>(p), y);
  EXPECT_OK(cuMemFreeAsync(p, stream)); /* after its users */
  EXPECT_OK(cuStreamSynchronize(stream));
  EXPECT(all(y.values(), 4), "the memory was freed before its last use");
  EXPECT_OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
  EXPECT(used == 0, "%llu bytes in use", (unsigned long long)used);
  EXPECT_OK(cuMemPoolTrimTo(pool, 0));
}

TEST(copies_beyond_an_allocation_are_refused) {
  Tensor x = Tensor::floats(std::vector<float>(N, 4));
  std::vector<float> host(N + 1);
  EXPECT(cuMemcpyDtoH(host.data(), x.address(), N * 4 + 4) == CUDA_ERROR_INVALID_VALUE,
         "read behind the end");
  EXPECT(cuMemcpyHtoD(x.address() + 4, host.data(), N * 4) == CUDA_ERROR_INVALID_VALUE,
         "write behind the end");
  EXPECT(cuMemsetD8(x.address(), 0, N * 4 + 1) == CUDA_ERROR_INVALID_VALUE, "fill behind the end");
  EXPECT(contains(fathom_emulator_last_report(), "256 bytes"), "%s", fathom_emulator_last_report());
  EXPECT(all(x.values(), 4), "a refused call wrote");
}

TEST(pageable_memory_is_copied_at_once) {
  Stream stream;
  Tensor x = Tensor::empty_floats(N);
  std::vector<float> host(N, 1);
  EXPECT_OK(cuMemcpyHtoDAsync(x.address(), host.data(), N * 4, stream));
  host.assign(N, 2); /* allowed: the source was staged */
  EXPECT_OK(cuStreamSynchronize(stream));
  EXPECT(all(x.values(), 1), "a pageable source was read late");
  EXPECT_OK(cuMemHostRegister(host.data(), N * 4, 0));
  EXPECT(cuMemHostRegister(host.data(), N * 4, 0) == CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED,
         "registered twice");
  EXPECT_OK(cuMemHostUnregister(host.data()));
  EXPECT(cuMemHostUnregister(host.data()) == CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED,
         "unregistered twice");
}

/* ---- modules, device, errors ---- */

TEST(images_that_are_no_kernels) {
  CUmodule module;
  std::vector<char> text(4096, 'x');
  EXPECT(cuModuleLoadData(&module, text.data()) == CUDA_ERROR_INVALID_IMAGE, "text");
  const uint32_t fatbin = 0xba55ed50;
  memcpy(text.data(), &fatbin, 4);
  EXPECT(cuModuleLoadData(&module, text.data()) == CUDA_ERROR_NO_BINARY_FOR_GPU, "a fatbin");
  strcpy(text.data(), "//\n// Generated by NVIDIA NVVM Compiler\n");
  EXPECT(cuModuleLoadData(&module, text.data()) == CUDA_ERROR_NO_BINARY_FOR_GPU, "PTX");
  EXPECT(cuModuleLoad(&module, "/nowhere/kernels") == CUDA_ERROR_FILE_NOT_FOUND, "no file");
  EXPECT(cuModuleLoad(&module, (module_folder() + "/libcuda.so.1").c_str()) ==
             CUDA_ERROR_INVALID_IMAGE,
         "another library");
}

TEST(attributes_of_device_and_kernel) {
  int value = 0;
  EXPECT_OK(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 0));
  EXPECT(value == 227 * 1024, "%d", value);
  load_module("broken/copy");
  const CUfunction copy = kernel("copy");
  EXPECT_OK(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, copy));
  EXPECT(value == 64, "launch bound %d", value);
  EXPECT_OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&value, copy, 64, 100 * 1024));
  EXPECT(value == 2, "%d blocks", value);
  size_t offset, bytes;
  EXPECT_OK(cuFuncGetParamInfo(copy, 0, &offset, &bytes));
  EXPECT(offset == 0 && bytes == sizeof(broken_args), "%zu bytes at %zu", bytes, offset);
  CUfunction none;
  CUmodule module;
  EXPECT_OK(cuModuleLoad(&module, (module_folder() + "/broken/copy.emu.so").c_str()));
  EXPECT(cuModuleGetFunction(&none, module, "no_such_kernel") == CUDA_ERROR_NOT_FOUND,
         "a kernel that is not there");
  EXPECT_OK(cuModuleUnload(module));
  EXPECT(cuModuleGetFunction(&none, module, "copy") == CUDA_ERROR_INVALID_HANDLE,
         "an unloaded module");
}

TEST(errors_have_names) {
  const char* text;
  EXPECT_OK(cuGetErrorName(CUDA_ERROR_ILLEGAL_ADDRESS, &text));
  EXPECT(strcmp(text, "CUDA_ERROR_ILLEGAL_ADDRESS") == 0, "%s", text);
  EXPECT_OK(cuGetErrorString(CUDA_ERROR_OUT_OF_MEMORY, &text));
  EXPECT(strcmp(text, "out of memory") == 0, "%s", text);
  EXPECT(cuGetErrorName(static_cast<CUresult>(12345), &text) == CUDA_ERROR_INVALID_VALUE,
         "no such error");
}

TEST(functions_by_name) {
  void* function = nullptr;
  EXPECT_OK(cuGetProcAddress_v2("cuMemAlloc", &function, 12000, 0, nullptr));
  EXPECT(function == reinterpret_cast<void*>(&cuMemAlloc), "not cuMemAlloc_v2");
  EXPECT_OK(cuGetProcAddress_v2("cuTensorMapEncodeTiled", &function, 12000, 0, nullptr));
  EXPECT(
      cuGetProcAddress_v2("cuNoSuchFunction", &function, 12000, 0, nullptr) == CUDA_ERROR_NOT_FOUND,
      "no function");
}

TEST(tensor_maps_that_hardware_refuses) {
  Tensor x = Tensor::empty_bytes(1 << 16);
  CUtensorMap map;
  const auto encode = [&](uint64_t columns, uint64_t row_bytes, uint32_t box_columns, int swizzle,
                          int shift = 0) {
    const uint64_t sizes[] = {columns, 32}, strides[] = {row_bytes};
    const uint32_t box[] = {box_columns, 8}, ones[] = {1, 1};
    return cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2,
                                  reinterpret_cast<void*>(x.address() + shift), sizes, strides, box,
                                  ones, 0, swizzle, 0, 0);
  };
  EXPECT_OK(encode(64, 128, 64, CU_TENSOR_MAP_SWIZZLE_128B));
  EXPECT(encode(64, 120, 64, CU_TENSOR_MAP_SWIZZLE_128B) == CUDA_ERROR_INVALID_VALUE, "a stride");
  EXPECT(encode(64, 128, 128, CU_TENSOR_MAP_SWIZZLE_128B) == CUDA_ERROR_INVALID_VALUE,
         "a box wider than the swizzle");
  EXPECT(encode(64, 128, 4, CU_TENSOR_MAP_SWIZZLE_NONE) == CUDA_ERROR_INVALID_VALUE,
         "a box of 8 bytes");
  EXPECT(encode(600, 1200, 512, CU_TENSOR_MAP_SWIZZLE_NONE) == CUDA_ERROR_INVALID_VALUE,
         "a box of 512");
  EXPECT(encode(64, 128, 64, CU_TENSOR_MAP_SWIZZLE_128B, 8) == CUDA_ERROR_INVALID_VALUE,
         "an address");
}
