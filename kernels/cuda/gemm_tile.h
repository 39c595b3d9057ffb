/*
 * C [M,N] = A [M,K] B [K,N] on tensor cores: one block computes one tile of C.
 *
 * Both operands go to shared memory in steps of 32 along K, by asynchronous copies that run
 * STAGES - 1 steps ahead; from there fragments go to registers. An operand is an object that knows where
 * its part of a step comes from:
 *
 *   fetch(step, slot)          starts the copies of a step; called once per step, in rising order
 *   tile(step, slot)           where that step lies in shared memory
 *   load(fragment, tile, ...)  a fragment of it
 *
 * The sums leave through shared memory, so that each thread then has 8 neighbours of a row, whole
 * 16-byte accesses: finish_tile hands them to a sink, sink(row, column, values).
 */
#ifndef FATHOM_CUDA_GEMM_TILE_H
#define FATHOM_CUDA_GEMM_TILE_H

#include "args_gemm.h"
#include "dev.h"
#include "gemm_operand.h"

DEV int ceil_div(int a, int b) { return (a + b - 1) / b; }
DEV int round_up_8(int a) { return (a + 7) & ~7; }

/* ---- tiles ---- */

template <int ROWS, int COLUMNS, int WARPS_DOWN, int WARPS_ACROSS>
struct GemmTile {
  static constexpr int M = ROWS, N = COLUMNS;
  static constexpr int THREADS = 32 * WARPS_DOWN * WARPS_ACROSS;
  static constexpr int WARP_M = M / WARPS_DOWN, WARP_N = N / WARPS_ACROSS;
  static constexpr int ACROSS = WARPS_ACROSS;
  /* Fragments of a warp: 16 rows or 8 columns each. */
  static constexpr int DOWN_FRAGMENTS = WARP_M / 16, ACROSS_FRAGMENTS = WARP_N / 8;
  /* Elements of an operand's slot, enough for both ways to store it. */
  static constexpr int A_SLOT = M * (FATHOM_GEMM_K + FATHOM_GEMM_PAD);
  static constexpr int B_SLOT = N * (FATHOM_GEMM_K + FATHOM_GEMM_PAD);
  /* Floats between rows of C in shared memory: 8 modulo 32, against bank conflicts. */
  static constexpr int C_STRIDE = N + 8;
  static_assert(M * C_STRIDE * 4 <= FATHOM_GEMM_STAGES * (A_SLOT + B_SLOT) * 2,
                "C fits in the slots");
};
/*
 * Occupancy: registers (124 to 128 a thread) allow 128x128 2 blocks on a multiprocessor, 128x64
 * (124 to 166) 3, 64x64 (88 to 119) 4 or 5, 128x32 (98 to 104) 4; shared memory allows the numbers
 * in args_gemm.h. The multiplication of floats, done without tensor cores, needs all registers.
 */
#ifdef FATHOM_ELEM_FLOAT
#define GEMM_BOUNDS(Tile, BLOCKS) __launch_bounds__(Tile::THREADS, 1)
#else
#define GEMM_BOUNDS(Tile, BLOCKS) __launch_bounds__(Tile::THREADS, BLOCKS)
#endif
typedef GemmTile<128, 128, 2, 4> Tile128x128;
typedef GemmTile<128, 64, 2, 2> Tile128x64;
typedef GemmTile<64, 64, 2, 2> Tile64x64;
typedef GemmTile<128, 32, 4, 1> Tile128x32;

template <class Tile>
struct GemmSums {
  FragC c[Tile::DOWN_FRAGMENTS][Tile::ACROSS_FRAGMENTS];
};

/* A slice of K for block y of the grid: steps [first, end). */
struct GemmSteps {
  int first, end;
};
DEV GemmSteps gemm_steps(int depth, int splits) {
  const int steps = ceil_div(depth, FATHOM_GEMM_K), each = ceil_div(steps, splits);
  GemmSteps s;
  s.first = min((int)blockIdx.y * each, steps);
  s.end = min(s.first + each, steps);
  return s;
}

/* ---- the product ---- */

/* What happens to fragments before they are multiplied. */
struct AsTheyAre {
  template <class Fragment>
  DEV_MEMBER void operator()(Fragment&) const {}
};
/* ReLU where `on`. */
struct WithRelu {
  bool on;
  template <class Fragment>
  DEV_MEMBER void operator()(Fragment& f) const {
    if (on) relu(f);
  }
};

