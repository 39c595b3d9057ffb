/*
 * The gradient of a convolution's input. With kernel 3 and stride 1 it is such a convolution itself, with
 * the weight turned round: Winograd, if there are so many pixels that transforming the weight pays.
 * Otherwise direct, any kernel and stride:
 *
 *     dx[s i + py, s j + px] = sum over the taps that fit of dy[i + dy(py, ky), j + dx(px, kx)] weight[tap]^T
 *
 * With stride s the pixels of dx fall into s * s phases; those of one phase see the same taps, so that
 * each phase is a convolution of dy with stride 1: one of 9 taps with stride 1, with stride 2 four of 1,
 * 2, 2 and 4. The products are conv_direct.c's: a task copies a chunk of dy, padded, and the register
 * tile reads it in place at the offset of each run (a tap and W output channels).
 *
 * Packed weights: [in/NR][phase][tap of the phase][out/W][W][NR], zero past `in` and `out`.
 */
#include "conv_backward.h"

/* Thread-local floats for the chunk of dy; weights used for all panels before the next ones. */
#define STRIP_FLOATS (64 * 1024)
#define WEIGHT_FLOATS (96 * 1024)
/* Pixels from which on Winograd is used. */
#define WINOGRAD_PIXELS 512
#define MOST_PHASES 4
#define MOST_TAPS 9

/* Which taps a phase sees, and where dy lies under them. */
typedef struct {
  int64_t first, end; /* of the taps in the order of the phases */
} phase;
typedef struct {
  int64_t count;              /* stride * stride */
  phase phases[MOST_PHASES];  /* (py, px) at py * stride + px */
  int64_t taps[MOST_TAPS];    /* ky * k + kx */
  int64_t rows[MOST_TAPS];    /* offsets in dy, -1, 0 or 1 */
  int64_t columns[MOST_TAPS];
} phase_table;

static phase_table phases_of(int64_t kernel, int64_t stride) {
  phase_table t = {.count = stride * stride};
  const int64_t margin = (kernel - 1) / 2;
  int64_t n = 0;
  for (int64_t p = 0; p < t.count; p++) {
    t.phases[p].first = n;
    for (int64_t tap = 0; tap < kernel * kernel; tap++) {
      /* The map's pixel s i + py lies under the tap where dy's pixel is s (i + row) = s i + distance. */
      const int64_t y = p / stride + margin - tap / kernel, x = p % stride + margin - tap % kernel;
      if (y % stride || x % stride) continue;
      t.taps[n] = tap;
      t.rows[n] = y / stride;
      t.columns[n++] = x / stride;
    }
    t.phases[p].end = n;
  }
  return t;
}

/* ---- weights ---- */

static int uses_winograd(const conv_input_gradient_args* a) {
  return a->height * a->width * a->batch >= WINOGRAD_PIXELS &&
         conv_uses_winograd(a->in, a->out, a->kernel, a->stride, FATHOM_CONV_AUTO);
}

int64_t FN(conv_input_gradient_packed_size)(const conv_input_gradient_args* a) {
  return uses_winograd(a) ? FN(conv_winograd_packed_size)(a->in, a->out)
                          : conv_column_blocks(a->in) * a->kernel * a->kernel *
                                conv_groups(a->out) * W * NR;
}

typedef struct {
  const conv_input_gradient_args* args;
  const float* weight;
  float* packed;
  phase_table table;
} packing;

/* One block of input channels and one group of output channels, whose weights are read in order. */
static void pack_task(void* argument, int64_t index, int32_t thread __attribute__((unused))) {
  const packing* p = argument;
  const conv_input_gradient_args* a = p->args;
  const int64_t groups = conv_groups(a->out), taps = a->kernel * a->kernel;
  const int64_t block = index / groups, group = index % groups;
  const int64_t columns = fathom_min(NR, a->in - block * NR);
  for (int64_t k = 0; k < W; k++) {
    const int64_t o = group * W + k;
    const float* from = p->weight + (o * a->in + block * NR) * taps;
    for (int64_t n = 0; n < taps; n++) {
      float* to = p->packed + (((block * taps + n) * groups + group) * W + k) * NR;
      if (o >= a->out || columns < NR) memset(to, 0, NR * sizeof *to);
      if (o >= a->out) continue;
      const float* tap = from + p->table.taps[n];
      for (int64_t i = 0; i < columns; i++) to[i] = tap[i * taps];
    }
  }
}

