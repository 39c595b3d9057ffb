/*
 * The device layer: fragments (dev_fragment.h), and TMA, mbarriers and wgmma (dev90.h) against
 * plain loops.
 */
#include <array>

#include "harness.h"
#include "kernels/args.h"

namespace {

/* C [m,n] = A [m,k] B [k,n] in float64. */
std::vector<double> product(const std::vector<float>& a, const std::vector<float>& b, int m, int n,
                            int k) {
  std::vector<double> c(static_cast<size_t>(m) * n);
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) {
      for (int p = 0; p < k; p++) c[i * n + j] += (double)a[i * k + p] * b[p * n + j];
    }
  }
  return c;
}
std::vector<float> transposed(const std::vector<float>& x, int rows, int columns) {
  std::vector<float> y(x.size());
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < columns; j++) y[j * rows + i] = x[i * columns + j];
  }
  return y;
}
uint16_t bits_of(float x) {
  const float rounded = to_bf16(x);
  uint32_t u;
  memcpy(&u, &rounded, 4);
  return static_cast<uint16_t>(u >> 16);
}

bool is_sm90() {
  int major = 0;
  cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0);
  return major == 9 && !elem_is_float();
}

/* A matrix [rows,columns]; a box of [box_rows,box_columns]. */
fathom_cuda_tensor_map map_of(const Tensor& t, bool bf16, int rows, int columns, int box_rows,
                              int box_columns) {
  CUtensorMap map;
  const uint64_t sizes[] = {static_cast<uint64_t>(columns), static_cast<uint64_t>(rows)};
  const uint64_t strides[] = {static_cast<uint64_t>(columns) * (bf16 ? 2 : 4)};
  const uint32_t box[] = {static_cast<uint32_t>(box_columns), static_cast<uint32_t>(box_rows)},
                 ones[] = {1, 1};
  EXPECT_OK(cuTensorMapEncodeTiled(
      &map, bf16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 2, t, sizes,
      strides, box, ones, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
      CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  fathom_cuda_tensor_map result;
  memcpy(&result, &map, sizeof result);
  return result;
}

}  // namespace

TEST(fragments_in_every_layout) {
  load_module("kernels/fragments");
  const std::vector<float> a = to_elem(random_values(256, 1)), b = to_elem(random_values(256, 2));
  for (int variant = 0; variant < 16; variant++) {
    Tensor ta = Tensor::elems(variant & 1 ? transposed(a, 16, 16) : a);
    Tensor tb = Tensor::elems(variant & 2 ? b : transposed(b, 16, 16)); /* [K,N] or [N,K] */
    Tensor c = Tensor::empty_floats(256);
    launch("fragments", {1}, {32}, 0, fragment_args{ta, tb, c, variant});
    std::vector<double> expected = product(a, b, 16, 16, 16);
    if (variant & 8) expected = product(to_elem(to_float(expected)), b, 16, 16, 16);
    /*
     * Sums of 16 in float32; a sum next to a rounding boundary may become another bf16 in the
     * second product.
     */
    EXPECT_CLOSE(c.values(), expected, variant & 8 && !elem_is_float() ? 2e-2 : 1e-5);
  }
}

TEST(gemm_by_tma_mbarriers_and_wgmma) {
  if (!is_sm90()) return;
  load_module("kernels/gemm90");
  for (const auto& [m, n, k] :
       {std::array{64, 64, 64}, std::array{100, 72, 200}, std::array{137, 136, 328}}) {
    const std::vector<float> a = to_elem(random_values(m * k, 1)),
                             b = to_elem(random_values(n * k, 2));
    Tensor ta = Tensor::elems(a), tb = Tensor::elems(b), tc = Tensor::empty_floats(m * n);
    gemm90_args args = {map_of(ta, true, m, k, 64, 64), map_of(tb, true, n, k, 64, 64),
                        map_of(tc, false, m, n, 64, 32), k, 0};
    launch("gemm90",
           {static_cast<unsigned>(ceil_div(n, 64)), static_cast<unsigned>(ceil_div(m, 64))}, {160},
           GEMM90_SHARED, args);
    EXPECT_CLOSE(tc.values(), product(a, transposed(b, n, k), m, n, k), 1e-5);
  }
}

/*
 * An operand in shared memory as a canonical layout of the PTX manual has it; width: of the
 * swizzle, in bytes.
 */
struct Layout {
  bool transposed;
  int width; /* 16: none */
};

namespace {

uint64_t field_of_width(int width) {
  return width == 128 ? 1 : width == 64 ? 2 : width == 32 ? 3 : 0;
}

/* Places an operand [lines,16] (line: m or n), and gives its descriptor without the address. */
std::vector<uint8_t> place(const std::vector<float>& x, int lines, const Layout& layout,
                           uint64_t* descriptor) {
  const int w = layout.width, per_row = w / 2;
  int leading = 0, stride = 0, bytes = 0;
  if (!layout.transposed) {
    /* Groups of 8 lines; without a swizzle the two groups of 8 k are apart. */
    stride = 8 * w;
    bytes = (lines + 7) / 8 * stride;
    if (w == 16) leading = bytes, bytes *= 2;
  } else if (w == 16) {
    stride = 128;                       /* the next 8 lines */
    leading = (lines + 7) / 8 * stride; /* the next 8 k */
    bytes = 2 * leading;
  } else {
    stride = 8 * w;       /* the next 8 k */
    leading = 2 * stride; /* the next lines */
    bytes = (lines + per_row - 1) / per_row * leading;
  }
  bytes = (bytes + 1023) / 1024 * 1024;
  std::vector<uint8_t> memory(static_cast<size_t>(bytes));
  for (int line = 0; line < lines; line++) {
    for (int k = 0; k < 16; k++) {
      int at;
      if (!layout.transposed) {
        at = line % 8 * w + line / 8 * stride + (w == 16 ? k / 8 * leading + k % 8 * 2 : k * 2);
      } else if (w == 16) {
        at = line % 8 * 2 + line / 8 * stride + k % 8 * 16 + k / 8 * leading;
      } else {
        at = line % per_row * 2 + line / per_row * leading + k % 8 * w + k / 8 * stride;
      }
      at ^= at / 128 % (w / 16) * 16;
      const uint16_t bits = bits_of(x[line * 16 + k]);
      memcpy(&memory[static_cast<size_t>(at)], &bits, 2);
    }
  }
  *descriptor = static_cast<uint64_t>(leading >> 4) << 16 |
                static_cast<uint64_t>(stride >> 4) << 32 | field_of_width(w) << 62;
  return memory;
}

}  // namespace

TEST(wgmma_in_every_layout) {
  if (!is_sm90()) return;
  load_module("kernels/product90");
  for (const int n : {8, 64, 96, 256}) {
    const std::vector<float> a = to_elem(random_values(64 * 16, 1)),
                             b = to_elem(random_values(n * 16, 2));
    const std::vector<double> expected = product(a, transposed(b, n, 16), 64, n, 16);
    for (const bool a_transposed : {false, true}) {
      for (const bool b_transposed : {false, true}) {
        for (const int width : {16, 32, 64, 128}) {
          if (b_transposed && n % (width / 2)) continue;
          for (const bool a_registers : {false, true}) {
            if (a_registers && (a_transposed || width != 16)) continue;
            product90_args args = {};
            std::vector<uint8_t> ma = place(a, 64, {a_transposed, width}, &args.a_descriptor);
            const std::vector<uint8_t> mb = place(b, n, {b_transposed, width}, &args.b_descriptor);
            if (a_registers) {
              for (int i = 0; i < 64 * 16; i++) {
                const uint16_t bits = bits_of(a[i]);
                memcpy(&ma[2 * i], &bits, 2);
              }
            }
            Tensor ta = Tensor::bytes(ma), tb = Tensor::bytes(mb), d = Tensor::empty_floats(64 * n);
            args.a = ta, args.b = tb, args.d = d;
            args.a_bytes = static_cast<int32_t>(ma.size()),
            args.b_bytes = static_cast<int32_t>(mb.size());
            args.n = n, args.a_transposed = a_transposed, args.b_transposed = b_transposed;
            args.a_registers = a_registers;
            launch("product90", {1}, {128}, static_cast<unsigned>(ma.size() + mb.size()), args);
            EXPECT_CLOSE(d.values(), expected, 1e-5);
          }
        }
      }
    }
  }
}
