/*
 * C [M,N] = A [M,K] B [K,N] for sm_90a: blocks that stay and take item after item, an item being a
 * tile of C and a part of the sum over K. One warp brings the operands by TMA through a ring of
 * stages, 64 deep along K; two warpgroups multiply by wgmma.
 *
 *   together     both have half of the rows of the same tile, which can be 128 x 256 then: 64 x 256
 *                sums of a warpgroup fill its registers, and an operand byte serves the most
 *                products. The second stays a step behind, so that they do not finish a tile at the
 *                same time: while one does, the other has its last step or the next tile's first.
 *                (Each step more would take a stage from what is on its way.)
 *   in turns     each has a tile of its own, and finishes it (bias, activation, residual) while the
 *                other has the tensor cores.
 *
 * Either operand may be contiguous along K or along its other dimension (Major), so that the
 * products of the backward pass read tensors as they lie.
 *
 * Registers: 168 a thread at the launch, 64512; the producer's warpgroup keeps 24, the others take
 * 240 for 128 sums and, in the epilogue, 16 to 48 of what a sink has loaded ahead.
 */
#ifndef FATHOM_CUDA_GEMM90_H
#define FATHOM_CUDA_GEMM90_H

#include "args_gemm.h"
#include "dev90.h"
#include "gemm_tile.h"

/* ---- tiles ---- */

/* HEIGHT: how many times 64 rows a warpgroup has. */
template <int HEIGHT_, int COLUMNS, bool TOGETHER_, int STAGES_>
struct Tile90 {
  static constexpr int HEIGHT = HEIGHT_, N = COLUMNS, STAGES = STAGES_;
  static constexpr bool TOGETHER = TOGETHER_;
  static constexpr int M = 64 * HEIGHT * (TOGETHER ? 2 : 1);
  static_assert(M == FATHOM_GEMM90_ROWS, "rows of all tiles");
  /* Bytes of a stage: A's M lines, then B's N lines, of 64 elements each. */
  static constexpr int A_BYTES = M * 128, STAGE = A_BYTES + N * 128;
  /* Warps that read a stage. */
  static constexpr int READERS = TOGETHER ? 8 : 4;
  static_assert(STAGES * STAGE == FATHOM_GEMM90_RING, "as much memory as all tiles have");
};
typedef Tile90<1, 256, true, 4> Tile90_128x256;
typedef Tile90<2, 128, false, 6> Tile90_128x128;
typedef Tile90<1, 64, true, 8> Tile90_128x64;

/* ---- what there is to do ---- */

/* One of a block's items: a tile, and the steps [first, end) along K. */
struct Item90 {
  TilePlace place;
  int split, first, end;
};

struct Work90 {
  int down, across; /* tiles */
  int group;        /* columns of tiles that are walked together */
  int steps, splits;

  DEV_MEMBER int64_t items() const { return (int64_t)down * across * splits; }

  /* Split by split; of the tiles group by group, in a group row by row. */
  template <class Tile>
  DEV_MEMBER Item90 item(int64_t number) const {
    const int tiles = down * across, tile = (int)(number % tiles);
    const int before = tile / (down * group) * group, width = min(group, across - before),
              at = tile - before * down;
    Item90 item;
    item.place.row = at / width * Tile::M;
    item.place.column = (before + at % width) * Tile::N;
    item.split = (int)(number / tiles);
    item.first = (int)((int64_t)steps * item.split / splits);
    item.end = (int)((int64_t)steps * (item.split + 1) / splits);
    return item;
  }
};
template <class Tile>
DEV Work90 work_of(int rows, int columns, int depth, int splits, int group) {
  Work90 work;
  work.down = ceil_div(rows, Tile::M), work.across = ceil_div(columns, Tile::N);
  work.group = group > 0 ? group : work.across;
  work.steps = ceil_div(depth, FATHOM_GEMM90_K), work.splits = splits;
  return work;
}

/* ---- operands ---- */

/*
 * K: lines of 64 k, one for each m or n. MN: lines of 64 m or n, one for each k; a stage has them
 * in squares of 64 x 64.
 */
enum class Major { K, MN };

