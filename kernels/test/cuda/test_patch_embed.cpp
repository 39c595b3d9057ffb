/* patch_embed.cu against float64. */
#include "../../cuda/args_patch_embed.h"
#include "harness.h"

#include <algorithm>

namespace {

/* ---- reference in float64 ---- */

struct Shape {
  int batch, down, across, patch, channels; /* down x across patches */
  bool class_token;

  int height() const { return down * patch; }
  int width() const { return across * patch; }
  int patches() const { return down * across; }
  int columns() const { return 3 * patch * patch; }
  int tokens() const { return class_token + patches(); }
  int64_t rows() const { return (int64_t)batch * patches(); }
  int64_t image_size() const { return (int64_t)batch * height() * width() * 3; }
  int64_t tokens_size() const { return (int64_t)batch * tokens() * channels; }
  /* The number of the image that weight [C,3,P,P] multiplies by its element `at` of a channel. */
  int64_t pixel(int b, int place, int at) const {
    const int colour = at / (patch * patch), row = at / patch % patch, column = at % patch;
    return (((int64_t)b * height() + place / across * patch + row) * width() +
            place % across * patch + column) *
               3 +
           colour;
  }
  int64_t token(int b, int place) const {
    return ((int64_t)b * tokens() + class_token + place) * channels;
  }
};

std::vector<double> embed(const Shape& s, const std::vector<double>& image,
                          const std::vector<double>& weight, const std::vector<double>& bias,
                          const std::vector<double>& cls, const std::vector<double>& position) {
  std::vector<double> tokens(s.tokens_size());
  for (int b = 0; b < s.batch; b++) {
    for (int place = 0; place < s.patches(); place++)
      for (int c = 0; c < s.channels; c++) {
        double sum = 0;
        for (int k = 0; k < s.columns(); k++)
          sum += image[s.pixel(b, place, k)] * weight[(size_t)c * s.columns() + k];
        if (!bias.empty()) sum += bias[c];
        if (!position.empty()) sum += position[(size_t)(s.class_token + place) * s.channels + c];
        tokens[s.token(b, place) + c] = sum;
      }
    for (int c = 0; s.class_token && c < s.channels; c++)
      tokens[(size_t)b * s.tokens() * s.channels + c] =
          cls[c] + (position.empty() ? 0.0 : position[c]);
  }
  return tokens;
}

struct Gradients {
  std::vector<double> weight, bias, cls, position;
};

Gradients embed_backward(const Shape& s, const std::vector<double>& image,
                         const std::vector<double>& d_tokens) {
  Gradients g;
  g.weight.assign((size_t)s.channels * s.columns(), 0.0);
  g.bias.assign(s.channels, 0.0);
  g.cls.assign(s.channels, 0.0);
  g.position.assign((size_t)s.tokens() * s.channels, 0.0);
  for (int b = 0; b < s.batch; b++)
    for (int t = 0; t < s.tokens(); t++)
      for (int c = 0; c < s.channels; c++) {
        const double d = d_tokens[((size_t)b * s.tokens() + t) * s.channels + c];
        g.position[(size_t)t * s.channels + c] += d;
        (t < s.class_token ? g.cls : g.bias)[c] += d;
        for (int k = 0; t >= s.class_token && k < s.columns(); k++)
          g.weight[(size_t)c * s.columns() + k] += d * image[s.pixel(b, t - s.class_token, k)];
      }
  return g;
}

/* ---- launches ---- */

const Dim BLOCK = {FATHOM_PATCH_THREADS};
unsigned tiles(int64_t n) { return (unsigned)ceil_div(n, FATHOM_PATCH_TILE); }
unsigned element() { return elem_is_float() ? 4 : 2; }
int padded(const Shape& s) {
  return (int)ceil_div(s.columns(), FATHOM_PATCH_DEPTH) * FATHOM_PATCH_DEPTH;
}

Tensor pack(const Shape& s, const Tensor& weight) {
  Tensor packed = Tensor::empty_elems((int64_t)s.channels * padded(s));
  launch("fathom_patch_embed_pack", {(unsigned)ceil_div((int64_t)s.channels * padded(s), 256)},
         {256}, 0, fathom_cuda_patch_embed_pack_args{weight, packed, s.patch, s.channels});
  return packed;
}

void launch_embed(const char* kernel, const Shape& s, const fathom_cuda_patch_embed_args& args) {
  const unsigned operands =
      4 * FATHOM_PATCH_TILE * (FATHOM_PATCH_DEPTH + FATHOM_PATCH_PAD) * element();
  const unsigned result = FATHOM_PATCH_TILE * (FATHOM_PATCH_TILE + 4) * 4;
  launch(kernel, {tiles(s.rows()), tiles(s.channels)}, BLOCK,
         std::max(operands, result) + FATHOM_PATCH_TILE * 8, args);
}

/* The same with operands rounded to bf16, as the tensor cores take them, and the result. */
std::vector<float> rounded(std::vector<float> v) {
  for (float& x : v) x = to_bf16(x);
  return v;
}

struct Parameters {
  std::vector<float> weight, bias, cls, position;

