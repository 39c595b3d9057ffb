/* attention90.cu and attention_backward90.cu against float64. */
#include "../../cuda/args_attention.h"
#include "../../cuda/args_attention90.h"
#include "attention_case.h"

namespace {

bool is_sm90() {
  int major = 0;
  EXPECT_OK(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0));
  return major == 9 && !elem_is_float();
}

/* [B,T,columns] in boxes of 64 columns. */
fathom_cuda_tensor_map map_of(const Tensor& t, const Shape& s, int columns) {
  CUtensorMap map;
  const uint64_t sizes[] = {(uint64_t)columns, (uint64_t)s.tokens, (uint64_t)s.batch};
  const uint64_t strides[] = {(uint64_t)columns * 2, (uint64_t)s.tokens * columns * 2};
  const uint32_t box[] = {64, FATHOM_ATTENTION90_BOX, 1}, ones[] = {1, 1, 1};
  EXPECT_OK(cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3, t, sizes, strides,
                                   box, ones, CU_TENSOR_MAP_INTERLEAVE_NONE,
                                   CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
                                   CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  fathom_cuda_tensor_map result;
  memcpy(&result, &map, sizeof result);
  return result;
}

struct Kernel {
  const char* name;
  int rows;
  unsigned threads, shared;
};
const Kernel USUAL = {"fathom_attention90", FATHOM_ATTENTION90_ROWS, FATHOM_ATTENTION90_THREADS,
                      FATHOM_ATTENTION90_SHARED};
const Kernel TALL = {"fathom_attention90_tall", FATHOM_ATTENTION90_TALL_ROWS,
                     FATHOM_ATTENTION90_TALL_THREADS, FATHOM_ATTENTION90_TALL_SHARED};
const Kernel SHORT = {"fathom_attention90_short", FATHOM_ATTENTION90_SHORT_ROWS,
                      FATHOM_ATTENTION90_THREADS, FATHOM_ATTENTION90_SHORT_SHARED};

/* Scores: inputs of this size, queries plus and keys minus the shift. */
struct Inputs {
  float size = 1.5f, shift = 0.0f;
};

/*
 * Launches forward, and backward with the forward pass's results, on at most `blocks` blocks;
 * compares everything. The bytes of out, or of dqkv.
 */
std::vector<uint8_t> check(const Kernel& forward, unsigned blocks, const Shape& s, bool backward,
           Inputs in = Inputs()) {
  if (!is_sm90()) return {};
  const std::vector<float> qkv = input_qkv(s, in.size, in.shift);
  const std::vector<float> d_out = inputs(s.out_size(), 2, 1);
  const References expected(s, qkv, d_out);
  const int columns = s.heads * s.dim;
  const Tensor device_qkv = Tensor::elems(qkv);
  Tensor out = Tensor::empty_elems(s.out_size()),
         log_sum_exp = Tensor::empty_floats(s.statistics());
  fathom_cuda_attention90_args args = {};
  args.qkv = map_of(device_qkv, s, 3 * columns);
  args.out = map_of(out, s, columns);
  args.log_sum_exp = log_sum_exp;
  args.tokens = s.tokens;
  args.heads = s.heads;
  args.batch = s.batch;
  args.scale = (float)s.scale;
  launch(forward.name, {std::min(blocks, grid(s, forward.rows).x)}, {forward.threads},
         forward.shared, args);
  EXPECT_CALIBRATED(out.values(), expected.exact.out, to_float(expected.plain.out));
  /* A quarter of the exponentials is a polynomial with an error of 7.5e-5. */
  EXPECT_CLOSE(log_sum_exp.values(), expected.exact.log_sum_exp, 1e-4);
  if (!backward) return out.bytes();

  Tensor device_d_out = Tensor::elems(d_out), dqkv = Tensor::empty_elems(s.qkv_size());
  Tensor delta = Tensor::empty_floats(s.statistics());
  launch("fathom_attention_backward_delta", {(unsigned)ceil_div(s.statistics(), 32)},
         {FATHOM_ATTENTION_DELTA_THREADS}, 0,
         fathom_cuda_attention_backward_args{device_qkv, out, log_sum_exp, device_d_out, delta,
                                             dqkv, s.statistics(), s.tokens, s.heads, s.dim,
                                             (float)s.scale});
  fathom_cuda_attention_backward90_args gradient = {};
  gradient.qkv = args.qkv;
  gradient.d_out = map_of(device_d_out, s, columns);
  gradient.dqkv = map_of(dqkv, s, 3 * columns);
  gradient.log_sum_exp = log_sum_exp;
  gradient.delta = delta;
  gradient.tokens = s.tokens;
  gradient.heads = s.heads;
  gradient.batch = s.batch;
  gradient.scale = (float)s.scale;
  const unsigned pieces = grid(s, FATHOM_ATTENTION_BACKWARD90_ROWS).x;
  blocks = std::min(blocks, 2 * pieces);
  if (pieces % blocks > 0) gradient.busy_queries = (int)(pieces / blocks);
  launch("fathom_attention_backward90", {blocks}, {FATHOM_ATTENTION90_THREADS},
         FATHOM_ATTENTION_BACKWARD90_SHARED, gradient);
  expect_gradient(s, dqkv.values(), expected);
  return dqkv.bytes();
}

}  // namespace

