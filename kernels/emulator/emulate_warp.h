/*
 * What involves other threads: barriers, shuffles, votes, asynchronous copies, fragments. Part of
 * emulate.h.
 */
#ifndef FATHOM_EMULATOR_EMULATE_WARP_H
#define FATHOM_EMULATOR_EMULATE_WARP_H

#define EMULATOR_HERE emulator::Place place = emulator::Place::current()
/* For dev.h: a last parameter, how to pass it on, and a barrier there. */
#define CALLER , EMULATOR_HERE
#define AT_CALLER , place
#define SYNC_THREADS_AT_CALLER() emulator::block_barrier(place)

static inline void __syncthreads(EMULATOR_HERE) { emulator::block_barrier(place); }

namespace emulator {

/*
 * Every thread of `mask` passes an argument; `compute(all)`, all[lane] null where a lane takes no
 * part, runs once, when they are there.
 */
template <class Argument, class Compute>
void warp_collective(unsigned mask, const char* operation, Argument* argument, Place place,
                     Compute compute) {
  void** all = gather_warp(mask, operation, argument, place);
  if (!all) return;
  Argument* arguments[32];
  for (int l = 0; l < 32; l++) arguments[l] = static_cast<Argument*>(all[l]);
  compute(arguments);
  release_warp(mask);
}

template <class T>
struct Exchange {
  T value;
  unsigned operand;
  T result;
};

/* source(lane, operand): the lane to read from; outside the lane's group of `width`, its own. */
template <class T, class Source>
T exchange(unsigned mask, const char* operation, T value, unsigned operand, int width, Place place,
           Source source) {
  Exchange<T> mine{value, operand, value};
  warp_collective(mask, operation, &mine, place, [&](Exchange<T>** all) {
    for (int l = 0; l < 32; l++) {
      if (!all[l]) continue;
      const int from = source(l, (int)all[l]->operand);
      if (from < 0 || from >= 32 || from / width > l / width) continue;
      if (!all[from])
        fault(Fault::LAUNCH_FAILED, "%s reads from lane %d, which takes no part", operation, from);
      all[l]->result = all[from]->value;
    }
  });
  return mine.result;
}

/*
 * The steps of an xor shuffle reduction, in the same order, with one switch of fibers for all of
 * them.
 */
template <class T, class Operation>
T warp_butterfly(T value, int width, Operation operation, Place place) {
  warp_collective(0xffffffffu, "warp reduction", &value, place, [&](T** all) {
    for (int step = width / 2; step > 0; step /= 2) {
      T next[32];
      for (int l = 0; l < 32; l++) {
        if (!all[l]) continue;
        if (!all[l ^ step])
          fault(Fault::LAUNCH_FAILED, "a warp reduction in a block that is no multiple of 32");
        next[l] = operation(*all[l], *all[l ^ step]);
      }
      for (int l = 0; l < 32; l++) {
        if (all[l]) *all[l] = next[l];
      }
    }
  });
  return value;
}

static inline unsigned vote(unsigned mask, const char* operation, bool predicate, Place place) {
  Exchange<unsigned> mine{predicate, 0, 0};
  warp_collective(mask, operation, &mine, place, [](Exchange<unsigned>** all) {
    unsigned result = 0;
    for (int l = 0; l < 32; l++) {
      if (all[l] && all[l]->value) result |= 1u << l;
    }
    for (int l = 0; l < 32; l++) {
      if (all[l]) all[l]->result = result;
    }
  });
  return mine.result;
}

}  // namespace emulator

/* ---- shuffles and votes ---- */

