/* attention.cu and attention_backward.cu against float64. */
#include "../../cuda/args_attention.h"
#include "attention_case.h"

namespace {

/* ---- launches ---- */

const Dim BLOCK = {FATHOM_ATTENTION_THREADS};
unsigned shared_bytes(int dim, bool backward) {
  const int element = elem_is_float() ? 4 : 2;
  return 2 * FATHOM_ATTENTION_STAGES * FATHOM_ATTENTION_TILE *
         ((dim + FATHOM_ATTENTION_PAD) * element + (backward ? 4 : 0));
}
int rows_of(int dim) {
  return dim <= FATHOM_ATTENTION_WIDE ? FATHOM_ATTENTION_ROWS : FATHOM_ATTENTION_WIDE_ROWS;
}

/* Launches forward, and backward with the forward pass's results; compares everything. */
void check(const Shape& s, const char* forward, int rows, bool backward, float size = 1.5f,
           float shift = 0.0f) {
  const std::vector<float> qkv = input_qkv(s, size, shift);
  const std::vector<float> d_out = inputs(s.out_size(), 2, 1);
  const References expected(s, qkv, d_out);
  Tensor device_qkv = Tensor::elems(qkv), out = Tensor::empty_elems(s.out_size());
  Tensor log_sum_exp = Tensor::empty_floats(s.statistics());
  launch(forward, grid(s, rows), BLOCK, shared_bytes(s.dim, false),
         fathom_cuda_attention_args{device_qkv, out, log_sum_exp, s.tokens, s.heads, (float)s.scale,
                                    0});
  EXPECT_CALIBRATED(out.values(), expected.exact.out, to_float(expected.plain.out));
  EXPECT_CLOSE(log_sum_exp.values(), expected.exact.log_sum_exp, 1e-5);
  if (!backward) return;

  Tensor device_d_out = Tensor::elems(d_out), dqkv = Tensor::empty_elems(s.qkv_size());
  Tensor delta = Tensor::empty_floats(s.statistics());
  const fathom_cuda_attention_backward_args args = {device_qkv, out,   log_sum_exp,    device_d_out,
                                                    delta,      dqkv,  s.statistics(), s.tokens,
                                                    s.heads,    s.dim, (float)s.scale};
  const std::string dim = std::to_string(s.dim);
  launch("fathom_attention_backward_delta", {(unsigned)ceil_div(s.statistics(), 32)},
         {FATHOM_ATTENTION_DELTA_THREADS}, 0, args);
  launch(("fathom_attention_backward_keys_" + dim).c_str(), grid(s, rows_of(s.dim)), BLOCK,
         shared_bytes(s.dim, true), args);
  launch(("fathom_attention_backward_queries_" + dim).c_str(), grid(s, rows_of(s.dim)), BLOCK,
         shared_bytes(s.dim, true), args);
  expect_gradient(s, dqkv.values(), expected);
}

void check(const Shape& s, bool backward = true) {
  check(s, ("fathom_attention_" + std::to_string(s.dim)).c_str(), rows_of(s.dim), backward);
}

}  // namespace

/* One key; less than a tile; a tile; one more; blocks whose last rows are missing. */
TEST(attention_of_any_number_of_tokens) {
  for (const int tokens : {1, 17, 64, 65, 130}) check({1, tokens, 2, 16, 0.25});
}

TEST(attention_of_the_published_head_dimension) { check({2, 139, 1, 64, 0.125}); }

TEST(attention_of_other_head_dimensions) {
  for (const int dim : {32, 128}) check({1, 67, 1, dim, 1 / std::sqrt(dim)});
  for (const int dim : {48, 80, 96, 112}) check({1, 20, 1, dim, 1 / std::sqrt(dim)});
}

TEST(attention_in_short_blocks) {
  check({1, 139, 2, 64, 0.125}, "fathom_attention_short_64", FATHOM_ATTENTION_SHORT_ROWS, false);
}

TEST(attention_with_unusual_scales) {
  for (const double scale : {-0.25, 0.0, 3.0}) check({1, 70, 1, 16, scale});
}

/* Scores far from 0: without subtracting the maximum, the exponentials would be infinite or 0. */
TEST(attention_with_large_scores) {
  check({1, 70, 1, 16, 4.0}, "fathom_attention_16", FATHOM_ATTENTION_ROWS, false, 8.0f);
}

/* exp(-log_sum_exp) is infinite: what stands for keys past the end must not get into the gradient.
 */
TEST(attention_with_scores_far_below_zero) {
  if (elem_is_float()) return; /* scores of -100 are rounded to 1e-5, and with them the gradient */
  check({1, 70, 1, 16, 0.25}, "fathom_attention_16", FATHOM_ATTENTION_ROWS, true, 0.5f, 5.0f);
}

TEST(attention_without_statistics) {
  const Shape s = {1, 20, 1, 16, 0.25};
  const std::vector<float> qkv = inputs(s.qkv_size(), 3, 1);
  Tensor device_qkv = Tensor::elems(qkv);
  Tensor out = Tensor::empty_elems(s.out_size()), again = Tensor::empty_elems(s.out_size());
  Tensor log_sum_exp = Tensor::empty_floats(s.statistics());
  launch("fathom_attention_16", grid(s, 128), BLOCK, shared_bytes(16, false),
         fathom_cuda_attention_args{device_qkv, out, log_sum_exp, s.tokens, s.heads, 0.25f, 0});
  launch("fathom_attention_16", grid(s, 128), BLOCK, shared_bytes(16, false),
         fathom_cuda_attention_args{device_qkv, again, nullptr, s.tokens, s.heads, 0.25f, 0});
  EXPECT(out.bytes() == again.bytes(), "results differ without log_sum_exp");
}