/* One thread: LINES m or n from `first` on of a step. Boxes: 64 x LINES (K), 64 x 64 (MN). */
template <Major MAJOR, int LINES>
DEV void load_operand(unsigned char* to, const fathom_cuda_tensor_map& map, int first, int step,
                      uint64_t* barrier) {
  if (MAJOR == Major::K) {
    tensor_load(to, map, step * FATHOM_GEMM90_K, first, barrier);
  } else {
#pragma unroll
    for (int i = 0; i < LINES / 64; i++)
      tensor_load(to + i * FATHOM_GEMM90_SQUARE, map, first + 64 * i, step * FATHOM_GEMM90_K,
                  barrier);
  }
}

/*
 * The 16 k from 16 `k` on of an operand as TMA's 128-byte swizzle has laid it out.
 *
 * K: the canonical layout's 8 lines of 128 bytes are 1024 bytes, which is the stride; 16 k on are
 * 32 bytes further in each line, and the leading offset is not used.
 *
 * MN: by the PTX manual (strides of the matrix descriptor, MN-major, swizzled; in units of 16
 * bytes) the leading offset leads from the first swizzle-size / 16 = 8 "rows", 64 m or n, to the
 * next, and the stride offset from 8 "columns", 8 k, to the next 8. CUTLASS's
 * make_gmma_desc<Major::MN> says the same: B128 is ((T,8,m),(8,k)):((1,T,LBO),(8T,SBO)), T being
 * the 8 elements of 16 bytes. Here a square of 64 k with 128 bytes each follows another, so leading
 * is a square and stride 8 lines; 16 k on are 16 lines further, a multiple of the 1024 bytes after
 * which the swizzle repeats. (Without a swizzle the two offsets would change places.)
 */
template <Major MAJOR>
DEV uint64_t operand_16(const unsigned char* lines, int k) {
  if (MAJOR == Major::K)
    return wgmma_descriptor(lines + 32 * k, 0, 8 * 128, Swizzle::BYTES_128);
  else
    return wgmma_descriptor(lines + 16 * 128 * k, FATHOM_GEMM90_SQUARE, 8 * 128,
                            Swizzle::BYTES_128);
}

/*
 * One warpgroup: starts d (+)= the product of a step, HEIGHT times 64 rows from `row` on. On return
 * the step before is through.
 */
template <class Tile, Major A, Major B>
DEV void multiply_step(float (&d)[Tile::HEIGHT][Tile::N / 2], const unsigned char* stage, int row,
                       bool add) {
  const unsigned char* a = stage + row / 64 * FATHOM_GEMM90_SQUARE;
  wgmma_fence();
#pragma unroll
  for (int k = 0; k < FATHOM_GEMM90_K / 16; k++) {
    const uint64_t b16 = operand_16<B>(stage + Tile::A_BYTES, k);
#pragma unroll
    for (int h = 0; h < Tile::HEIGHT; h++)
      wgmma<Tile::N, A == Major::MN, B == Major::MN>(
          d[h], operand_16<A>(a + h * FATHOM_GEMM90_SQUARE, k), b16, add || k > 0);
  }
  wgmma_commit();
  wgmma_wait<1>();
}

/* Both operands as matrices of the tensor maps: what is loaded and how it is multiplied. */
template <class Tile, Major A, Major B>
struct Matrices90 {
  const fathom_cuda_tensor_map& a;
  const fathom_cuda_tensor_map& b;
  TilePlace place = {0, 0};

  DEV_MEMBER void prefetch() const {
    prefetch_map(a);
    prefetch_map(b);
  }
  DEV_MEMBER int bytes() const { return Tile::STAGE; }
  DEV_MEMBER void begin(TilePlace tile) { place = tile; }
  DEV_MEMBER void load(unsigned char* stage, int step, uint64_t* barrier) const {
    load_operand<A, Tile::M>(stage, a, place.row, step, barrier);
    load_operand<B, Tile::N>(stage + Tile::A_BYTES, b, place.column, step, barrier);
  }
  DEV_MEMBER void multiply(float (&d)[Tile::HEIGHT][Tile::N / 2], const unsigned char* stage,
                           int row, bool add) const {
    multiply_step<Tile, A, B>(d, stage, row, add);
  }
};

