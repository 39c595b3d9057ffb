/* Bias, activation, scale and residuals for products that another library computed. */
#include "args_epilogue.h"
#include "gemm_tile.h"

extern "C" __global__ void __launch_bounds__(FATHOM_EPILOGUE_THREADS)
    fathom_epilogue(const GRID_CONSTANT fathom_cuda_epilogue_args args) {
  const int chunks = ceil_div(args.columns, 8);
  const int64_t i = (int64_t)blockIdx.x * FATHOM_EPILOGUE_THREADS + threadIdx.x;
  if (i >= args.rows * chunks) return;
  const int c = (int)(i % chunks) * 8, n = args.columns - c;
  const bool whole = args.columns % 8 == 0;
  const int64_t at = i / chunks * args.columns + c;
  float v[8], other[8];
  load_some((const elem*)args.z + at, n, whole, v);
  if (args.bias) {
    load_some(args.bias + c, n, whole, other);
#pragma unroll
    for (int k = 0; k < 8; k++) v[k] += other[k];
  }
  if (args.pre_activation) store_some((elem*)args.pre_activation + at, n, whole, v);
  activate(args.activation, v);
  if (args.scale) {
    load_some(args.scale + c, n, whole, other);
#pragma unroll
    for (int k = 0; k < 8; k++) v[k] *= other[k];
  }
  if (args.residual) {
    load_some((const elem*)args.residual + at, n, whole, other);
#pragma unroll
    for (int k = 0; k < 8; k++) v[k] += other[k];
  }
  if (args.residual2) {
    load_some((const elem*)args.residual2 + at, n, whole, other);
#pragma unroll
    for (int k = 0; k < 8; k++) v[k] += other[k];
  }
  store_some((elem*)args.y + at, n, whole, v);
}
REGISTER_KERNEL(fathom_epilogue)
