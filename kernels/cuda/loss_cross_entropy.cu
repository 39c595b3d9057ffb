/*
 * Cross-entropy with soft targets p: sum_k p_k (log sum exp(x - max) - (x_k - max)) per row, and its
 * gradient softmax(x) sum(p) - p. A warp takes a row at a time.
 */
#include "loss.h"

typedef fathom_cuda_cross_entropy_loss_args cross_entropy;

constexpr int WARPS = LOSS_THREADS / 32, ROWS = FATHOM_CUDA_LOSS_ROWS;

/* softmax(x)_k sum(p) = share exp(x_k - largest); a share of 0 for rows that do not count. */
struct row {
  float largest, share;
};
static_assert(sizeof(row) == FATHOM_CUDA_LOSS_ROW_BYTES, "args_loss.h");
struct rows_part {
  double loss, counted;
};
static_assert(sizeof(rows_part) == FATHOM_CUDA_LOSS_ROWS_BYTES, "args_loss.h");

DEV row* rows_of(const cross_entropy& a) {
  return (row*)((char*)a.workspace + FATHOM_CUDA_LOSS_HEADER_BYTES);
}
DEV rows_part* rows_parts_of(const cross_entropy& a) { return (rows_part*)(rows_of(a) + (a.rows + 31) / 32 * 32); }

/* Reads an element and 4 bytes a class, the element again from cache. */
extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_cross_entropy_loss_sums(const GRID_CONSTANT fathom_cuda_cross_entropy_loss_args args) {
  double sums[2] = {0, 0}; /* loss and rows that count, in the first lane of each warp */
  for (int k = warp_id(); k < ROWS; k += WARPS) {
    const int64_t i = (int64_t)blockIdx.x * ROWS + k;
    if (i >= args.rows) continue;
    const elem* x = (const elem*)args.logits + i * args.classes;
    const float* p = args.target + i * args.classes;
    /* Of numbers: a NaN reaches the sums below. */
    float largest = -infinity();
    for (int64_t c = lane_id(); c < args.classes; c += 32) largest = fmaxf(largest, to_float(x[c]));
    largest = warp_max(largest);
    float sum = 0, target = 0, product = 0;
    for (int64_t c = lane_id(); c < args.classes; c += 32) {
      const float below = to_float(x[c]) - largest;
      sum += expf(below);
      target += p[c];
      product += p[c] * below;
    }
    sum = warp_sum(sum), target = warp_sum(target), product = warp_sum(product);
    if (lane_id() > 0) continue;
    const bool counts = target != 0;
    sums[0] += counts ? (double)target * log((double)sum) - product : 0.0;
    sums[1] += counts ? 1.0 : 0.0;
    rows_of(args)[i] = row{largest, counts ? target / sum : 0.0f};
  }
  block_sums<LOSS_THREADS>(sums);
  rows_part* parts = rows_parts_of(args);
  if (threadIdx.x == 0) parts[blockIdx.x] = rows_part{sums[0], sums[1]};
  if (!last_block(&header_of(args.workspace)->done, gridDim.x)) return;
  sums[0] = sums[1] = 0;
  for (int64_t i = threadIdx.x; i < gridDim.x; i += LOSS_THREADS)
    sums[0] += parts[i].loss, sums[1] += parts[i].counted;
  block_sums<LOSS_THREADS>(sums);
  if (threadIdx.x > 0) return;
  *args.loss = sums[1] > 0 ? sums[0] / sums[1] : 0.0;
  header_of(args.workspace)->scale = (float)(sums[1] > 0 ? args.factor / sums[1] : 0.0);
}
REGISTER_KERNEL(fathom_cross_entropy_loss_sums)

/* Reads an element and 4 bytes a class, writes an element. */
extern "C" __global__ void __launch_bounds__(LOSS_THREADS, 4)
    fathom_cross_entropy_loss_gradient(const GRID_CONSTANT fathom_cuda_cross_entropy_loss_args args) {
  const float scale = header_of(args.workspace)->scale;
  for (int k = warp_id(); k < ROWS; k += WARPS) {
    const int64_t i = (int64_t)blockIdx.x * ROWS + k;
    if (i >= args.rows) continue;
    const row r = rows_of(args)[i];
    const elem* x = (const elem*)args.logits + i * args.classes;
    const float* p = args.target + i * args.classes;
    elem* d = (elem*)args.gradient + i * args.classes;
    for (int64_t c = lane_id(); c < args.classes; c += 32)
      d[c] = from_float<elem>(r.share == 0 ? 0.0f : scale * (r.share * expf(to_float(x[c]) - r.largest) - p[c]));
  }
}
REGISTER_KERNEL(fathom_cross_entropy_loss_gradient)