/* ---- the ring ---- */

/* Where the ring stands: every stage is filled and emptied once a turn. */
template <int STAGES>
struct Ring90 {
  int stage, turn;
  DEV_MEMBER void advance() {
    if (++stage < STAGES) return;
    stage = 0;
    turn ^= 1;
  }
  DEV_MEMBER void skip(int steps) {
    stage += steps;
    turn ^= stage / STAGES % 2;
    stage %= STAGES;
  }
};

struct Barriers90 {
  uint64_t *full, *empty;
  uint64_t* issued; /* by each warpgroup: all products of an item */
};

/* One thread: all operands of all of the block's items, in order. */
template <class Tile, class Operands>
DEV void produce(const Work90& work, Operands& operands, unsigned char* memory,
                 const Barriers90& barriers) {
  operands.prefetch();
  Ring90<Tile::STAGES> ring = {0, 0};
  const int64_t items = work.items();
  for (int64_t i = blockIdx.x; i < items; i += gridDim.x) {
    const Item90 item = work.template item<Tile>(i);
    operands.begin(item.place);
    for (int step = item.first; step < item.end; step++) {
      uint64_t* full = barriers.full + ring.stage;
      mbarrier_wait(barriers.empty + ring.stage, ring.turn ^ 1);
      mbarrier_arrive_expect(full, operands.bytes());
      operands.load(memory + ring.stage * Tile::STAGE, step, full);
      ring.advance();
    }
  }
}

/* One warpgroup: its rows' sums over an item's steps. `issued` hears of the last product. */
template <class Tile, class Operands>
DEV void multiply_item(float (&d)[Tile::HEIGHT][Tile::N / 2], Operands& operands,
                       const unsigned char* memory, const Barriers90& barriers, uint64_t* issued,
                       Ring90<Tile::STAGES>& ring, int steps, int row) {
  int previous = 0;
  for (int step = 0; step < steps; step++) {
    mbarrier_wait(barriers.full + ring.stage, ring.turn);
    operands.multiply(d, memory + ring.stage * Tile::STAGE, row, step > 0);
    /* The step before this one is through: its stage may be filled again. */
    if (step > 0 && elect_one()) mbarrier_arrive(barriers.empty + previous);
    previous = ring.stage;
    ring.advance();
  }
  if (!Tile::TOGETHER && elect_one()) mbarrier_arrive(issued);
  wgmma_wait<0>();
#pragma unroll
  for (int h = 0; h < Tile::HEIGHT; h++) wgmma_hold(d[h]);
  if (elect_one()) mbarrier_arrive(barriers.empty + previous);
}

/* ---- the way out ---- */

/*
 * A warp's sums on their way to a sink (gemm_sink.h), 16 rows and 64 columns at a time through 4096
 * bytes of shared memory, so that a thread then has 8 neighbours of a row, and rows are read and
 * written in whole lines of 128 bytes. What the sink reads is on its way while the sums go through.
 *
 * In shared memory row r has its eights at their number xor r % 8: neither side has bank conflicts.
 */
template <class Tile>
struct Sums90 {
  static constexpr int ACROSS = Tile::N / 64;
  const float (&d)[Tile::HEIGHT][Tile::N / 2];
  float* shared;
  int first; /* row of the tile */

  DEV_MEMBER void spread(int piece) const {
    const int lane = lane_id();
#pragma unroll
    for (int p = 0; p < Tile::HEIGHT * ACROSS; p++)
      if (p == piece)
#pragma unroll
        for (int i = 0; i < 32; i += 2)
          store_2(
              shared + (lane / 4 + i / 2 % 2 * 8) * 64 + ((i / 4) ^ (lane / 4)) * 8 + lane % 4 * 2,
              d[p / ACROSS][p % ACROSS * 32 + i], d[p / ACROSS][p % ACROSS * 32 + i + 1]);
  }

