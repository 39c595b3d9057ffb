/*
 * Multi-head attention, out = softmax(scale * q k^T) v, without ever storing the score matrix.
 *
 * 1. pack: the keys of a head become panels [D][NR] (NR keys, transposed), its values panels
 *    [tile][NR] (NR channels), so that both products stream their right-hand side.
 * 2. attend: a task is a block of query rows of one head, MR rows at a time against a tile of keys
 *    whose panels stay in the level 2 cache. A register tile of scores goes through exp2 before it
 *    leaves the registers; the probabilities (MR x tile, level 1) then multiply the values.
 *
 * The softmax is online: each row keeps a reference m, an earlier score of about its maximum, and
 * sums exp2(s - m). Only when a score exceeds m by LIMIT is m raised and what the row has summed
 * rescaled, so m need not be the exact maximum: the quotient is the same. scale * log2(e) is
 * multiplied into q, which turns exp into exp2.
 *
 * A row's result depends on its own query, its head's keys and values and nothing else: not on the
 * number of threads, the size of the batch or its neighbours.
 */
#include "attention.h"

#define TILE 256               /* keys in a tile; fewer when the head is wide */
#define P_STRIDE (TILE + 16)   /* off a power of two: MR rows share no cache sets */
#define SLICE 64               /* channels of a query row that lie next to each other */
#define BLOCK_ROWS 112         /* query rows in a task, at most */
#define GROUP_BYTES (32 << 20) /* packed keys and values held at a time, unless one head has more */
#define GROUP_TASKS 48         /* tasks between two waits, for each thread but the first */
#define LIMIT 10.0f            /* a row's terms stay below 2^LIMIT, and are at least 2^FLOOR */

typedef struct {
  const fathom_attention_args* args;
  fathom_context* context;
  int64_t panels;       /* of NR keys */
  int64_t value_panels; /* of NR channels */
  int64_t slices;       /* of SLICE channels */
  int64_t tile;         /* keys in a tile, a multiple of NR */
  int64_t tile_floats;  /* packed: keys [tile / NR][D][NR], then values [value_panels][tile][NR] */
  int64_t head_floats;  /* all tiles of a head */
  int64_t micro_rows;   /* ceil(T / MR) */
  int64_t block;        /* the most micro rows in a task */
  int64_t blocks;       /* tasks of a head */
  int64_t first, heads; /* which of the batch * heads are now in the packed memory */
  float* packed;        /* [heads] of head_floats */
  size_t query_floats, out_floats, sum_floats; /* thread memory, in this order, then p */
} plan;

/* Whether a lane of x is above limit. */
FATHOM_INLINE int any_above(vf x, float limit) {
#if FATHOM_ISA_LEVEL == 3
  return _mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(limit), _CMP_GT_OQ) != 0;
#elif FATHOM_ISA_LEVEL == 2
  return _mm256_movemask_ps(_mm256_cmp_ps((__m256)x, _mm256_set1_ps(limit), _CMP_GT_OQ)) != 0;
#else
  return v_max_lane(x) > limit;
#endif
}

/* ---- packing ---- */

/* index: one panel of keys and the values of the same tokens of one head; heads are neighbours. */
static void pack_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const plan* s = argument;
  const fathom_attention_args* a = s->args;
  int64_t panel = index / s->heads, slot = index % s->heads;
  int64_t batch = (s->first + slot) / a->heads, head = (s->first + slot) % a->heads;
  int64_t width = a->heads * a->head_dim, stride = 3 * width;
  int64_t token = panel * NR, n = fathom_min(NR, a->tokens - token);
  const float* k = a->qkv + (batch * a->tokens + token) * stride + width + head * a->head_dim;
  int64_t next = fathom_min(NR, a->tokens - token - NR);
  fetch_rows(k + NR * stride, stride, next, a->head_dim, 0);
  fetch_rows(k + NR * stride + width, stride, next, a->head_dim, 0);
  float* tile = s->packed + slot * s->head_floats + token / s->tile * s->tile_floats;
  pack_keys(k, stride, n, a->head_dim, tile + token % s->tile * a->head_dim);
  pack_rows(k + width, stride, n, a->head_dim, 1.0f,
            tile + s->tile * a->head_dim + token % s->tile * NR, s->tile * NR);
}

/* ---- attending ---- */

/* What MR query rows have summed up to now. */
typedef struct {
  float* minus_max; /* [MR], -m */
  float* sum;       /* [MR][W], partial sums of exp2(s - m) */
  float* out;       /* [value_panels][MR][NR] */
  float* p;         /* [MR] rows of P_STRIDE: exp2(s - m) for this tile's keys */
} row_sums;

/*
 * The rare way out of score_tile: p + column holds s - m for NR keys. Raises m where a score exceeds
 * it by LIMIT, or in any case for the first keys of all, rescales, and finishes the tile.
 */
