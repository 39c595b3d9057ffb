/*
 * Tensor-core fragments, without their element type showing: C (16x8, float) += A (16x16) B (16x8), elem.
 *
 *   FragA a; FragB b; FragC c = {};
 *   load_a(a, tile_a, lda);      A row-major: A[m][k] = tile_a[m * lda + k]
 *   load_b(b, tile_b, ldb);      B as [N,K]:  B[k][n] = tile_b[n * ldb + k]      (a weight's layout)
 *   mma(c, a, b);
 *   c.x[i] is C[fragment_row(i)][fragment_column(i)]
 *
 * All of it is for a whole warp in uniform control flow. Tiles are in shared memory; every row's start
 * must be a multiple of 16 bytes (ld a multiple of 8). With ld = 8 modulo 64 elements, or with swizzled
 * tiles and the *_rows functions, the loads are free of bank conflicts.
 *
 * bf16: ldmatrix and mma.sync.m16n8k16. float: the same places, multiplied exactly in float32.
 */
#ifndef FATHOM_CUDA_DEV_FRAGMENT_H
#define FATHOM_CUDA_DEV_FRAGMENT_H

#ifdef FATHOM_ELEM_FLOAT
/* x[2 * r + e] is what bf16 keeps in half e of register r. */
struct FragA {
  float x[8];
};
struct FragB {
  float x[4];
};
#else
struct FragA {
  uint32_t x[4];
};
struct FragB {
  uint32_t x[2];
};
#endif
struct FragC {
  float x[4];
};

/* Where element i of a thread's FragC lies in the 16x8 tile. */
DEV int fragment_row(int i) { return lane_id() / 4 + 8 * (i / 2); }
DEV int fragment_column(int i) { return 2 * (lane_id() % 4) + i % 2; }

/* ---- loading 8x8 matrices (ldmatrix) ----
 * Matrix m (of COUNT: 2 or 4) has rows of 8 elements; lane 8 m + r passes the address of row r. Lane l
 * gets elements 2 (l % 4) and the next of row l / 4 of each; transposed: the same of the columns.
 */
#ifdef FATHOM_ELEM_FLOAT
template <int COUNT, bool TRANSPOSED>
DEV void load_matrices(float* x, const elem* row CALLER) {
#ifdef __CUDACC__
#pragma unroll
  for (int m = 0; m < COUNT; m++) {
#pragma unroll
    for (int e = 0; e < 2; e++) {
      const int line = lane_id() / 4, pair = 2 * (lane_id() % 4) + e;
      const uint64_t from =
          __shfl_sync(0xffffffffu, (unsigned long long)row, 8 * m + (TRANSPOSED ? pair : line));
      x[2 * m + e] = ((const float*)from)[TRANSPOSED ? line : pair];
    }
  }
#else
  emulator::load_matrices<COUNT, TRANSPOSED>(x, row, place);
#endif
}
#else
template <int COUNT, bool TRANSPOSED>
DEV void load_matrices(uint32_t* x, const elem* row CALLER) {
#ifdef __CUDACC__
  const uint32_t p = shared_address(row);
  if (COUNT == 4 && !TRANSPOSED) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(p)
                 : "memory");
  } else if (COUNT == 4) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(p)
                 : "memory");
  } else if (!TRANSPOSED) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(x[0]), "=r"(x[1])
                 : "r"(p)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(x[0]), "=r"(x[1])
                 : "r"(p)
                 : "memory");
  }
#else
  emulator::load_matrices<COUNT, TRANSPOSED>((bf16*)x, row, place);
#endif
}
#endif

/* ---- operand A, 16 rows (m) by 16 (k) ---- */

/* Each lane passes the address of its 8 elements: row l % 16, from k = 8 (l / 16) on. For swizzled tiles. */
DEV void load_a_rows(FragA& a, const elem* mine CALLER) { load_matrices<4, false>(a.x, mine AT_CALLER); }
DEV void load_a(FragA& a, const elem* tile, int ld CALLER) {
  load_a_rows(a, tile + lane_id() % 16 * ld + lane_id() / 16 * 8 AT_CALLER);
}
/*
 * A stored as [K,M], A[m][k] = tile[k * ld + m]; the lane's 8 elements: row k = l % 8 + 8 (l / 16), from
 * m = 8 (l / 8 % 2) on.
 */
DEV void load_a_transposed_rows(FragA& a, const elem* mine CALLER) { load_matrices<4, true>(a.x, mine AT_CALLER); }
DEV void load_a_transposed(FragA& a, const elem* tile, int ld CALLER) {
  const int l = lane_id();
  load_a_transposed_rows(a, tile + (l % 8 + l / 16 * 8) * ld + l / 8 % 2 * 8 AT_CALLER);
}