void FN(conv_input_gradient_pack)(fathom_context* context, const conv_input_gradient_args* args,
                                  const float* weight, float* packed) {
  if (uses_winograd(args)) {
    FN(conv_winograd_pack_adjoint)(context, args->in, args->out, weight, packed);
    return;
  }
  packing p = {args, weight, packed, phases_of(args->kernel, args->stride)};
  fathom_pool_run(context->pool, conv_column_blocks(args->in) * conv_groups(args->out), pack_task,
                  &p);
}

/* ---- the products ---- */

typedef struct {
  const conv_input_gradient_args* args;
  fathom_context* context;
  const float* packed;
  phase_table table;
  int64_t dy_height, dy_width;
  int64_t low, high;                 /* how far taps reach before and after a pixel of dy */
  int64_t rows, columns;             /* pixels of dy of a chunk */
  int64_t row_chunks, column_chunks; /* of one map */
  int64_t groups, group_blocks;      /* column blocks are split among tasks when chunks are few */
  int64_t width;                     /* positions in a row of a chunk */
  int64_t together;                  /* runs in one pass over the panels, at most */
  int64_t group_floats;              /* a group of channels in the strip */
  int64_t strip_floats, sum_floats;
  int64_t* offsets;                  /* of all phases' runs in the strip */
} input_gradient;

/* Positions of a chunk up to its last pixel, in whole panels. */
FATHOM_INLINE int64_t panels_of(const input_gradient* g, int64_t rows, int64_t columns) {
  return fathom_ceil_div((rows - 1) * g->width + columns, MR);
}

static void choose_chunks(input_gradient* g, int32_t threads) {
  const conv_input_gradient_args* a = g->args;
  const int64_t over = g->low + g->high, pixels = a->batch * g->dy_height * g->dy_width;
  /* Four chunks for each thread, but not less than four panels. */
  const int64_t wanted = fathom_max(fathom_ceil_div(pixels, 4 * threads), 4 * MR);
  const int64_t capacity = (over ? STRIP_FLOATS : STRIP_FLOATS / 4) / (conv_groups(a->out) * W);
  const int64_t widest =
      fathom_max(fathom_min(capacity / (over ? over + 4 : 1) - over, wanted), 3 * MR);
  g->column_chunks = fathom_ceil_div(g->dy_width, widest);
  g->columns = fathom_ceil_div(g->dy_width, g->column_chunks);
  g->column_chunks = fathom_ceil_div(g->dy_width, g->columns);
  g->width = g->columns + over;
  const int64_t tallest =
      fathom_max(capacity / g->width - over, fathom_ceil_div(6 * MR, g->width));
  g->rows = fathom_min(fathom_min(fathom_max(wanted / g->columns, 1), tallest), g->dy_height);
  g->row_chunks = fathom_ceil_div(g->dy_height, g->rows);
  g->rows = fathom_ceil_div(g->dy_height, g->row_chunks);
  g->row_chunks = fathom_ceil_div(g->dy_height, g->rows);

  const int64_t chunks = a->batch * g->row_chunks * g->column_chunks;
  const int64_t blocks = conv_column_blocks(a->in);
  g->groups = fathom_min(fathom_ceil_div(2 * threads, chunks), blocks);
  g->group_blocks = fathom_ceil_div(blocks, g->groups);
  g->groups = fathom_ceil_div(blocks, g->group_blocks);

  g->together = WEIGHT_FLOATS / (W * NR);
  /* The last panel reads past the rows, MR positions at most. */
  g->group_floats = ((g->rows + over) * g->width + MR) * W;
  g->strip_floats = conv_groups(a->out) * g->group_floats;
  g->sum_floats = panels_of(g, g->rows, g->columns) * MR * NR;
}

static void choose_offsets(input_gradient* g) {
  const int64_t groups = conv_groups(g->args->out), taps = g->args->kernel * g->args->kernel;
  for (int64_t r = 0; r < taps * groups; r++) {
    const int64_t n = r / groups;
    const int64_t position =
        (g->table.rows[n] + g->low) * g->width + g->table.columns[n] + g->low;
    g->offsets[r] = r % groups * g->group_floats + position * W;
  }
}

