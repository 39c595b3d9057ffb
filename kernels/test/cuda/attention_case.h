/* Attention in float64, for the tests of its kernels. */
#ifndef FATHOM_TEST_CUDA_ATTENTION_CASE_H
#define FATHOM_TEST_CUDA_ATTENTION_CASE_H

#include <algorithm>

#include "harness.h"

namespace {

struct Shape {
  int batch, tokens, heads, dim;
  double scale;

  int64_t qkv(int b, int t, int part, int h) const {
    return ((((int64_t)b * tokens + t) * 3 + part) * heads + h) * dim;
  }
  int64_t out(int b, int t, int h) const { return (((int64_t)b * tokens + t) * heads + h) * dim; }
  int64_t statistic(int b, int h, int t) const { return ((int64_t)b * heads + h) * tokens + t; }
  int64_t qkv_size() const { return (int64_t)batch * tokens * 3 * heads * dim; }
  int64_t out_size() const { return qkv_size() / 3; }
  int64_t statistics() const { return (int64_t)batch * heads * tokens; }
};

struct Result {
  std::vector<double> out, log_sum_exp, dqkv;
};

/* With every intermediate result through `round`. */
template <class Round>
Result reference(const Shape& s, const std::vector<double>& qkv, const std::vector<double>& d_out,
                 Round round) {
  Result r;
  r.out.resize(s.out_size());
  r.log_sum_exp.resize(s.statistics());
  r.dqkv.assign(s.qkv_size(), 0.0);
  const int n = s.tokens;
  std::vector<double> p((size_t)n * n), u((size_t)n * n);
  for (int b = 0; b < s.batch; b++)
    for (int h = 0; h < s.heads; h++) {
      const auto row = [&](int part, int t) { return qkv.data() + s.qkv(b, t, part, h); };
      const auto dot = [&](const double* x, const double* y) {
        double sum = 0;
        for (int i = 0; i < s.dim; i++) sum += x[i] * y[i];
        return sum;
      };
      for (int q = 0; q < n; q++) {
        double* line = p.data() + (size_t)q * n;
        double top = -INFINITY, sum = 0;
        for (int k = 0; k < n; k++) {
          line[k] = round(s.scale * dot(row(0, q), row(1, k)));
          top = std::max(top, line[k]);
        }
        for (int k = 0; k < n; k++) sum += line[k] = std::exp(line[k] - top);
        for (int k = 0; k < n; k++) line[k] = round(line[k] / sum);
        r.log_sum_exp[s.statistic(b, h, q)] = top + std::log(sum);
        double* out = r.out.data() + s.out(b, q, h);
        for (int k = 0; k < n; k++)
          for (int i = 0; i < s.dim; i++) out[i] += line[k] * row(2, k)[i];
        for (int i = 0; i < s.dim; i++) out[i] = round(out[i]);
      }
      for (int q = 0; q < n; q++) {
        const double* d = d_out.data() + s.out(b, q, h);
        const double delta = dot(d, r.out.data() + s.out(b, q, h));
        for (int k = 0; k < n; k++)
          u[(size_t)q * n + k] = round(p[(size_t)q * n + k] * (round(dot(d, row(2, k))) - delta));
      }
      for (int q = 0; q < n; q++) {
        double* dq = r.dqkv.data() + s.qkv(b, q, 0, h);
        for (int k = 0; k < n; k++) {
          double* dk = r.dqkv.data() + s.qkv(b, k, 1, h);
          double* dv = r.dqkv.data() + s.qkv(b, k, 2, h);
          for (int i = 0; i < s.dim; i++) {
            dq[i] += s.scale * u[(size_t)q * n + k] * row(1, k)[i];
            dk[i] += s.scale * u[(size_t)q * n + k] * row(0, q)[i];
            dv[i] += p[(size_t)q * n + k] * d_out[s.out(b, q, h) + i];
          }
        }
      }
    }
  for (double& x : r.dqkv) x = round(x);
  return r;
}

/* In float64, and with every result rounded to bf16, as a plain computation would. */
struct References {
  Result exact, plain;

  References(const Shape& s, const std::vector<float>& qkv, const std::vector<float>& d_out)
      : exact(reference(s, to_double(qkv), to_double(d_out), [](double x) { return x; })),
        plain(reference(s, to_double(qkv), to_double(d_out),
                        [](double x) { return (double)to_bf16((float)x); })) {}
};

/* Inputs that are elems, so that the reference starts from the same numbers. */
std::vector<float> inputs(int64_t n, uint64_t seed, float size) {
  return to_elem(random_values(n, seed, -size, size));
}

/* `shift` is added to the queries and subtracted from the keys. */
std::vector<float> input_qkv(const Shape& s, float size, float shift) {
  std::vector<float> qkv = inputs(s.qkv_size(), 1, size);
  const int row = s.heads * s.dim;
  for (int64_t i = 0; i < s.qkv_size(); i++)
    if (i / row % 3 < 2) qkv[i] = to_elem(qkv[i] + (i / row % 3 == 0 ? shift : -shift));
  return qkv;
}

Dim grid(const Shape& s, int rows) {
  return {static_cast<unsigned>(s.batch * s.heads * ceil_div(s.tokens, rows))};
}

/* dq, dk and dv have different sizes: each on its own. */
void expect_gradient(const Shape& s, const std::vector<float>& actual, const References& expected) {
  for (int part = 0; part < 3; part++) {
    std::vector<float> ours, usual;
    std::vector<double> exact;
    for (int b = 0; b < s.batch; b++)
      for (int t = 0; t < s.tokens; t++)
        for (int i = 0; i < s.heads * s.dim; i++) {
          const int64_t at = s.qkv(b, t, part, 0) + i;
          ours.push_back(actual[at]);
          usual.push_back((float)expected.plain.dqkv[at]);
          exact.push_back(expected.exact.dqkv[at]);
        }
    EXPECT_CALIBRATED(ours, exact, usual);
  }
}

}  // namespace

#endif
