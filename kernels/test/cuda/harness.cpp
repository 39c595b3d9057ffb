#include "harness.h"

#include "recording.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>

namespace harness {

namespace {

constexpr size_t PADDING = 256; /* of sentinels, before and after, on a GPU */
constexpr uint8_t SENTINEL = 0xfb;

struct Test {
  const char* name;
  void (*body)();
  bool once;
};
struct Configuration {
  int schedule;
  bool delayed, elem_float;
};

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}
Configuration now;
const char* current_test = "";
int failures = 0;
std::vector<CUmodule> modules;
std::map<std::string, CUfunction> functions;
bool folder_loaded = false;

void must(CUresult result, const char* what) {
  if (result == CUDA_SUCCESS) return;
  fprintf(stderr, "%s: %s\n", what, describe(result).c_str());
  exit(2);
}

void make_context() {
  must(cuInit(0), "cuInit");
  CUdevice device;
  must(cuDeviceGet(&device, 0), "cuDeviceGet");
  CUcontext context;
  must(cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
  must(cuCtxSetCurrent(context), "cuCtxSetCurrent");
}

bool ends_with(const std::string& name, const std::string& end) {
  return name.size() > end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

CUresult load_file(const std::string& path) {
  CUmodule module;
  const CUresult result = cuModuleLoad(&module, path.c_str());
  if (result == CUDA_SUCCESS) modules.push_back(module);
  return result;
}

/* All modules of the folder, with this run's elem. */
void load_folder() {
  folder_loaded = true;
  const std::string folder = module_folder();
  DIR* listing = opendir(folder.c_str());
  if (!listing) return;
  std::vector<std::string> names;
  while (const dirent* entry = readdir(listing)) names.push_back(entry->d_name);
  closedir(listing);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const bool for_90 = ends_with(name, "90.emu.so") || ends_with(name, ".cubin");
    const bool is_float = ends_with(name, "_float.emu.so") || ends_with(name, "_float.fatbin");
    if (!ends_with(name, on_emulator() ? ".emu.so" : ".fatbin") && !(for_90 && !on_emulator()))
      continue;
    if (for_90 ? now.elem_float : is_float != now.elem_float) continue;
    const CUresult result = load_file(folder + "/" + name);
    if (result != CUDA_SUCCESS && result != CUDA_ERROR_NO_BINARY_FOR_GPU) {
      fail(__FILE__, __LINE__, "%s: %s", name.c_str(), describe(result).c_str());
    }
  }
}

void forget_modules() {
  for (CUmodule module : modules) cuModuleUnload(module);
  modules.clear();
  functions.clear();
  folder_loaded = false;
}

uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

/* ---- tests ---- */

void add_test(const char* name, void (*body)(), bool once) {
  tests().push_back({name, body, once});
}

void fail(const char* file, int line, const char* text, ...) {
  va_list arguments;
  va_start(arguments, text);
  fprintf(stderr, "FAILED %s (%s, schedule %d%s): %s:%d: ", current_test,
          now.elem_float ? "float" : "bf16", now.schedule, now.delayed ? ", delayed" : "", file,
          line);
  vfprintf(stderr, text, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  failures++;
}

std::string describe(CUresult result) {
  const char* name = nullptr;
  cuGetErrorName(result, &name);
  std::string text = name ? name : "error " + std::to_string(result);
  if (on_emulator() && *fathom_emulator_last_report())
    text += std::string(", ") + fathom_emulator_last_report();
  return text;
}

bool on_emulator() { return fathom_emulator_configure != nullptr; }
int schedule() { return now.schedule; }
bool delayed() { return now.delayed; }

/* ---- numbers ---- */

bool elem_is_float() { return now.elem_float; }
float to_bf16(float x) {
  if (std::isnan(x)) return x;
  uint32_t u;
  memcpy(&u, &x, 4);
  u = (u + 0x7fff + ((u >> 16) & 1)) & 0xffff0000u;
  memcpy(&x, &u, 4);
  return x;
}
float to_elem(float x) { return now.elem_float ? x : to_bf16(x); }
std::vector<float> to_elem(std::vector<float> values) {
  for (float& v : values) v = to_elem(v);
  return values;
}
std::vector<float> random_values(int64_t n, uint64_t seed, float low, float high) {
  std::vector<float> values(static_cast<size_t>(n));
  for (size_t i = 0; i < values.size(); i++) {
    values[i] = low + (high - low) * static_cast<float>(mix(seed << 40 ^ i) >> 40) / (1 << 24);
  }
  return values;
}
std::vector<int32_t> random_integers(int64_t n, uint64_t seed, int32_t low, int32_t high) {
  std::vector<int32_t> values(static_cast<size_t>(n));
  for (size_t i = 0; i < values.size(); i++) {
    values[i] =
        low + static_cast<int32_t>(mix(seed << 40 ^ i) % (static_cast<uint64_t>(high - low) + 1));
  }
  return values;
}
std::vector<double> to_double(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}
std::vector<float> to_float(const std::vector<double>& values) {
  std::vector<float> result(values.size());
  for (size_t i = 0; i < values.size(); i++) result[i] = static_cast<float>(values[i]);
  return result;
}

/* ---- device tensors ---- */

Tensor::Tensor(Type type, int64_t n) : type_(type), n_(n) {
  size_t each = 4;
  if (type == Type::BYTE) each = 1;
  if (type == Type::ELEM && !now.elem_float) each = 2;
  bytes_ = static_cast<size_t>(n) * each;
  padding_ = on_emulator() ? 0 : PADDING;
  CUdeviceptr p = 0;
  const CUresult result = cuMemAlloc(&p, std::max<size_t>(bytes_ + 2 * padding_, 1));
  if (result != CUDA_SUCCESS) {
    fail(__FILE__, __LINE__, "cuMemAlloc of %zu bytes: %s", bytes_, describe(result).c_str());
    return;
  }
  address_ = p + padding_;
  if (padding_ > 0) {
    cuMemsetD8(p, SENTINEL, bytes_ + 2 * padding_);
    cuMemsetD8(address_, 0xff, bytes_);
  }
}
Tensor::Tensor(Tensor&& other) noexcept
    : type_(other.type_),
      n_(other.n_),
      bytes_(other.bytes_),
      padding_(other.padding_),
      address_(other.address_) {
  other.address_ = 0;
}
Tensor& Tensor::operator=(Tensor&& other) noexcept {
  std::swap(type_, other.type_);
  std::swap(n_, other.n_);
  std::swap(bytes_, other.bytes_);
  std::swap(padding_, other.padding_);
  std::swap(address_, other.address_);
  return *this;
}
Tensor::~Tensor() { release(); }
void Tensor::release() {
  if (!address_) return;
  check_sentinels();
  const CUresult result = cuMemFree(address_ - padding_);
  /* After a fault every call fails; the launch has told. */
  if (result != CUDA_SUCCESS && cuCtxSynchronize() == CUDA_SUCCESS) {
    fail(__FILE__, __LINE__, "cuMemFree: %s", describe(result).c_str());
  }
  address_ = 0;
}

void Tensor::check_sentinels() const {
  if (padding_ == 0) return;
  std::vector<uint8_t> around(padding_);
  for (const CUdeviceptr p : {address_ - padding_, address_ + bytes_}) {
    if (cuMemcpyDtoH(around.data(), p, padding_) != CUDA_SUCCESS) return;
    for (const uint8_t byte : around) {
      if (byte == SENTINEL) continue;
      return fail(__FILE__, __LINE__, "a write %s a tensor of %zu bytes",
                  p < address_ ? "before" : "behind", bytes_);
    }
  }
}

Tensor Tensor::elems(const std::vector<float>& values) {
  Tensor t(Type::ELEM, static_cast<int64_t>(values.size()));
  t.set(values);
  return t;
}
Tensor Tensor::floats(const std::vector<float>& values) {
  Tensor t(Type::FLOAT, static_cast<int64_t>(values.size()));
  t.set(values);
  return t;
}
Tensor Tensor::integers(const std::vector<int32_t>& values) {
  Tensor t(Type::INT32, static_cast<int64_t>(values.size()));
  EXPECT_OK(cuMemcpyHtoD(t.address_, values.data(), t.bytes_));
  return t;
}
Tensor Tensor::bytes(const std::vector<uint8_t>& values) {
  return bytes(values.data(), values.size());
}
Tensor Tensor::bytes(const void* data, size_t size) {
  Tensor t(Type::BYTE, static_cast<int64_t>(size));
  EXPECT_OK(cuMemcpyHtoD(t.address_, data, size));
  return t;
}

void Tensor::set(const std::vector<float>& values) {
  EXPECT(static_cast<int64_t>(values.size()) == n_, "%zu values for a tensor of %lld",
         values.size(), (long long)n_);
  if (type_ == Type::FLOAT || now.elem_float) {
    EXPECT_OK(cuMemcpyHtoD(address_, values.data(), bytes_));
    return;
  }
  std::vector<uint16_t> bits(values.size());
  for (size_t i = 0; i < values.size(); i++) {
    const float rounded = to_bf16(values[i]);
    uint32_t u;
    memcpy(&u, &rounded, 4);
    bits[i] = static_cast<uint16_t>(u >> 16);
  }
  EXPECT_OK(cuMemcpyHtoD(address_, bits.data(), bytes_));
}
void Tensor::fill_bytes(uint8_t value) { EXPECT_OK(cuMemsetD8(address_, value, bytes_)); }

void Tensor::read(void* to) const {
  check_sentinels();
  EXPECT_OK(cuMemcpyDtoH(to, address_, bytes_));
  const recording::Kind kind = type_ == Type::BYTE    ? recording::Kind::BYTE
                               : type_ == Type::INT32 ? recording::Kind::INT32
                               : type_ == Type::FLOAT || now.elem_float ? recording::Kind::FLOAT
                                                                        : recording::Kind::BF16;
  const std::string difference = recording::note(kind, to, n_);
  EXPECT(difference.empty(), "%s", difference.c_str());
}
std::vector<float> Tensor::values() const {
  std::vector<float> result(static_cast<size_t>(n_), NAN);
  if (type_ == Type::FLOAT || now.elem_float) {
    read(result.data());
    return result;
  }
  std::vector<uint16_t> bits(result.size());
  read(bits.data());
  for (size_t i = 0; i < bits.size(); i++) {
    const uint32_t u = static_cast<uint32_t>(bits[i]) << 16;
    memcpy(&result[i], &u, 4);
  }
  return result;
}
std::vector<int32_t> Tensor::integers() const {
  std::vector<int32_t> result(static_cast<size_t>(n_));
  read(result.data());
  return result;
}
std::vector<uint8_t> Tensor::bytes() const {
  std::vector<uint8_t> result(bytes_);
  read(result.data());
  return result;
}

/* ---- kernels ---- */

std::string module_folder() {
  const char* folder = getenv("FATHOM_CUDA_MODULES");
  if (folder) return folder;
  char path[4096];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  const std::string program(path, n > 0 ? static_cast<size_t>(n) : 0);
  return program.substr(0, program.rfind('/'));
}
CUresult load_module(const std::string& name) {
  const bool for_90 = ends_with(name, "90");
  const std::string end = on_emulator() ? ".emu.so" : for_90 ? ".cubin" : ".fatbin";
  return load_file(module_folder() + "/" + name + (now.elem_float && !for_90 ? "_float" : "") +
                   end);
}

CUfunction kernel(const char* name) {
  const auto found = functions.find(name);
  if (found != functions.end()) return found->second;
  for (int attempt = 0; attempt < 2; attempt++) {
    for (CUmodule module : modules) {
      CUfunction function;
      if (cuModuleGetFunction(&function, module, name) == CUDA_SUCCESS)
        return functions[name] = function;
    }
    if (folder_loaded) break;
    load_folder();
  }
  fail(__FILE__, __LINE__, "no kernel %s in the modules of %s", name, module_folder().c_str());
  return nullptr;
}

CUresult try_launch(const char* name, Dim grid, Dim block, unsigned shared_bytes, const void* args,
                    size_t bytes) {
  const CUfunction function = kernel(name);
  if (!function) return CUDA_ERROR_NOT_FOUND;
  size_t offset, expected;
  CUresult result = cuFuncGetParamInfo(function, 0, &offset, &expected);
  if (result != CUDA_SUCCESS) return result;
  if (expected != bytes)
    fail(__FILE__, __LINE__, "%s: the arguments have %zu bytes, not %zu", name, expected, bytes);
  if (shared_bytes > 48 * 1024) {
    result = cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                static_cast<int>(shared_bytes));
    if (result != CUDA_SUCCESS) return result;
  }
  void* parameters[] = {const_cast<void*>(args)};
  result = cuLaunchKernel(function, grid.x, grid.y, grid.z, block.x, block.y, block.z, shared_bytes,
                          nullptr, parameters, nullptr);
  return result != CUDA_SUCCESS ? result : cuCtxSynchronize();
}

void reset_device() {
  modules.clear();
  functions.clear();
  folder_loaded = false;
  cuDevicePrimaryCtxReset(0);
  if (on_emulator()) fathom_emulator_clear_report();
}

/* ---- errors ---- */

double max_error(const std::vector<float>& actual, const std::vector<double>& reference) {
  if (actual.size() != reference.size()) return INFINITY;
  double worst = 0;
  for (size_t i = 0; i < actual.size(); i++) {
    const double error = std::fabs(actual[i] - reference[i]);
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}
double relative_error(const std::vector<float>& actual, const std::vector<double>& reference) {
  if (actual.size() != reference.size()) return INFINITY;
  double difference = 0, norm = 0;
  for (size_t i = 0; i < actual.size(); i++) {
    const double error = actual[i] - reference[i];
    difference += error * error;
    norm += reference[i] * reference[i];
  }
  if (std::isnan(difference)) return INFINITY;
  return difference == 0 ? 0 : std::sqrt(difference / norm);
}

void expect_close(const char* file, int line, const std::vector<float>& actual,
                  const std::vector<double>& reference, double tolerance) {
  if (actual.size() != reference.size()) {
    return fail(file, line, "%zu values, %zu expected", actual.size(), reference.size());
  }
  for (size_t i = 0; i < actual.size(); i++) {
    const double error = std::fabs(actual[i] - reference[i]);
    if (error <= tolerance * std::max(1.0, std::fabs(reference[i])) || actual[i] == reference[i])
      continue;
    return fail(file, line, "element %zu of %zu: %.9g, expected %.9g", i, actual.size(), actual[i],
                reference[i]);
  }
}

void expect_calibrated(const char* file, int line, const std::vector<float>& actual,
                       const std::vector<double>& reference, const std::vector<float>& plain) {
  const double relative = relative_error(actual, reference), largest = max_error(actual, reference);
  double scale = 0;
  for (const double v : reference) scale = std::max(scale, std::fabs(v));
  double relative_limit = 1e-5, largest_limit = 1e-4 * scale + 1e-7;
  if (!now.elem_float) {
    const double ulp = 1.0 / 256; /* bf16 has 8 significant bits: half an ulp is at most 2^-8 */
    relative_limit = 2 * relative_error(plain, reference) + ulp / 4;
    largest_limit = 2 * max_error(plain, reference) + ulp * scale;
  }
  if (!(relative <= relative_limit))
    fail(file, line, "relative error %.3g, limit %.3g", relative, relative_limit);
  if (!(largest <= largest_limit))
    fail(file, line, "largest error %.3g, limit %.3g", largest, largest_limit);
}

/* ---- running ---- */

namespace {

void run(const Test& test, const Configuration& configuration) {
  if (now.elem_float != configuration.elem_float) forget_modules();
  now = configuration;
  current_test = test.name;
  if (on_emulator()) {
    fathom_emulator_configure(now.schedule, now.delayed);
    fathom_emulator_clear_report();
  }
  recording::begin(test.name, now.elem_float, !test.once, now.schedule == 0 && !now.delayed);
  test.body();
  if (cuCtxSynchronize() == CUDA_SUCCESS) return;
  if (!on_emulator()) must(cuCtxSynchronize(), test.name);
  reset_device();
}

bool wanted(const char* name, const std::vector<std::string>& prefixes) {
  return prefixes.empty() ||
         std::any_of(prefixes.begin(), prefixes.end(), [name](const std::string& prefix) {
           return strncmp(name, prefix.c_str(), prefix.size()) == 0;
         });
}

int run_all(int argc, char** argv) {
  /* Forward and reverse with prompt copies, shuffled orders with delayed ones. */
  std::vector<std::pair<int, bool>> orders = {{0, false}, {1, false}, {2, true}, {3, true}};
  std::vector<bool> variants = {false, true};
  std::vector<std::string> prefixes;
  int only_schedule = -1;
  bool only_delayed = false;
  for (int i = 1; i < argc; i++) {
    const std::string argument = argv[i];
    if (argument == "--schedule" && i + 1 < argc) {
      only_schedule = atoi(argv[++i]);
    } else if (argument == "--delayed") {
      only_delayed = true;
    } else if (argument == "--elem" && i + 1 < argc) {
      variants = {std::string(argv[++i]) == "float"};
    } else {
      prefixes.push_back(argument);
    }
  }
  if (only_schedule >= 0 || only_delayed) orders = {{std::max(only_schedule, 0), only_delayed}};

  const std::string path = argv[0], program = path.substr(path.rfind('/') + 1);
  recording::open(program, on_emulator());
  make_context();
  if (!on_emulator()) orders.resize(1);
  const auto start = std::chrono::steady_clock::now();
  int runs = 0;
  for (const bool elem_float : variants) {
    for (const Test& test : tests()) {
      if (!wanted(test.name, prefixes) || (test.once && elem_float != variants[0])) continue;
      for (const auto& [order, delay] : orders) {
        run(test, {order, delay, elem_float});
        runs++;
        if (test.once) break;
      }
    }
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  printf("%s: %d runs of %zu tests, %d failures, %.1f s%s\n", program.c_str(), runs,
         tests().size(), failures, seconds, recording::close().c_str());
  return failures > 0;
}

}  // namespace

}  // namespace harness

int main(int argc, char** argv) { return harness::run_all(argc, argv); }
