/* epilogue.cu. */
#include <cmath>

#include "../../cuda/args_epilogue.h"
#include "harness.h"

namespace {

enum { NONE = 0, RELU = 1, GELU = 2 };

double activated(int activation, double v) {
  if (activation == RELU) return v > 0 ? v : 0;
  if (activation == GELU) return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
  return v;
}

/* With and without each part; y may be one of the inputs. */
void check(int rows, int columns, int activation, bool parts, bool in_place) {
  const int64_t n = (int64_t)rows * columns;
  const std::vector<float> z = to_elem(random_values(n, 1)), first = to_elem(random_values(n, 2)),
                           second = to_elem(random_values(n, 3)),
                           bias = random_values(columns, 4), scale = random_values(columns, 5);
  Tensor zs = Tensor::elems(z), residual = Tensor::elems(first), residual2 = Tensor::elems(second),
         biases = Tensor::floats(bias), scales = Tensor::floats(scale),
         other = Tensor::empty_elems(n), before = Tensor::empty_elems(n);
  Tensor& y = in_place ? residual : other;
  fathom_cuda_epilogue_args args = {};
  args.z = zs;
  args.y = y;
  if (parts) {
    args.bias = biases;
    args.scale = scales;
    args.residual2 = residual2;
    args.pre_activation = before;
  }
  if (parts || in_place) args.residual = residual;
  args.rows = rows;
  args.columns = columns;
  args.activation = activation;
  launch("fathom_epilogue",
         {(unsigned)ceil_div(rows * ceil_div(columns, 8), FATHOM_EPILOGUE_THREADS)},
         {FATHOM_EPILOGUE_THREADS}, 0, args);
  std::vector<double> expected(n), expected_before(n);
  std::vector<float> plain(n), plain_before(n);
  for (int64_t i = 0; i < n; i++) {
    const int c = (int)(i % columns);
    const double pre = z[i] + (parts ? (double)bias[c] : 0.0);
    double v = activated(activation, pre) * (parts ? (double)scale[c] : 1.0);
    if (parts || in_place) v += first[i];
    if (parts) v += second[i];
    expected[i] = v;
    expected_before[i] = pre;
    plain[i] = to_elem((float)v);
    plain_before[i] = to_elem((float)pre);
  }
  EXPECT_CALIBRATED(y.values(), expected, plain);
  if (parts) EXPECT_CALIBRATED(before.values(), expected_before, plain_before);
}

}  // namespace

TEST(epilogue_with_all_its_parts) {
  for (const int columns : {1, 7, 8, 24, 129})
    for (const int activation : {NONE, RELU, GELU}) check(5, columns, activation, true, false);
}

TEST(epilogue_alone) {
  for (const int columns : {8, 13})
    for (const int activation : {NONE, RELU, GELU}) check(67, columns, activation, false, false);
}

TEST(epilogue_onto_its_residual) {
  check(33, 16, GELU, true, true);
  check(33, 17, NONE, false, true);
}
