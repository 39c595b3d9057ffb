/*
 * AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019) and the norm of the
 * gradients, which clips them and decides, on the device, whether a step is taken.
 *
 * Decay and step are summed before they meet the value: 1 - rate * weight_decay is next to 1, where a
 * float has no digits left for it (5e-6 * 0.01 is below half a unit in the last place).
 */
#include "args_optim.h"
#include "reduce.h"

constexpr int THREADS = FATHOM_CUDA_OPTIM_THREADS;

/* ---- norm ---- */

/*
 * base^n by squaring: a function of the count alone, so that a run that goes on from a checkpoint has the
 * bits of one that did not stop.
 */
DEV double power(double base, int64_t n) {
  double product = 1;
  for (; n > 0; n /= 2, base *= base)
    if (n % 2) product *= base;
  return product;
}

DEV void finish(const fathom_cuda_gradient_norm_args& a, double squares, double losses) {
  const double norm = sqrt(squares);
  fathom_cuda_gradient_norm* result = a.result;
  result->norm = norm;
  result->scale = a.max_norm > 0 && norm > a.max_norm ? (float)(a.max_norm / norm) : 1.0f;
  /* x - x is 0 unless x is NaN or infinite. */
  const bool good = norm - norm == 0 && losses == 0 && norm <= a.limit;
  result->good = good;
  if (!good) return;
  const int64_t updates = result->updates + 1;
  result->updates = updates;
  result->correction = 1 / (1 - power(a.beta1, updates));
  result->root = (float)(1 / sqrt(1 - power(a.beta2, updates)));
}

/* Reads 4 bytes an element. */
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    fathom_gradient_norm(const GRID_CONSTANT fathom_cuda_gradient_norm_args args) {
  uint32_t* counter = (uint32_t*)args.workspace;
  double* parts = (double*)((char*)args.workspace + FATHOM_CUDA_NORM_HEADER_BYTES);
  const int64_t stride = (int64_t)gridDim.x * THREADS * 4;
  double sum[2] = {0, 0};
#pragma unroll 4
  for (int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * 4; i + 4 <= args.n; i += stride) {
    float g[4];
    load_4(args.gradient + i, g);
#pragma unroll
    for (int k = 0; k < 4; k++) sum[0] += (double)g[k] * g[k];
  }
  const int64_t rest = args.n / 4 * 4 + threadIdx.x;
  if (blockIdx.x == 0 && rest < args.n) sum[0] += (double)args.gradient[rest] * args.gradient[rest];
  block_sums<THREADS>(sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum[0];
  if (!last_block(counter, gridDim.x)) return;
  sum[0] = sum[1] = 0;
  for (uint32_t i = threadIdx.x; i < gridDim.x; i += THREADS) sum[0] += parts[i];
  /* Added up, losses that are not finite leave something that is not 0. */
  for (int64_t i = threadIdx.x; args.losses && i < args.loss_count; i += THREADS)
    sum[1] += args.losses[i] - args.losses[i];
  block_sums<THREADS>(sum);
  if (threadIdx.x == 0) finish(args, sum[0], sum[1]);
}
REGISTER_KERNEL(fathom_gradient_norm)

/* ---- AdamW ---- */

/* What depends on the step's number, and on the norm. */
struct Step {
  float scale, step, root;
};
DEV void update(const fathom_cuda_adamw_args& a, const Step& s, float gradient, float& value, float& m,
                float& v) {
  const float g = gradient * s.scale;
  m = a.keep1 * m + a.take1 * g;
  v = a.keep2 * v + a.take2 * (g * g);
  value -= a.decay * value + s.step * m / (sqrtf(v) * s.root + a.eps);
}
DEV float averaged(const fathom_cuda_adamw_args& a, float average, float value) {
  return a.average_decay * average + (1 - a.average_decay) * value;
}

/*
 * Reads 16 bytes a parameter and writes 12; 2 more with a copy in bf16, 8 more with the average. The
 * arena's end, less than 8 parameters, is done one by one.
 */
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    fathom_adamw(const GRID_CONSTANT fathom_cuda_adamw_args args) {
  Step step{args.gradient_scale, args.step, args.root};
  if (args.norm) {
    if (!args.norm->good) return;
    step.scale *= args.norm->scale;
    step.step = (float)(args.rate * args.norm->correction);
    step.root = args.norm->root;
  }
  const int64_t i = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * 8;
  elem* copy = (elem*)args.copy;
  if (i + 8 <= args.n) {
    float gradient[8], value[8], m[8], v[8];
    load_8(args.gradient + i, gradient);
    load_8(args.value + i, value);
    load_8(args.m + i, m);
    load_8(args.v + i, v);
#pragma unroll
    for (int k = 0; k < 8; k++) update(args, step, gradient[k], value[k], m[k], v[k]);
    store_8(args.value + i, value);
    store_8(args.m + i, m);
    store_8(args.v + i, v);
    if (copy) store_8(copy + i, value);
    if (args.average) {
      float average[8];
      load_8(args.average + i, average);
#pragma unroll
      for (int k = 0; k < 8; k++) average[k] = averaged(args, average[k], value[k]);
      store_8(args.average + i, average);
    }
    return;
  }
  for (int64_t k = i; k < args.n; k++) {
    update(args, step, args.gradient[k], args.value[k], args.m[k], args.v[k]);
    if (copy) copy[k] = from_float<elem>(args.value[k]);
    if (args.average) args.average[k] = averaged(args, args.average[k], args.value[k]);
  }
}
REGISTER_KERNEL(fathom_adamw)
