/*
 * The gradient of multi-head attention. With S = scale q k^T, P = exp(S - log_sum_exp) and
 * delta = the row sums of d_out * out, which are those of P * dP:
 *
 *     dv = P^T d_out      dP = d_out v^T      U = P * (dP - delta)
 *     dq = scale U k      dk = scale U^T q
 *
 * 1. row_sums: delta, for all heads.
 * 2. tile: for a tile of keys of one head and all its queries, in blocks: P and U of a block, which
 *    stay in the level 2 cache, then the three products with them. dk and dv of the tile are sums
 *    over blocks; its share of dq is one sum per block.
 * 3. dq is the sum of the tiles' shares in the order of the tiles: in place where one task takes all
 *    tiles of a head, and from a share of its own for each where they are tasks of their own, because
 *    there are few heads for many threads. Both are the same additions.
 *
 * Tiles and blocks depend on the tokens and the head's width alone, so that a head's gradient does
 * not depend on the number of threads, the size of the batch or its neighbours.
 *
 * scale * log2(e) is multiplied into q, which turns exp into exp2; dk takes log(2) of it back.
 */
#include "attention.h"

#define TILE 288              /* keys in a tile at most, a multiple of every NR; fewer for wide heads */
#define P_STRIDE (TILE + 16)  /* an odd number of lines: columns fall into all cache sets */
#define BLOCK_ROWS 112        /* query rows in a block, at most */
#define DELTA_ROWS 32         /* tokens in a task of row_sums */
#define SHARE_ROWS 64         /* tokens in a task that adds shares */
#define SHARE_BYTES (64 << 20) /* shares held at a time, unless one head has more */
#define LEAST -64.0f          /* a probability below 2^LEAST is 0, so that no product is denormal */
#define LOG2_E 1.44269504088896341f
#define LOG_2 0.69314718055994531f

typedef struct {
  const fathom_attention_backward_args* args;
  fathom_context* context;
  int64_t panels;        /* of NR keys */
  int64_t slices;        /* of NR channels */
  int64_t tiles;         /* of a head */
  int64_t tile_keys;     /* the most keys in a tile, a multiple of NR */
  int64_t micro_rows;    /* ceil(T / MR) */
  int64_t blocks;        /* of query rows */
  int64_t block_rows;    /* the most rows in a block, a multiple of MR */
  int64_t dq_floats;     /* [slices][micro_rows * MR][NR] */
  int64_t first, heads;  /* which of the batch * heads are worked at */
  float* delta;          /* [B * heads][T] */
  float* shares;         /* [heads][tiles] of dq_floats, where tiles are tasks */
} plan;

/* A thread's memory. */
typedef struct {
  float *keys, *values;         /* [tile_keys / NR][D][NR], transposed */
  float* key_rows;              /* [slices][tile_keys][NR] */
  float *dk, *dv;               /* [slices][tile_keys + MR][NR] */
  float *q, *d_out;             /* [slices][block_rows][NR] */
  float *p, *u;                 /* [block_rows] rows of P_STRIDE */
  float *minus_lse, *delta;     /* [block_rows] */
  float* dq;                    /* dq_floats, where a task takes a head */
} memory;

/* Lays a thread's memory out from base, which may be NULL; returns how many floats it takes. */
static int64_t lay_out(const plan* s, int whole_head, float* base, memory* m) {
  const int64_t wide = s->slices * NR;
  int64_t at = 0;
#define PART(name, floats)             \
  m->name = base ? base + at : NULL;   \
  at += fathom_ceil_div(floats, 16) * 16;
  PART(keys, s->tile_keys * s->args->head_dim)
  PART(values, s->tile_keys * s->args->head_dim)
  PART(key_rows, s->tile_keys * wide)
  PART(dk, (s->tile_keys + MR) * wide)
  PART(dv, (s->tile_keys + MR) * wide)
  PART(q, s->block_rows * wide)
  PART(d_out, s->block_rows * wide)
  PART(p, s->block_rows * P_STRIDE)
  PART(u, s->block_rows * P_STRIDE)
  PART(minus_lse, s->block_rows)
  PART(delta, s->block_rows)
  PART(dq, whole_head ? s->dq_floats : 0)
#undef PART
  return at;
}

/* ---- register tiles ---- */

