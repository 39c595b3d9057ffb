/* norm.cu against float64. */
#include "../../cuda/args_norm.h"
#include "harness.h"

#include <algorithm>

namespace {

/* ---- reference in float64 ---- */

struct Shape {
  int batch, rows, skip, channels;

  int64_t tokens() const { return (int64_t)batch * (skip + rows); }
  int64_t all_rows() const { return (int64_t)batch * rows; }
  /* The token of a row, and its first channel. */
  int64_t token(int64_t row) const { return row / rows * (skip + rows) + skip + row % rows; }
};

struct Result {
  std::vector<double> y, mean, rstd, dx, d_weight, d_bias;
};

Result reference(const Shape& s, const std::vector<double>& x, const std::vector<double>& weight,
                 const std::vector<double>& bias, double eps, const std::vector<double>& dy) {
  const int n = s.channels;
  Result r;
  r.y.resize(s.all_rows() * n);
  r.mean.resize(s.all_rows());
  r.rstd.resize(s.all_rows());
  r.dx.assign(s.tokens() * n, 0.0);
  r.d_weight.assign(n, 0.0);
  r.d_bias.assign(n, 0.0);
  for (int64_t row = 0; row < s.all_rows(); row++) {
    const double* in = x.data() + s.token(row) * n;
    const double* d = dy.data() + row * n;
    double mean = 0, variance = 0, sum = 0, product = 0;
    for (int c = 0; c < n; c++) mean += in[c] / n;
    for (int c = 0; c < n; c++) variance += (in[c] - mean) * (in[c] - mean) / n;
    const double rstd = 1 / std::sqrt(variance + eps);
    for (int c = 0; c < n; c++) {
      const double normalised = (in[c] - mean) * rstd;
      r.y[row * n + c] = normalised * weight[c] + bias[c];
      r.d_weight[c] += d[c] * normalised;
      r.d_bias[c] += d[c];
      sum += d[c] * weight[c] / n;
      product += d[c] * weight[c] * normalised / n;
    }
    for (int c = 0; c < n; c++)
      r.dx[s.token(row) * n + c] =
          rstd * (d[c] * weight[c] - sum - (in[c] - mean) * rstd * product);
    r.mean[row] = mean;
    r.rstd[row] = rstd;
  }
  return r;
}

/* ---- launches ---- */

const Dim BLOCK = {FATHOM_NORM_THREADS};
const Dim SUM_BLOCK = {FATHOM_NORM_COLUMNS * FATHOM_NORM_SUM_ROWS};
Dim grid(int64_t rows, int in_block, int most) {
  return {(unsigned)std::min<int64_t>(ceil_div(rows, in_block), most)};
}

/* The kernel for rows of this length, as the host picks it. */
std::string suffix(int channels) {
  if (channels % 8 != 0 || channels > 1536) return "any";
  return channels <= 512 ? "512" : channels <= 1024 ? "1024" : "1536";
}

struct Data {
  Shape s;
  float eps = 1e-6f;
  std::vector<float> x, weight, bias, dy, old_dx;
  Result expected;

  explicit Data(const Shape& shape, float offset = 0.3f) : s(shape) {
    x = random_values(s.tokens() * s.channels, 1, offset - 1, offset + 1);
    x = to_elem(x);
    weight = random_values(s.channels, 2, 0.5f, 1.5f);
    bias = random_values(s.channels, 3);
    dy = to_elem(random_values(s.all_rows() * s.channels, 4));
    old_dx = to_elem(random_values(s.tokens() * s.channels, 5));
    expected = reference(s, to_double(x), to_double(weight), to_double(bias), eps, to_double(dy));
  }
};

/* What elem can hold of the exact result: nothing is rounded on the way to it. */
std::vector<float> rounded(const std::vector<double>& exact) {
  std::vector<float> values = to_float(exact);
  for (float& v : values) v = to_bf16(v);
  return values;
}

void check_forward(const Data& d, const std::string& kind) {
  const Shape& s = d.s;
  Tensor x = Tensor::elems(d.x), weight = Tensor::floats(d.weight), bias = Tensor::floats(d.bias);
  Tensor y = Tensor::empty_elems(s.all_rows() * s.channels);
  Tensor mean = Tensor::empty_floats(s.all_rows()), rstd = Tensor::empty_floats(s.all_rows());
  /* x begins at the first row that is wanted. */
  const size_t element = elem_is_float() ? 4 : 2;
  const void* first = (const char*)(const void*)x + (size_t)s.skip * s.channels * element;
  const fathom_cuda_layer_norm_args args = {
      first,        weight, bias,       y,     mean, rstd, (int64_t)(s.skip + s.rows) * s.channels,
      s.all_rows(), s.rows, s.channels, d.eps, 0};
  launch(("fathom_layer_norm_" + kind).c_str(),
         grid(s.all_rows(), kind == "any" ? 1 : FATHOM_NORM_WARPS, 3), BLOCK, 0, args);
  EXPECT_CALIBRATED(y.values(), d.expected.y, rounded(d.expected.y));
  EXPECT_CLOSE(mean.values(), d.expected.mean, 1e-6);
  EXPECT_CLOSE(rstd.values(), d.expected.rstd, 1e-5);
}

void check_backward(const Data& d, const std::string& kind, bool accumulate, bool sums) {
  const Shape& s = d.s;
  Tensor x = Tensor::elems(d.x), weight = Tensor::floats(d.weight), dy = Tensor::elems(d.dy);
  Tensor mean = Tensor::floats(to_float(d.expected.mean));
  Tensor rstd = Tensor::floats(to_float(d.expected.rstd));
  Tensor dx = Tensor::empty_elems(s.tokens() * s.channels);
  if (accumulate) dx.set(d.old_dx);
  const int blocks = (int)grid(s.tokens(), FATHOM_NORM_WARPS, 3).x;
  Tensor partial = Tensor::empty_floats((int64_t)blocks * 2 * s.channels);
  fathom_cuda_layer_norm_backward_args args = {
      x, weight, mean, rstd, dy, dx, nullptr, s.tokens(), s.rows, s.skip, s.channels, accumulate};
  if (sums) args.partial = partial;
  launch(("fathom_layer_norm_backward_" + kind).c_str(),
         kind == "any" ? grid(s.tokens(), 1, 5) : Dim{(unsigned)blocks}, BLOCK, 0, args);
  std::vector<double> expected = d.expected.dx;
  for (size_t i = 0; accumulate && i < expected.size(); i++) expected[i] += d.old_dx[i];
  EXPECT_CALIBRATED(dx.values(), expected, rounded(expected));
  if (!sums) return;

  const unsigned columns = (unsigned)ceil_div(s.channels, FATHOM_NORM_COLUMNS);
  if (kind == "any")
    launch("fathom_layer_norm_backward_columns_any", {columns, (unsigned)blocks}, SUM_BLOCK, 0,
           args);
  Tensor d_weight = Tensor::floats(d.bias), d_bias = Tensor::floats(d.weight);
  launch("fathom_layer_norm_backward_sums", {columns}, SUM_BLOCK, 0,
         fathom_cuda_layer_norm_sums_args{partial, d_weight, d_bias, blocks, s.channels});
  std::vector<double> expected_weight = d.expected.d_weight, expected_bias = d.expected.d_bias;
  for (int c = 0; c < s.channels; c++) {
    expected_weight[c] += d.bias[c];
    expected_bias[c] += d.weight[c];
  }
  EXPECT_CLOSE(d_weight.values(), expected_weight, 1e-5);
  EXPECT_CLOSE(d_bias.values(), expected_bias, 1e-5);
}

}  // namespace

