/* Reading and distorting pictures against their definitions in float64 (../augment_reference.c). */
#include <cmath>

#include "../../cuda/args_augment.h"
#include "arrays.h"
extern "C" {
#include "../augment_reference.h"
}

namespace {

int64_t rounded_up(int64_t n, int64_t to) { return ceil_div(n, to) * to; }

/* ---- reading ---- */

int32_t taps_of(double scale) { return 2 * (int32_t)ceil(2 * fmax(scale, 1)) + 1; }

std::vector<float> launch_read(const fathom_read_picture_args& p, const std::vector<uint8_t>& pixels) {
  Tensor source = Tensor::bytes(pixels), y = Tensor::empty_floats(p.out_height * p.out_width * 3);
  fathom_cuda_read_picture_args a = {};
  a.row_taps = taps_of(p.crop_height / (double)p.out_height);
  a.column_taps = taps_of(p.crop_width / (double)p.out_width);
  a.source_rows = (int32_t)std::min<int64_t>(p.height, (int64_t)p.crop_height + a.row_taps + 2);
  const int64_t pitch = rounded_up(3 * p.out_width, 4);
  Tensor workspace = Tensor::empty_floats(rounded_up(p.out_height + p.out_width, 64) +
                                          rounded_up(p.out_height * a.row_taps, 64) +
                                          rounded_up(p.out_width * a.column_taps, 64) + a.source_rows * pitch);
  a.pixels = source, a.y = y, a.workspace = workspace;
  a.height = p.height, a.width = p.width, a.out_height = p.out_height, a.out_width = p.out_width;
  a.crop_top = p.crop_top, a.crop_left = p.crop_left;
  a.crop_height = p.crop_height, a.crop_width = p.crop_width;
  a.flip = (int32_t)p.flip;
  const int threads = FATHOM_CUDA_READ_THREADS;
  launch("fathom_read_picture_filters", dim(ceil_div(p.out_height + p.out_width, FATHOM_CUDA_READ_FILTERS)),
         dim(threads), 0, a);
  launch("fathom_read_picture_rows",
         dim(ceil_div(a.source_rows, FATHOM_CUDA_READ_ROWS), ceil_div(p.out_width, threads)), dim(threads), 0, a);
  launch("fathom_read_picture_columns", dim(p.out_height, ceil_div(pitch, 4 * threads)), dim(threads), 0, a);
  return y.values();
}

void check_read(int64_t height, int64_t width, double top, double left, double crop_height, double crop_width,
                int64_t oh, int64_t ow, int64_t flip) {
  const std::vector<float> noise = random_values(height * width * 3, 1);
  std::vector<uint8_t> pixels;
  for (float x : noise) pixels.push_back((uint8_t)(128 + 127 * x));
  const fathom_read_picture_args p = {height, width,      oh,   ow, pixels.data(), top, left, crop_height,
                                      crop_width, flip, nullptr};
  std::vector<double> expected(oh * ow * 3);
  reference_read_picture(&p, expected.data());
  const std::vector<float> y = launch_read(p, pixels);
  const double error = relative_error(y, expected);
  EXPECT(error <= 1e-6, "%ld x %ld to %ld x %ld: relative error %g", (long)height, (long)width, (long)oh, (long)ow,
         error);
  each_schedule([&] {
    EXPECT(same_bits(launch_read(p, pixels), y), "%ld x %ld to %ld x %ld: other bits", (long)height, (long)width,
           (long)oh, (long)ow);
  });
}

/* ---- distorting ---- */

constexpr int MAX_BATCH = 4;

struct Problem {
  int64_t batch, height, width, n;
  std::vector<int64_t> starts{0, 4, 8, 8, 13}, steps{0, 1, 2, 3, 3, 1, 0, 1, 1, 1, 2, 0, 1}, grey{0, 0, 1, 0};
  std::vector<int64_t> partners{1, 0, 3, 3}, boxes = std::vector<int64_t>(4 * MAX_BATCH);
  std::vector<float> factors{1.3f, 0.6f, 1.45f, -0.21f, 0.5f, 1.4f, 0.55f, 0.7f, 1.5f, 0.5f, 0.0f, 1.2f, 0.9f};
  std::vector<float> sigmas{2.0f, 0.0f, 0.1f, 1.1f}, x;
  bool cutmix = true;

  /* Every operation, in different orders; contrast twice, three times or never. */
  Problem(int64_t batch, int64_t height, int64_t width)
      : batch(batch), height(height), width(width), n(batch * height * width * 3), x(random_values(n, 2)) {
    for (float& v : x) v = fabsf(v);
    /* Flat pixels, black and white, and two channels alike. */
    for (int64_t i = 0; i + 3 <= n; i += 33) x[i] = x[i + 1] = x[i + 2];
    for (int64_t i = 3; i + 3 <= n; i += 45) x[i] = x[i + 1] = x[i + 2] = (float)(i % 2);
    for (int64_t i = 6; i + 3 <= n; i += 51) x[i + 1] = x[i + i % 2 * 2];
    for (int64_t b = 0; b < batch; b++) {
      boxes[4 * b] = height * b / 5;
      boxes[4 * b + 1] = b == 2 ? 0 : width / 3;
      boxes[4 * b + 2] = b == 1 ? height / 5 : height;
      boxes[4 * b + 3] = b == 3 ? width : width * 2 / 3;
    }
  }