static inline void __syncwarp(unsigned mask = 0xffffffffu, EMULATOR_HERE) {
  char none = 0;
  emulator::warp_collective(mask, "__syncwarp", &none, place, [](char**) {});
}
template <class T>
static inline T __shfl_sync(unsigned mask, T v, int lane, int width = 32, EMULATOR_HERE) {
  return emulator::exchange(
      mask, "__shfl_sync", v, (unsigned)lane, width, place,
      [=](int l, int from) { return (l & ~(width - 1)) | (from & (width - 1)); });
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T v, int lanes, int width = 32, EMULATOR_HERE) {
  return emulator::exchange(mask, "__shfl_xor_sync", v, (unsigned)lanes, width, place,
                            [](int l, int x) { return l ^ x; });
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32, EMULATOR_HERE) {
  return emulator::exchange(mask, "__shfl_up_sync", v, delta, width, place,
                            [=](int l, int d) { return (l & (width - 1)) >= d ? l - d : -1; });
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32,
                                 EMULATOR_HERE) {
  return emulator::exchange(mask, "__shfl_down_sync", v, delta, width, place,
                            [](int l, int d) { return l + d; });
}
static inline unsigned __ballot_sync(unsigned mask, int predicate, EMULATOR_HERE) {
  return emulator::vote(mask, "__ballot_sync", predicate, place);
}
static inline int __any_sync(unsigned mask, int predicate, EMULATOR_HERE) {
  return emulator::vote(mask, "__any_sync", predicate, place) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, EMULATOR_HERE) {
  return emulator::vote(mask, "__all_sync", !predicate, place) == 0;
}

namespace emulator {

/* ---- memory ---- */

static inline void check_alignment(const void* p, size_t bytes, const char* what) {
  if (reinterpret_cast<uintptr_t>(p) % bytes)
    fault(Fault::MISALIGNED, "%s at %p, no multiple of %zu", what, p, bytes);
}

static inline void copy_async(void* shared, const void* global, int bytes, bool valid) {
  check_alignment(shared, bytes, "cp.async to");
  if (valid) check_alignment(global, bytes, "cp.async from");
  start_copy(shared, global, bytes, valid);
}
static inline void copy_async_commit() { commit_copies(); }
static inline void copy_async_wait(int pending) { wait_for_copies(pending); }

/* ---- fragments: see dev_fragment.h for the maps ---- */

template <int COUNT, bool TRANSPOSED, class E>
void load_matrices(E* x, const E* row, Place place) {
  struct Rows {
    E* x;
    const E* row;
  } mine{x, row};
  check_alignment(row, 16, "ldmatrix from");
#if FATHOM_ARCHITECTURE == 90
  note_matrix_row(row);
#endif
  warp_collective(0xffffffffu, "ldmatrix", &mine, place, [](Rows** all) {
    for (int l = 0; l < 32; l++) {
      for (int m = 0; m < COUNT; m++) {
        for (int e = 0; e < 2; e++) {
          const int line = l / 4, pair = 2 * (l % 4) + e;
          all[l]->x[2 * m + e] =
              TRANSPOSED ? all[8 * m + pair]->row[line] : all[8 * m + line]->row[pair];
        }
      }
    }
  });
}

static inline float as_float(float x) { return x; }
template <class Bf16>
static inline float as_float(Bf16 x) {
  return __uint_as_float((uint32_t)x.bits << 16);
}

/* a: 8 elements, x[2 r + e] is half e of register r; b: 4 elements. */
template <class E>
void mma(float* c, const E* a, const E* b, Place place) {
  struct Operands {
    float* c;
    const E *a, *b;
  } mine{c, a, b};
  warp_collective(0xffffffffu, "mma", &mine, place, [](Operands** all) {
    float A[16][16], B[16][8], C[16][8];
    for (int l = 0; l < 32; l++) {
      const int line = l / 4, pair = 2 * (l % 4);
      const Operands& o = *all[l];
      for (int e = 0; e < 2; e++) {
        for (int r = 0; r < 4; r++)
          A[line + 8 * (r % 2)][pair + 8 * (r / 2) + e] = as_float(o.a[2 * r + e]);
        for (int r = 0; r < 2; r++) B[pair + 8 * r + e][line] = as_float(o.b[2 * r + e]);
        for (int r = 0; r < 2; r++) C[line + 8 * r][pair + e] = o.c[2 * r + e];
      }
    }
    for (int m = 0; m < 16; m++) {
      for (int k = 0; k < 16; k++) {
        for (int n = 0; n < 8; n++) C[m][n] += A[m][k] * B[k][n];
      }
    }
    for (int l = 0; l < 32; l++) {
      for (int i = 0; i < 4; i++) all[l]->c[i] = C[l / 4 + 8 * (i / 2)][2 * (l % 4) + i % 2];
    }
  });
}

}  // namespace emulator

#endif
