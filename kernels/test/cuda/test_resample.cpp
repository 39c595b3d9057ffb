/* resample.cu against float64. */
#include "../../cuda/args_resample.h"
#include "harness.h"

#include <algorithm>

namespace {

/* ---- reference: an axis as a matrix, in float64 ---- */

/* [size][source]: row o holds what output o takes of each source pixel. */
using Matrix = std::vector<std::vector<double>>;

Matrix bilinear(int source, int size, bool align_corners) {
  Matrix m(size, std::vector<double>(source));
  const double scale =
      align_corners ? size > 1 ? (source - 1.0) / (size - 1.0) : 0.0 : (double)source / size;
  for (int o = 0; o < size; o++) {
    const double position = align_corners ? o * scale : std::max((o + 0.5) * scale - 0.5, 0.0);
    const int low = std::min((int)position, source - 1);
    m[o][low] += 1 - (position - low);
    m[o][std::min(low + 1, source - 1)] += position - low;
  }
  return m;
}

Matrix bicubic(int source, int size, double step) {
  const auto kernel = [](double x) {
    const double a = -0.75, t = std::fabs(x);
    if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0.0;
  };
  Matrix m(size, std::vector<double>(source));
  for (int o = 0; o < size; o++) {
    const double position = (o + 0.5) * step - 0.5;
    const int low = (int)std::floor(position);
    for (int k = -1; k <= 2; k++)
      m[o][std::clamp(low + k, 0, source - 1)] += kernel(position - (low + k));
  }
  return m;
}

/* Maps [batch,height,width,channels] through both axes. */
std::vector<double> resize(const Matrix& rows, const Matrix& columns, int batch, int channels,
                           const std::vector<double>& x) {
  const int height = (int)rows[0].size(), width = (int)columns[0].size();
  const int out_height = (int)rows.size(), out_width = (int)columns.size();
  std::vector<double> y((size_t)batch * out_height * out_width * channels);
  for (int b = 0; b < batch; b++)
    for (int o = 0; o < out_height; o++)
      for (int h = 0; h < height; h++) {
        if (rows[o][h] == 0) continue;
        for (int p = 0; p < out_width; p++)
          for (int w = 0; w < width; w++) {
            const double weight = rows[o][h] * columns[p][w];
            if (weight == 0) continue;
            for (int c = 0; c < channels; c++)
              y[(((size_t)b * out_height + o) * out_width + p) * channels + c] +=
                  weight * x[(((size_t)b * height + h) * width + w) * channels + c];
          }
      }
  return y;
}

Matrix transpose(const Matrix& m) {
  Matrix t(m[0].size(), std::vector<double>(m.size()));
  for (size_t i = 0; i < m.size(); i++)
    for (size_t j = 0; j < t.size(); j++) t[j][i] = m[i][j];
  return t;
}

/* ---- launches ---- */

struct Shape {
  int batch, height, width, channels, out_height, out_width;

  int64_t size() const { return (int64_t)batch * height * width * channels; }
  int64_t out_size() const { return (int64_t)batch * out_height * out_width * channels; }
};

const Dim BLOCK = {FATHOM_RESAMPLE_THREADS};
/* For a thread per `n` channels of every pixel of `rows` rows. */
Dim grid(int64_t rows, int width, int channels, int n) {
  return {(unsigned)rows,
          (unsigned)ceil_div((int64_t)width * channels / n, FATHOM_RESAMPLE_THREADS)};
}
float scale(int source, int size, int align_corners) {
  if (!align_corners) return (float)source / (float)size;
  return size > 1 ? (float)(source - 1) / (float)(size - 1) : 0.0f;
}

/* The four kinds of a kernel: of elem or float, of one channel or eight. */
struct Kind {
  bool is_float, vector;

