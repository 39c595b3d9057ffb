/*
 * C = A B, 16 x 16 x 16, by one warp: every way to load fragments. A and B lie in shared memory
 * with ld 24.
 */
#include "args.h"
#include "dev.h"

enum { LD = 24 };

extern "C" __global__ void __launch_bounds__(32) fragments(const GRID_CONSTANT fragment_args args) {
  __shared__ __align__(16) elem a_tile[16 * LD];
  __shared__ __align__(16) elem b_tile[16 * LD];
  const int lane = lane_id();
  for (int i = lane; i < 32; i += 32) {
    const int row = i / 2, column = i % 2 * 8;
    copy_async_8(a_tile + row * LD + column, (const elem*)args.a + row * 16 + column, true);
    copy_async_8(b_tile + row * LD + column, (const elem*)args.b + row * 16 + column, true);
  }
  copy_async_commit();
  copy_async_wait<0>();
  __syncwarp();
  FragA a;
  FragB b[2];
  FragC c[2] = {};
  if (args.variant & 1) {
    load_a_transposed(a, a_tile, LD); /* A is stored as [K,M] */
  } else {
    load_a(a, a_tile, LD);
  }
  if (args.variant & 2) {
    if (args.variant & 4) { /* B is stored as [K,N] */
      load_b_transposed_pair(b, b_tile, LD);
    } else {
      load_b_transposed(b[0], b_tile, LD);
      load_b_transposed(b[1], b_tile + 8, LD);
    }
  } else if (args.variant & 4) { /* B is stored as [N,K] */
    load_b_pair(b, b_tile, LD);
  } else {
    load_b(b[0], b_tile, LD);
    load_b(b[1], b_tile + 8 * LD, LD);
  }
  for (int half = 0; half < 2; half++) mma(c[half], a, b[half]);
  if (args.variant & 8) { /* (A B) B: the accumulators are the next product's A */
    accumulators_to_a(a, c[0], c[1]);
    for (int half = 0; half < 2; half++) {
      c[half] = {};
      mma(c[half], a, b[half]);
    }
  }
  for (int half = 0; half < 2; half++) {
#pragma unroll
    for (int i = 0; i < 4; i++)
      args.c[fragment_row(i) * 16 + fragment_column(i) + 8 * half] = c[half].x[i];
  }
}
REGISTER_KERNEL(fragments)
