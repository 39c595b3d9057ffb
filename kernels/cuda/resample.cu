/*
 * Resampling: bilinear and bicubic resize of maps, their gradients, and a picture to the network's
 * input.
 *
 * A thread owns 8 neighbouring channels of an output pixel (or one channel, where a map has few)
 * and blends its 4 or 16 source pixels, which neighbouring threads find in the L1 cache. A gradient
 * is gathered: the thread of a source pixel walks over the outputs that took from it, so that each
 * sum has one owner and one order. Which outputs those are is computed from the taps of the forward
 * pass, with the same arithmetic and so with the same rounding.
 */
#include "args_resample.h"
#include "dev.h"

namespace {

constexpr int kThreads = FATHOM_RESAMPLE_THREADS;
static_assert(FATHOM_RESAMPLE_VECTOR == 8, "a vector is what load_8 takes");

/* ---- channels of a pixel: 8 neighbours or one ---- */

template <int N, class T>
DEV void load_channels(const T* p, float (&v)[N]) {
  if constexpr (N == 8)
    load_8(p, v);
  else
    v[0] = to_float(p[0]);
}
template <int N, class T>
DEV void store_channels(T* p, const float (&v)[N]) {
  if constexpr (N == 8)
    store_8(p, v);
  else
    p[0] = from_float<T>(v[0]);
}
template <int N, class T>
DEV void add_channels(float (&sum)[N], float weight, const T* p) {
  float v[N];
  load_channels(p, v);
#pragma unroll
  for (int i = 0; i < N; i++) sum[i] = fmaf(weight, v[i], sum[i]);
}

/* What a thread writes: N channels of a pixel of a row. */
struct Place {
  int column, channel;
  bool valid;
};
template <int N>
DEV Place place_in_row(int width, int channels) {
  const unsigned parts = (unsigned)channels / N;
  const unsigned at = blockIdx.y * kThreads + threadIdx.x;
  const unsigned column = at / parts;
  return Place{(int)column, (int)(at - column * parts) * N, column < (unsigned)width};
}

/* ---- taps of an axis ---- */

/* Source pixels of an output and their weights; pixels past an edge repeat it. */
struct Linear {
  int low, high;
  float fraction; /* of high */
};

/*
 * Outputs [*from, *to) whose position, (o + offset) * scale - offset, may lie within `reach` of a
 * pixel; the first and last pixel also stand for what lies beyond. Position and bounds are rounded,
 * by far less than an output where an axis has less than a million: rounding outwards is margin
 * enough, and `slack` sees to longer ones.
 */
DEV void output_range(int pixel, int source, int size, float scale, float offset, float reach,
                      int* from, int* to) {
  *from = 0;
  *to = size;
  if (!(scale > 0.0f)) return;
  const float slack = 1e-6f * (float)size;
  if (pixel > 0) {
    const float first = __fdividef((float)pixel - reach + offset, scale) - offset - slack;
    *from = (int)fminf(fmaxf(floorf(first), 0.0f), (float)size);
  }
  if (pixel < source - 1) {
    const float last = __fdividef((float)pixel + reach + offset, scale) - offset + slack;
    *to = (int)fminf(fmaxf(ceilf(last) + 1.0f, 0.0f), (float)size);
  }
}

struct BilinearAxis {
  int source, size;
  float scale; /* source pixels for a step of an output */
  bool align_corners;

  DEV_MEMBER Linear taps(int output) const {
    float position = (float)output;
    if (source != size)
      position = align_corners ? scale * (float)output
                               : fmaxf(fmaf(scale, (float)output + 0.5f, -0.5f), 0.0f);
    const int low = min((int)position, source - 1);
    return Linear{low, min(low + 1, source - 1), fminf(position - (float)low, 1.0f)};
  }
  /* What a source pixel gives to an output: more than 0 for outputs of its range alone. */
  DEV_MEMBER float weight(int output, int pixel) const {
    const Linear t = taps(output);
    return (t.low == pixel ? 1.0f - t.fraction : 0.0f) + (t.high == pixel ? t.fraction : 0.0f);
  }
  /* Outputs [*from, *to) that may take from a pixel; what it contains too much has weight 0. */
  DEV_MEMBER void range(int pixel, int* from, int* to) const {
    const float offset = align_corners ? 0.0f : 0.5f;
    output_range(pixel, source, size, scale, offset, 1.0f, from, to);
  }
};

/* Keys' cubic kernel, A = -0.75: weights of the pixels low - 1 .. low + 2. */
struct Cubic {
  int low;
  float weight[4];
};

struct BicubicAxis {
  int source, size;
  double step;