  explicit Parameters(const Shape& s)
      : weight(random_values((int64_t)s.channels * s.columns(), 1, -0.1f, 0.1f)),
        bias(random_values(s.channels, 2)),
        cls(s.class_token ? random_values(s.channels, 3) : std::vector<float>()),
        position(random_values((int64_t)s.tokens() * s.channels, 4)) {}
};

void check_forward(const Shape& s, bool with_bias, bool with_position) {
  Parameters p(s);
  if (!with_bias) p.bias.clear();
  if (!with_position) p.position.clear();
  const std::vector<float> picture = random_values(s.image_size(), 5, -2, 2);
  const Tensor image = Tensor::floats(picture), packed = pack(s, Tensor::floats(p.weight));
  const Tensor bias = Tensor::floats(p.bias), cls = Tensor::floats(p.cls);
  const Tensor position = Tensor::floats(p.position);
  Tensor tokens = Tensor::empty_elems(s.tokens_size());
  fathom_cuda_patch_embed_args args = {};
  args.image = image;
  args.packed = packed;
  if (with_bias) args.bias = bias;
  if (s.class_token) args.cls = cls;
  if (with_position) args.position = position;
  args.tokens = tokens;
  args.rows = s.rows();
  args.height = s.height();
  args.width = s.width();
  args.patch = s.patch;
  args.channels = s.channels;
  launch_embed("fathom_patch_embed", s, args);
  const auto with = [&](const std::vector<float>& image_, const std::vector<float>& weight_) {
    return embed(s, to_double(image_), to_double(weight_), to_double(p.bias), to_double(p.cls),
                 to_double(p.position));
  };
  EXPECT_CALIBRATED(tokens.values(), with(picture, p.weight),
                    rounded(to_float(with(rounded(picture), rounded(p.weight)))));
}

void check_backward(const Shape& s) {
  const std::vector<float> picture = random_values(s.image_size(), 6, -2, 2);
  const std::vector<float> gradient = to_elem(random_values(s.tokens_size(), 7));
  const Parameters old(s); /* what the gradients are added to */
  const Gradients exact = embed_backward(s, to_double(picture), to_double(gradient));
  const Gradients plain = embed_backward(s, to_double(rounded(picture)), to_double(gradient));
  const Tensor image = Tensor::floats(picture), d_tokens = Tensor::elems(gradient);
  Tensor d_weight = Tensor::floats(old.weight), d_bias = Tensor::floats(old.bias);
  Tensor d_cls = Tensor::floats(old.cls), d_position = Tensor::floats(old.position);

  const int slices = (int)ceil_div(s.rows(), FATHOM_PATCH_SLICE);
  const int64_t size = (int64_t)s.channels * s.columns();
  Tensor partial = Tensor::empty_floats(slices * size);
  const fathom_cuda_patch_embed_backward_args weight_args = {
      image,     d_tokens, partial,    d_weight,      s.rows(), s.height(),
      s.width(), s.patch,  s.channels, s.class_token, slices};
  launch("fathom_patch_embed_backward_weight",
         {tiles(s.columns()), tiles(s.channels), (unsigned)slices}, BLOCK,
         4 * FATHOM_PATCH_DEPTH * (FATHOM_PATCH_TILE + FATHOM_PATCH_PAD) * element() +
             2 * FATHOM_PATCH_DEPTH * 8,
         weight_args);
  launch("fathom_patch_embed_backward_weight_sum", {(unsigned)ceil_div(size, 256)}, {256}, 0,
         weight_args);
  const auto added = [](std::vector<double> to, const std::vector<float>& before) {
    for (size_t i = 0; i < to.size(); i++) to[i] += before[i];
    return to;
  };
  EXPECT_CALIBRATED(d_weight.values(), added(exact.weight, old.weight),
                    to_float(added(plain.weight, old.weight)));

  const unsigned columns = (unsigned)ceil_div(s.channels, FATHOM_PATCH_SUM_COLUMNS);
  const int blocks = (int)ceil_div(s.tokens(), FATHOM_PATCH_SUM_TOKENS);
  Tensor sums = Tensor::empty_floats((int64_t)blocks * s.channels);
  fathom_cuda_patch_embed_sums_args args = {d_tokens,      d_bias,  d_cls,      d_position,
                                            sums,          s.batch, s.tokens(), s.channels,
                                            s.class_token, blocks,  0};
  if (!s.class_token) args.d_cls = nullptr;
  launch("fathom_patch_embed_backward_tokens", {columns, (unsigned)blocks},
         {FATHOM_PATCH_SUM_THREADS}, 0, args);
  launch("fathom_patch_embed_backward_bias", {columns}, {FATHOM_PATCH_SUM_THREADS}, 0, args);
  EXPECT_CLOSE(d_bias.values(), added(exact.bias, old.bias), 1e-5);
  EXPECT_CLOSE(d_position.values(), added(exact.position, old.position), 1e-5);
  if (s.class_token) EXPECT_CLOSE(d_cls.values(), added(exact.cls, old.cls), 1e-5);
}

}  // namespace