/* A row of a tile to memory. */
#define STORE(i)                    \
  v_store(to + (i) * stride, l##i); \
  if (!half) v_store(to + (i) * stride + W, r##i);

/* exp2_terms, but 0 for what is next to nothing. */
FATHOM_INLINE vf probability(vf x) {
  return v_select(x < v_set(LEAST), v_set(0.0f), exp2_terms(x));
}

/*
 * p[MR][NR] = exp2(q k^T - lse) for one panel of keys; half: for the first W of them, without computing
 * the others.
 */
FATHOM_INLINE void probability_tile(const float* restrict q, int64_t q_slice,
                                    const float* restrict keys, int64_t head_dim,
                                    const float* restrict minus_lse, int half,
                                    float* restrict to) {
  const int64_t stride = P_STRIDE;
  FATHOM_ROWS(ZERO)
  for (int64_t d = head_dim; d > 0; d -= NR, q += q_slice, keys += NR * NR)
    MULTIPLY(fathom_min(d, NR), q, NR, 1, keys)
#define FINISH(i)                            \
  {                                          \
    const vf lse = v_set(minus_lse[i]);      \
    l##i = probability(l##i + lse);          \
    if (!half) r##i = probability(r##i + lse); \
  }
  FATHOM_ROWS(FINISH)
#undef FINISH
  FATHOM_ROWS(STORE)
}

/* u[MR][NR] = p * (d_out v^T - delta) for one panel of keys. */
FATHOM_INLINE void slope_tile(const float* restrict d_out, int64_t d_out_slice,
                              const float* restrict values, int64_t head_dim,
                              const float* restrict delta, const float* restrict p, int half,
                              float* restrict to) {
  const int64_t stride = P_STRIDE;
  FATHOM_ROWS(ZERO)
  for (int64_t d = head_dim; d > 0; d -= NR, d_out += d_out_slice, values += NR * NR)
    MULTIPLY(fathom_min(d, NR), d_out, NR, 1, values)
#define FINISH(i)                                             \
  {                                                           \
    const vf sum = v_set(delta[i]);                           \
    l##i = v_load(p + (i) * P_STRIDE) * (l##i - sum);         \
    if (!half) r##i = v_load(p + (i) * P_STRIDE + W) * (r##i - sum); \
  }
  FATHOM_ROWS(FINISH)
#undef FINISH
  FATHOM_ROWS(STORE)
}

#define ADD(i)                       \
  l##i += v_load(to + (i) * NR);     \
  r##i += v_load(to + (i) * NR + W);

/* to[MR][NR] = or += the first MR rows of a, of which each has n elements, times b[n][NR]. */
__attribute__((noinline)) static void row_product(int64_t n, const float* restrict a,
                                                  const float* restrict b, float* restrict to,
                                                  int accumulate) {
  const int64_t stride = NR;
  const int half = 0;
  FATHOM_ROWS(ZERO)
  MULTIPLY(n, a, P_STRIDE, 1, b)
  if (accumulate) {
    FATHOM_ROWS(ADD)
  }
  FATHOM_ROWS(STORE)
}

/* The same with the first MR columns of a, of which each has n elements. */
__attribute__((noinline)) static void column_product(int64_t n, const float* restrict a,
                                                     const float* restrict b, float* restrict to,
                                                     int accumulate) {
  const int64_t stride = NR;
  const int half = 0;
  FATHOM_ROWS(ZERO)
  MULTIPLY(n, a, 1, P_STRIDE, b)
  if (accumulate) {
    FATHOM_ROWS(ADD)
  }
  FATHOM_ROWS(STORE)
}

/* ---- a tile of keys ---- */

/* Up to block_rows tokens' queries and output gradients; rows that fill the last MR are zeros. */
static void pack_block(const plan* s, const memory* m, int64_t head, int64_t token, int64_t n) {
  const fathom_attention_backward_args* a = s->args;
  const int64_t width = a->heads * a->head_dim, row = head / a->heads * a->tokens + token;
  const int64_t channel = head % a->heads * a->head_dim, slice = s->block_rows * NR;
  pack_rows(a->qkv + row * 3 * width + channel, 3 * width, n, a->head_dim, a->scale * LOG2_E, m->q,
            slice);
  pack_rows(a->d_out + row * width + channel, width, n, a->head_dim, 1.0f, m->d_out, slice);
  const int64_t padded = fathom_ceil_div(n, MR) * MR;
  for (int64_t i = 0; i < s->slices; i++) {
    memset(m->q + i * slice + n * NR, 0, (size_t)((padded - n) * NR) * sizeof(float));
    memset(m->d_out + i * slice + n * NR, 0, (size_t)((padded - n) * NR) * sizeof(float));
  }
  for (int64_t i = 0; i < padded; i++) {
    m->minus_lse[i] = i < n ? -LOG2_E * a->log_sum_exp[head * a->tokens + token + i] : 0.0f;
    m->delta[i] = i < n ? s->delta[head * a->tokens + token + i] : 0.0f;
  }
}

/* p and u of MR queries and a panel of keys; head_dim is a constant where it is 64, half always. */
FATHOM_INLINE void slope_panel(const plan* s, const memory* m, int64_t row, int64_t key,
                               int64_t head_dim, int half) {
  const int64_t slice = s->block_rows * NR, at = row * P_STRIDE + key;
  probability_tile(m->q + row * NR, slice, m->keys + key * head_dim, head_dim, m->minus_lse + row,
                   half, m->p + at);
  slope_tile(m->d_out + row * NR, slice, m->values + key * head_dim, head_dim, m->delta + row,
             m->p + at, half, m->u + at);
}

/* p and u of MR queries and n keys. */
FATHOM_INLINE void slope_row(const plan* s, const memory* m, int64_t row, int64_t n,
                             int64_t head_dim) {
  int64_t key = 0;
  for (; key + W < n; key += NR) slope_panel(s, m, row, key, head_dim, 0);
  if (key < n) slope_panel(s, m, row, key, head_dim, 1);
}

/* Columns of p and u that the last MR of a column product reads, but that no panel has written. */
static void clear_columns(const plan* s, const memory* m, int64_t n) {
  const int64_t written = fathom_ceil_div(n, W) * W, read = fathom_ceil_div(n, MR) * MR;
  for (int64_t row = 0; row < s->block_rows; row++)
    for (int64_t column = written; column < read; column++)
      m->p[row * P_STRIDE + column] = m->u[row * P_STRIDE + column] = 0.0f;
}

/* n rows of the panels [..][NR], times factor, to rows of dqkv. */
static void store_rows(const plan* s, const float* from, int64_t from_slice, int64_t n, float factor,
                       float* to) {
  const int64_t head_dim = s->args->head_dim, stride = 3 * s->args->heads * head_dim;
  for (int64_t i = 0; i < n; i++)
    for (int64_t d = 0; d < head_dim; d += W)
      v_store_some(to + i * stride + d,
                   v_load(from + d / NR * from_slice + i * NR + d % NR) * factor, head_dim - d);
}

/*
 * dk and dv of one tile of keys of a head, and its share of dq, stored or added to dq. Rows of the
 * result are fetched under the last products before they are written, those of dq from dq_to if it is
 * not NULL.
 */
static void tile_gradient(const plan* s, const memory* m, int64_t head, int64_t tile, float* dq,
                          int add, const float* dq_to) {
  const fathom_attention_backward_args* a = s->args;
  const int64_t width = a->heads * a->head_dim, stride = 3 * width;
  const int64_t first = head / a->heads * a->tokens, channel = head % a->heads * a->head_dim;
  const int64_t key = s->panels * tile / s->tiles * NR;
  const int64_t n = fathom_min(a->tokens, s->panels * (tile + 1) / s->tiles * NR) - key;
  const float* keys = a->qkv + (first + key) * stride + width + channel;
  fetch_rows(keys, stride, n, a->head_dim, 0);
  fetch_rows(keys + width, stride, n, a->head_dim, 0);
  for (int64_t i = 0; i < n; i += NR) {
    const float* from = keys + i * stride;
    pack_keys(from, stride, fathom_min(NR, n - i), a->head_dim, m->keys + i * a->head_dim);
    pack_keys(from + width, stride, fathom_min(NR, n - i), a->head_dim, m->values + i * a->head_dim);
  }
  pack_rows(keys, stride, n, a->head_dim, 1.0f, m->key_rows, s->tile_keys * NR);
  clear_columns(s, m, n);

  const int64_t dq_slice = s->micro_rows * MR * NR, dk_slice = (s->tile_keys + MR) * NR;
  const int64_t block_slice = s->block_rows * NR;
  float* to = a->dqkv + (first + key) * stride + width + channel;
  for (int64_t block = 0; block < s->blocks; block++) {
    const int64_t token = s->micro_rows * block / s->blocks * MR;
    const int64_t rows =
        fathom_min(a->tokens, s->micro_rows * (block + 1) / s->blocks * MR) - token;
    pack_block(s, m, head, token, rows);
    for (int64_t row = 0; row < rows; row += MR) {
      /* The next block's rows, on their way while this one is worked at. */
      const int64_t next = token + s->block_rows + row;
      const int64_t left = fathom_min(MR, a->tokens - next);
      fetch_rows(a->qkv + (first + next) * stride + channel, stride, left, a->head_dim, 0);
      fetch_rows(a->d_out + (first + next) * width + channel, width, left, a->head_dim, 0);
      if (dq_to)
        fetch_rows(dq_to + (token + row) * stride, stride, fathom_min(MR, rows - row), a->head_dim, 1);
      if (a->head_dim == 64)
        slope_row(s, m, row, n, 64);
      else
        slope_row(s, m, row, n, a->head_dim);
      for (int64_t i = 0; i < s->slices; i++)
        row_product(n, m->u + row * P_STRIDE, m->key_rows + i * s->tile_keys * NR,
                    dq + i * dq_slice + (token + row) * NR, add);
    }
    for (int64_t column = 0; column < n; column += MR) {
      if (block == s->blocks - 1) {
        const float* here = to + column * stride;
        fetch_rows(here, stride, fathom_min(MR, n - column), a->head_dim, 1);
        fetch_rows(here + width, stride, fathom_min(MR, n - column), a->head_dim, 1);
      }
      for (int64_t i = 0; i < s->slices; i++) {
        const int64_t at = i * dk_slice + column * NR;
        column_product(rows, m->p + column, m->d_out + i * block_slice, m->dv + at, block > 0);
        column_product(rows, m->u + column, m->q + i * block_slice, m->dk + at, block > 0);
      }
    }
  }
  store_rows(s, m->dk, dk_slice, n, LOG_2, to);
  store_rows(s, m->dv, dk_slice, n, 1.0f, to + width);
}

/* ---- tasks ---- */

/* delta of a few tokens, all heads. */
static void row_sums_task(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const plan* s = argument;
  const fathom_attention_backward_args* a = s->args;
  const int64_t rows = a->batch * a->tokens, width = a->heads * a->head_dim;
  const int64_t end = fathom_min(rows, (index + 1) * DELTA_ROWS);
  for (int64_t row = index * DELTA_ROWS; row < end; row++)
    for (int64_t head = 0; head < a->heads; head++) {
      const float* out = a->out + row * width + head * a->head_dim;
      const float* d_out = a->d_out + row * width + head * a->head_dim;
      vf sum = {0};
      for (int64_t d = 0; d < a->head_dim; d += W)
        sum += v_load_some(out + d, a->head_dim - d) * v_load_some(d_out + d, a->head_dim - d);
      s->delta[(row / a->tokens * a->heads + head) * a->tokens + row % a->tokens] = v_sum(sum);
    }
}

static float* dq_rows(const plan* s, int64_t head, int64_t token) {
  const fathom_attention_backward_args* a = s->args;
  const int64_t row = head / a->heads * a->tokens + token;
  return a->dqkv + (row * 3 * a->heads + head % a->heads) * a->head_dim;
}

/* A head. */
static void head_task(void* argument, int64_t index, int32_t thread) {
  const plan* s = argument;
  memory m;
  lay_out(s, 1, fathom_local(s->context, thread), &m);
  float* to = dq_rows(s, index, 0);
  for (int64_t tile = 0; tile < s->tiles; tile++)
    tile_gradient(s, &m, index, tile, m.dq, tile > 0, tile + 1 == s->tiles ? to : NULL);
  store_rows(s, m.dq, s->micro_rows * MR * NR, s->args->tokens, s->args->scale, to);
}

/* A tile of a head. */
static void tile_task(void* argument, int64_t index, int32_t thread) {
  const plan* s = argument;
  memory m;
  lay_out(s, 0, fathom_local(s->context, thread), &m);
  tile_gradient(s, &m, s->first + index / s->tiles, index % s->tiles,
                s->shares + index * s->dq_floats, 0, NULL);
}

/* dq of a few tokens of a head, from the shares of its tiles. */
static void share_task(void* argument, int64_t index, int32_t thread) {
  (void)thread;
  const plan* s = argument;
  const int64_t parts = fathom_ceil_div(s->args->tokens, SHARE_ROWS);
  const int64_t slot = index / parts, token = index % parts * SHARE_ROWS;
  const int64_t n = fathom_min(SHARE_ROWS, s->args->tokens - token);
  float* shares = s->shares + slot * s->tiles * s->dq_floats + token * NR;
  const int64_t slice = s->micro_rows * MR * NR;
  for (int64_t i = 0; i < s->slices; i++)
    for (int64_t at = i * slice; at < i * slice + n * NR; at += W) {
      vf sum = v_load(shares + at);
      for (int64_t tile = 1; tile < s->tiles; tile++) sum += v_load(shares + tile * s->dq_floats + at);
      v_store(shares + at, sum);
    }
  store_rows(s, shares, slice, n, s->args->scale, dq_rows(s, s->first + slot, token));
}

fathom_status FN(attention_backward)(fathom_context* context,
                                     const fathom_attention_backward_args* a) {
  const int64_t all = a->batch * a->heads;
  plan s = {.args = a, .context = context};
  s.panels = fathom_ceil_div(a->tokens, NR);
  s.slices = fathom_ceil_div(a->head_dim, NR);
  s.tiles = fathom_ceil_div(s.panels, (a->head_dim <= 128 ? TILE : TILE / 2) / NR);
  s.tile_keys = fathom_ceil_div(s.panels, s.tiles) * NR;
  s.micro_rows = fathom_ceil_div(a->tokens, MR);
  s.blocks = fathom_ceil_div(s.micro_rows, BLOCK_ROWS / MR);
  s.block_rows = fathom_ceil_div(s.micro_rows, s.blocks) * MR;
  s.dq_floats = s.slices * s.micro_rows * MR * NR;

  /* Heads as tasks, unless their last round would leave more than a tenth of the threads' time idle. */
  const int64_t rounds = fathom_ceil_div(all, context->threads);
  const int whole_heads = s.tiles == 1 || all * 10 >= rounds * context->threads * 9;
  const int64_t share_floats = s.tiles * s.dq_floats;
  const int64_t held = SHARE_BYTES / (int64_t)sizeof(float) / share_floats;
  const int64_t group = fathom_max(1, fathom_min(all, held));
  const int64_t delta_floats = fathom_ceil_div(all * a->tokens, 16) * 16;
  const int64_t shared = delta_floats + (whole_heads ? 0 : group * share_floats);
  memory m;
  const int64_t local = lay_out(&s, whole_heads, NULL, &m);
  fathom_status status = fathom_reserve(context, (size_t)shared * sizeof(float),
                                        (size_t)local * sizeof(float));
  if (status != FATHOM_OK) return status;
  s.delta = fathom_shared(context);
  s.shares = s.delta + delta_floats;

  fathom_pool_run(context->pool, fathom_ceil_div(a->batch * a->tokens, DELTA_ROWS), row_sums_task,
                  &s);
  if (whole_heads) {
    fathom_pool_run(context->pool, all, head_task, &s);
    return FATHOM_OK;
  }
  for (s.first = 0; s.first < all; s.first += group) {
    s.heads = fathom_min(group, all - s.first);
    fathom_pool_run(context->pool, s.heads * s.tiles, tile_task, &s);
    fathom_pool_run(context->pool, s.heads * fathom_ceil_div(a->tokens, SHARE_ROWS), share_task, &s);
  }
  return FATHOM_OK;
}

#ifdef FATHOM_ENTRY

fathom_status fathom_attention_backward(fathom_context* context,
                                        const fathom_attention_backward_args* a) {
  FATHOM_CHECK(context && a, "attention_backward: the context or the arguments are NULL");
#define SHAPE "attention_backward [B=%lld,T=%lld,heads=%lld,D=%lld]"
#define SIZES \
  (long long)a->batch, (long long)a->tokens, (long long)a->heads, (long long)a->head_dim
  FATHOM_CHECK(a->batch >= 1 && a->tokens >= 1 && a->heads >= 1 && a->head_dim >= 1,
               SHAPE ": every size must be at least 1", SIZES);
  const int64_t out = product(product(product(a->batch, a->tokens), a->heads), a->head_dim);
  /* Packing rounds T and D up to panels, and there is a share of dq for every tile. */
  FATHOM_CHECK(product(product(product(out, 3 * 64 * 64), a->tokens), sizeof(float)) > 0,
               SHAPE ": too large", SIZES);
  FATHOM_CHECK(a->qkv && a->out && a->log_sum_exp && a->d_out && a->dqkv, SHAPE ": %s is NULL",
               SIZES,
               !a->qkv           ? "qkv"
               : !a->out         ? "out"
               : !a->log_sum_exp ? "log_sum_exp"
               : !a->d_out       ? "d_out"
                                 : "dqkv");
  FATHOM_CHECK(isfinite(a->scale), SHAPE ": scale is %g", SIZES, (double)a->scale);
  FATHOM_CHECK(!fathom_overlap(a->dqkv, 3 * out, a->qkv, 3 * out) &&
                   !fathom_overlap(a->dqkv, 3 * out, a->out, out) &&
                   !fathom_overlap(a->dqkv, 3 * out, a->d_out, out) &&
                   !fathom_overlap(a->dqkv, 3 * out, a->log_sum_exp, out / a->head_dim),
               SHAPE ": dqkv overlaps what is read", SIZES);
  FATHOM_DISPATCH(context, attention_backward, a);
}

#endif
