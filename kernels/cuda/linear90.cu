/*
 * Linear layers on sm_90a: blocks that stay, a warp that brings x and the weight by TMA through a
 * ring of mbarriers, and two warpgroups that multiply by wgmma and take the tiles in turn: while
 * one finishes its tile (bias, activation, residual), the other has the tensor cores.
 *
 * Registers: 168 a thread at the launch; the producer's warpgroup leaves its share to the others,
 * which hold 128 sums each.
 */
#include "dev90.h"
#include "linear_sink.h"

enum {
  TILE = FATHOM_LINEAR90_TILE,
  STAGES = FATHOM_LINEAR90_STAGES,
  STAGE = FATHOM_LINEAR90_STAGE,
  CONSUMERS = 2,      /* warpgroups */
  HALF = 64 * 64 * 2, /* bytes of 64 rows of an operand */
  C_STRIDE = FATHOM_LINEAR90_C_STRIDE,
  CHUNKS = TILE / 8,       /* of a row of C */
  EIGHT_ROWS = 8 * 64 * 2, /* bytes between groups of 8 rows in a swizzled operand */
};

/* Where the ring stands: every stage is filled and emptied once a turn. */
struct Ring {
  int stage, turn;
  DEV_MEMBER void start(int64_t steps) {
    stage = (int)(steps % STAGES);
    turn = (int)(steps / STAGES % 2);
  }
  DEV_MEMBER void advance() {
    if (++stage < STAGES) return;
    stage = 0;
    turn ^= 1;
  }
};

DEV TilePlace place_of(int tile, int across) {
  TilePlace place;
  place.row = tile / across * TILE;
  place.column = tile % across * TILE;
  return place;
}

/* One thread: all operands of all of the block's tiles, in order. */
DEV void produce(const fathom_cuda_linear90_args& args, unsigned char* memory, uint64_t* full,
                 uint64_t* empty, int tiles, int across, int steps) {
  prefetch_map(args.x_map);
  prefetch_map(args.packed_map);
  Ring ring = {0, 0};
  for (int tile = (int)blockIdx.x; tile < tiles; tile += (int)gridDim.x) {
    const TilePlace place = place_of(tile, across);
    for (int step = 0; step < steps; step++) {
      unsigned char* stage = memory + ring.stage * STAGE;
      uint64_t* barrier = full + ring.stage;
      mbarrier_wait(empty + ring.stage, ring.turn ^ 1);
      mbarrier_arrive_expect(barrier, STAGE);
      tensor_load(stage, args.x_map, step * FATHOM_LINEAR90_K, place.row, barrier);
      tensor_load(stage + 2 * HALF, args.packed_map, step * FATHOM_LINEAR90_K, place.column,
                  barrier);
      ring.advance();
    }
  }
}

/* One warpgroup: d[h] = 64 rows of the tile each. `issued` hears of the last product. */
DEV void multiply_tile(float (&d)[2][64], unsigned char* memory, uint64_t* full, uint64_t* empty,
                       uint64_t* issued, Ring ring, int steps) {
  int previous = 0;
  for (int step = 0; step < steps; step++) {
    const unsigned char* x = memory + ring.stage * STAGE;
    const unsigned char* weight = x + 2 * HALF;
    mbarrier_wait(full + ring.stage, ring.turn);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < FATHOM_LINEAR90_K / 16; k++) {
      const uint64_t b = wgmma_descriptor(weight + 32 * k, 0, EIGHT_ROWS, Swizzle::BYTES_128);
#pragma unroll
      for (int h = 0; h < 2; h++)
        wgmma<TILE>(d[h],
                    wgmma_descriptor(x + h * HALF + 32 * k, 0, EIGHT_ROWS, Swizzle::BYTES_128), b,
                    step + k > 0);
    }
    wgmma_commit();
    /* The step before this one is through: its stage may be filled again. */
    wgmma_wait<1>();
    if (step > 0 && elect_one()) mbarrier_arrive(empty + previous);
    previous = ring.stage;
    ring.advance();
  }
  if (elect_one()) mbarrier_arrive(issued);
  wgmma_wait<0>();
  if (elect_one()) mbarrier_arrive(empty + previous);
}

/* A warp's 16 rows of each half, through shared memory, so that rows are written in whole lines. */
DEV void finish_rows(const float (&d)[2][64], float* shared, const fathom_cuda_linear_args& args,
                     TilePlace place) {
  const int first = (int)(threadIdx.x % 128) / 32 * 16;
#pragma unroll
  for (int h = 0; h < 2; h++) {
    __syncwarp();
#pragma unroll
    for (int i = 0; i < 64; i += 2)
      store_2(shared + (wgmma_row(i) - first) * C_STRIDE + wgmma_column(i), d[h][i], d[h][i + 1]);
    __syncwarp();
    const LinearSink sink = {args, {place.row + h * 64 + first, place.column}};
#pragma unroll 1
    for (int i = lane_id(); i < 16 * CHUNKS; i += 32) {
      const int row = i / CHUNKS, column = i % CHUNKS * 8;
      float v[8];
      load_8_spread(shared + row * C_STRIDE + column, v);
      sink(row, column, v);
    }
  }
}

extern "C" __global__ void __launch_bounds__(FATHOM_LINEAR90_THREADS, 1)
    fathom_linear_sm90(const GRID_CONSTANT fathom_cuda_linear90_args args) {
  EXTERN_SHARED(memory);
  float* output = (float*)(memory + STAGES * STAGE);
  uint64_t* full = (uint64_t*)(output + 4 * CONSUMERS * 16 * C_STRIDE);
  uint64_t* empty = full + STAGES;
  uint64_t* issued = empty + STAGES; /* by each warpgroup: all products of a tile */
  if (threadIdx.x == 0) {
    for (int s = 0; s < STAGES; s++) {
      mbarrier_init(full + s, 1);
      mbarrier_init(empty + s, 4); /* the warps of the warpgroup whose tile it is */
    }
    for (int group = 0; group < CONSUMERS; group++) mbarrier_init(issued + group, 4);
    mbarrier_fence_init();
  }
  __syncthreads();
  const fathom_cuda_linear_args& linear = args.linear;
  const int across = ceil_div(linear.out, TILE), tiles = ceil_div(linear.rows, TILE) * across;
  const int steps = ceil_div(linear.in, FATHOM_LINEAR90_K), group = (int)threadIdx.x / 128;
  if (group == CONSUMERS) {
    registers_give<40>();
    if (threadIdx.x == CONSUMERS * 128) produce(args, memory, full, empty, tiles, across, steps);
    return;
  }
  registers_take<232>();
  float* shared = output + warp_id() * 16 * C_STRIDE;
  for (int turn = group;; turn += CONSUMERS) {
    const int64_t tile = blockIdx.x + (int64_t)turn * gridDim.x;
    if (tile >= tiles) break;
    /*
     * The tile before this one is the other warpgroup's. Until that has seen all of its stages
     * full, a stage may be full from a turn of the ring that ended with the same parity.
     */
    if (turn > 0) mbarrier_wait(issued + (group ^ 1), (turn - 1) / CONSUMERS % 2);
    Ring ring;
    ring.start((int64_t)turn * steps);
    float d[2][64];
    multiply_tile(d, memory, full, empty, issued + group, ring, steps);
    finish_rows(d, shared, linear, place_of((int)tile, across));
  }
}
REGISTER_KERNEL(fathom_linear_sm90)
