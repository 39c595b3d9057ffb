/*
 * The losses on tokens and logits against their definitions in float64. Activations are rounded to elem
 * first; a gradient may then be twice as far off as the exact one is when rounded.
 */
#include <cmath>
#include <limits>

#include "../../cuda/args_loss.h"
#include "arrays.h"
extern "C" {
#include "../loss_reference.h"
}

namespace {

struct Result {
  double loss;
  int64_t kept;
  std::vector<float> gradient;
};

int64_t blocks_of(int64_t rows) { return ceil_div(rows, FATHOM_CUDA_LOSS_ROWS); }
int64_t workspace_bytes(int64_t rows) {
  return FATHOM_CUDA_LOSS_HEADER_BYTES + (rows + 31) / 32 * 32 * FATHOM_CUDA_LOSS_ROW_BYTES +
         blocks_of(rows) * FATHOM_CUDA_LOSS_ROWS_BYTES;
}

/* Below twice what rounding costs, and what the sums in float do. */
double bound_of(const std::vector<double>& expected) {
  return 2 * relative_error(to_elem(to_float(expected)), expected) + 2e-6;
}

/* ---- alignment ---- */

Result launch_alignment(const std::vector<float>& student, const std::vector<float>& frozen, int64_t rows,
                        int64_t channels, double margin, double factor) {
  Tensor s = Tensor::elems(student), f = Tensor::elems(frozen), gradient = Tensor::empty_elems(rows * channels);
  Tensor loss = empty_array<double>(1), kept = empty_array<int64_t>(1);
  Tensor workspace = workspace_of(workspace_bytes(rows), FATHOM_CUDA_LOSS_HEADER_BYTES);
  const fathom_cuda_alignment_loss_args a = {s, f, gradient, loss, kept, workspace, rows, channels, margin, factor};
  launch("fathom_alignment_loss_sums", dim(blocks_of(rows)), {FATHOM_CUDA_LOSS_THREADS}, 0, a);
  launch("fathom_alignment_loss_gradient", dim(blocks_of(rows)), {FATHOM_CUDA_LOSS_THREADS}, 0, a);
  return {contents<double>(loss)[0], contents<int64_t>(kept)[0], gradient.values()};
}

void check_alignment(int64_t rows, int64_t channels, double margin, double factor) {
  const int64_t n = rows * channels;
  std::vector<float> student = random_values(n, 1), frozen = random_values(n, 2);
  for (int64_t i = 0; i < n; i++)
    frozen[i] = 0.5f * frozen[i] + student[i] * (float)(i / channels) / (float)rows;
  /* A token of zeros has no direction. */
  if (rows > 3) std::fill_n(student.begin() + channels, channels, 0.0f);
  if (rows > 3) std::fill_n(frozen.begin() + 2 * channels, channels, 0.0f);
  student = to_elem(student), frozen = to_elem(frozen);
  const std::vector<double> x(student.begin(), student.end());
  std::vector<double> expected(n);
  int64_t kept;
  const double value = reference_alignment(x.data(), frozen.data(), rows, channels, margin, &kept, expected.data());
  for (double& g : expected) g *= factor;
  const Result first = launch_alignment(student, frozen, rows, channels, margin, factor);
  each_schedule([&] {
    const Result r = launch_alignment(student, frozen, rows, channels, margin, factor);
    EXPECT(same_bits(r.loss, first.loss) && r.kept == first.kept && same_bits(r.gradient, first.gradient),
           "[%ld,%ld]: other bits", (long)rows, (long)channels);
  });
  EXPECT(fabs(first.loss - value) <= 1e-6 * fmax(value, 0.1) && first.kept == kept,
         "[%ld,%ld]: %.9g of %ld tokens instead of %.9g of %ld", (long)rows, (long)channels, first.loss,
         (long)first.kept, value, (long)kept);
  const double error = relative_error(first.gradient, expected);
  EXPECT(error <= bound_of(expected), "[%ld,%ld]: gradient's relative error %g", (long)rows, (long)channels, error);
}

/* ---- cross-entropy ---- */

Result launch_cross_entropy(const std::vector<float>& logits, const std::vector<float>& target, int64_t rows,
                            int64_t classes, double factor) {
  Tensor x = Tensor::elems(logits), p = Tensor::floats(target), gradient = Tensor::empty_elems(rows * classes);
  Tensor loss = empty_array<double>(1);
  Tensor workspace = workspace_of(workspace_bytes(rows), FATHOM_CUDA_LOSS_HEADER_BYTES);
  const fathom_cuda_cross_entropy_loss_args a = {x, p, gradient, loss, workspace, rows, classes, factor};
  launch("fathom_cross_entropy_loss_sums", dim(blocks_of(rows)), {FATHOM_CUDA_LOSS_THREADS}, 0, a);
  launch("fathom_cross_entropy_loss_gradient", dim(blocks_of(rows)), {FATHOM_CUDA_LOSS_THREADS}, 0, a);
  return {contents<double>(loss)[0], 0, gradient.values()};
}

double reference_cross_entropy(const std::vector<float>& x, const std::vector<float>& p, int64_t rows,
                               int64_t classes, double factor, std::vector<double>& gradient) {
  double total = 0, counted = 0;
  gradient.assign(rows * classes, 0);
  for (int pass = 0; pass < 2; pass++)
    for (int64_t i = 0; i < rows; i++) {
      const float *row = x.data() + i * classes, *target = p.data() + i * classes;
      double largest = row[0], sum = 0, weight = 0;
      for (int64_t k = 0; k < classes; k++) largest = fmax(largest, row[k]), weight += target[k];
      for (int64_t k = 0; k < classes; k++) sum += exp(row[k] - largest);
      if (weight == 0) continue;
      counted += pass == 0;
      for (int64_t k = 0; k < classes; k++) {
        const double log_probability = row[k] - largest - log(sum);
        if (pass == 0) total -= target[k] * log_probability;
        else gradient[i * classes + k] = factor / counted * (weight * exp(log_probability) - target[k]);
      }
    }
  return counted > 0 ? total / counted : 0;
}

void check_cross_entropy(int64_t rows, int64_t classes, float scale) {
  const int64_t n = rows * classes;
  std::vector<float> logits = random_values(n, 3), target = random_values(n, 4);
  for (float& x : logits) x *= scale;
  logits = to_elem(logits);
  for (int64_t i = 0; i < rows; i++) {
    float sum = 0;
    for (int64_t k = 0; k < classes; k++) {
      float& p = target[i * classes + k];
      p = i % 3 == 1 ? (float)(k == i % classes) : p * p * p * p;
      sum += p;
    }
    for (int64_t k = 0; k < classes; k++) target[i * classes + k] *= i % 5 == 4 ? 0 : 1 / sum;
  }
  std::vector<double> expected;
  const double value = reference_cross_entropy(logits, target, rows, classes, -0.5, expected);
  const Result first = launch_cross_entropy(logits, target, rows, classes, -0.5);
  each_schedule([&] {
    const Result r = launch_cross_entropy(logits, target, rows, classes, -0.5);
    EXPECT(same_bits(r.loss, first.loss) && same_bits(r.gradient, first.gradient), "[%ld,%ld]: other bits",
           (long)rows, (long)classes);
  });
  EXPECT(fabs(first.loss - value) <= 1e-6 * fmax(value, 0.1), "[%ld,%ld]: %.9g instead of %.9g", (long)rows,
         (long)classes, first.loss, value);
  const double error = relative_error(first.gradient, expected);
  EXPECT(error <= bound_of(expected), "[%ld,%ld]: gradient's relative error %g", (long)rows, (long)classes, error);
}

}  // namespace