  std::string name(const std::string& kernel) const {
    return "fathom_" + kernel + (is_float ? "_float" : "") + (vector ? "_vector" : "");
  }
  int channels() const { return vector ? FATHOM_RESAMPLE_VECTOR : 1; }
  std::vector<float> round(const std::vector<float>& v) const { return is_float ? v : to_elem(v); }
  Tensor tensor(const std::vector<float>& v) const {
    return is_float ? Tensor::floats(v) : Tensor::elems(v);
  }
  Tensor empty(int64_t n) const {
    return is_float ? Tensor::empty_floats(n) : Tensor::empty_elems(n);
  }
  void compare(const Tensor& actual, const std::vector<double>& expected) const {
    if (is_float) {
      EXPECT_CLOSE(actual.values(), expected, 1e-5);
      return;
    }
    std::vector<float> plain = to_float(expected); /* rounded once, at the end */
    for (float& v : plain) v = to_bf16(v);
    EXPECT_CALIBRATED(actual.values(), expected, plain);
  }
};
std::vector<Kind> kinds_for(const Shape& s) {
  std::vector<Kind> kinds = {{false, false}, {true, false}};
  if (s.channels % FATHOM_RESAMPLE_VECTOR == 0) {
    kinds.push_back({false, true});
    kinds.push_back({true, true});
  }
  return kinds;
}

std::vector<double> sum(const std::vector<double>& a, const std::vector<float>& b) {
  std::vector<double> c = a;
  for (size_t i = 0; i < c.size(); i++) c[i] += b[i];
  return c;
}

void check_bilinear(const Shape& s, int align_corners) {
  const Matrix rows = bilinear(s.height, s.out_height, align_corners);
  const Matrix columns = bilinear(s.width, s.out_width, align_corners);
  const float scale_y = scale(s.height, s.out_height, align_corners);
  const float scale_x = scale(s.width, s.out_width, align_corners);
  for (const Kind& kind : kinds_for(s)) {
    const std::vector<float> x = kind.round(random_values(s.size(), 1));
    const std::vector<float> y = kind.round(random_values(s.out_size(), 2));
    const Tensor source = kind.tensor(x), output = kind.tensor(y);

    Tensor result = kind.empty(s.out_size());
    fathom_cuda_resize_bilinear_args args = {source,        nullptr,    result,       s.height,
                                             s.width,       s.channels, s.out_height, s.out_width,
                                             align_corners, scale_y,    scale_x};
    const Dim blocks =
        grid((int64_t)s.batch * s.out_height, s.out_width, s.channels, kind.channels());
    launch(kind.name("resize_bilinear").c_str(), blocks, BLOCK, 0, args);
    const std::vector<double> expected = resize(rows, columns, s.batch, s.channels, to_double(x));
    kind.compare(result, expected);
    args.add = args.y = output; /* in place */
    launch(kind.name("resize_bilinear").c_str(), blocks, BLOCK, 0, args);
    kind.compare(output, sum(expected, y));

    const Tensor dy = kind.tensor(y);
    Tensor dx = kind.empty(s.size());
    fathom_cuda_resize_bilinear_backward_args back = {
        dy, dx,      s.height, s.width, s.channels, s.out_height, s.out_width, align_corners,
        0,  scale_y, scale_x,  0};
    const Dim back_blocks = grid((int64_t)s.batch * s.height, s.width, s.channels, kind.channels());
    launch(kind.name("resize_bilinear_backward").c_str(), back_blocks, BLOCK, 0, back);
    const std::vector<double> transposed =
        resize(transpose(rows), transpose(columns), s.batch, s.channels, to_double(y));
    kind.compare(dx, transposed);
    dx.set(x);
    back.accumulate = 1;
    launch(kind.name("resize_bilinear_backward").c_str(), back_blocks, BLOCK, 0, back);
    kind.compare(dx, sum(transposed, x));
  }
}

void check_bicubic(const Shape& s, double step_y, double step_x) {
  const Matrix rows = bicubic(s.height, s.out_height, step_y);
  const Matrix columns = bicubic(s.width, s.out_width, step_x);
  for (const Kind& kind : kinds_for(s)) {
    if (!kind.is_float) continue;
    const std::vector<float> x = random_values(s.size(), 1), y = random_values(s.out_size(), 2);
    const Tensor source = Tensor::floats(x), dy = Tensor::floats(y);
    Tensor result = Tensor::empty_floats(s.out_size()), dx = Tensor::floats(x);
    launch(kind.name("resize_bicubic").c_str(),
           grid((int64_t)s.batch * s.out_height, s.out_width, s.channels, kind.channels()), BLOCK,
           0,
           fathom_cuda_resize_bicubic_args{source, result, step_y, step_x, s.height, s.width,
                                           s.channels, s.out_height, s.out_width, 0});
    EXPECT_CLOSE(result.values(), resize(rows, columns, s.batch, s.channels, to_double(x)), 2e-5);
    launch(kind.name("resize_bicubic_backward").c_str(),
           grid((int64_t)s.batch * s.height, s.width, s.channels, kind.channels()), BLOCK, 0,
           fathom_cuda_resize_bicubic_backward_args{dy, dx, step_y, step_x, s.height, s.width,
                                                    s.channels, s.out_height, s.out_width, 0});
    EXPECT_CLOSE(
        dx.values(),
        sum(resize(transpose(rows), transpose(columns), s.batch, s.channels, to_double(y)), x),
        2e-5);
  }
}

}  // namespace