/* One tile and several; channels that are no multiple of 8; the published patch; K that fills its
 * steps. */
TEST(patch_embed_with_class_token) {
  check_forward({2, 3, 5, 14, 24, true}, true, true);
  check_forward({1, 2, 2, 14, 69, true}, true, true);
  check_forward({3, 5, 6, 3, 72, true}, false, false);
}

TEST(patch_embed_without_class_token) {
  check_forward({2, 3, 3, 8, 16, false}, true, true);
  check_forward({1, 1, 1, 2, 5, false}, true, false);
}

TEST(patch_embed_of_bytes) {
  const Shape s = {2, 3, 5, 14, 40, true};
  const Parameters p(s);
  std::vector<uint8_t> bytes;
  for (const int v : random_integers(s.image_size(), 8, 0, 255)) bytes.push_back((uint8_t)v);
  const Tensor pixels = Tensor::bytes(bytes), packed = pack(s, Tensor::floats(p.weight));
  const Tensor bias = Tensor::floats(p.bias), cls = Tensor::floats(p.cls);
  const Tensor position = Tensor::floats(p.position);
  Tensor tokens = Tensor::empty_elems(s.tokens_size());
  const fathom_cuda_patch_embed_args args = {pixels,
                                             packed,
                                             bias,
                                             cls,
                                             position,
                                             tokens,
                                             s.rows(),
                                             s.height(),
                                             s.width(),
                                             s.patch,
                                             s.channels,
                                             {0.485f, 0.456f, 0.406f},
                                             {0.229f, 0.224f, 0.225f}};
  launch_embed("fathom_patch_embed_pixels", s, args);
  std::vector<float> picture;
  for (size_t i = 0; i < bytes.size(); i++)
    picture.push_back((bytes[i] / 255.0f - args.mean[i % 3]) / args.std[i % 3]);
  const auto with = [&](const std::vector<float>& image, const std::vector<float>& weight) {
    return embed(s, to_double(image), to_double(weight), to_double(p.bias), to_double(p.cls),
                 to_double(p.position));
  };
  EXPECT_CALIBRATED(tokens.values(), with(picture, p.weight),
                    rounded(to_float(with(rounded(picture), rounded(p.weight)))));
}

TEST(patch_embed_backward) {
  check_backward({2, 3, 5, 14, 24, true});
  check_backward({1, 5, 8, 3, 69, false});
  check_backward({3, 9, 8, 2, 13, true});
}

/* More patches than a slice holds, and the last slice not full. */
TEST(patch_embed_backward_in_slices) { check_backward({1, 30, 36, 1, 8, true}); }