/* Not inlined: within the loops around it GCC would keep addresses in memory. */
__attribute__((noinline)) static void product(int64_t runs, const int64_t* offsets, const float* a,
                                              const float* b, float* c, int accumulate) {
  conv_tile(runs, offsets, a, 1, b, c, accumulate);
}

/* A chunk of dy and where its parts are. */
typedef struct {
  int64_t batch, row, column, rows, columns;
  float *strip, *sums;
} chunk;

/* `pixels` of dy to the strip, gated. `whole` is a constant: `out` is a multiple of W. */
FATHOM_INLINE void put(const float* dy, const float* gate, int64_t pixels, int64_t out, int whole,
                       float* to, int64_t group_floats) {
  for (int64_t p = 0; p < pixels; p++, to += W) {
    float* group = to;
    for (int64_t c = 0; c < out; c += W, group += group_floats) {
      const int64_t n = whole ? W : fathom_min(W, out - c), at = p * out + c;
      vf v = conv_load(dy + at, n);
      v_store(group, gate ? conv_gate(v, conv_load(gate + at, n)) : v);
    }
  }
}

static void read_strip(const input_gradient* g, const chunk* t) {
  const conv_input_gradient_args* a = g->args;
  const int64_t first = t->column - g->low, from = fathom_max(first, 0);
  const int64_t end = fathom_min(first + g->width, g->dy_width), groups = conv_groups(a->out);
  const int64_t strip_rows = g->rows + g->low + g->high;
  for (int64_t r = 0; r < strip_rows; r++) {
    const int64_t y = t->row - g->low + r;
    const int64_t left = y < 0 || y >= g->dy_height ? g->width : from - first;
    const int64_t right = left == g->width ? 0 : g->width - (end - first);
    float* to = t->strip + r * g->width * W;
    for (int64_t i = 0; i < groups; i++) {
      float* row = to + i * g->group_floats;
      memset(row, 0, (size_t)(left * W) * sizeof *row);
      memset(row + (g->width - right) * W, 0, (size_t)(right * W) * sizeof *row);
    }
    if (left == g->width) continue;
    const int64_t at = ((t->batch * g->dy_height + y) * g->dy_width + from) * a->out;
    const float* gate = a->dy_gate ? a->dy_gate + at : NULL;
    if (a->out % W == 0) {
      put(a->dy + at, gate, end - from, a->out, 1, to + left * W, g->group_floats);
    } else {
      put(a->dy + at, gate, end - from, a->out, 0, to + left * W, g->group_floats);
    }
  }
  for (int64_t i = 1; i <= groups; i++)
    memset(t->strip + i * g->group_floats - MR * W, 0, (size_t)(MR * W) * sizeof *t->strip);
}

/* `count` pixels of dx, `step` floats apart from `at`, channels [c, c + n) of them, n <= NR. */
static void finish_pixels(const conv_input_gradient_args* a, const float* sums, int64_t count,
                          int64_t at, int64_t step, int64_t c, int64_t n) {
  at += c;
  for (int64_t p = 0; p < count; p++, at += step, sums += NR) {
    for (int64_t half = 0; half < n; half += W) {
      const int64_t lanes = fathom_min(W, n - half), to = at + half;
      vf v = v_load(sums + half);
      if (a->dx_gate) v = conv_gate(v, conv_load(a->dx_gate + to, lanes));
      if (a->accumulate) v += conv_load(a->dx + to, lanes);
      if (lanes == W) {
        v_store(a->dx + to, v);
      } else {
        v_store_part(a->dx + to, v, lanes);
      }
    }
  }
}

/* Finishes a panel of one phase and column block, sums [MR][NR]. */
static void finish_panel(const input_gradient* g, const chunk* t, int64_t p, int64_t panel,
                         int64_t block, const float* sums) {
  const conv_input_gradient_args* a = g->args;
  const int64_t s = a->stride, py = p / s, px = p % s;
  int64_t row = panel * MR / g->width, column = panel * MR % g->width;
  for (int64_t i = 0; i < MR && row < t->rows; row++, column = 0) {
    const int64_t y = s * (t->row + row) + py, x = s * (t->column + column) + px;
    /* With an odd extent the last pixel of dy has no partner in an odd phase. */
    const int64_t here = fathom_ceil_div(a->width - x, s);
    const int64_t count = fathom_min(fathom_min(MR - i, t->columns - column), here);
    if (y < a->height && count > 0)
      finish_pixels(a, sums + i * NR, count, ((t->batch * a->height + y) * a->width + x) * a->in,
                    s * a->in, block * NR, fathom_min(NR, a->in - block * NR));
    i += g->width - column;
  }
}

