#include "recording.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

namespace recording {

namespace {

constexpr char MAGIC[8] = {'F', 'A', 'T', 'H', 'O', 'M', 'R', '1'};
constexpr int64_t MOST_SAMPLES = 2048;
/*
 * Of the larger of a value and the tensor's root mean square: a few roundings of either type. Sums in
 * float32 of bf16 numbers that were rounded the other way differ by more than their own roundings.
 */
constexpr double BF16_TOLERANCE = 1.0 / 32, MIXED_TOLERANCE = 2e-3, FLOAT_TOLERANCE = 1e-4;

struct Entry {
  Kind kind;
  int64_t n;
  std::vector<uint8_t> samples;
};

FILE* written = nullptr;
bool comparing = false;
std::map<std::string, Entry> known;
std::string test;
bool recorded = false, all_float = false;
int reads = 0;
int64_t outputs = 0;
double largest = 0;

size_t size_of(Kind kind) { return kind == Kind::BYTE ? 1 : kind == Kind::BF16 ? 2 : 4; }

/* Odd, so that samples do not all fall into a few columns. */
int64_t stride_of(int64_t n) { return n <= MOST_SAMPLES ? 1 : n / MOST_SAMPLES | 1; }

std::vector<uint8_t> sample(Kind kind, const void* values, int64_t n) {
  const size_t each = size_of(kind);
  std::vector<uint8_t> samples;
  for (int64_t i = 0; i < n; i += stride_of(n)) {
    const uint8_t* p = static_cast<const uint8_t*>(values) + static_cast<size_t>(i) * each;
    samples.insert(samples.end(), p, p + each);
  }
  return samples;
}

double value(Kind kind, const std::vector<uint8_t>& samples, size_t i) {
  if (kind == Kind::BYTE) return samples[i];
  if (kind == Kind::BF16) {
    uint16_t bits;
    memcpy(&bits, &samples[2 * i], 2);
    const uint32_t u = static_cast<uint32_t>(bits) << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
  }
  if (kind == Kind::INT32) {
    int32_t v;
    memcpy(&v, &samples[4 * i], 4);
    return v;
  }
  float f;
  memcpy(&f, &samples[4 * i], 4);
  return f;
}

std::string differs(const Entry& entry, const std::vector<uint8_t>& samples) {
  const size_t n = samples.size() / size_of(entry.kind);
  double squares = 0;
  size_t finite = 0;
  for (size_t i = 0; i < n; i++) {
    const double v = value(entry.kind, entry.samples, i);
    if (!std::isfinite(v)) continue;
    squares += v * v;
    finite++;
  }
  const double rms = finite ? std::sqrt(squares / static_cast<double>(finite)) : 0;
  const double tolerance = entry.kind == Kind::BF16    ? BF16_TOLERANCE
                           : entry.kind == Kind::FLOAT ? all_float ? FLOAT_TOLERANCE : MIXED_TOLERANCE
                                                       : 0;
  for (size_t i = 0; i < n; i++) {
    const double a = value(entry.kind, samples, i), b = value(entry.kind, entry.samples, i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    const double allowed = tolerance * std::max(std::fabs(b), rms);
    const double share = std::fabs(a - b) / allowed;
    if (share <= 1) {
      largest = std::max(largest, share);
      continue;
    }
    char text[160];
    snprintf(text, sizeof text, "element %lld is %.9g, and was %.9g on the emulator",
             static_cast<long long>(static_cast<int64_t>(i) * stride_of(entry.n)), a, b);
    return text;
  }
  return "";
}

template <class T>
void put(const T& v) {
  fwrite(&v, sizeof v, 1, written);
}
template <class T>
bool take(FILE* file, T& v) {
  return fread(&v, sizeof v, 1, file) == 1;
}

bool read_all(FILE* file) {
  char magic[sizeof MAGIC];
  if (!take(file, magic) || memcmp(magic, MAGIC, sizeof MAGIC) != 0) return false;
  uint32_t length;
  while (take(file, length)) {
    std::string name(length, 0);
    Entry entry;
    uint64_t bytes;
    if (length > 4096 || fread(name.data(), 1, length, file) != length ||
        !take(file, entry.kind) || !take(file, entry.n) || !take(file, bytes) ||
        bytes > 4 * 2 * MOST_SAMPLES)
      return false;
    entry.samples.resize(bytes);
    if (fread(entry.samples.data(), 1, bytes, file) != bytes) return false;
    known[name] = std::move(entry);
  }
  return true;
}

}  // namespace

void open(const std::string& program, bool on_emulator) {
  const char* to = getenv("FATHOM_CUDA_RECORD");
  const char* from = getenv("FATHOM_CUDA_COMPARE");
  const bool writes = to && on_emulator;
  if (!writes && !from) return;
  const std::string path = std::string(writes ? to : from) + "/" + program + ".recording";
  FILE* file = fopen(path.c_str(), writes ? "wb" : "rb");
  if (!file || (!writes && !read_all(file))) {
    fprintf(stderr, "%s cannot be %s\n", path.c_str(), writes ? "written" : "read");
    exit(2);
  }
  if (writes) {
    written = file;
    put(MAGIC);
  } else {
    comparing = true;
    fclose(file);
  }
}

void begin(const char* name, bool elem_float, bool taken, bool first_order) {
  test = std::string(name) + (elem_float ? "/float/" : "/bf16/");
  recorded = taken && (first_order || !written);
  all_float = elem_float;
  reads = 0;
}

std::string note(Kind kind, const void* values, int64_t n) {
  if (!recorded || n == 0 || (!written && !comparing)) return "";
  const std::string name = test + std::to_string(reads++);
  const std::vector<uint8_t> samples = sample(kind, values, n);
  outputs++;
  if (written) {
    put(static_cast<uint32_t>(name.size()));
    fwrite(name.data(), 1, name.size(), written);
    put(kind);
    put(n);
    put(static_cast<uint64_t>(samples.size()));
    fwrite(samples.data(), 1, samples.size(), written);
    return "";
  }
  const auto found = known.find(name);
  if (found == known.end()) return name + " was not recorded";
  const Entry& entry = found->second;
  if (entry.kind != kind || entry.n != n || entry.samples.size() != samples.size())
    return name + " was recorded with another size or type";
  const std::string difference = differs(entry, samples);
  return difference.empty() ? "" : name + ": " + difference;
}

std::string close() {
  char text[160] = "";
  if (written) {
    const bool failed = ferror(written) != 0;
    if (fclose(written) != 0 || failed) {
      fprintf(stderr, "the recording cannot be written\n");
      exit(2);
    }
    snprintf(text, sizeof text, "; %lld outputs recorded", static_cast<long long>(outputs));
  } else if (comparing) {
    snprintf(text, sizeof text, "; %lld outputs as recorded, %.2f of what is allowed",
             static_cast<long long>(outputs), largest);
  }
  written = nullptr;
  return text;
}

}  // namespace recording
