/*
 * The losses on depth maps against their definitions in float64 (../loss_reference.c), which the CPU's
 * tests check by finite differences.
 */
#include <cmath>
#include <limits>

#include "../../cuda/args_loss.h"
#include "arrays.h"
extern "C" {
#include "../loss_reference.h"
}

namespace {

enum Kind { SSI, CUTMIX, MATCHING, SILOG, KINDS };
const char* const names[KINDS] = {"ssi_loss", "cutmix_loss", "gradient_matching_loss", "silog_loss"};

struct Problem {
  Kind kind;
  int64_t batch, height, width, n;
  std::vector<float> prediction, target, outside, mask; /* mask may be empty */
  std::vector<int64_t> boxes;
  double trim = 0, beta = 0.15, factor = 1;

  bool boxed() const { return kind == CUTMIX; }
  bool masked() const { return kind != CUTMIX && !mask.empty(); }
};

Problem make(Kind kind, int64_t batch, int64_t height, int64_t width, bool masked) {
  const int64_t n = batch * height * width;
  Problem p{kind, batch, height, width, n, random_values(n, 1), random_values(n, 2),
            random_values(n, 3), {}, std::vector<int64_t>(4 * batch)};
  if (masked) {
    p.mask = random_values(n, 4);
    for (float& m : p.mask) m = m > -0.5f;
  }
  for (int64_t b = 0; b < batch; b++) {
    p.boxes[4 * b] = height * (b % 3) / 7;
    p.boxes[4 * b + 1] = width * (b % 2) / 3;
    p.boxes[4 * b + 2] = height * (4 + b % 3) / 7;
    p.boxes[4 * b + 3] = width * (1 + b % 3) / 3;
  }
  if (kind == SILOG)
    for (int64_t i = 0; i < n; i++) {
      p.prediction[i] = 0.2f + 9 * fabsf(p.prediction[i]);
      p.target[i] = 0.2f + 9 * fabsf(p.target[i]);
    }
  return p;
}

struct Result {
  double loss;
  std::vector<float> gradient;
};

/* The launches of args_loss.h, with or without a gradient, several times with one workspace. */
Result launch_all(const Problem& p, bool with_gradient, int times = 1) {
  Tensor prediction = Tensor::floats(p.prediction), target = Tensor::floats(p.target);
  Tensor outside = Tensor::floats(p.outside), mask = Tensor::floats(p.mask), boxes = array_of(p.boxes);
  Tensor gradient = Tensor::empty_floats(p.n), loss = empty_array<double>(1);
  const int64_t regions = p.boxed() ? 2 * p.batch : p.batch, pixels = p.height * p.width;
  const int64_t chunks = ceil_div(p.kind == SILOG ? p.n : pixels, FATHOM_CUDA_LOSS_CHUNK);
  const int64_t tiles =
      ceil_div(p.height, FATHOM_CUDA_LOSS_TILE_HEIGHT) * ceil_div(p.width, FATHOM_CUDA_LOSS_TILE_WIDTH);
  int64_t zero = FATHOM_CUDA_LOSS_HEADER_BYTES, bytes = zero + chunks * FATHOM_CUDA_LOSS_CHUNK_BYTES;
  if (p.kind != SILOG) {
    int64_t parts = chunks * FATHOM_CUDA_LOSS_CHUNK_BYTES;
    if (p.kind == MATCHING) parts = std::max(parts, tiles * FATHOM_CUDA_LOSS_TILE_BYTES);
    zero += regions * FATHOM_CUDA_LOSS_TABLE_BYTES;
    bytes = zero + regions * (FATHOM_CUDA_LOSS_REGION_BYTES + parts);
  }
  Tensor workspace = workspace_of(bytes, zero);
  fathom_cuda_map_loss_args a = {};
  a.prediction = prediction;
  a.target = target;
  if (p.boxed()) a.outside = outside, a.boxes = boxes;
  if (p.masked()) a.mask = mask;
  if (with_gradient) a.gradient = gradient;
  a.loss = loss;
  a.workspace = workspace;
  a.batch = p.batch, a.height = p.height, a.width = p.width;
  a.factor = p.factor, a.trim = p.trim, a.beta = p.beta;
  const auto run = [&](const char* kernel, int64_t x, int64_t y) {
    launch(kernel, dim(x, y), {FATHOM_CUDA_LOSS_THREADS}, 0, a);
  };
  for (int i = 0; i < times; i++) {
    if (p.kind == SILOG) {
      run("fathom_silog_loss_sums", chunks, 1);
      if (with_gradient) run("fathom_silog_loss_gradient", chunks, 1);
    } else {
      run("fathom_loss_median_high", chunks, regions);
      run("fathom_loss_median_middle", chunks, regions);
      run("fathom_loss_median_low", chunks, regions);
      if (p.kind == MATCHING) {
        run("fathom_gradient_matching_loss_sums", tiles, p.batch);
        if (with_gradient) run("fathom_gradient_matching_loss_gradient", chunks, p.batch);
      } else {
        if (p.trim > 0) {
          run("fathom_ssi_loss_trim_high", chunks, regions);
          run("fathom_ssi_loss_trim_middle", chunks, regions);
          run("fathom_ssi_loss_trim_low", chunks, regions);
        }
        run("fathom_ssi_loss_sums", chunks, regions);
        if (with_gradient) run("fathom_ssi_loss_gradient", chunks, regions);
      }
    }
  }
  return {contents<double>(loss)[0], gradient.values()};
}

/* The same bits under every schedule; once with a workspace used before, once without a gradient. */
Result run(const Problem& p) {
  const Result first = launch_all(p, true);
  int order = 0;
  each_schedule([&] {
    const bool again = order == 0, with_gradient = order != 1;
    const Result other = launch_all(p, with_gradient, again ? 2 : 1);
    EXPECT(same_bits(other.loss, first.loss), "%s: %.17g, then %.17g", names[p.kind], first.loss, other.loss);
    EXPECT(!with_gradient || same_bits(other.gradient, first.gradient), "%s: other bits", names[p.kind]);
    order++;
  });
  return first;
}

double reference(const Problem& p, std::vector<double>& gradient) {
  const std::vector<double> x(p.prediction.begin(), p.prediction.end());
  const loss_problem s = {p.batch, p.height, p.width, p.target.data(), p.outside.data(),
                          p.masked() ? p.mask.data() : nullptr, p.boxed() ? p.boxes.data() : nullptr, p.trim};
  gradient.assign(p.n, 0);
  double loss;
  if (p.kind == MATCHING)
    loss = reference_gradient_matching(&s, x.data(), gradient.data());
  else if (p.kind == SILOG)
    loss = reference_silog(&s, p.beta, x.data(), gradient.data());
  else
    loss = reference_ssi(&s, x.data(), gradient.data());
  for (double& g : gradient) g *= p.factor;
  return loss;
}

/* Value and gradient; an element or two may have a residual of the other sign. */
void check(const Problem& p) {
  std::vector<double> expected;
  const double value = reference(p, expected);
  const Result r = run(p);
  EXPECT(fabs(r.loss - value) <= 2e-6 * fmax(fabs(value), 0.1), "%s [%ld,%ld,%ld] trim %g: %.9g instead of %.9g",
         names[p.kind], (long)p.batch, (long)p.height, (long)p.width, p.trim, r.loss, value);
  const double error = relative_error(r.gradient, expected);
  EXPECT(error <= 2e-4, "%s [%ld,%ld,%ld] trim %g: gradient's relative error %g", names[p.kind], (long)p.batch,
         (long)p.height, (long)p.width, p.trim, error);
}

bool all_zero(const std::vector<float>& x) {
  for (float v : x)
    if (v != 0) return false;
  return true;
}

}  // namespace

