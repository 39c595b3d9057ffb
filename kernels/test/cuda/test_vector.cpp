/* vector.cu: fill, axpby, sum of squares, conversions. */
#include "../../cuda/args_vector.h"
#include "harness.h"

namespace {

const std::vector<int64_t> SIZES = {1, 7, 8, 255, 2048, 2049, 5003};
const Dim BLOCK = {FATHOM_VECTOR_THREADS};
Dim grid(int64_t n) { return {static_cast<unsigned>(ceil_div(n, FATHOM_VECTOR_PER_BLOCK))}; }

}  // namespace

TEST(fill_writes_every_element) {
  for (const int64_t n : SIZES) {
    Tensor x = Tensor::empty_floats(n), e = Tensor::empty_elems(n);
    launch("fathom_fill", grid(n), BLOCK, 0, fathom_cuda_fill_args{x, n, 0.7f});
    launch("fathom_fill_elem", grid(n), BLOCK, 0, fathom_cuda_fill_args{e, n, 0.7f});
    EXPECT_CLOSE(x.values(), std::vector<double>(n, 0.7f), 0);
    EXPECT_CLOSE(e.values(), std::vector<double>(n, to_elem(0.7f)), 0);
  }
}

TEST(axpby_adds) {
  for (const int64_t n : SIZES) {
    const std::vector<float> u = random_values(n, 1), v = random_values(n, 2);
    Tensor x = Tensor::floats(u), y = Tensor::floats(v), xe = Tensor::elems(u),
           ye = Tensor::elems(v);
    launch("fathom_axpby", grid(n), BLOCK, 0, fathom_cuda_axpby_args{x, y, n, 0.3f, -1.7f});
    launch("fathom_axpby_elem", grid(n), BLOCK, 0,
           fathom_cuda_axpby_elem_args{xe, ye, n, 0.3f, -1.7f});
    std::vector<double> expected(n), expected_elem(n);
    std::vector<float> plain(n);
    for (int64_t i = 0; i < n; i++) {
      expected[i] = 0.3f * (double)u[i] - 1.7f * (double)v[i];
      expected_elem[i] = 0.3f * (double)to_elem(u[i]) - 1.7f * (double)to_elem(v[i]);
      plain[i] = to_elem((float)expected_elem[i]);
    }
    EXPECT_CLOSE(y.values(), expected, 1e-6);
    EXPECT_CALIBRATED(ye.values(), expected_elem, plain);
  }
}

TEST(axpby_with_b_zero_does_not_read_y) {
  const int64_t n = 1001;
  const std::vector<float> u = random_values(n, 3);
  Tensor x = Tensor::floats(u), y = Tensor::empty_floats(n); /* y holds NaN */
  launch("fathom_axpby", grid(n), BLOCK, 0, fathom_cuda_axpby_args{x, y, n, 2, 0});
  std::vector<double> expected(n);
  for (int64_t i = 0; i < n; i++) expected[i] = 2.0 * u[i];
  EXPECT_CLOSE(y.values(), expected, 0);
  launch("fathom_axpby", grid(n), BLOCK, 0, fathom_cuda_axpby_args{x, x, n, 2, 1}); /* in place */
  for (int64_t i = 0; i < n; i++) expected[i] = 3.0 * u[i];
  EXPECT_CLOSE(x.values(), expected, 1e-6);
}

TEST(sum_of_squares) {
  for (const int64_t n : SIZES) {
    for (const unsigned blocks : {1u, 3u}) {
      const std::vector<float> u = random_values(n, 4);
      double expected = 0.25;
      for (const float v : u) expected += (double)v * v;
      Tensor x = Tensor::floats(u), partials = Tensor::empty_bytes(8 * blocks);
      const double start = 0.25;
      Tensor sum = Tensor::bytes(&start, 8);
      launch("fathom_partial_squares", {blocks}, BLOCK, 0,
             fathom_cuda_partial_squares_args{x, partials, n});
      launch("fathom_sum_partials", {1}, BLOCK, 0,
             fathom_cuda_sum_partials_args{partials, sum, static_cast<int32_t>(blocks), 1});
      double actual;
      memcpy(&actual, sum.bytes().data(), 8);
      EXPECT(std::fabs(actual - expected) < 1e-12 * expected, "n %lld: %.17g, expected %.17g",
             (long long)n, actual, expected);
    }
  }
}

TEST(conversions_round_to_nearest_even) {
  for (const int64_t n : SIZES) {
    std::vector<float> u = random_values(n, 5, -100, 100);
    if (n > 4) u[0] = 1 + 1.0f / 256, u[1] = 1 + 3.0f / 256, u[2] = -INFINITY, u[3] = 3.4e38f;
    Tensor x = Tensor::floats(u), e = Tensor::empty_elems(n), y = Tensor::empty_floats(n);
    launch("fathom_elem_from_float", grid(n), BLOCK, 0, fathom_cuda_convert_args{x, e, n});
    launch("fathom_float_from_elem", grid(n), BLOCK, 0, fathom_cuda_convert_args{e, y, n});
    EXPECT_CLOSE(e.values(), to_double(to_elem(u)), 0);
    EXPECT_CLOSE(y.values(), to_double(to_elem(u)), 0);
  }
}
