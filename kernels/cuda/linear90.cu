/* Linear layers on sm_90a: linear.cu's products by TMA and wgmma (gemm90.h). */
#include "gemm90.h"
#include "linear_sink.h"

struct FinishLinear {
  const fathom_cuda_linear_args& args;

  template <class Sums>
  DEV_MEMBER void operator()(const Sums& sums, const Item90& item) const {
    if (args.partial)
      sums.finish(part_sink(args.partial, item, args.rows, args.out));
    else
      sums.finish(LinearSink{args, item.place});
  }
};

/* x and the weight are contiguous along K, as layers have them. */
#define LINEAR90(name, Tile)                                                                   \
  extern "C" __global__ void __launch_bounds__(FATHOM_GEMM90_THREADS, 1)                       \
      fathom_linear90_##name(const GRID_CONSTANT fathom_cuda_linear90_args args) {             \
    EXTERN_SHARED(memory);                                                                     \
    const fathom_cuda_linear_args& linear = args.linear;                                       \
    multiply90<Tile>(                                                                          \
        work_of<Tile>(linear.rows, linear.out, linear.in, linear.splits, args.group),          \
        Matrices90<Tile, Major::K, Major::K>{args.x_map, args.packed_map}, memory,             \
        FinishLinear{linear});                                                                 \
  }                                                                                            \
  REGISTER_KERNEL(fathom_linear90_##name)

LINEAR90(128x256, Tile90_128x256)
LINEAR90(128x128, Tile90_128x128)
LINEAR90(128x64, Tile90_128x64)