  DEV_MEMBER int low_of(int output, float* fraction) const {
    /* The position is rounded to float once, as in OpenCV. Beyond source + 2 all taps are the last
     * pixel. */
    const float position = (float)fmin(((double)output + 0.5) * step - 0.5, (double)(source + 2));
    const float low = floorf(position);
    *fraction = position - low;
    return (int)low;
  }
  DEV_MEMBER Cubic taps(int output) const {
    const float a = -0.75f;
    Cubic c;
    float t;
    c.low = low_of(output, &t);
    const float s = 1.0f + t, u = 1.0f - t;
    c.weight[0] = ((a * s - 5.0f * a) * s + 8.0f * a) * s - 4.0f * a;
    c.weight[1] = ((a + 2.0f) * t - (a + 3.0f)) * t * t + 1.0f;
    c.weight[2] = ((a + 2.0f) * u - (a + 3.0f)) * u * u + 1.0f;
    c.weight[3] = 1.0f - c.weight[0] - c.weight[1] - c.weight[2];
    return c;
  }
  DEV_MEMBER int pixel(const Cubic& c, int tap) const {
    return min(max(c.low + tap - 1, 0), source - 1);
  }
  DEV_MEMBER float weight(int output, int wanted) const {
    const Cubic c = taps(output);
    float sum = 0.0f;
#pragma unroll
    for (int k = 0; k < 4; k++) sum += pixel(c, k) == wanted ? c.weight[k] : 0.0f;
    return sum;
  }
  DEV_MEMBER void range(int wanted, int* from, int* to) const {
    output_range(wanted, source, size, (float)step, 0.5f, 2.0f, from, to);
  }
};

/* ---- forward ---- */

template <class T, int N>
DEV void resize_bilinear(const fathom_cuda_resize_bilinear_args& a) {
  const int image = blockIdx.x / a.out_height, row = blockIdx.x % a.out_height;
  const Place place = place_in_row<N>(a.out_width, a.channels);
  if (!place.valid) return;
  const Linear y = BilinearAxis{a.height, a.out_height, a.scale_y, a.align_corners != 0}.taps(row);
  const Linear x =
      BilinearAxis{a.width, a.out_width, a.scale_x, a.align_corners != 0}.taps(place.column);
  const T* source =
      (const T*)a.x + (int64_t)image * a.height * a.width * a.channels + place.channel;
  const T* top = source + (int64_t)y.low * a.width * a.channels;
  const T* bottom = source + (int64_t)y.high * a.width * a.channels;
  const int64_t left = (int64_t)x.low * a.channels, right = (int64_t)x.high * a.channels;
  const int64_t at =
      ((int64_t)blockIdx.x * a.out_width + place.column) * a.channels + place.channel;
  const float above = 1.0f - y.fraction, before = 1.0f - x.fraction;
  float sum[N] = {};
  if (a.add) load_channels((const T*)a.add + at, sum);
  add_channels(sum, above * before, top + left);
  add_channels(sum, above * x.fraction, top + right);
  add_channels(sum, y.fraction * before, bottom + left);
  add_channels(sum, y.fraction * x.fraction, bottom + right);
  store_channels((T*)a.y + at, sum);
}

template <int N>
DEV void resize_bicubic(const fathom_cuda_resize_bicubic_args& a) {
  const int image = blockIdx.x / a.out_height, row = blockIdx.x % a.out_height;
  const Place place = place_in_row<N>(a.out_width, a.channels);
  if (!place.valid) return;
  const BicubicAxis rows{a.height, a.out_height, a.step_y};
  const BicubicAxis columns{a.width, a.out_width, a.step_x};
  const Cubic y = rows.taps(row), x = columns.taps(place.column);
  const float* source = a.x + (int64_t)image * a.height * a.width * a.channels + place.channel;
  float sum[N] = {};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float* line = source + (int64_t)rows.pixel(y, i) * a.width * a.channels;
    float across[N] = {};
#pragma unroll
    for (int j = 0; j < 4; j++)
      add_channels(across, x.weight[j], line + (int64_t)columns.pixel(x, j) * a.channels);
#pragma unroll
    for (int n = 0; n < N; n++) sum[n] = fmaf(y.weight[i], across[n], sum[n]);
  }
  store_channels(
      a.y + ((int64_t)blockIdx.x * a.out_width + place.column) * a.channels + place.channel, sum);
}

/* ---- backward ---- */

/* sum = the outputs that took from (row, column), each times what it took. */
template <class T, int N, class Axis>
DEV void gather(float (&sum)[N], const Axis& rows, const Axis& columns, int row, int column,
                const T* dy, int channels) {
  int top, bottom, left, right;
  rows.range(row, &top, &bottom);
  columns.range(column, &left, &right);
  constexpr int kStep =
      4; /* columns whose weights are kept, and whose loads are under way together */
  for (int x = left; x < right; x += kStep) {
    float weight[kStep];
#pragma unroll
    for (int i = 0; i < kStep; i++)
      weight[i] = x + i < right ? columns.weight(x + i, column) : 0.0f;
    for (int y = top; y < bottom; y++) {
      const float across = rows.weight(y, row);
      if (across == 0.0f) continue;
      const T* line = dy + ((int64_t)y * columns.size + x) * channels;
#pragma unroll
      for (int i = 0; i < kStep; i++)
        if (weight[i] != 0.0f) add_channels(sum, across * weight[i], line + (int64_t)i * channels);
    }
  }
}