/* ---- operand B, 16 (k) by 8 columns (n); the pair: two neighbours, 16 columns, in one instruction ---- */

/* B stored as [N,K], B[k][n] = tile[n * ld + k]. */
DEV void load_b(FragB& b, const elem* tile, int ld CALLER) {
  const int l = lane_id();
  load_matrices<2, false>(b.x, tile + l % 8 * ld + l / 8 % 2 * 8 AT_CALLER);
}
/* The lane's 8 elements: row n = l % 8 + 8 (l / 16), from k = 8 (l / 8 % 2) on. */
DEV void load_b_pair_rows(FragB (&b)[2], const elem* mine CALLER) {
  FragA both;
  load_matrices<4, false>(both.x, mine AT_CALLER);
  const int half = sizeof(b[0].x) / sizeof(b[0].x[0]);
#pragma unroll
  for (int i = 0; i < half; i++) b[0].x[i] = both.x[i], b[1].x[i] = both.x[half + i];
}
DEV void load_b_pair(FragB (&b)[2], const elem* tile, int ld CALLER) {
  const int l = lane_id();
  load_b_pair_rows(b, tile + (l % 8 + l / 16 * 8) * ld + l / 8 % 2 * 8 AT_CALLER);
}
/* B stored as [K,N], B[k][n] = tile[k * ld + n]. */
DEV void load_b_transposed(FragB& b, const elem* tile, int ld CALLER) {
  load_matrices<2, true>(b.x, tile + lane_id() % 16 * ld AT_CALLER);
}
/* The lane's 8 elements: row k = l % 16, from n = 8 (l / 16) on. */
DEV void load_b_transposed_pair_rows(FragB (&b)[2], const elem* mine CALLER) {
  FragA both;
  load_matrices<4, true>(both.x, mine AT_CALLER);
  const int half = sizeof(b[0].x) / sizeof(b[0].x[0]);
#pragma unroll
  for (int i = 0; i < half; i++) b[0].x[i] = both.x[i], b[1].x[i] = both.x[half + i];
}
DEV void load_b_transposed_pair(FragB (&b)[2], const elem* tile, int ld CALLER) {
  load_b_transposed_pair_rows(b, tile + lane_id() % 16 * ld + lane_id() / 16 * 8 AT_CALLER);
}

/* ---- multiply and add ---- */

DEV void mma(FragC& c, const FragA& a, const FragB& b CALLER) {
#ifndef __CUDACC__
  emulator::mma(c.x, (const elem*)a.x, (const elem*)b.x, place);
#elif !defined(FATHOM_ELEM_FLOAT)
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c.x[0]), "+f"(c.x[1]), "+f"(c.x[2]), "+f"(c.x[3])
      : "r"(a.x[0]), "r"(a.x[1]), "r"(a.x[2]), "r"(a.x[3]), "r"(b.x[0]), "r"(b.x[1]));
#else
  /* Row r of A is with lanes 4 r .. 4 r + 3, column n of B with lanes 4 n .. 4 n + 3. */
  const int row = lane_id() & ~3, column = lane_id() % 4 * 8;
#pragma unroll
  for (int k = 0; k < 16; k++) {
    const int owner = k % 8 / 2, half = k / 8, e = k % 2;
    const float upper = __shfl_sync(0xffffffffu, a.x[4 * half + e], row + owner);
    const float lower = __shfl_sync(0xffffffffu, a.x[4 * half + 2 + e], row + owner);
    const float left = __shfl_sync(0xffffffffu, b.x[2 * half + e], column + owner);
    const float right = __shfl_sync(0xffffffffu, b.x[2 * half + e], column + 4 + owner);
    c.x[0] += upper * left, c.x[1] += upper * right;
    c.x[2] += lower * left, c.x[3] += lower * right;
  }
#endif
}

/*
 * Two accumulators as an operand: `left` are columns 0..7 of a 16x16 tile, `right` columns 8..15, rounded
 * to elem. The next product's A without a way through shared memory.
 */
DEV void accumulators_to_a(FragA& a, const FragC& left, const FragC& right) {
#ifdef FATHOM_ELEM_FLOAT
#pragma unroll
  for (int i = 0; i < 4; i++) a.x[i] = left.x[i], a.x[4 + i] = right.x[i];
#else
  a.x[0] = pack_bf16(left.x[0], left.x[1]), a.x[1] = pack_bf16(left.x[2], left.x[3]);
  a.x[2] = pack_bf16(right.x[0], right.x[1]), a.x[3] = pack_bf16(right.x[2], right.x[3]);
#endif
}

#endif