TEST_ONCE(loss_is_its_definition) {
  /* Chunks of 8192 pixels; tiles of 32 x 64; pictures that do not begin on 16 bytes. */
  static const int64_t shapes[][3] = {{1, 5, 7},  {3, 37, 41}, {2, 16, 48}, {1, 1, 40},
                                      {2, 33, 1}, {1, 3, 3},   {5, 9, 17},  {2, 70, 131}, {1, 92, 100}};
  for (const auto& s : shapes)
    for (int kind = 0; kind < KINDS; kind++)
      for (int masked = 0; masked < 2; masked++) {
        if (kind == CUTMIX && masked) continue;
        Problem p = make((Kind)kind, s[0], s[1], s[2], masked);
        p.factor = masked ? 1 : -0.25;
        check(p);
        if (kind != SSI) continue;
        p.trim = 0.1;
        check(p);
        p.trim = 0.75;
        check(p);
      }
}

TEST_ONCE(loss_shares_the_medians_gradient_among_ties) {
  for (int kind = SSI; kind <= MATCHING; kind++)
    for (int trimmed = 0; trimmed < (kind == SSI ? 2 : 1); trimmed++) {
      Problem p = make((Kind)kind, 2, 20, 31, true);
      p.trim = trimmed ? 0.3 : 0;
      for (int64_t i = 0; i < p.n; i++) {
        p.prediction[i] = fmaxf(0.0f, rintf(4 * p.prediction[i]));
        p.target[i] = rintf(3 * p.target[i]);
      }
      for (int64_t i = 3; i < p.n; i += 7)
        if (p.prediction[i] == 0) p.prediction[i] = -0.0f;
      check(p);
    }
}