template <class T, int N>
DEV void resize_bilinear_backward(const fathom_cuda_resize_bilinear_backward_args& a) {
  const int image = blockIdx.x / a.height, row = blockIdx.x % a.height;
  const Place place = place_in_row<N>(a.width, a.channels);
  if (!place.valid) return;
  T* dx = (T*)a.dx + ((int64_t)blockIdx.x * a.width + place.column) * a.channels + place.channel;
  float sum[N] = {};
  gather<T>(
      sum, BilinearAxis{a.height, a.out_height, a.scale_y, a.align_corners != 0},
      BilinearAxis{a.width, a.out_width, a.scale_x, a.align_corners != 0}, row, place.column,
      (const T*)a.dy + (int64_t)image * a.out_height * a.out_width * a.channels + place.channel,
      a.channels);
  if (a.accumulate) add_channels(sum, 1.0f, dx);
  store_channels(dx, sum);
}

template <int N>
DEV void resize_bicubic_backward(const fathom_cuda_resize_bicubic_backward_args& a) {
  const int image = blockIdx.x / a.height, row = blockIdx.x % a.height;
  const Place place = place_in_row<N>(a.width, a.channels);
  if (!place.valid) return;
  float* dx = a.dx + ((int64_t)blockIdx.x * a.width + place.column) * a.channels + place.channel;
  float sum[N] = {};
  gather<float>(sum, BicubicAxis{a.height, a.out_height, a.step_y},
                BicubicAxis{a.width, a.out_width, a.step_x}, row, place.column,
                a.dy + (int64_t)image * a.out_height * a.out_width * a.channels + place.channel,
                a.channels);
  add_channels(sum, 1.0f, dx);
  store_channels(dx, sum);
}

/* ---- pictures ---- */

DEV void preprocess(const fathom_cuda_preprocess_args& a) {
  const int row = blockIdx.x, column = blockIdx.y * kThreads + threadIdx.x;
  if (column >= a.out_width) return;
  const BicubicAxis rows{a.height, a.out_height, (double)a.height / (double)a.out_height};
  const BicubicAxis columns{a.width, a.out_width, (double)a.width / (double)a.out_width};
  const Cubic y = rows.taps(row), x = columns.taps(column);
  float sum[3] = {};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const uint8_t* line = a.pixels + rows.pixel(y, i) * a.row_stride;
    float across[3] = {};
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const uint8_t* pixel = line + (int64_t)columns.pixel(x, j) * a.pixel_stride;
#pragma unroll
      for (int c = 0; c < 3; c++) across[c] = fmaf(x.weight[j], (float)pixel[c], across[c]);
    }
#pragma unroll
    for (int c = 0; c < 3; c++) sum[c] = fmaf(y.weight[i], across[c], sum[c]);
  }
  float* to = a.y + ((int64_t)row * a.out_width + column) * 3;
#pragma unroll
  for (int c = 0; c < 3; c++) to[c] = (sum[c] * (1.0f / 255.0f) - a.mean[c]) / a.std[c];
}

}  // namespace

/* Four blocks, that is 64 registers: left alone, ptxas spills to fit twice as many threads. */
#define RESAMPLE(NAME, ARGS, ...)                                         \
  extern "C" __global__ void __launch_bounds__(kThreads, 4)               \
      fathom_##NAME(const GRID_CONSTANT fathom_cuda_##ARGS##_args args) { \
    __VA_ARGS__(args);                                                    \
  }                                                                       \
  REGISTER_KERNEL(fathom_##NAME)

RESAMPLE(resize_bilinear, resize_bilinear, resize_bilinear<elem, 1>)
RESAMPLE(resize_bilinear_vector, resize_bilinear, resize_bilinear<elem, 8>)
RESAMPLE(resize_bilinear_float, resize_bilinear, resize_bilinear<float, 1>)
RESAMPLE(resize_bilinear_float_vector, resize_bilinear, resize_bilinear<float, 8>)
RESAMPLE(resize_bilinear_backward, resize_bilinear_backward, resize_bilinear_backward<elem, 1>)
RESAMPLE(resize_bilinear_backward_vector, resize_bilinear_backward,
         resize_bilinear_backward<elem, 8>)
RESAMPLE(resize_bilinear_backward_float, resize_bilinear_backward,
         resize_bilinear_backward<float, 1>)
RESAMPLE(resize_bilinear_backward_float_vector, resize_bilinear_backward,
         resize_bilinear_backward<float, 8>)
RESAMPLE(resize_bicubic_float, resize_bicubic, resize_bicubic<1>)
RESAMPLE(resize_bicubic_float_vector, resize_bicubic, resize_bicubic<8>)
RESAMPLE(resize_bicubic_backward_float, resize_bicubic_backward, resize_bicubic_backward<1>)
RESAMPLE(resize_bicubic_backward_float_vector, resize_bicubic_backward, resize_bicubic_backward<8>)
RESAMPLE(preprocess, preprocess, preprocess)
