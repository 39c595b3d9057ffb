/* AdamW and the norm of the gradients against their formulas in float64. */
#include <cmath>
#include <limits>

#include "../../cuda/args_optim.h"
#include "arrays.h"

namespace {

std::vector<float> scaled(uint64_t seed, int64_t n, float scale, bool positive) {
  std::vector<float> x = random_values(n, seed);
  for (float& v : x) v = scale * (positive ? fabsf(v) : v);
  return x;
}

struct Settings {
  int64_t step = 1;
  double rate = 3e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.02, gradient_scale = 0.7;
};

struct State {
  std::vector<float> gradient, value, m, v, average, copy;
};

State make(int64_t n) {
  return {scaled(1, n, 0.01f, false), scaled(2, n, 0.5f, false), scaled(3, n, 0.01f, false),
          scaled(4, n, 1e-4f, true), scaled(5, n, 0.5f, false), {}};
}

fathom_cuda_adamw_args args_of(const Settings& s, int64_t n) {
  fathom_cuda_adamw_args a = {};
  a.n = n;
  a.gradient_scale = (float)s.gradient_scale;
  a.keep1 = (float)s.beta1, a.keep2 = (float)s.beta2;
  a.take1 = (float)(1 - s.beta1), a.take2 = (float)(1 - s.beta2);
  a.step = (float)(s.rate / (1 - pow(s.beta1, (double)s.step)));
  a.root = (float)(1 / sqrt(1 - pow(s.beta2, (double)s.step)));
  a.eps = (float)s.eps;
  a.decay = (float)(s.rate * s.weight_decay);
  a.rate = s.rate;
  a.average_decay = 0.99f;
  return a;
}

/* One step; norm, if given, is what gradient_norm would have found. `all`: with copy and average. */
State launch_adamw(const State& s, const Settings& settings, const fathom_cuda_gradient_norm* norm, bool all) {
  const int64_t n = (int64_t)s.value.size();
  Tensor gradient = Tensor::floats(s.gradient), value = Tensor::floats(s.value), m = Tensor::floats(s.m);
  Tensor v = Tensor::floats(s.v), average = Tensor::floats(s.average), copy = Tensor::empty_elems(n);
  const fathom_cuda_gradient_norm none = {};
  Tensor found = Tensor::bytes(norm ? norm : &none, sizeof none);
  fathom_cuda_adamw_args a = args_of(settings, n);
  a.value = value, a.gradient = gradient, a.m = m, a.v = v;
  if (all) a.copy = copy, a.average = average;
  if (norm) a.norm = found, a.step = a.root = NAN;
  const int64_t in_block = FATHOM_CUDA_OPTIM_THREADS * FATHOM_CUDA_OPTIM_ELEMENTS;
  launch("fathom_adamw", dim(ceil_div(n, in_block)), {FATHOM_CUDA_OPTIM_THREADS}, 0, a);
  return {s.gradient, value.values(), m.values(), v.values(), average.values(), copy.values()};
}

void check(int64_t n, const Settings& a, const fathom_cuda_gradient_norm* norm) {
  const State before = make(n), after = launch_adamw(before, a, norm, true);
  std::vector<double> value(n), m(n), v(n), average(n), change(n);
  std::vector<float> changed(n);
  const double scale = a.gradient_scale * (norm ? (double)norm->scale : 1.0);
  for (int64_t i = 0; i < n; i++) {
    const double g = scale * before.gradient[i];
    m[i] = a.beta1 * before.m[i] + (1 - a.beta1) * g;
    v[i] = a.beta2 * before.v[i] + (1 - a.beta2) * g * g;
    value[i] = before.value[i] * (1 - a.rate * a.weight_decay);
    value[i] -= a.rate / (1 - pow(a.beta1, (double)a.step)) * m[i] /
                (sqrt(v[i] / (1 - pow(a.beta2, (double)a.step))) + a.eps);
    average[i] = 0.99 * before.average[i] + 0.01 * value[i];
    change[i] = value[i] - before.value[i];
    changed[i] = after.value[i] - before.value[i];
    EXPECT(after.copy[i] == to_elem(after.value[i]), "copy[%ld]", (long)i);
  }
  EXPECT(relative_error(after.value, value) <= 1e-7, "n=%ld: value", (long)n);
  EXPECT(relative_error(after.m, m) <= 2e-7, "n=%ld: m", (long)n);
  EXPECT(relative_error(after.v, v) <= 2e-7, "n=%ld: v", (long)n);
  EXPECT(relative_error(after.average, average) <= 2e-7, "n=%ld: average", (long)n);
  /* A value near 0.5 is rounded by up to 3e-8, a change is about 3e-3. */
  EXPECT(relative_error(changed, change) <= 5e-5, "n=%ld: change", (long)n);
  each_schedule([&] {
    const State other = launch_adamw(before, a, norm, true);
    EXPECT(same_bits(other.value, after.value) && same_bits(other.m, after.m) && same_bits(other.v, after.v) &&
               same_bits(other.copy, after.copy) && same_bits(other.average, after.average),
           "n=%ld: other bits", (long)n);
  });
}

const double BETA1 = 0.9, BETA2 = 0.999;

/* What AdamW is given for a step of that number. */
fathom_cuda_gradient_norm found(double norm, float scale, bool good, int64_t updates) {
  return {norm, 1 / (1 - pow(BETA1, (double)updates)), updates, (float)(1 / sqrt(1 - pow(BETA2, (double)updates))),
          scale, good, 0};
}

fathom_cuda_gradient_norm launch_norm(const std::vector<float>& gradient, const std::vector<double>& losses,
                                      double max_norm, double limit, int64_t updates = 0) {
  const int64_t n = (int64_t)gradient.size();
  const int64_t blocks = std::min<int64_t>(
      std::max<int64_t>(ceil_div(n, FATHOM_CUDA_NORM_ELEMENTS), 1),
      FATHOM_CUDA_NORM_MAX_BLOCKS);
  fathom_cuda_gradient_norm before = {};
  before.updates = updates;
  Tensor g = Tensor::floats(gradient), l = array_of(losses), result = Tensor::bytes(&before, sizeof before);
  Tensor workspace = workspace_of(FATHOM_CUDA_NORM_HEADER_BYTES + 8 * blocks, FATHOM_CUDA_NORM_HEADER_BYTES);
  fathom_cuda_gradient_norm_args a = {g, nullptr, result, workspace, n, (int64_t)losses.size(), max_norm, limit, BETA1, BETA2};
  if (!losses.empty()) a.losses = l;
  launch("fathom_gradient_norm", dim(blocks), {FATHOM_CUDA_OPTIM_THREADS}, 0, a);
  const std::vector<uint8_t> header = workspace.bytes();
  for (int i = 0; i < FATHOM_CUDA_NORM_HEADER_BYTES; i++) EXPECT(header[i] == 0, "the header is not 0 again");
  return contents<fathom_cuda_gradient_norm>(result)[0];
}

const double UNLIMITED = std::numeric_limits<double>::infinity();

}  // namespace

