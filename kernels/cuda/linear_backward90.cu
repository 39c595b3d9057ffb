/*
 * Gradients of linear layers on sm_90a: linear_backward.cu's products by TMA and wgmma (gemm90.h),
 * which read what is not contiguous along K as it lies.
 */
#include "gemm90.h"
#include "linear_sink.h"

#define KERNEL_90 extern "C" __global__ void __launch_bounds__(FATHOM_GEMM90_THREADS, 1)

/* dx [rows,in] = dz [rows,out] weight [out,in]: K is out, along which dz alone is contiguous. */
struct FinishDx {
  const fathom_cuda_linear_dx_args& args;

  template <class Sums>
  DEV_MEMBER void operator()(const Sums& sums, const Item90& item) const {
    if (args.partial)
      sums.finish(part_sink(args.partial, item, args.rows, args.in));
    else
      sums.finish(DxSink{args, item.place});
  }
};

#define LINEAR_DX90(name, Tile)                                                           \
  KERNEL_90 fathom_linear_dx90_##name(                                                    \
      const GRID_CONSTANT fathom_cuda_linear_dx90_args args) {                            \
    EXTERN_SHARED(memory);                                                                \
    const fathom_cuda_linear_dx_args& dx = args.dx;                                       \
    multiply90<Tile>(work_of<Tile>(dx.rows, dx.in, dx.out, dx.splits, args.group),        \
                     Matrices90<Tile, Major::K, Major::MN>{args.dz_map, args.packed_map}, \
                     memory, FinishDx{dx});                                               \
  }                                                                                       \
  REGISTER_KERNEL(fathom_linear_dx90_##name)

LINEAR_DX90(128x256, Tile90_128x256)
LINEAR_DX90(128x128, Tile90_128x128)
LINEAR_DX90(128x64, Tile90_128x64)

/* G [out,in] = dz^T x: K is the rows, along which neither is contiguous. */
struct FinishWeight {
  const fathom_cuda_linear_d_weight_args& args;

  template <class Sums>
  DEV_MEMBER void operator()(const Sums& sums, const Item90& item) const {
    if (args.partial)
      sums.finish(part_sink(args.partial, item, args.out, args.in));
    else
      sums.finish(WeightSink{args, item.place});
  }
};

#define LINEAR_D_WEIGHT90(name, Tile)                                                  \
  KERNEL_90 fathom_linear_d_weight90_##name(                                           \
      const GRID_CONSTANT fathom_cuda_linear_d_weight90_args args) {                   \
    EXTERN_SHARED(memory);                                                             \
    const fathom_cuda_linear_d_weight_args& w = args.d_weight;                         \
    multiply90<Tile>(work_of<Tile>(w.out, w.in, w.rows, w.splits, args.group),         \
                     Matrices90<Tile, Major::MN, Major::MN>{args.dz_map, args.x_map},  \
                     memory, FinishWeight{w});                                         \
  }                                                                                    \
  REGISTER_KERNEL(fathom_linear_d_weight90_##name)

LINEAR_D_WEIGHT90(128x256, Tile90_128x256)
LINEAR_D_WEIGHT90(128x128, Tile90_128x128)
LINEAR_D_WEIGHT90(128x64, Tile90_128x64)