  /* Nothing is done to colours. */
  void plain() {
    std::fill(starts.begin(), starts.end(), 0);
    std::fill(grey.begin(), grey.end(), 0);
  }

  fathom_distort_args args() const {
    fathom_distort_args a = {};
    a.batch = batch, a.height = height, a.width = width;
    a.x = x.data();
    a.step_starts = starts.data(), a.steps = steps.data(), a.step_factors = factors.data();
    a.grey = grey.data(), a.blur_sigmas = sigmas.data();
    if (cutmix) a.partners = partners.data(), a.boxes = boxes.data();
    const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
    for (int c = 0; c < 3; c++) a.mean[c] = mean[c], a.std[c] = deviation[c];
    return a;
  }
};

/* The launches of args_augment.h. */
std::vector<float> launch_distort(const Problem& p) {
  const fathom_distort_args d = p.args();
  const int64_t steps = p.starts[p.batch], chunks = ceil_div(p.height * p.width, FATHOM_CUDA_DISTORT_CHUNK);
  std::vector<fathom_cuda_distortion> distortions;
  std::vector<fathom_cuda_color_step> list;
  int rounds = 0;
  bool small = false, large = false;
  for (int64_t k = 0; k < steps; k++) list.push_back({(int32_t)p.steps[k], p.factors[k]});
  for (int64_t b = 0; b < p.batch; b++) {
    fathom_cuda_distortion o = {(int32_t)p.starts[b], (int32_t)p.starts[b + 1], (int32_t)p.grey[b], p.sigmas[b],
                                (int32_t)ceil(3 * (double)p.sigmas[b]), (int32_t)b, 0, 0, 0, 0};
    if (p.cutmix) {
      o.partner = (int32_t)p.partners[b];
      o.top = (int32_t)p.boxes[4 * b], o.left = (int32_t)p.boxes[4 * b + 1];
      o.bottom = (int32_t)p.boxes[4 * b + 2], o.right = (int32_t)p.boxes[4 * b + 3];
    }
    int contrasts = 0;
    for (int64_t k = p.starts[b]; k < p.starts[b + 1]; k++) contrasts += p.steps[k] == FATHOM_COLOR_CONTRAST;
    rounds = std::max(rounds, contrasts);
    small |= o.blur_radius > 0 && o.blur_radius <= FATHOM_CUDA_DISTORT_TILE_RADIUS;
    large |= o.blur_radius > FATHOM_CUDA_DISTORT_TILE_RADIUS;
    distortions.push_back(o);
  }
  Tensor x = Tensor::floats(p.x), y = Tensor::empty_floats(p.n);
  Tensor of_pictures = array_of(distortions), of_steps = array_of(list);
  const int64_t counters = rounded_up(4 * p.batch, 256);
  const int64_t small_parts = counters + rounded_up(8 * p.batch * chunks, 256) + rounded_up(4 * steps, 256);
  Tensor workspace = workspace_of(small_parts + (large ? 2 * rounded_up(4 * p.n, 256) : 0), counters);
  fathom_cuda_distort_args a = {};
  a.x = x, a.y = y, a.distortions = of_pictures, a.workspace = workspace;
  if (!list.empty()) a.steps = of_steps;
  a.batch = p.batch, a.height = p.height, a.width = p.width;
  a.step_count = (int32_t)steps;
  for (int c = 0; c < 3; c++) {
    a.scale[c] = (float)(1 / (double)d.std[c]);
    a.shift[c] = (float)(-(double)d.mean[c] / (double)d.std[c]);
  }
  const Dim threads = {FATHOM_CUDA_DISTORT_THREADS}, all = dim(chunks, p.batch);
  const int tile = FATHOM_CUDA_DISTORT_TILE;
  for (; a.round < rounds; a.round++) launch("fathom_distort_grey", all, threads, 0, a);
  launch("fathom_distort_point", all, threads, 0, a);
  if (small)
    launch("fathom_distort_blur", dim(ceil_div(p.height, tile) * ceil_div(p.width, tile), p.batch), threads, 0, a);
  if (large) {
    const Dim rows = dim(ceil_div(3 * p.width, FATHOM_CUDA_DISTORT_THREADS),
                         ceil_div(p.height, FATHOM_CUDA_DISTORT_LARGE_ROWS), p.batch);
    launch("fathom_distort_large_color", all, threads, 0, a);
    launch("fathom_distort_large_down", rows, threads, 0, a);
    launch("fathom_distort_large_across", rows, threads, 0, a);
  }
  const std::vector<uint8_t> after = workspace.bytes();
  for (int64_t i = 0; i < counters; i++) EXPECT(after[i] == 0, "counter %ld is not 0 again", (long)i / 4);
  return y.values();
}

void check(const Problem& p, const char* what, bool schedules = true) {
  const fathom_distort_args a = p.args();
  std::vector<double> expected(p.n);
  reference_distort(&a, expected.data());
  const std::vector<float> y = launch_distort(p);
  /* A sum of a thousand taps in float loses a little more. */
  float widest = 0;
  for (int64_t b = 0; b < p.batch; b++) widest = std::max(widest, p.sigmas[b]);
  const double error = relative_error(y, expected);
  EXPECT(error <= 2e-6 * (1 + widest / 50), "%s [%ld,%ld,%ld]: relative error %g", what, (long)p.batch,
         (long)p.height, (long)p.width, error);
  if (!schedules) return;
  each_schedule([&] { EXPECT(same_bits(launch_distort(p), y), "%s: other bits", what); });
}

}  // namespace

