/* linear90.cu, linear_backward90.cu: linear layers and their gradients by TMA and wgmma. */
#include "gemm90_case.h"
#include "linear_case.h"

namespace {

/* The forward kernel on at most `blocks` blocks, tiles walked `group` columns at a time. */
void check_linear(const Tile90Shape& tile, unsigned blocks, int group, const Case& c) {
  check_linear(c, [&](const fathom_cuda_linear_args& linear) {
    fathom_cuda_linear90_args args = {};
    args.x_map = matrix_map(linear.x, c.rows, c.in, linear.x_stride, tile.m);
    args.packed_map = matrix_map(linear.packed, c.out, c.in, round_up_8(c.in), tile.n);
    args.linear = linear;
    args.linear.x = args.linear.packed = nullptr;
    args.group = group;
    launch_tiles90("fathom_linear90", tile, c.rows, c.out, c.splits, blocks, args);
  });
}

void check_backward(const Tile90Shape& tile, unsigned blocks, int group, const BackwardCase& c) {
  const int64_t in8 = round_up_8(c.in);
  check_backward(
      c,
      [&](const fathom_cuda_linear_dx_args& dx) {
        fathom_cuda_linear_dx90_args args = {};
        args.dz_map = matrix_map(dx.dz, c.rows, c.out, c.out, tile.m);
        args.packed_map = matrix_map(dx.packed, c.out, c.in, in8, 64);
        args.dx = dx;
        args.dx.dz = args.dx.packed = nullptr;
        args.group = group;
        launch_tiles90("fathom_linear_dx90", tile, c.rows, c.in, c.splits, blocks, args);
      },
      [&](const fathom_cuda_linear_d_weight_args& weight) {
        fathom_cuda_linear_d_weight90_args args = {};
        args.dz_map = matrix_map(weight.dz, c.rows, c.out, c.out, 64);
        args.x_map = matrix_map(weight.x, c.rows, c.in, weight.x_stride, 64);
        args.d_weight = weight;
        args.d_weight.dz = args.d_weight.x = nullptr;
        args.group = group;
        launch_tiles90("fathom_linear_d_weight90", tile, c.out, c.in, c.splits, blocks, args);
      });
}

}  // namespace

TEST(linear_by_wgmma_in_every_tile) {
  if (!is_sm90()) return;
  for (const Tile90Shape& tile : TILES_90)
    check_linear(tile, 2, 0, {131, 72, 264, 0, NONE, BIAS, 1});
}

TEST(linear_by_wgmma_with_everything_fused) {
  if (!is_sm90()) return;
  check_linear(TILE90_128X256, 1, 0,
               {130, 40, 72, 16, GELU, BIAS | SCALE | RESIDUAL | PRE, 1});
  check_linear(TILE90_128X128, 1, 0, {130, 40, 37, 8, RELU, BIAS | IN_PLACE | PRE, 1});
  check_linear(TILE90_128X64, 3, 0, {1, 8, 1, 0, NONE, SCALE | IN_PLACE, 1});
}

TEST(linear_by_wgmma_through_turns_of_the_ring) {
  if (!is_sm90()) return;
  /* Within a tile and between the tiles of a block, which the warpgroups share or take in turns. */
  check_linear(TILE90_128X256, 1, 0, {140, 328, 264, 0, GELU, BIAS, 1});
  check_linear(TILE90_128X128, 1, 0, {300, 456, 136, 0, NONE, BIAS | RESIDUAL, 1});
  check_linear(TILE90_128X64, 2, 0, {260, 136, 72, 8, NONE, BIAS, 1});
}

TEST(linear_by_wgmma_in_groups_of_columns) {
  if (!is_sm90()) return;
  check_linear(TILE90_128X64, 3, 2, {260, 24, 300, 0, NONE, BIAS, 1});
}

TEST(linear_by_wgmma_in_parts) {
  if (!is_sm90()) return;
  check_linear(TILE90_128X256, 2, 0,
               {135, 200, 40, 0, GELU, BIAS | SCALE | RESIDUAL | PRE, 3});
  /* Parts of 1 and 2 steps, both warpgroups. */
  check_linear(TILE90_128X128, 1, 0, {70, 296, 133, 0, NONE, BIAS | IN_PLACE, 3});
}

TEST(linear_gradients_by_wgmma_in_every_tile) {
  if (!is_sm90()) return;
  for (const Tile90Shape& tile : TILES_90)
    check_backward(tile, 1, 0, {70, 264, 72, 0, NONE, false, true, false, 1});
}

TEST(linear_gradients_by_wgmma_through_an_activation) {
  if (!is_sm90()) return;
  check_backward(TILE90_128X256, 2, 0, {197, 24, 136, 8, GELU, false, true, true, 1});
  check_backward(TILE90_128X128, 1, 0, {333, 136, 136, 0, RELU, false, true, false, 1});
  check_backward(TILE90_128X64, 2, 1, {67, 136, 200, 0, RELU, false, true, true, 1});
}

TEST(linear_gradients_by_wgmma_with_a_scale_and_in_parts) {
  if (!is_sm90()) return;
  check_backward(TILE90_128X64, 1, 0, {150, 40, 24, 0, NONE, true, true, false, 1});
  check_backward(TILE90_128X128, 2, 0, {130, 72, 200, 0, NONE, true, false, true, 2});
  check_backward(TILE90_128X256, 2, 0, {300, 72, 136, 0, GELU, false, true, true, 3});
}