static __attribute__((noinline)) void raise_and_finish(const row_sums* r, int64_t column, int first,
                                                       int64_t out_panels) {
  for (int64_t i = 0; i < MR; i++) {
    float* p = r->p + i * P_STRIDE;
    vf left = v_load(p + column), right = v_load(p + column + W);
    vf sum = first ? v_set(0.0f) : v_load(r->sum + i * W);
    float top = v_max_lane(v_max(left, right));
    if (first || top > LIMIT) {
      /* What m really moved by, after rounding, is what old and new terms are rescaled by. */
      float minus_max = (first ? 0.0f : r->minus_max[i]);
      float raised = minus_max - top;
      vf step = v_set(minus_max - raised);
      r->minus_max[i] = raised;
      left -= step;
      right -= step;
      if (!first) {
        vf factor = exp2_terms(-step);
        sum *= factor;
        for (int64_t j = 0; j < column; j += W)
          v_store(p + j, v_max(v_set(0x1p-100f), v_load(p + j) * factor));
        for (int64_t panel = 0; panel < out_panels; panel++) {
          float* out = r->out + (panel * MR + i) * NR;
          v_store(out, v_load(out) * factor);
          v_store(out + W, v_load(out + W) * factor);
        }
      }
    }
    left = exp2_terms(left);
    right = exp2_terms(right);
    v_store(p + column, left);
    v_store(p + column + W, right);
    v_store(r->sum + i * W, sum + (left + right));
  }
}

/*
 * p[MR][NR] at p + column = exp2(q k^T - m) for one panel of keys, of which n count, and the row
 * sums. first: no key was seen before. out_panels: panels of out that hold sums, 0 in the first tile.
 */