TEST_ONCE(augment_reads_a_crop_as_defined) {
  check_read(20, 30, 0, 0, 20, 30, 20, 30, 0);
  check_read(20, 30, 3.25, 7.5, 11.5, 13.125, 17, 29, 1);
  check_read(61, 47, 0, 0, 61, 47, 13, 9, 0);
  check_read(61, 47, 10, 5, 40.5, 41.5, 40, 5, 1);
  check_read(1, 1, 0, 0, 1, 1, 5, 7, 0);
  check_read(7, 200, 6.5, 0.1, 0.25, 199.5, 3, 3, 0);
  check_read(90, 3, 0, 1, 90, 1, 1, 1, 1);
  check_read(13, 400, 1, 2, 12, 390, 11, 200, 1);
}

TEST_ONCE(augment_reads_a_map_by_nearest_pixel) {
  const int64_t h = 33, w = 21, oh = 14, ow = 140;
  std::vector<float> map = random_values(h * w, 3);
  map[5 * w + 7] = NAN;
  for (int64_t flip = 0; flip < 2; flip++) {
    Tensor x = Tensor::floats(map), y = Tensor::empty_floats(oh * ow);
    const fathom_cuda_read_map_args a = {x, y, h, w, oh, ow, 2.5, 1, 30.5, 20, flip};
    launch("fathom_read_map", dim(oh, ceil_div(ow, FATHOM_CUDA_READ_THREADS)), {FATHOM_CUDA_READ_THREADS}, 0, a);
    const std::vector<float> out = y.values();
    for (int64_t i = 0; i < oh * ow; i++) {
      const int64_t row = (int64_t)floor(2.5 + ((double)(i / ow) + 0.5) * 30.5 / (double)oh);
      int64_t column = flip ? ow - 1 - i % ow : i % ow;
      column = (int64_t)floor(1 + ((double)column + 0.5) * 20 / (double)ow);
      EXPECT(memcmp(&out[i], &map[row * w + column], 4) == 0, "y[%ld] is %g", (long)i, (double)out[i]);
    }
  }
}

TEST_ONCE(augment_distorts_as_defined) {
  static const int64_t sizes[][2] = {{40, 52}, {1, 1}, {3, 5}, {17, 1}, {2, 40}, {33, 130}, {60, 7}};
  for (const auto& s : sizes) {
    Problem p(4, s[0], s[1]);
    check(p, "everything");
    p.cutmix = false;
    check(p, "no CutMix", false);
    std::fill(p.sigmas.begin(), p.sigmas.end(), 0.0f);
    check(p, "no blur", false);
    p.plain();
    check(p, "nothing but normalisation", false);
  }
}

/* More than one chunk. */
TEST_ONCE(augment_takes_the_mean_of_a_whole_picture) {
  Problem p(2, 70, 131);
  std::fill(p.sigmas.begin(), p.sigmas.end(), 0.0f);
  check(p, "large");
}

/* A blur wider than the picture is reflected more than once. */
TEST_ONCE(augment_blurs_by_any_sigma) {
  for (float sigma : {0.01f, 0.4f, 2.66f, 3.0f, 9.5f, 170.0f}) {
    Problem p(2, sigma > 100 ? 4 : 13, sigma > 100 ? 37 : 97);
    p.plain();
    p.sigmas[0] = p.sigmas[1] = sigma;
    check(p, "blur", sigma < 100);
  }
}

/* Each kind of blur pasted into each other. */
TEST_ONCE(augment_pastes_pictures_with_other_blurs) {
  static const float sigmas[] = {0, 1.2f, 4};
  for (float a : sigmas)
    for (float b : sigmas) {
      Problem p(2, 21, 70);
      p.sigmas[0] = a, p.sigmas[1] = b;
      p.boxes = {3, 5, 19, 61, 0, 0, 20, 40};
      check(p, "two blurs", false);
    }
}

TEST_ONCE(augment_pastes_boxes_at_every_edge) {
  static const int64_t boxes[][4] = {{0, 0, 0, 0}, {4, 5, 9, 5}, {0, 0, 21, 33}, {0, 3, 4, 33},
                                     {20, 0, 21, 1}, {5, 32, 6, 33}};
  for (const auto& box : boxes) {
    Problem p(2, 21, 33);
    for (int i = 0; i < 8; i++) p.boxes[i] = box[i % 4];
    p.sigmas[1] = 0.8f;
    check(p, "box", false);
    p.sigmas[0] = 0;
    check(p, "box", false);
  }
}