/* sums = A B over the steps. Afterwards shared memory is free. */
template <class Tile, class A, class B, class OnA, class OnB>
DEV void multiply(A& a, B& b, GemmSteps steps, OnA on_a, OnB on_b, GemmSums<Tile>& sums) {
  constexpr int STAGES = FATHOM_GEMM_STAGES;
  const int row = warp_id() / Tile::ACROSS * Tile::WARP_M;
  const int column = warp_id() % Tile::ACROSS * Tile::WARP_N;
#pragma unroll
  for (int i = 0; i < Tile::DOWN_FRAGMENTS; i++)
#pragma unroll
    for (int j = 0; j < Tile::ACROSS_FRAGMENTS; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) sums.c[i][j].x[e] = 0.0f;

#pragma unroll
  for (int s = 0; s < STAGES - 1; s++) {
    if (steps.first + s < steps.end) {
      a.fetch(steps.first + s, s);
      b.fetch(steps.first + s, s);
    }
    copy_async_commit();
  }
  int slot = 0, free_slot = STAGES - 1;
  for (int step = steps.first; step < steps.end; step++) {
    copy_async_wait<STAGES - 2>();
    /* Everybody's copies of this step are there, and everybody is through with the previous one. */
    __syncthreads();
    if (step + STAGES - 1 < steps.end) {
      a.fetch(step + STAGES - 1, free_slot);
      b.fetch(step + STAGES - 1, free_slot);
    }
    copy_async_commit();
    const elem* a_tile = a.tile(step, slot);
    const elem* b_tile = b.tile(step, slot);
#pragma unroll
    for (int k = 0; k < FATHOM_GEMM_K; k += 16) {
      FragA fa[Tile::DOWN_FRAGMENTS];
      FragB fb[Tile::ACROSS_FRAGMENTS / 2][2];
#pragma unroll
      for (int i = 0; i < Tile::DOWN_FRAGMENTS; i++) {
        a.load(fa[i], a_tile, row + i * 16, k);
        on_a(fa[i]);
      }
#pragma unroll
      for (int j = 0; j < Tile::ACROSS_FRAGMENTS / 2; j++) {
        b.load(fb[j], b_tile, column + j * 16, k);
        on_b(fb[j][0]);
        on_b(fb[j][1]);
      }
#pragma unroll
      for (int i = 0; i < Tile::DOWN_FRAGMENTS; i++)
#pragma unroll
        for (int j = 0; j < Tile::ACROSS_FRAGMENTS; j++) mma(sums.c[i][j], fa[i], fb[j / 2][j % 2]);
    }
    slot = slot + 1 < STAGES ? slot + 1 : 0;
    free_slot = free_slot + 1 < STAGES ? free_slot + 1 : 0;
  }
  copy_async_wait<0>();
  __syncthreads();
}

/* ---- the way out ---- */

/* The sums to shared memory as [M][C_STRIDE]. */
template <class Tile>
DEV void spread_sums(const GemmSums<Tile>& sums, float* shared) {
  const int row = warp_id() / Tile::ACROSS * Tile::WARP_M;
  const int column = warp_id() % Tile::ACROSS * Tile::WARP_N;
#pragma unroll
  for (int i = 0; i < Tile::DOWN_FRAGMENTS; i++)
#pragma unroll
    for (int j = 0; j < Tile::ACROSS_FRAGMENTS; j++)
#pragma unroll
      for (int e = 0; e < 4; e += 2)
        store_2(shared + (row + i * 16 + fragment_row(e)) * Tile::C_STRIDE + column + j * 8 +
                    fragment_column(e),
                sums.c[i][j].x[e], sums.c[i][j].x[e + 1]);
  __syncthreads();
}

/* 8 floats of shared memory; neighbouring lanes read neighbouring eights. */
DEV void load_8_spread(const float* p, float (&v)[8]) {
  /* Of 8 lanes, 4 begin with their second half, so that no bank is asked twice. */
  const int second = threadIdx.x & 4;
  float a[4], b[4];
  load_4(p + second, a);
  load_4(p + (second ^ 4), b);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    v[i] = second ? b[i] : a[i];
    v[4 + i] = second ? a[i] : b[i];
  }
}

/* sink(row, column, values) for every 8 neighbours of the tile; the place is that within it. */
template <class Tile, class Sink>
DEV void finish_tile(const GemmSums<Tile>& sums, unsigned char* memory, const Sink& sink) {
  float* shared = (float*)memory;
  spread_sums<Tile>(sums, shared);
  constexpr int CHUNKS = Tile::N / 8;
  for (int i = (int)threadIdx.x; i < Tile::M * CHUNKS; i += Tile::THREADS) {
    const int row = i / CHUNKS, column = i % CHUNKS * 8;
    float v[8];
    load_8_spread(shared + row * Tile::C_STRIDE + column, v);
    sink(row, column, v);
  }
}