/* One phase and column block for all positions of the chunk. */
static void convolve(const input_gradient* g, const chunk* t, int64_t p, int64_t block) {
  const conv_input_gradient_args* a = g->args;
  const int64_t groups = conv_groups(a->out), all = a->kernel * a->kernel * groups;
  const int64_t begin = g->table.phases[p].first * groups, end = g->table.phases[p].end * groups;
  const int64_t panels = panels_of(g, t->rows, t->columns);
  const float* weights = g->packed + block * all * W * NR;
  if (begin == end) memset(t->sums, 0, (size_t)(panels * MR * NR) * sizeof *t->sums);
  for (int64_t first = begin; first < end; first += g->together) {
    const int64_t runs = fathom_min(g->together, end - first);
    for (int64_t panel = 0; panel < panels; panel++)
      product(runs, g->offsets + first, t->strip + panel * MR * W, weights + first * W * NR,
              t->sums + panel * MR * NR, first > begin);
  }
  for (int64_t panel = 0; panel < panels; panel++)
    finish_panel(g, t, p, panel, block, t->sums + panel * MR * NR);
}

static void task(void* argument, int64_t index, int32_t thread) {
  const input_gradient* g = argument;
  const int64_t group = index % g->groups, place = index / g->groups;
  chunk t = {.batch = place / g->column_chunks / g->row_chunks,
             .row = place / g->column_chunks % g->row_chunks * g->rows,
             .column = place % g->column_chunks * g->columns};
  t.rows = fathom_min(g->rows, g->dy_height - t.row);
  t.columns = fathom_min(g->columns, g->dy_width - t.column);
  t.strip = fathom_local(g->context, thread);
  t.sums = t.strip + g->strip_floats;
  read_strip(g, &t);
  const int64_t end = fathom_min((group + 1) * g->group_blocks, conv_column_blocks(g->args->in));
  for (int64_t block = group * g->group_blocks; block < end; block++)
    for (int64_t p = 0; p < g->table.count; p++) convolve(g, &t, p, block);
}

fathom_status FN(conv_input_gradient)(fathom_context* context, const conv_input_gradient_args* args,
                                      const float* packed) {
  conv_input_gradient_args a = *args;
  if (uses_winograd(&a)) {
    const fathom_conv2d_args adjoint = {
        .batch = a.batch,
        .height = a.height,
        .width = a.width,
        .in = a.out,
        .out = a.in,
        .kernel = 3,
        .stride = 1,
        .x = a.dy,
        .packed = packed,
        .activation = FATHOM_ACTIVATION_NONE,
        .residual = a.accumulate ? a.dx : NULL,
        .y = a.dx,
    };
    return FN(conv_winograd)(context, &adjoint, a.dy_gate, a.dx_gate);
  }
  if (a.kernel == 1 && a.stride == 1) {
    /* Pixels are independent: one long row has no ragged ends. */
    a.width *= a.batch * a.height;
    a.batch = a.height = 1;
  }
  input_gradient g = {.args = &a, .context = context, .packed = packed};
  g.table = phases_of(a.kernel, a.stride);
  g.dy_height = fathom_ceil_div(a.height, a.stride);
  g.dy_width = fathom_ceil_div(a.width, a.stride);
  g.low = a.kernel == 3 && a.stride == 1;
  g.high = a.kernel == 3;
  choose_chunks(&g, context->threads);
  const int64_t runs = a.kernel * a.kernel * conv_groups(a.out);
  fathom_status status =
      fathom_reserve(context, (size_t)runs * sizeof *g.offsets,
                     (size_t)(g.strip_floats + g.sum_floats) * sizeof(float));
  if (status != FATHOM_OK) return status;
  g.offsets = fathom_shared(context);
  choose_offsets(&g);
  fathom_pool_run(context->pool, a.batch * g.row_chunks * g.column_chunks * g.groups, task, &g);
  return FATHOM_OK;
}