TEST_ONCE(loss_of_wide_ranges_of_values) {
  for (float scale : {1e-30f, 1e-6f, 1e6f, 1e30f})
    for (int kind = SSI; kind <= MATCHING; kind++) {
      Problem p = make((Kind)kind, 1, 17, 19, false);
      for (float& x : p.prediction) x *= scale;
      check(p);
    }
}

/* All bits of the numbers that differ are in the last of the three rounds, then in the first. */
TEST_ONCE(loss_of_values_that_differ_in_few_bits) {
  for (int variant = 0; variant < 3; variant++) {
    Problem p = make(SSI, 1, 33, 35, false);
    for (int64_t i = 0; i < p.n; i++) {
      const float x = p.prediction[i];
      p.prediction[i] = variant == 0 ? 1 + 1e-6f * floorf(50 * x) : variant == 1 ? ldexpf(1, (int)(20 * x)) : -3 - x;
      if (variant == 0) p.target[i] = -1000 - 0.01f * p.target[i];
    }
    if (variant == 0) p.prediction[5] = 2; /* far from all others */
    check(p);
  }
}

TEST_ONCE(loss_without_anything_to_normalise_is_zero) {
  for (int kind = SSI; kind <= MATCHING; kind++)
    for (int variant = 0; variant < 4; variant++) {
      if (kind == CUTMIX && variant == 0) continue;
      const int64_t height = variant == 3 ? 1 : 9, width = variant == 3 ? 1 : 21;
      Problem p = make((Kind)kind, 2, height, width, true);
      for (int64_t i = 0; i < p.n; i++) {
        if (variant == 0) p.mask[i] = 0, p.prediction[i] = NAN;
        if (variant == 1) p.prediction[i] = 0.3f;
        if (variant == 2) p.target[i] = p.outside[i] = 7;
        if (variant == 3) p.mask[i] = 1;
      }
      if (variant == 3) std::fill(p.boxes.begin(), p.boxes.end(), 0);
      const Result r = run(p);
      EXPECT(r.loss == 0 && all_zero(r.gradient), "%s, variant %d: %g", names[kind], variant, r.loss);
    }
}

/* The other picture's part does not change. */
TEST_ONCE(loss_leaves_out_a_constant_picture) {
  for (int kind = SSI; kind <= MATCHING; kind++) {
    Problem p = make((Kind)kind, 2, 12, 13, false);
    for (int64_t i = 0; i < p.n / 2; i++) p.prediction[i] = 2;
    check(p);
  }
}

/* One valid pixel of ten, nine of which may be kept of none. */
TEST_ONCE(loss_that_keeps_no_residual_is_zero) {
  Problem p = make(SSI, 1, 2, 2, false);
  p.trim = 0.8;
  const Result r = run(p);
  EXPECT(r.loss == 0 && all_zero(r.gradient), "%g", r.loss);
}