TEST(loss_alignment_is_its_definition) {
  check_alignment(70, 64, 0.85, 1);
  check_alignment(9, 13, 0.85, -3);
  check_alignment(1, 2, 2, 1);
  check_alignment(33, 1029, 0.85, 1);
  check_alignment(35, 384, 0.85, 0.1);
  check_alignment(5, 16, -1, 1);
}

TEST(loss_alignment_edge_cases) {
  std::vector<float> student = to_elem(random_values(60, 5)), frozen = to_elem(random_values(60, 6));
  /* Tokens that agree are left out. */
  Result r = launch_alignment(student, student, 3, 20, 0.85, 1);
  EXPECT(r.loss == 0 && r.kept == 0, "%g of %ld tokens", r.loss, (long)r.kept);
  for (float g : r.gradient) EXPECT(g == 0, "a gradient of %g", (double)g);
  student[25] = NAN;
  r = launch_alignment(student, frozen, 3, 20, 0.85, 1);
  EXPECT(std::isnan(r.loss) && r.kept == 3, "%g of %ld tokens", r.loss, (long)r.kept);
  for (int i = 0; i < 60; i++) EXPECT(std::isnan(r.gradient[i]) == (i / 20 == 1), "gradient[%d]", i);
}

TEST(loss_cross_entropy_is_its_definition) {
  check_cross_entropy(1, 1, 1);
  check_cross_entropy(7, 3, 4);
  check_cross_entropy(70, 37, 2);
  check_cross_entropy(33, 1000, 8);
  check_cross_entropy(4, 32, 80); /* far beyond what exp takes */
}

TEST(loss_cross_entropy_edge_cases) {
  const std::vector<float> none(12, 0.0f), logits = to_elem(random_values(12, 7));
  Result r = launch_cross_entropy(logits, none, 3, 4, 1);
  EXPECT(r.loss == 0, "%g without a row that counts", r.loss);
  for (float g : r.gradient) EXPECT(g == 0, "a gradient of %g", (double)g);
  std::vector<float> target(12, 0.25f), bad = logits;
  for (float value : {NAN, std::numeric_limits<float>::infinity()}) {
    bad[5] = value;
    r = launch_cross_entropy(bad, target, 3, 4, 1);
    EXPECT(std::isnan(r.loss), "%g with %g", r.loss, (double)value);
    for (int i = 0; i < 12; i++) EXPECT(std::isnan(r.gradient[i]) == (i / 4 == 1), "gradient[%d]", i);
    for (int i = 4; i < 8; i++) target[i] = 0; /* a row that does not count may be anything */
    r = launch_cross_entropy(bad, target, 3, 4, 1);
    EXPECT(std::isfinite(r.loss) && r.gradient[5] == 0, "%g", r.loss);
    for (int i = 4; i < 8; i++) target[i] = 0.25f;
  }
}