/* Channels of one vector, of a full and of a partly used slot, of every kernel. */
TEST(layer_norm_of_aligned_rows) {
  for (const int channels : {8, 256, 384, 768, 1024, 1536}) {
    const Data d({2, 9, 1, channels});
    check_forward(d, suffix(channels));
  }
}

TEST(layer_norm_of_any_rows) {
  for (const int channels : {1, 13, 129, 1600}) {
    const Data d({2, 5, 1, channels});
    check_forward(d, suffix(channels));
  }
}

/* The mean is a thousand times the deviation: one pass over squares would lose all digits. */
TEST(layer_norm_with_an_offset) {
  const Data d({1, 3, 0, 200}, 1000.0f);
  if (!elem_is_float()) return; /* bf16 cannot tell such numbers apart */
  for (const char* kind : {"512", "any"}) {
    Tensor x = Tensor::elems(d.x), weight = Tensor::floats(d.weight), bias = Tensor::floats(d.bias);
    Tensor y = Tensor::empty_elems(600);
    launch((std::string("fathom_layer_norm_") + kind).c_str(), {1}, BLOCK, 0,
           fathom_cuda_layer_norm_args{x, weight, bias, y, nullptr, nullptr, 600, 3, 3, 200, d.eps,
                                       0});
    EXPECT_CLOSE(y.values(), d.expected.y, 2e-4);
  }
}

TEST(layer_norm_in_place) {
  for (const int channels : {24, 27}) {
    const Data d({1, 6, 0, channels});
    Tensor x = Tensor::elems(d.x), weight = Tensor::floats(d.weight), bias = Tensor::floats(d.bias);
    launch(("fathom_layer_norm_" + suffix(channels)).c_str(), {2}, BLOCK, 0,
           fathom_cuda_layer_norm_args{x, weight, bias, x, nullptr, nullptr, (int64_t)6 * channels,
                                       6, 6, channels, d.eps, 0});
    EXPECT_CALIBRATED(x.values(), d.expected.y, rounded(d.expected.y));
  }
}

TEST(layer_norm_backward_of_aligned_rows) {
  for (const int channels : {8, 384, 768, 1536}) {
    const Data d({2, 9, 1, channels});
    check_backward(d, suffix(channels), false, true);
    check_backward(d, suffix(channels), true, false);
  }
}

TEST(layer_norm_backward_of_any_rows) {
  for (const int channels : {3, 13, 129}) {
    const Data d({2, 7, 2, channels});
    check_backward(d, "any", false, true);
    check_backward(d, "any", true, false);
  }
}

TEST(layer_norm_backward_of_parameters_alone) {
  const Data d({1, 5, 0, 40});
  Tensor x = Tensor::elems(d.x), weight = Tensor::floats(d.weight), dy = Tensor::elems(d.dy);
  Tensor mean = Tensor::floats(to_float(d.expected.mean));
  Tensor rstd = Tensor::floats(to_float(d.expected.rstd));
  Tensor partial = Tensor::empty_floats(2 * 2 * 40),
         d_bias = Tensor::floats(std::vector<float>(40));
  launch("fathom_layer_norm_backward_512", {2}, BLOCK, 0,
         fathom_cuda_layer_norm_backward_args{x, weight, mean, rstd, dy, nullptr, partial, 5, 5, 0,
                                              40, 0});
  launch("fathom_layer_norm_backward_sums", {2}, SUM_BLOCK, 0,
         fathom_cuda_layer_norm_sums_args{partial, nullptr, d_bias, 2, 40});
  EXPECT_CLOSE(d_bias.values(), d.expected.d_bias, 1e-5);
}