/* n of 8 neighbours, the others 0. whole: n is 8 and p is aligned to 16 bytes. */
template <class T>
DEV void load_some(const T* p, int n, bool whole, float (&v)[8]) {
  if (whole) {
    load_8(p, v);
  } else {
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = i < n ? to_float(p[i]) : 0.0f;
  }
}
template <class T>
DEV void store_some(T* p, int n, bool whole, const float (&v)[8]) {
  if (whole) {
    store_8(p, v);
  } else {
#pragma unroll
    for (int i = 0; i < 8; i++)
      if (i < n) p[i] = from_float<T>(v[i]);
  }
}

/* Which tile of C this block has. */
struct TilePlace {
  int row, column;
};
template <class Tile>
DEV TilePlace tile_place(int columns) {
  const int across = ceil_div(columns, Tile::N);
  TilePlace place;
  place.row = (int)blockIdx.x / across * Tile::M;
  place.column = (int)blockIdx.x % across * Tile::N;
  return place;
}

/* A sink for parts of sums: partial [splits][M][N]. */
struct PartialSink {
  float* partial;
  TilePlace place;
  int rows, columns;
  DEV_MEMBER void operator()(int row, int column, const float (&v)[8]) const {
    const int r = place.row + row, c = place.column + column;
    if (r >= rows || c >= columns) return;
    store_some(partial + ((int64_t)blockIdx.y * rows + r) * columns + c, columns - c,
               columns % 8 == 0, v);
  }
};

/* The sum of the parts of 8 neighbours, in the order of the splits. */
DEV void sum_parts(const float* partial, int splits, int rows, int columns, int row, int column,
                   float (&v)[8]) {
  const bool whole = columns % 8 == 0;
  const float* p = partial + (int64_t)row * columns + column;
  load_some(p, columns - column, whole, v);
#pragma unroll 2
  for (int s = 1; s < splits; s++) {
    float next[8];
    load_some(p + (int64_t)s * rows * columns, columns - column, whole, next);
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] += next[i];
  }
}

/* ..._reduce: sink(row, column, values) for every 8 neighbours of C, from its parts. */
template <class Sink>
DEV void finish_parts(const float* partial, int splits, int rows, int columns, const Sink& sink) {
  const int chunks = ceil_div(columns, 8);
  const int64_t i = (int64_t)blockIdx.x * FATHOM_GEMM_REDUCE_THREADS + threadIdx.x;
  if (i >= (int64_t)rows * chunks) return;
  const int row = (int)(i / chunks), column = (int)(i % chunks) * 8;
  float v[8];
  sum_parts(partial, splits, rows, columns, row, column, v);
  sink(row, column, v);
}

/* ---- activations ---- */

enum { ACTIVATION_NONE = 0, ACTIVATION_RELU = 1, ACTIVATION_GELU = 2, ACTIVATION_SIGMOID = 3 };

/*
 * The normal distribution's density at x, without its factor 1 / sqrt(2 pi), and its cumulative
 * probability, (1 + erf(x / sqrt 2)) / 2. erfc by Abramowitz and Stegun's 7.1.26, whose error is
 * below 1.5e-7: a third of erff's instructions, where epilogues cost as much as short products.
 */
struct Normal {
  float density, probability;
};
DEV Normal normal_at(float x) {
  Normal n;
  const float t = __fdividef(1.0f, 1.0f + 0.23164189f * fabsf(x));
  n.density = __expf(-0.5f * x * x);
  const float sum =
      t *
      (0.12741480f + t * (-0.14224837f + t * (0.71070687f + t * (-0.72657601f + t * 0.53070271f))));
  const float tail = sum * n.density;
  n.probability = x < 0.0f ? tail : 1.0f - tail;
  return n;
}
DEV float gelu(float x) { return x * normal_at(x).probability; }
DEV float gelu_slope(float x) {
  const Normal n = normal_at(x);
  return n.probability + x * 0.39894228f * n.density;
}
DEV float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

DEV void activate(int activation, float (&v)[8]) {
  if (activation == ACTIVATION_RELU) {
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = v[i] <= 0.0f ? 0.0f : v[i];
  } else if (activation == ACTIVATION_GELU) {
#pragma unroll
    for (int i = 0; i < 8; i++) v[i] = gelu(v[i]);
  }
}

#endif
