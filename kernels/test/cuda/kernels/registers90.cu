/* Registers that pass from one warpgroup to others; `broken`: a fault that hangs or traps a GPU. */
#include "args.h"
#include "dev90.h"

/* 168 registers a thread at the launch. */
extern "C" __global__ void __launch_bounds__(384, 1)
    registers90(const GRID_CONSTANT registers90_args args) {
  const int group = (int)threadIdx.x / 128;
  if (group == 0) {
    if (args.broken == 1) {
      registers_give<32>();
    } else if (args.broken != 2 || threadIdx.x >= 32) {
      registers_give<24>();
    }
    return;
  }
  if (args.broken == 3) {
    registers_take<160>();
  } else {
    registers_take<240>();
  }
  args.y[threadIdx.x - 128] = group;
}
REGISTER_KERNEL(registers90)