/* Larger, smaller, the same, single rows and columns; few channels and vectors of them; two blocks
 * a row. */
TEST(resize_bilinear_and_backward) {
  for (const int align_corners : {0, 1}) {
    check_bilinear({2, 5, 4, 3, 10, 9}, align_corners);
    check_bilinear({1, 9, 11, 1, 4, 3}, align_corners);
    check_bilinear({1, 6, 7, 1, 6, 7}, align_corners);
    check_bilinear({1, 1, 5, 2, 4, 1}, align_corners);
    check_bilinear({1, 7, 1, 1, 1, 300}, align_corners);
    check_bilinear({2, 3, 5, 24, 7, 10}, align_corners);
    check_bilinear({1, 2, 40, 16, 3, 3}, align_corners);
  }
}

TEST(resize_bicubic_and_backward) {
  check_bicubic({1, 37, 37, 8, 5, 7}, 37.0 / 5.1, 37.0 / 7.1); /* DINOv2's position table */
  check_bicubic({2, 4, 5, 3, 9, 13}, 4.0 / 9, 5.0 / 13);
  check_bicubic({1, 1, 3, 16, 4, 2}, 0.25, 1.5);
  check_bicubic({1, 6, 300, 1, 6, 2}, 1.0, 150.0);
}

TEST(preprocess_a_picture) {
  struct {
    int height, width, pixel, gap, out_height, out_width;
  } cases[] = {
      {7, 9, 3, 0, 14, 28}, {31, 300, 4, 5, 14, 14}, {5, 6, 4, 0, 5, 6}, {1, 1, 3, 2, 3, 270}};
  for (const auto& k : cases) {
    const int64_t stride = (int64_t)k.width * k.pixel + k.gap;
    /* Nothing may be read behind the last colour of the last pixel. */
    const int64_t size = (k.height - 1) * stride + (k.width - 1) * k.pixel + 3;
    std::vector<uint8_t> pixels;
    for (const int v : random_integers(size, 1, 0, 255)) pixels.push_back((uint8_t)v);
    std::vector<double> picture;
    for (int y = 0; y < k.height; y++)
      for (int x = 0; x < k.width; x++)
        for (int c = 0; c < 3; c++) picture.push_back(pixels[y * stride + x * k.pixel + c]);
    std::vector<double> expected =
        resize(bicubic(k.height, k.out_height, (double)k.height / k.out_height),
               bicubic(k.width, k.out_width, (double)k.width / k.out_width), 1, 3, picture);
    const Tensor device = Tensor::bytes(pixels);
    Tensor y = Tensor::empty_floats((int64_t)expected.size());
    const fathom_cuda_preprocess_args args = {device,
                                              y,
                                              stride,
                                              k.pixel,
                                              k.height,
                                              k.width,
                                              k.out_height,
                                              k.out_width,
                                              {0.485f, 0.456f, 0.406f},
                                              {0.229f, 0.224f, 0.225f},
                                              0};
    for (size_t i = 0; i < expected.size(); i++)
      expected[i] = (expected[i] / 255 - args.mean[i % 3]) / args.std[i % 3];
    launch("fathom_preprocess", grid(k.out_height, k.out_width, 1, 1), BLOCK, 0, args);
    /* Positions are floats: at 300 pixels to 1.5e-5, times slopes of noise of up to 4 and more a
     * pixel. */
    EXPECT_CLOSE(y.values(), expected, 1e-4);
  }
}