FATHOM_INLINE void score_tile(const float* restrict q, const float* restrict k, int64_t head_dim,
                              int64_t n, const row_sums* r, int64_t column, int first,
                              int64_t out_panels) {
  FATHOM_ROWS(ZERO)
  for (int64_t d = head_dim; d > 0; d -= SLICE, q += MR * SLICE, k += SLICE * NR)
    MULTIPLY(fathom_min(d, SLICE), q, SLICE, 1, k)
  float* p = r->p + column;
#define STORE(i)                     \
  v_store(p + (i) * P_STRIDE, l##i); \
  v_store(p + (i) * P_STRIDE + W, r##i);
  if (__builtin_expect(n < NR, 0)) {
    float lanes[NR];
    for (int i = 0; i < NR; i++) lanes[i] = i < n ? 0.0f : -INFINITY;
    vi left = v_load(lanes) < 0.0f, right = v_load(lanes + W) < 0.0f;
    const vf none = v_set(-INFINITY);
#define MASK(i)                      \
  l##i = v_select(left, none, l##i); \
  r##i = v_select(right, none, r##i);
    FATHOM_ROWS(MASK)
#undef MASK
  }
  if (!first) {
#define SUBTRACT(i)                \
  {                                \
    vf m = v_set(r->minus_max[i]); \
    l##i += m;                     \
    r##i += m;                     \
  }
    FATHOM_ROWS(SUBTRACT)
#undef SUBTRACT
  }
  vf top = v_set(-INFINITY); /* the second operand of v_max is never NaN: it skips those of rows */
#define TOP(i) top = v_max(v_max(l##i, r##i), top);
  FATHOM_ROWS(TOP)
#undef TOP
  if (__builtin_expect(first || any_above(top, LIMIT), 0)) {
    FATHOM_ROWS(STORE)
    raise_and_finish(r, column, first, out_panels);
    return;
  }
#define FINISH(i)                                                          \
  l##i = exp2_terms(l##i);                                                 \
  r##i = exp2_terms(r##i);                                                 \
  v_store(r->sum + (i) * W, v_load(r->sum + (i) * W) + (l##i + r##i));
  FATHOM_ROWS(FINISH)
#undef FINISH
  FATHOM_ROWS(STORE)
#undef STORE
}

/* out[MR][NR] = or += p v for n keys and one panel of values. */
FATHOM_INLINE void value_tile(int64_t n, const float* restrict p, const float* restrict v,
                              float* restrict out, int accumulate) {
  FATHOM_ROWS(ZERO)
  MULTIPLY(n, p, P_STRIDE, 1, v)
  if (accumulate) {
#define ADD(i)                    \
  l##i += v_load(out + (i) * NR); \
  r##i += v_load(out + (i) * NR + W);
    FATHOM_ROWS(ADD)
#undef ADD
  }
#define STORE(i)                 \
  v_store(out + (i) * NR, l##i); \
  v_store(out + (i) * NR + W, r##i);
  FATHOM_ROWS(STORE)
#undef STORE
}

/* One tile of n keys for MR query rows: p, then out = or += p v. first: the first tile. */
static void attend_tile(const plan* s, const float* q, const float* tile, int64_t n, int first,
                        const row_sums* r) {
  int64_t head_dim = s->args->head_dim;
  int64_t out_panels = first ? 0 : s->value_panels;
  for (int64_t column = 0; column < n; column += NR) {
    const float* k = tile + column * head_dim;
    int start = first && column == 0;
    if (head_dim == SLICE)
      score_tile(q, k, SLICE, n - column, r, column, start, out_panels);
    else
      score_tile(q, k, head_dim, n - column, r, column, start, out_panels);
  }
  const float* values = tile + s->tile * head_dim;
  for (int64_t panel = 0; panel < s->value_panels; panel++)
    value_tile(n, r->p, values + panel * s->tile * NR, r->out + panel * MR * NR, !first);
}

/* q[slices][MR][SLICE] = scale * log2(e) * up to MR rows of query; zeros past n. */
static void pack_query(const plan* s, const float* query, int64_t stride, int64_t n, float* q) {
  vf scale = v_set(s->args->scale * 1.44269504088896341f);
  int64_t head_dim = s->args->head_dim;
  for (int64_t i = 0; i < MR; i++) {
    for (int64_t d = 0; d < head_dim; d += W) {
      float* to = q + (d / SLICE * MR + i) * SLICE + d % SLICE;
      int64_t width = fathom_min(W, head_dim - d);
      vf x = i >= n       ? v_set(0.0f)
             : width == W ? v_load(query + i * stride + d)
                          : v_load_part(query + i * stride + d, width);
      v_store(to, x * scale);
    }
  }
}

/* Where one head's result for one token goes. */
static float* row_out(const fathom_attention_args* a, int64_t batch, int64_t head, int64_t token) {
  return a->out + ((batch * a->tokens + token) * a->heads + head) * a->head_dim;
}

/* out / sum, and the logarithm of the sum, for up to MR rows from token on. */
static void finish_rows(const plan* s, const row_sums* r, int64_t batch, int64_t head,
                        int64_t token) {
  const fathom_attention_args* a = s->args;
  int64_t n = fathom_min(MR, a->tokens - token);
  for (int64_t i = 0; i < n; i++) {
    float sum = v_sum(v_load(r->sum + i * W));
    vf inverse = v_set(1.0f / sum);
    float* out = row_out(a, batch, head, token + i);
    for (int64_t d = 0; d < a->head_dim; d += W) {
      vf x = v_load(r->out + (d / NR * MR + i) * NR + d % NR) * inverse;
      if (a->head_dim - d >= W)
        v_store(out + d, x);
      else
        v_store_part(out + d, x, a->head_dim - d);
    }
    if (a->log_sum_exp) {
      double natural = 0.69314718055994531 * -(double)r->minus_max[i] + log((double)sum);
      a->log_sum_exp[(batch * a->heads + head) * a->tokens + token + i] = (float)natural;
    }
  }
}

/* index: one block of query rows of one head. */
static void attend_task(void* argument, int64_t index, int32_t thread) {
  const plan* s = argument;
  const fathom_attention_args* a = s->args;
  int64_t slot = index / s->blocks, block = index % s->blocks;
  int64_t batch = (s->first + slot) / a->heads, head = (s->first + slot) % a->heads;
  int64_t begin = block * s->micro_rows / s->blocks, end = (block + 1) * s->micro_rows / s->blocks;
  int64_t stride = 3 * a->heads * a->head_dim;
  const float* query = a->qkv + batch * a->tokens * stride + head * a->head_dim;
  const float* packed = s->packed + slot * s->head_floats;

  float* q = fathom_local(s->context, thread);
  float* out = q + s->query_floats;
  float* sums = out + s->out_floats;
  float* p = sums + s->sum_floats;
  float minus_max[BLOCK_ROWS];

  int64_t q_floats = s->slices * MR * SLICE, out_floats = s->value_panels * MR * NR;
  for (int64_t key = 0; key < a->tokens; key += s->tile) {
    const float* tile = packed + key / s->tile * s->tile_floats;
    int64_t n = fathom_min(s->tile, a->tokens - key);
    int first = key == 0, last = key + n == a->tokens;
    for (int64_t i = 0; i < end - begin; i++) {
      row_sums r = {minus_max + i * MR, sums + i * MR * W, out + i * out_floats, p};
      int64_t token = (begin + i) * MR;
      if (first) {
        pack_query(s, query + token * stride, stride, a->tokens - token, q + i * q_floats);
        fetch_rows(query + (token + MR) * stride, stride, fathom_min(MR, a->tokens - token - MR),
                   a->head_dim, 0);
      }
      if (last)
        fetch_rows(row_out(a, batch, head, token), a->heads * a->head_dim,
                   fathom_min(MR, a->tokens - token), a->head_dim, 1);
      attend_tile(s, q + i * q_floats, tile, n, first, &r);
      if (last) finish_rows(s, &r, batch, head, token);
    }
  }
}

fathom_status FN(attention)(fathom_context* context, const fathom_attention_args* a) {
  int64_t all = a->batch * a->heads;
  plan s = {.args = a, .context = context};
  s.panels = fathom_ceil_div(a->tokens, NR);
  s.value_panels = fathom_ceil_div(a->head_dim, NR);
  s.slices = fathom_ceil_div(a->head_dim, SLICE);
  int64_t tile_panels = (a->head_dim <= 128 ? TILE : TILE / 2) / NR;
  int64_t tiles = fathom_ceil_div(s.panels, tile_panels);
  s.tile = fathom_ceil_div(s.panels, tiles) * NR;
  s.tile_floats = s.tile * (a->head_dim + s.value_panels * NR);
  s.head_floats = tiles * s.tile_floats;
  s.micro_rows = fathom_ceil_div(a->tokens, MR);

  /*
   * Few heads at a time, so that they are packed to where the last ones were, in the cache; enough
   * that threads which wait for the last task of a group lose little. One thread never waits.
   */
  int64_t bytes = s.head_floats * (int64_t)sizeof(float);
  int64_t least_blocks = fathom_ceil_div(s.micro_rows, BLOCK_ROWS / MR);
  int64_t group = fathom_ceil_div(GROUP_TASKS * (context->threads - 1), least_blocks);
  group = fathom_min(all, fathom_max(1, fathom_min(group, GROUP_BYTES / bytes)));
  group = fathom_ceil_div(all, fathom_ceil_div(all, group));

  /* Blocks for the cache, more of them when the threads would otherwise go without. */
  s.blocks = fathom_max(least_blocks,
                        fathom_min(s.micro_rows, fathom_ceil_div(4 * context->threads, group)));
  s.block = fathom_ceil_div(s.micro_rows, s.blocks);
  s.query_floats = (size_t)(s.block * s.slices * MR * SLICE);
  s.out_floats = (size_t)(s.block * s.value_panels * MR * NR);
  s.sum_floats = (size_t)(s.block * MR * W);
  size_t local = s.query_floats + s.out_floats + s.sum_floats + MR * P_STRIDE;
  fathom_status status =
      fathom_reserve(context, (size_t)(group * bytes), local * sizeof(float));
  if (status != FATHOM_OK) return status;
  s.packed = fathom_shared(context);

  for (s.first = 0; s.first < all; s.first += group) {
    s.heads = fathom_min(group, all - s.first);
    fathom_pool_run(context->pool, s.heads * s.panels, pack_task, &s);
    fathom_pool_run(context->pool, s.heads * s.blocks, attend_task, &s);
  }
  return FATHOM_OK;
}

#ifdef FATHOM_ENTRY

fathom_status fathom_attention(fathom_context* context, const fathom_attention_args* a) {
  FATHOM_CHECK(context && a, "attention: the context or the arguments are NULL");
#define SHAPE "attention [B=%lld,T=%lld,heads=%lld,D=%lld]"
#define SIZES \
  (long long)a->batch, (long long)a->tokens, (long long)a->heads, (long long)a->head_dim
  FATHOM_CHECK(a->batch >= 1 && a->tokens >= 1 && a->heads >= 1 && a->head_dim >= 1,
               SHAPE ": every size must be at least 1", SIZES);
  int64_t out = product(product(product(a->batch, a->tokens), a->heads), a->head_dim);
  /* Packing rounds T and D up to panels: leave room for that too. */
  FATHOM_CHECK(product(product(out, 3 * 64 * 64), sizeof(float)) > 0, SHAPE ": too large", SIZES);
  FATHOM_CHECK(a->qkv && a->out, SHAPE ": qkv or out is NULL", SIZES);
  FATHOM_CHECK(isfinite(a->scale), SHAPE ": scale is %g", SIZES, (double)a->scale);
  FATHOM_CHECK(!fathom_overlap(a->out, out, a->qkv, 3 * out), SHAPE ": out overlaps qkv", SIZES);
  if (a->log_sum_exp) {
    int64_t n = a->batch * a->heads * a->tokens;
    FATHOM_CHECK(!fathom_overlap(a->log_sum_exp, n, a->qkv, 3 * out) &&
                     !fathom_overlap(a->log_sum_exp, n, a->out, out),
                 SHAPE ": log_sum_exp overlaps qkv or out", SIZES);
  }
  FATHOM_DISPATCH(context, attention, a);
}

#endif
