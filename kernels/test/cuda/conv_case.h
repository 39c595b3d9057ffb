/* Convolutions in float64, written as their definitions, for the tests of the CUDA kernels. */
#ifndef FATHOM_TEST_CUDA_CONV_CASE_H
#define FATHOM_TEST_CUDA_CONV_CASE_H

#include "../../cuda/args_conv.h"
#include "gemm_case.h"

enum { NONE = 0, RELU = 1, SIGMOID = 3 };

/* A map [B,H,W,C]. */
struct Map {
  int batch, height, width, channels;
  std::vector<double> values;

  Map(int b, int h, int w, int c)
      : batch(b), height(h), width(w), channels(c), values(int64_t{b} * h * w * c) {}
  int64_t at(int b, int y, int x, int c) const {
    return ((int64_t{b} * height + y) * width + x) * channels + c;
  }
  double& operator()(int b, int y, int x, int c) { return values[at(b, y, x, c)]; }
  double operator()(int b, int y, int x, int c) const { return values[at(b, y, x, c)]; }
  int64_t size() const { return static_cast<int64_t>(values.size()); }
};

/* Random values, as they are stored. */
inline Map random_map(int b, int h, int w, int c, uint64_t seed) {
  Map m(b, h, w, c);
  m.values = to_double(to_elem(random_values(m.size(), seed)));
  return m;
}
inline Tensor on_device(const Map& m) { return Tensor::elems(to_float(m.values)); }

/* Bilinear with align_corners, each result through `round`. */
template <class Round>
Map resized(const Map& x, int height, int width, Round round) {
  Map y(x.batch, height, width, x.channels);
  const auto position = [](int o, int source, int out) {
    return out > 1 ? static_cast<double>(o) * (source - 1) / (out - 1) : 0.0;
  };
  for (int b = 0; b < y.batch; b++) {
    for (int i = 0; i < height; i++) {
      for (int j = 0; j < width; j++) {
        const double py = position(i, x.height, height), px = position(j, x.width, width);
        const int top = std::min(static_cast<int>(py), x.height - 1),
                  left = std::min(static_cast<int>(px), x.width - 1);
        const int below = std::min(top + 1, x.height - 1), right = std::min(left + 1, x.width - 1);
        const double fy = py - top, fx = px - left;
        for (int c = 0; c < x.channels; c++) {
          y(b, i, j, c) =
              round((1 - fy) * ((1 - fx) * x(b, top, left, c) + fx * x(b, top, right, c)) +
                    fy * ((1 - fx) * x(b, below, left, c) + fx * x(b, below, right, c)));
        }
      }
    }
  }
  return y;
}

inline Map relu_of(Map x) {
  for (double& v : x.values) v = std::max(v, 0.0);
  return x;
}

/* Calls visit(b, oy, ox, tap, y, x) for every tap of a convolution that lies on its map. */
template <class Visit>
void visit_taps(int batch, int height, int width, int kernel, int stride, int margin,
                int out_height, int out_width, Visit visit) {
  for (int b = 0; b < batch; b++) {
    for (int oy = 0; oy < out_height; oy++) {
      for (int ox = 0; ox < out_width; ox++) {
        for (int tap = 0; tap < kernel * kernel; tap++) {
          const int y = oy * stride + tap / kernel - margin,
                    x = ox * stride + tap % kernel - margin;
          if (y >= 0 && y < height && x >= 0 && x < width) visit(b, oy, ox, tap, y, x);
        }
      }
    }
  }
}

