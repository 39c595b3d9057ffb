/*
 * What kernels gave on the emulator, to compare with what a GPU gives: every tensor that a test
 * reads, in the order in which it reads them. Large ones are sampled.
 *
 *   FATHOM_CUDA_RECORD=folder    on the emulator: writes <folder>/<program>.recording
 *   FATHOM_CUDA_COMPARE=folder   anywhere: compares with it; what differs fails the test
 *
 * Tests compare with float64 themselves. This comparison is narrower: the same products in another
 * order differ by roundings, and a fragment or a swizzle that is misplaced in a way that a test does
 * not look at differs by more.
 */
#ifndef FATHOM_TEST_CUDA_RECORDING_H
#define FATHOM_TEST_CUDA_RECORDING_H

#include <cstdint>
#include <string>

namespace recording {

enum class Kind : uint8_t { BF16, FLOAT, INT32, BYTE };

/* Opens what the environment asks for; `program` names the file. Exits with 2 if it cannot. */
void open(const std::string& program, bool on_emulator);
/* A test begins. Those not `taken` are left out; written is what the first order of threads gives. */
void begin(const char* test, bool elem_float, bool taken, bool first_order);
/* What a test has read; a difference is described, none is "". */
std::string note(Kind kind, const void* values, int64_t n);
/* "" or what was written or compared, for the last line. */
std::string close();

}  // namespace recording

#endif
