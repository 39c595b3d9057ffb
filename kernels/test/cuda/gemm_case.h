/* What the tests of products share: the tiles, the host's plan, launches, matrices in float64. */
#ifndef FATHOM_TEST_CUDA_GEMM_CASE_H
#define FATHOM_TEST_CUDA_GEMM_CASE_H

#include "../../cuda/args_gemm.h"
#include "../../cuda/args_linear.h"
#include "harness.h"

struct TileShape {
  const char* name;
  int m, n;
  unsigned threads, shared_bytes; /* for bf16 */
  int cost;                       /* per product, in 16ths */
};
constexpr TileShape TILE_128X128 = {
    "128x128", 128, 128, FATHOM_GEMM_128X128_THREADS, FATHOM_GEMM_128X128_SHARED, 16};
constexpr TileShape TILE_128X64 = {
    "128x64", 128, 64, FATHOM_GEMM_128X64_THREADS, FATHOM_GEMM_128X64_SHARED, 18};
constexpr TileShape TILE_64X64 = {
    "64x64", 64, 64, FATHOM_GEMM_64X64_THREADS, FATHOM_GEMM_64X64_SHARED, 22};
constexpr TileShape TILE_128X32 = {
    "128x32", 128, 32, FATHOM_GEMM_128X32_THREADS, FATHOM_GEMM_128X32_SHARED, 20};
constexpr TileShape TILE_ANY = {"any", 64, 64, FATHOM_GEMM_64X64_THREADS, FATHOM_GEMM_64X64_SHARED,
                                22};

/* A tensor where a condition holds, else NULL; for argument structs. */
struct Given {
  CUdeviceptr address;
  template <class T>
  operator T*() const {
    return reinterpret_cast<T*>(address);
  }
};
inline Given given(bool condition, const Tensor& tensor) {
  return {condition ? tensor.address() : 0};
}

inline int64_t round_up_8(int64_t n) { return (n + 7) / 8 * 8; }
inline unsigned blocks_of(int64_t n, int64_t each) {
  return static_cast<unsigned>(ceil_div(n, each));
}

/* <prefix>_<tile> for a product [m,n] in `splits` parts. */
template <class Args>
void launch_tiles(const std::string& prefix, const TileShape& tile, int64_t m, int64_t n,
                  int splits, const Args& args, unsigned depth = 1) {
  launch((prefix + "_" + tile.name).c_str(),
         {static_cast<unsigned>(ceil_div(m, tile.m) * ceil_div(n, tile.n)),
          static_cast<unsigned>(splits), depth},
         {tile.threads}, tile.shared_bytes * (elem_is_float() ? 2 : 1), args);
}

/* The rule of args_gemm.h, of the tiles that every product has. */
struct Plan {
  std::string tile;
  int splits;
  int64_t cost;
};
inline int64_t plan_cost(const TileShape& tile, int64_t m, int64_t n, int64_t k, int64_t s,
                         int64_t multiprocessors) {
  const int64_t tiles = ceil_div(m, tile.m) * ceil_div(n, tile.n),
                steps = ceil_div(ceil_div(k, FATHOM_GEMM_K), s);
  const int64_t waves = ceil_div(tiles * s, multiprocessors);
  return waves * tile.m * tile.n * (steps + 6) * tile.cost +
         (s > 1 ? 8 * s * m * n / multiprocessors : 0);
}
inline Plan plan_product(int64_t m, int64_t n, int64_t k, int64_t multiprocessors) {
  Plan best = {"", 0, INT64_MAX};
  for (const TileShape& tile : {TILE_128X128, TILE_128X64, TILE_64X64}) {
    for (int s = 1; s <= 128 && (s == 1 || ceil_div(k, FATHOM_GEMM_K) >= 8 * s); s *= 2) {
      const int64_t cost = plan_cost(tile, m, n, k, s, multiprocessors);
      if (cost < best.cost) best = {tile.name, s, cost};
    }
  }
  return best;
}

/* Packs weight[a * stride_a + b * stride_b + c * stride_c] to elem [a][b][in8]. */
inline Tensor pack_weight(const std::vector<float>& weight, int a, int b, int in, int64_t stride_a,
                          int64_t stride_b, int64_t stride_c, const float* factor = nullptr) {
  Tensor from = Tensor::floats(weight), to = Tensor::empty_elems(a * b * round_up_8(in));
  launch("fathom_pack_weight", {blocks_of(to.size(), FATHOM_LINEAR_THREADS)},
         {FATHOM_LINEAR_THREADS}, 0,
         fathom_cuda_pack_weight_args{from, factor, to, stride_a, stride_b, stride_c, a, b, in, 0});
  return to;
}

/* The sums over blocks of rows, and with an activation dz. */
struct Differentiated {
  Tensor block_sums;
  int blocks;
};
inline Differentiated differentiate(const Tensor& dy, const void* z, void* dz, int64_t rows,
                                    int columns, int activation) {
  int chunks = 1;
  while (chunks < 32 && chunks < ceil_div(columns, 8)) chunks *= 2;
  const int block_rows =
      static_cast<int>(std::max<int64_t>(64, ceil_div(rows, FATHOM_LINEAR_MOST_SUMS)));
  const int blocks = static_cast<int>(ceil_div(rows, block_rows));
  Tensor sums = Tensor::empty_floats(static_cast<int64_t>(blocks) * columns);
  launch("fathom_differentiate", {blocks_of(columns, 8 * chunks), static_cast<unsigned>(blocks)},
         {FATHOM_LINEAR_THREADS}, 0,
         fathom_cuda_differentiate_args{dy, z, dz, sums, rows, columns, chunks, block_rows,
                                        activation});
  return {std::move(sums), blocks};
}
inline void add_vectors(const fathom_cuda_linear_vectors_args& args) {
  launch("fathom_linear_vectors", {blocks_of(args.columns, FATHOM_LINEAR_SUM_COLUMNS)},
         {FATHOM_LINEAR_THREADS}, 0, args);
}

/* `values` rounded to elem, as what a kernel stores. */
inline std::vector<float> stored(const std::vector<double>& values) {
  return to_elem(to_float(values));
}

/* Fails where a result's bits differ from those of an earlier run under another schedule. */
inline void expect_same_bits(const char* what, const std::vector<float>& values) {
  static std::vector<std::pair<std::string, std::vector<float>>> seen;
  const std::string key = std::string(what) + (elem_is_float() ? " float" : " bf16");
  for (const auto& [name, bits] : seen) {
    if (name != key) continue;
    EXPECT(bits.size() == values.size() &&
               memcmp(bits.data(), values.data(), bits.size() * sizeof(float)) == 0,
           "%s: other bits than under another schedule", key.c_str());
    return;
  }
  seen.emplace_back(key, values);
}

#endif