/* Pictures and heads; warpgroups without rows, and with some; blocks with one piece of work. */
TEST(attention90_of_any_number_of_tokens) {
  check(USUAL, 8, {1, 1, 1, 64, 0.125}, true);
  check(USUAL, 8, {2, 63, 2, 64, 0.125}, true);
  check(USUAL, 8, {1, 64, 1, 64, 0.125}, true);
  check(USUAL, 8, {1, 65, 1, 64, 0.125}, true);
  check(USUAL, 8, {1, 129, 2, 64, 0.125}, true);
}

/* Blocks with several pieces; more tiles than stages, in all and in one piece. */
TEST(attention90_around_the_ring) {
  check(USUAL, 2, {1, 200, 3, 64, 0.125}, true);
  check(USUAL, 1, {1, 257, 1, 64, 0.125}, false);
  check(USUAL, 3, {1, 330, 1, 64, 0.125}, true);
}

TEST(attention90_gives_the_same_bits_on_any_number_of_blocks) {
  const Shape s = {2, 40, 4, 64, 0.125};
  EXPECT(check(USUAL, 3, s, true) == check(USUAL, 8, s, true), "the gradients differ");
}

TEST(attention90_tall) {
  check(TALL, 8, {1, 1, 1, 64, 0.125}, false);
  check(TALL, 2, {2, 63, 2, 64, 0.125}, false);
  check(TALL, 2, {1, 200, 3, 64, -0.125}, false);
  check(TALL, 1, {1, 330, 1, 64, 0.125}, false);
}

/* A warpgroup without keys; as many and fewer tiles than the other's; several pieces. */
TEST(attention90_short) {
  check(SHORT, 8, {1, 1, 1, 64, 0.125}, false);
  check(SHORT, 1, {2, 63, 2, 64, 0.125}, false);
  check(SHORT, 2, {1, 129, 2, 64, -0.125}, false);
  check(SHORT, 2, {1, 300, 1, 64, 0.125}, false);
  check(SHORT, 8, {1, 140, 1, 64, 2.0}, false, {4.0f, 0.0f});
}

TEST(attention90_with_unusual_scales) {
  check(USUAL, 8, {1, 70, 1, 64, -0.125}, true);
  check(USUAL, 8, {1, 70, 1, 64, 0.0}, true);
  check(USUAL, 8, {1, 70, 1, 64, 2.0}, false, {4.0f, 0.0f});
}

/* exp(-log_sum_exp) is infinite: what stands for keys past the end must not get into the gradient.
 */
TEST(attention90_with_scores_far_below_zero) {
  check(USUAL, 8, {1, 70, 1, 64, 0.125}, true, {0.5f, 4.0f});
}