TEST_ONCE(loss_of_empty_and_whole_boxes) {
  static const int64_t boxes[][4] = {{0, 0, 0, 0}, {5, 4, 5, 9}, {3, 6, 9, 6}, {0, 0, 12, 13}};
  for (int variant = 0; variant < 4; variant++) {
    Problem p = make(CUTMIX, 2, 12, 13, false), whole = make(SSI, 2, 12, 13, false);
    for (int i = 0; i < 8; i++) p.boxes[i] = boxes[variant][i % 4];
    check(p);
    if (variant < 3) whole.target = p.outside;
    const double a = launch_all(p, true).loss, b = launch_all(whole, true).loss;
    EXPECT(fabs(a - b) <= 1e-12, "box %d: %.17g and %.17g", variant, a, b);
  }
}

/* Of a region that has one; other pictures and regions keep their gradient, masked pixels have none. */
TEST_ONCE(loss_with_nan_is_nan) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (float value : {NAN, -NAN, infinity, -infinity})
    for (int kind = SSI; kind <= MATCHING; kind++)
      for (int in_target = 0; in_target < 2; in_target++)
        for (int trimmed = 0; trimmed < (kind == SSI ? 2 : 1); trimmed++) {
          Problem p = make((Kind)kind, 2, 14, 19, true);
          p.trim = trimmed ? 0.1 : 0;
          const int64_t at = 2 * 14 * 19 - 1;
          p.mask[at] = 1;
          (in_target ? kind == CUTMIX ? p.outside : p.target : p.prediction)[at] = value;
          const Result r = launch_all(p, true);
          EXPECT(std::isnan(r.loss), "%s: loss %g with %g", names[kind], r.loss, (double)value);
          const int64_t* box = p.boxes.data() + 4;
          for (int64_t i = 0; i < p.n; i++) {
            const int64_t y = i % 266 / 19, x = i % 19;
            bool same = i >= 266 && (kind != CUTMIX || y < box[0] || y >= box[2] || x < box[1] || x >= box[3]);
            if (kind != CUTMIX && p.mask[i] == 0) same = false;
            if (same == std::isnan(r.gradient[i])) continue;
            EXPECT(false, "%s: gradient[%ld] is %g", names[kind], (long)i, (double)r.gradient[i]);
            break;
          }
        }
}

TEST_ONCE(loss_does_not_look_at_masked_pixels) {
  for (int kind = 0; kind < KINDS; kind++) {
    if (kind == CUTMIX) continue;
    Problem p = make((Kind)kind, 3, 14, 19, true);
    p.trim = kind == SSI ? 0.1 : 0;
    const Result plain = launch_all(p, true);
    for (int64_t i = 0; i < p.n; i++)
      if (p.mask[i] == 0) p.prediction[i] = p.target[i] = i % 2 ? NAN : std::numeric_limits<float>::infinity();
    const Result r = launch_all(p, true);
    EXPECT(same_bits(r.loss, plain.loss) && same_bits(r.gradient, plain.gradient), "%s: %g and %g", names[kind],
           r.loss, plain.loss);
    for (int64_t i = 0; i < p.n; i++)
      if (p.mask[i] == 0 && r.gradient[i] != 0) EXPECT(false, "%s: gradient[%ld]", names[kind], (long)i);
  }
}

TEST_ONCE(loss_silog_of_few_and_of_wrong_pixels) {
  Problem p = make(SILOG, 1, 4, 5, true);
  std::fill(p.mask.begin(), p.mask.end(), 0.0f);
  Result r = run(p);
  EXPECT(r.loss == 0 && all_zero(r.gradient), "no pixel: %g", r.loss);
  p.mask[7] = 1;
  check(p);
  p.prediction[7] = p.target[7];
  r = run(p);
  EXPECT(r.loss == 0 && all_zero(r.gradient), "a perfect pixel: %g", r.loss);
  p.prediction[7] = p.target[7] = -1;
  EXPECT(std::isnan(launch_all(p, true).loss), "negative numbers");
  /* Over all magnitudes of a float. */
  p = make(SILOG, 1, 30, 41, false);
  for (int64_t i = 0; i < p.n; i++) {
    p.prediction[i] = powf(10, (float)(i % 68) - 38);
    p.target[i] = powf(10, (float)(i % 31) - 6);
  }
  check(p);
}