  template <class Sink>
  DEV_MEMBER void finish(const Sink& sink) const {
    const int lane = lane_id();
#pragma unroll 1
    for (int piece = 0; piece < Tile::HEIGHT * ACROSS; piece++) {
      const int row = first + piece / ACROSS * 64 + lane / 8;
      const int column = piece % ACROSS * 64 + lane % 8 * 8;
      typename Sink::Columns columns;
      typename Sink::Before before[4];
      sink.load(column, columns);
#pragma unroll
      for (int j = 0; j < 4; j++) sink.load(row + 4 * j, column, before[j]);
      __syncwarp();
      spread(piece);
      __syncwarp();
#pragma unroll
      for (int j = 0; j < 4; j++) {
        const int from = lane / 8 + 4 * j;
        float v[8];
        load_8_spread(shared + from * 64 + ((lane % 8) ^ (from % 8)) * 8, v);
        sink.finish(row + 4 * j, column, columns, before[j], v);
      }
    }
  }
};

/* What writes parts of sums at once (PartialSink, PartialPixelSink), as a sink. */
template <class Partial>
struct PartSink90 {
  Partial sink;
  struct Columns {};
  struct Before {};

  DEV_MEMBER void load(int, Columns&) const {}
  DEV_MEMBER void load(int, int, Before&) const {}
  DEV_MEMBER void finish(int row, int column, const Columns&, const Before&,
                         const float (&v)[8]) const {
    sink(row, column, v);
  }
};
/* They take the split from the grid, which has none here: `partial` must begin at the item's. */
template <class Partial>
DEV PartSink90<Partial> part_sink(const Partial& partial) {
  return PartSink90<Partial>{partial};
}
DEV PartSink90<PartialSink> part_sink(float* partial, const Item90& item, int rows, int columns) {
  return part_sink(PartialSink{partial + (int64_t)item.split * rows * columns, item.place, rows,
                               columns});
}

/* ---- a block ---- */

/* finish(sums, item): what becomes of a warp's sums. */
template <class Tile, class Operands, class Finish>
DEV void multiply90(const Work90& work, Operands operands, unsigned char* memory,
                    const Finish& finish) {
  float* shared = (float*)(memory + FATHOM_GEMM90_RING);
  Barriers90 barriers;
  barriers.full = (uint64_t*)(shared + 8 * 16 * 64);
  barriers.empty = barriers.full + Tile::STAGES;
  barriers.issued = barriers.empty + Tile::STAGES;
  if (threadIdx.x == 0) {
    for (int s = 0; s < Tile::STAGES; s++) {
      mbarrier_init(barriers.full + s, 1);
      mbarrier_init(barriers.empty + s, Tile::READERS);
    }
    for (int group = 0; group < 2; group++) mbarrier_init(barriers.issued + group, 4);
    mbarrier_fence_init();
  }
  __syncthreads();
  const int group = (int)threadIdx.x / 128;
  if (group == 2) {
    registers_give<24>();
    if (threadIdx.x == 256) produce<Tile>(work, operands, memory, barriers);
    return;
  }
  registers_take<240>();
  const int row = Tile::TOGETHER ? group * 64 * Tile::HEIGHT : 0;
  const int64_t items = work.items();
  Ring90<Tile::STAGES> ring = {0, 0};
  int turn = 0;
  for (int64_t i = blockIdx.x; i < items; i += gridDim.x, turn++) {
    const Item90 item = work.template item<Tile>(i);
    if (!Tile::TOGETHER) {
      if (turn % 2 != group) {
        ring.skip(item.end - item.first);
        continue;
      }
      /*
       * The item before this one is the other warpgroup's. Until that has seen all of its stages
       * full, a stage may be full from a turn of the ring that ended with the same parity.
       */
      if (turn > 0) mbarrier_wait(barriers.issued + (group ^ 1), (turn - 1) / 2 % 2);
    } else if (turn == 0 && group == 1 && item.end - item.first > 1) {
      mbarrier_wait(barriers.full + 1, 0); /* the step behind */
    }
    float d[Tile::HEIGHT][Tile::N / 2];
    multiply_item<Tile>(d, operands, memory, barriers, barriers.issued + group, ring,
                        item.end - item.first, row);
    finish(Sums90<Tile>{d, shared + warp_id() * 16 * 64, row + warp_id() % 4 * 16}, item);
  }
}

#endif