TEST(adamw_is_its_formula) {
  static const int64_t sizes[] = {1, 5, 13, 207, 2048, 2049, 8195};
  for (int i = 0; i < 7; i++) {
    Settings s;
    s.step = 1 + 10 * i;
    check(sizes[i], s, nullptr);
  }
  Settings late;
  late.step = 1000000;
  check(1003, late, nullptr);
}

TEST(adamw_takes_the_scale_from_the_device) {
  for (int64_t updates : {1, 7, 100000}) {
    const fathom_cuda_gradient_norm clipped = found(3, 0.25f, true, updates);
    Settings s;
    s.step = updates;
    check(509, s, &clipped);
  }
}

TEST(adamw_leaves_out_a_step_that_is_not_good) {
  const fathom_cuda_gradient_norm bad = found(NAN, 1, false, 0);
  State s = make(1003);
  s.gradient[17] = NAN;
  const State after = launch_adamw(s, Settings(), &bad, true);
  EXPECT(same_bits(after.value, s.value) && same_bits(after.m, s.m) && same_bits(after.v, s.v) &&
             same_bits(after.average, s.average),
         "the state has changed");
}

TEST(adamw_without_copy_and_average) {
  const State s = make(1003), all = launch_adamw(s, Settings(), nullptr, true),
              alone = launch_adamw(s, Settings(), nullptr, false);
  EXPECT(same_bits(all.value, alone.value) && same_bits(alone.average, s.average), "other bits");
}

