/*
 * The k-th smallest of many floats without sorting: their bits as integers of the same order, chosen
 * 11, 11 and 10 bits at a time from the top. Each round counts, over all blocks, the values of a bin
 * whose higher bits are those already chosen: integers, so that the order of the additions does not
 * matter. The block that ends a round finds the bin that holds rank k.
 *
 * NaN is above infinity, or below minus infinity with its sign bit set. -0 is 0.
 */
#ifndef FATHOM_CUDA_RADIX_SELECT_H
#define FATHOM_CUDA_RADIX_SELECT_H

#include "dev.h"
#include "reduce.h"

constexpr int RADIX_BINS = 2048, RADIX_LOW_BINS = 1024;

/* The order of the results, unsigned, is that of the floats. */
DEV uint32_t ordered(float x) {
  const uint32_t bits = __float_as_uint(x + 0.0f); /* -0 + 0 = 0 */
  return bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
}
DEV float unordered(uint32_t key) {
  return __uint_as_float(key ^ (key >> 31 ? 0x80000000u : 0xffffffffu));
}

/* The bin of a key in round 0, 1, 2; `prefix` holds the bits chosen before. False: it has none. */
template <int ROUND>
DEV bool radix_bin(uint32_t key, uint32_t prefix, uint32_t* bin) {
  if (ROUND == 0) {
    *bin = key >> 21;
    return true;
  }
  *bin = ROUND == 1 ? key >> 10 & 2047 : key & 1023;
  return key >> (ROUND == 1 ? 21 : 10) == prefix;
}
/* The bits chosen after a round. */
template <int ROUND>
DEV uint32_t radix_prefix(uint32_t prefix, uint32_t bin) {
  return ROUND == 0 ? bin : ROUND == 1 ? prefix << 11 | bin : prefix << 10 | bin;
}

/* Adds a block's table to that of all blocks. */
template <int THREADS>
DEV void radix_flush(const uint32_t* block, uint32_t* all, int bins) {
  for (int i = (int)threadIdx.x; i < bins; i += THREADS)
    if (block[i] > 0) atomicAdd(all + i, block[i]);
}

/* Where a rank lies in a table: the bin, the rank within it, how many it and the whole table hold. */
struct radix_choice {
  uint32_t bin, rank, count, total;
};

/*
 * By a whole block, once all blocks have flushed; rank_of gives the rank for a table's total. A table
 * without such a rank (an empty one) gives zeros. `counts` keeps a thread's part of the table: bin
 * BINS / THREADS * thread + i; the table itself is cleared for the next round.
 */
template <int BINS, int THREADS, class Rank>
DEV radix_choice radix_choose(uint32_t* table, Rank rank_of, uint32_t (&counts)[BINS / THREADS]) {
  constexpr int OWN = BINS / THREADS;
  static_assert(OWN % 4 == 0, "a thread's bins are whole vectors");
  __shared__ uint32_t of_thread[THREADS], of_warp[THREADS / 32];
  __shared__ radix_choice choice;
  const int tid = (int)threadIdx.x;
  uint32_t own = 0;
#pragma unroll
  for (int i = 0; i < OWN; i += 4) {
    const uint4 v = load_16_bytes(table + tid * OWN + i);
    counts[i] = v.x, counts[i + 1] = v.y, counts[i + 2] = v.z, counts[i + 3] = v.w;
    own += v.x + v.y + v.z + v.w;
    store_16_bytes(table + tid * OWN + i, make_uint4(0, 0, 0, 0));
  }
  const uint32_t warp = warp_sum(own);
  __syncthreads(); /* the previous call's readers are through */
  of_thread[tid] = own;
  if (lane_id() == 0) of_warp[warp_id()] = warp;
  if (tid == 0) choice = radix_choice{0, 0, 0, 0};
  __syncthreads();
  uint32_t below = 0, total = 0;
  for (int w = 0; w < THREADS / 32; w++) {
    if (w < warp_id()) below += of_warp[w];
    total += of_warp[w];
  }
  for (int lane = 0; lane < lane_id(); lane++) below += of_thread[tid - lane_id() + lane];
  const uint32_t rank = rank_of(total);
  if (rank >= below && rank < below + own) {
    uint32_t rest = rank - below;
    bool found = false;
#pragma unroll
    for (int i = 0; i < OWN; i++) {
      if (!found && rest < counts[i]) {
        choice = radix_choice{(uint32_t)(tid * OWN + i), rest, counts[i], total};
        found = true;
      }
      if (!found) rest -= counts[i];
    }
  }
  __syncthreads();
  return choice;
}

#endif