/* The sums of a convolution, weight [out,in,k,k]. */
inline Map convolved(const Map& x, const std::vector<float>& weight, int out, int kernel,
                     int stride) {
  const int margin = (kernel - 1) / 2, taps = kernel * kernel;
  Map y(x.batch, static_cast<int>(ceil_div(x.height, stride)),
        static_cast<int>(ceil_div(x.width, stride)), out);
  visit_taps(x.batch, x.height, x.width, kernel, stride, margin, y.height, y.width,
             [&](int b, int oy, int ox, int tap, int iy, int ix) {
               const double* from = &x.values[x.at(b, iy, ix, 0)];
               for (int o = 0; o < out; o++) {
                 double sum = 0;
                 for (int c = 0; c < x.channels; c++)
                   sum += from[c] * weight[(o * x.channels + c) * taps + tap];
                 y(b, oy, ox, o) += sum;
               }
             });
  return y;
}

/* The gradient of convolved's x. */
inline Map convolved_adjoint(const Map& dy, const std::vector<float>& weight, int height, int width,
                             int in, int kernel, int stride) {
  const int margin = (kernel - 1) / 2, taps = kernel * kernel;
  Map dx(dy.batch, height, width, in);
  visit_taps(dy.batch, height, width, kernel, stride, margin, dy.height, dy.width,
             [&](int b, int oy, int ox, int tap, int iy, int ix) {
               for (int o = 0; o < dy.channels; o++)
                 for (int c = 0; c < in; c++)
                   dx(b, iy, ix, c) += dy(b, oy, ox, o) * weight[(o * in + c) * taps + tap];
             });
  return dx;
}

/* gradient^T map: [rows][channels][k][k], added to `start`. */
inline std::vector<double> weight_gradient(const Map& gradient, const Map& map, int kernel,
                                           int stride, int margin, double start) {
  const int taps = kernel * kernel, rows = gradient.channels;
  std::vector<double> d(int64_t{rows} * map.channels * taps, start);
  visit_taps(map.batch, map.height, map.width, kernel, stride, margin, gradient.height,
             gradient.width, [&](int b, int oy, int ox, int tap, int iy, int ix) {
               for (int r = 0; r < rows; r++)
                 for (int c = 0; c < map.channels; c++)
                   d[(int64_t{r} * map.channels + c) * taps + tap] +=
                       gradient(b, oy, ox, r) * map(b, iy, ix, c);
             });
  return d;
}

/* y[b, k h + i, k w + j, :] = x[b,h,w,:] weight[:,:,i,j] + bias, weight [in,out,k,k]. */
inline Map transposed(const Map& x, const std::vector<float>& weight,
                      const std::vector<float>& bias, int out, int k) {
  Map y(x.batch, k * x.height, k * x.width, out);
  for (int b = 0; b < y.batch; b++)
    for (int i = 0; i < y.height; i++)
      for (int j = 0; j < y.width; j++)
        for (int o = 0; o < out; o++) {
          double sum = bias.empty() ? 0 : bias[o];
          for (int c = 0; c < x.channels; c++)
            sum += x(b, i / k, j / k, c) * weight[((c * out + o) * k + i % k) * k + j % k];
          y(b, i, j, o) = sum;
        }
  return y;
}
inline Map transposed_adjoint(const Map& dy, const std::vector<float>& weight, int in, int k) {
  Map dx(dy.batch, dy.height / k, dy.width / k, in);
  for (int b = 0; b < dy.batch; b++)
    for (int i = 0; i < dy.height; i++)
      for (int j = 0; j < dy.width; j++)
        for (int o = 0; o < dy.channels; o++)
          for (int c = 0; c < in; c++)
            dx(b, i / k, j / k, c) +=
                dy(b, i, j, o) * weight[((c * dy.channels + o) * k + i % k) * k + j % k];
  return dx;
}

inline Tensor pack_conv(const std::vector<float>& weight, int out, int in, int kernel) {
  const int taps = kernel * kernel;
  return pack_weight(weight, out, taps, in, int64_t{in} * taps, 1, taps);
}
inline Tensor pack_transposed(const std::vector<float>& weight, int in, int out, int kernel) {
  const int taps = kernel * kernel;
  return pack_weight(weight, taps, out, in, 1, taps, int64_t{out} * taps);
}

#endif