/* 5e-6 * 0.01 is below half a unit in the last place of 1: the decay is not lost for all that. */
TEST(adamw_keeps_a_small_decay_exact) {
  Settings a;
  a.rate = 5e-6, a.weight_decay = 0.01, a.gradient_scale = 0;
  State s = make(100);
  std::fill(s.m.begin(), s.m.end(), 0.0f);
  const State after = launch_adamw(s, a, nullptr, false);
  for (int i = 0; i < 100; i++)
    EXPECT(after.value[i] == (float)(s.value[i] * (1 - 5e-8)), "value[%d] is %.9g", i, (double)after.value[i]);
}

TEST_ONCE(gradient_norm_is_its_formula) {
  for (int64_t n : {0, 1, 3, 1000, 16384, 16385, 70003}) {
    const std::vector<float> g = random_values(n, 6);
    double sum = 0;
    for (float x : g) sum += (double)x * x;
    const fathom_cuda_gradient_norm r = launch_norm(g, {}, 0, UNLIMITED);
    EXPECT(fabs(r.norm - sqrt(sum)) <= 1e-12 * sqrt(sum) && r.scale == 1 && r.good == 1, "n=%ld: %.17g, %g, %d",
           (long)n, r.norm, (double)r.scale, r.good);
    each_schedule([&] {
      EXPECT(same_bits(launch_norm(g, {}, 0, UNLIMITED).norm, r.norm), "n=%ld: other bits", (long)n);
    });
  }
}

TEST_ONCE(gradient_norm_clips) {
  const std::vector<float> g = {3, 0, -4};
  EXPECT(launch_norm(g, {}, 2, UNLIMITED).scale == 0.4f, "clipped to 2");
  EXPECT(launch_norm(g, {}, 5, UNLIMITED).scale == 1, "of just the norm");
  EXPECT(launch_norm(g, {}, 100, UNLIMITED).scale == 1, "of a small norm");
}

TEST_ONCE(gradient_norm_tells_a_bad_step) {
  std::vector<float> g = random_values(5001, 7);
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT(launch_norm(g, {1, -2}, 1, 1e6).good == 1, "a good step");
  EXPECT(launch_norm(g, {1, NAN}, 1, 1e6).good == 0, "a loss of NaN");
  EXPECT(launch_norm(g, {infinity, -infinity}, 1, 1e6).good == 0, "infinite losses");
  EXPECT(launch_norm(g, {1}, 1, 2).good == 0, "a norm above the limit");
  for (float value : {NAN, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()})
    for (int at : {0, 4999, 5000}) {
      std::vector<float> bad = g;
      bad[at] = value;
      EXPECT(launch_norm(bad, {}, 1, UNLIMITED).good == 0, "%g at %d", (double)value, at);
    }
  /* Only a good step counts. */
  EXPECT(launch_norm(g, {1}, 1, UNLIMITED, 4).updates == 5, "a good step is not counted");
  EXPECT(launch_norm(g, {NAN}, 1, UNLIMITED, 4).updates == 4, "a bad step is counted");
  /* Beyond what a float could add up. */
  g.assign(9, 1e30f);
  EXPECT(fabs(launch_norm(g, {}, 0, UNLIMITED).norm / 3e30 - 1) < 1e-6, "large gradients");
}

TEST_ONCE(gradient_norm_corrects_for_the_updates_so_far) {
  for (int64_t before : {0, 1, 2, 9, 1000, 123456, 5000000}) {
    const fathom_cuda_gradient_norm r = launch_norm({1, 2}, {}, 0, UNLIMITED, before),
                                    expected = found(0, 1, true, before + 1);
    EXPECT(r.updates == before + 1, "%ld updates after %ld", (long)r.updates, (long)before);
    EXPECT(fabs(r.correction / expected.correction - 1) <= 1e-13, "update %ld: correction %.17g", (long)r.updates,
           r.correction);
    EXPECT(fabs(r.root / expected.root - 1) <= 1.2e-7, "update %ld: root %.9g", (long)r.updates, (double)r.root);
  }
}
