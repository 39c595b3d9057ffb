/* attention.cu, attention_backward.cu and attention90.cu against float64. */
#include "../../cuda/args_attention.h"
#include "../../cuda/args_attention90.h"
#include "harness.h"

#include <algorithm>

namespace {

/* ---- reference: float64, or with every intermediate result rounded, as a plain computation would
 * ---- */

struct Shape {
  int batch, tokens, heads, dim;
  double scale;

  int64_t qkv(int b, int t, int part, int h) const {
    return ((((int64_t)b * tokens + t) * 3 + part) * heads + h) * dim;
  }
  int64_t out(int b, int t, int h) const { return (((int64_t)b * tokens + t) * heads + h) * dim; }
  int64_t statistic(int b, int h, int t) const { return ((int64_t)b * heads + h) * tokens + t; }
  int64_t qkv_size() const { return (int64_t)batch * tokens * 3 * heads * dim; }
  int64_t out_size() const { return qkv_size() / 3; }
  int64_t statistics() const { return (int64_t)batch * heads * tokens; }
};

struct Result {
  std::vector<double> out, log_sum_exp, dqkv;
};

template <class Round>
Result reference(const Shape& s, const std::vector<double>& qkv, const std::vector<double>& d_out,
                 Round round) {
  Result r;
  r.out.resize(s.out_size());
  r.log_sum_exp.resize(s.statistics());
  r.dqkv.assign(s.qkv_size(), 0.0);
  const int n = s.tokens;
  std::vector<double> p((size_t)n * n), u((size_t)n * n);
  for (int b = 0; b < s.batch; b++)
    for (int h = 0; h < s.heads; h++) {
      const auto row = [&](int part, int t) { return qkv.data() + s.qkv(b, t, part, h); };
      const auto dot = [&](const double* x, const double* y) {
        double sum = 0;
        for (int i = 0; i < s.dim; i++) sum += x[i] * y[i];
        return sum;
      };
      for (int q = 0; q < n; q++) {
        double* line = p.data() + (size_t)q * n;
        double top = -INFINITY, sum = 0;
        for (int k = 0; k < n; k++) {
          line[k] = round(s.scale * dot(row(0, q), row(1, k)));
          top = std::max(top, line[k]);
        }
        for (int k = 0; k < n; k++) sum += line[k] = std::exp(line[k] - top);
        for (int k = 0; k < n; k++) line[k] = round(line[k] / sum);
        r.log_sum_exp[s.statistic(b, h, q)] = top + std::log(sum);
        double* out = r.out.data() + s.out(b, q, h);
        for (int k = 0; k < n; k++)
          for (int i = 0; i < s.dim; i++) out[i] += line[k] * row(2, k)[i];
        for (int i = 0; i < s.dim; i++) out[i] = round(out[i]);
      }
      for (int q = 0; q < n; q++) {
        const double* d = d_out.data() + s.out(b, q, h);
        const double delta = dot(d, r.out.data() + s.out(b, q, h));
        for (int k = 0; k < n; k++)
          u[(size_t)q * n + k] = round(p[(size_t)q * n + k] * (round(dot(d, row(2, k))) - delta));
      }
      for (int q = 0; q < n; q++) {
        double* dq = r.dqkv.data() + s.qkv(b, q, 0, h);
        for (int k = 0; k < n; k++) {
          double* dk = r.dqkv.data() + s.qkv(b, k, 1, h);
          double* dv = r.dqkv.data() + s.qkv(b, k, 2, h);
          for (int i = 0; i < s.dim; i++) {
            dq[i] += s.scale * u[(size_t)q * n + k] * row(1, k)[i];
            dk[i] += s.scale * u[(size_t)q * n + k] * row(0, q)[i];
            dv[i] += p[(size_t)q * n + k] * d_out[s.out(b, q, h) + i];
          }
        }
      }
    }
  for (double& x : r.dqkv) x = round(x);
  return r;
}

/* ---- launches ---- */

const Dim BLOCK = {FATHOM_ATTENTION_THREADS};
unsigned shared_bytes(int dim, bool backward) {
  const int element = elem_is_float() ? 4 : 2;
  return 2 * FATHOM_ATTENTION_STAGES * FATHOM_ATTENTION_TILE *
         ((dim + FATHOM_ATTENTION_PAD) * element + (backward ? 4 : 0));
}
Dim grid(const Shape& s, int rows) {
  return {static_cast<unsigned>(s.batch * s.heads * ceil_div(s.tokens, rows))};
}
int rows_of(int dim) {
  return dim <= FATHOM_ATTENTION_WIDE ? FATHOM_ATTENTION_ROWS : FATHOM_ATTENTION_WIDE_ROWS;
}

/* Inputs that are elems, so that the reference starts from the same numbers. */
std::vector<float> inputs(int64_t n, uint64_t seed, float size) {
  return to_elem(random_values(n, seed, -size, size));
}

/*
 * Launches forward, and backward with the forward pass's results; compares everything. `shift` is
 * added to the queries and subtracted from the keys.
 */
void check(const Shape& s, const char* forward, int rows, bool backward, float size = 1.5f,
           float shift = 0.0f) {
  std::vector<float> qkv = inputs(s.qkv_size(), 1, size);
  const std::vector<float> d_out = inputs(s.out_size(), 2, 1);
  const int row = s.heads * s.dim;
  for (int64_t i = 0; i < s.qkv_size(); i++)
    if (i / row % 3 < 2) qkv[i] = to_elem(qkv[i] + (i / row % 3 == 0 ? shift : -shift));
  const Result exact = reference(s, to_double(qkv), to_double(d_out), [](double x) { return x; });
  const Result plain = reference(s, to_double(qkv), to_double(d_out),
                                 [](double x) { return (double)to_bf16((float)x); });
  Tensor device_qkv = Tensor::elems(qkv), out = Tensor::empty_elems(s.out_size());
  Tensor log_sum_exp = Tensor::empty_floats(s.statistics());
  launch(forward, grid(s, rows), BLOCK, shared_bytes(s.dim, false),
         fathom_cuda_attention_args{device_qkv, out, log_sum_exp, s.tokens, s.heads, (float)s.scale,
                                    0});
  EXPECT_CALIBRATED(out.values(), exact.out, to_float(plain.out));
  EXPECT_CLOSE(log_sum_exp.values(), exact.log_sum_exp, 1e-5);
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
  const std::vector<float> actual = dqkv.values();
  /* dq, dk and dv have different sizes: each on its own. */
  for (int part = 0; part < 3; part++) {
    std::vector<float> ours, usual;
    std::vector<double> expected;
    for (int b = 0; b < s.batch; b++)
      for (int t = 0; t < s.tokens; t++)
        for (int i = 0; i < s.heads * s.dim; i++) {
          const int64_t at = s.qkv(b, t, part, 0) + i;
          ours.push_back(actual[at]);
          usual.push_back((float)plain.dqkv[at]);
          expected.push_back(exact.dqkv[at]);
        }
    EXPECT_CALIBRATED(ours, expected, usual);
  }
}

void check(const Shape& s, bool backward = true) {
  check(s, ("fathom_attention_" + std::to_string(s.dim)).c_str(), rows_of(s.dim), backward);
}

/* ---- sm_90a ---- */

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

void check90(const Shape& s, float size = 1.5f) {
  if (!is_sm90()) return;
  const std::vector<float> qkv = inputs(s.qkv_size(), 1, size), d_out(s.out_size());
  const Result exact = reference(s, to_double(qkv), to_double(d_out), [](double x) { return x; });
  const Result plain = reference(s, to_double(qkv), to_double(d_out),
                                 [](double x) { return (double)to_bf16((float)x); });
  const Tensor device_qkv = Tensor::elems(qkv);
  Tensor out = Tensor::empty_elems(s.out_size()),
         log_sum_exp = Tensor::empty_floats(s.statistics());
  const fathom_cuda_attention90_args args = {map_of(device_qkv, s, 3 * s.heads * s.dim),
                                             map_of(out, s, s.heads * s.dim),
                                             log_sum_exp,
                                             s.tokens,
                                             s.heads,
                                             (float)s.scale,
                                             0};
  launch("fathom_attention90", grid(s, FATHOM_ATTENTION90_ROWS), {FATHOM_ATTENTION90_THREADS},
         FATHOM_ATTENTION90_SHARED, args);
  EXPECT_CALIBRATED(out.values(), exact.out, to_float(plain.out));
  /* A quarter of the exponentials is a polynomial with an error of 7.5e-5. */
  EXPECT_CLOSE(log_sum_exp.values(), exact.log_sum_exp, 1e-4);
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

/* Pictures and heads; three tiles, which reuse a stage; warpgroups without queries, and with some.
 */
TEST(attention90) {
  check90({2, 70, 2, 64, 0.125});
  check90({1, 270, 1, 64, 0.125});
}

TEST(attention90_with_unusual_scores) {
  check90({1, 40, 1, 64, -0.125});
  check90({1, 40, 1, 64, 0.0});
  check90({1, 40, 1, 64, 2.0}, 4.0f);
}
