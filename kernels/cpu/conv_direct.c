/*
 * Direct convolution as an implicit GEMM, any kernel and stride.
 *
 * A task takes a chunk of output pixels and copies the input it needs, padded, to thread-local scratch.
 * There the taps of consecutive output pixels lie a fixed distance apart, so that the register tile
 * reads A in place: row i of a panel is position + i, and positions run on across the padded ends of
 * the chunk's rows (whose sums are dropped), so that only the last panel of a chunk is ragged. With
 * stride 2 the even and the odd rows are kept in two planes, which makes rows of positions adjacent.
 *
 * Packed weights: [out/NR][k*k][in/W][W][NR], zero past `in` and `out`.
 */
#include "conv.h"

/* Thread-local floats for the input of a chunk. */
#define STRIP_FLOATS (64 * 1024)
/* Weights of a column block that are used for all panels of a chunk before the next ones. */
#define WEIGHT_FLOATS (96 * 1024)

int64_t FN(conv_direct_packed_size)(int64_t out, int64_t in, int64_t kernel) {
  return conv_column_blocks(out) * kernel * kernel * conv_groups(in) * W * NR;
}

void FN(conv_direct_pack)(int64_t out, int64_t in, int64_t kernel, const float* weight,
                          float* packed) {
  const int64_t taps = kernel * kernel;
  for (int64_t j = 0; j < conv_column_blocks(out); j++) {
    for (int64_t tap = 0; tap < taps; tap++) {
      for (int64_t c = 0; c < conv_groups(in) * W; c++) {
        for (int64_t i = 0; i < NR; i++) {
          const int64_t o = j * NR + i;
          *packed++ = o < out && c < in ? weight[(o * in + c) * taps + tap] : 0.0f;
        }
      }
    }
  }
}

typedef struct {
  const fathom_conv2d_args* args;
  fathom_context* context;
  conv_output output;
  int64_t out_height, out_width;
  int64_t rows, columns;             /* output pixels of a chunk */
  int64_t row_chunks, column_chunks; /* of one map */
  int64_t groups, group_blocks;      /* column blocks are split among tasks when chunks are few */
  int64_t runs, together;            /* k*k*in/W; of them in one pass over the panels */
  int64_t* offsets;                  /* of the runs in the strip */
  int64_t width;                     /* positions in a row of a chunk */
  int64_t plane_rows;                /* rows of one of `stride` planes */
  int64_t group_floats;              /* a group of channels in the strip */
  int64_t strip_floats, sum_floats, projection_floats, line_floats;
} direct;

/* Positions of a chunk up to its last pixel, in whole panels. */
FATHOM_INLINE int64_t panels_of(const direct* d, int64_t rows, int64_t columns) {
  return fathom_ceil_div((rows - 1) * d->width + columns, MR);
}

/* Row widths grow by the taps that hang over: 2 with stride 1, 1 with stride 2, 0 for 1x1. */
static int64_t overhang(const fathom_conv2d_args* a) { return (a->kernel - 1) / a->stride; }

static void choose_chunks(direct* d, int32_t threads) {
  const fathom_conv2d_args* a = d->args;
  int64_t k = overhang(a), planes = a->stride * a->stride;
  int64_t pixels = a->batch * d->out_height * d->out_width;
  /* Four chunks for each thread, but not less than four panels. */
  int64_t wanted = fathom_max(fathom_ceil_div(pixels, 4 * threads), 4 * MR);
  int64_t capacity = (k ? STRIP_FLOATS : STRIP_FLOATS / 4) / (conv_groups(a->in) * W * planes);
  /* A chunk is as wide as the map if four rows of it fit, else several panels wide. */
  int64_t widest = fathom_max(fathom_min(capacity / (k + (k ? 4 : 1)) - k, wanted), 3 * MR);
  d->column_chunks = fathom_ceil_div(d->out_width, widest);
  d->columns = fathom_ceil_div(d->out_width, d->column_chunks);
  d->column_chunks = fathom_ceil_div(d->out_width, d->columns);
  d->width = d->columns + k;
  int64_t tallest = fathom_max(capacity / d->width - k, fathom_ceil_div(6 * MR, d->width));
  d->rows = fathom_min(fathom_min(fathom_max(wanted / d->columns, 1), tallest), d->out_height);
  d->row_chunks = fathom_ceil_div(d->out_height, d->rows);
  d->rows = fathom_ceil_div(d->out_height, d->row_chunks);
  d->row_chunks = fathom_ceil_div(d->out_height, d->rows);

  int64_t chunks = a->batch * d->row_chunks * d->column_chunks;
  int64_t blocks = conv_column_blocks(a->out);
  d->groups = a->project_weight ? 1 : fathom_min(fathom_ceil_div(2 * threads, chunks), blocks);
  d->group_blocks = fathom_ceil_div(blocks, d->groups);
  d->groups = fathom_ceil_div(blocks, d->group_blocks);

  d->plane_rows = d->rows + k;
  d->runs = a->kernel * a->kernel * conv_groups(a->in);
  d->together = fathom_min(d->runs, WEIGHT_FLOATS / (W * NR));
  /* The last panel reads past the rows, MR positions at most. */
  d->group_floats = a->stride * (a->stride * d->plane_rows * d->width + MR) * W;
  d->strip_floats = conv_groups(a->in) * d->group_floats;
  d->sum_floats = (d->together < d->runs ? panels_of(d, d->rows, d->columns) : 1) * MR * NR;
  d->projection_floats = a->project_weight ? d->rows * d->columns * W : 0;
  d->line_floats = a->source_height ? 2 * a->stride * d->width * a->in : 0;
}

/* Where run r = (tap, group of channels) begins in the strip. */
static void choose_offsets(direct* d) {
  const fathom_conv2d_args* a = d->args;
  const int64_t k = a->kernel, s = a->stride, groups = conv_groups(a->in);
  for (int64_t r = 0; r < d->runs; r++) {
    const int64_t ky = r / groups / k, kx = r / groups % k;
    const int64_t row = (ky % s) * d->plane_rows + ky / s;
    d->offsets[r] = r % groups * d->group_floats + (row * s * d->width + kx) * W;
  }
}

/* Not inlined: within the loops around them GCC would keep addresses in memory. */
__attribute__((noinline)) static void product1(int64_t runs, const int64_t* offsets, const float* a,
                                               const float* b, float* c, int accumulate) {
  conv_tile(runs, offsets, a, 1, b, c, accumulate);
}
__attribute__((noinline)) static void product2(int64_t runs, const int64_t* offsets, const float* a,
                                               const float* b, float* c, int accumulate) {
  conv_tile(runs, offsets, a, 2, b, c, accumulate);
}

/* A chunk of a map and where its parts are. */
typedef struct {
  int64_t batch, row, column, rows, columns;
  float *strip, *sums, *projection, *lines;
} chunk;

static void read_strip(const direct* d, const chunk* t) {
  const fathom_conv2d_args* a = d->args;
  const int64_t s = a->stride, margin = (a->kernel - 1) / 2;
  for (int64_t plane = 0; plane < s; plane++) {
    const conv_window window = {
        .batch = t->batch,
        .row = t->row * s - margin + plane,
        .rows = d->plane_rows,
        .row_step = s,
        .column = t->column * s - margin,
        .columns = s * d->width,
        .to = t->strip + plane * d->plane_rows * s * d->width * W,
        .row_stride = s * d->width * W,
        .group_stride = d->group_floats,
        .lines = t->lines,
    };
    FN(conv_read)(a, &window);
  }
  for (int64_t g = 1; g <= conv_groups(a->in); g++)
    memset(t->strip + g * d->group_floats - MR * s * W, 0,
           (size_t)(MR * s * W) * sizeof *t->strip);
}

/* `count` pixels and NR whole channels, with `residuals` of them, a constant. */
FATHOM_INLINE void finish_whole(const conv_output* o, const float* sums, int64_t count, int64_t at,
                                int64_t c, int residuals) {
  const vf floor = v_set(o->floor), left = v_load(o->bias + c), right = v_load(o->bias + c + W);
  for (int64_t p = 0; p < count; p++, at += o->out, sums += NR) {
    vf l = v_max(floor, v_load(sums) + left), r = v_max(floor, v_load(sums + W) + right);
    if (residuals > 0) {
      l += v_load(o->residual + at + c);
      r += v_load(o->residual + at + c + W);
    }
    v_store(o->y + at + c, l);
    v_store(o->y + at + c + W, r);
  }
}

/* Any `count` pixels of a column block. */
static void finish_part(const conv_output* o, const float* sums, int64_t count, int64_t at,
                        int64_t block, float* projection) {
  for (int64_t p = 0; p < count; p++, at += o->out) {
    for (int64_t half = 0; half < NR; half += W) {
      const int64_t c = block * NR + half, n = fathom_min(W, o->out - c);
      if (n <= 0) break;
      vf v = v_load(sums + p * NR + half);
      conv_finish(o, &v, 1, at, c, n, projection + p * W);
    }
  }
}

/* Finishes a panel of one column block, sums [MR][NR]. */
static void finish_panel(const direct* d, const chunk* t, int64_t panel, int64_t block,
                         const float* sums) {
  const conv_output* o = &d->output;
  const int64_t c = block * NR;
  int64_t row = panel * MR / d->width, column = panel * MR % d->width;
  for (int64_t i = 0; i < MR && row < t->rows; row++, column = 0) {
    const int64_t count = fathom_min(MR - i, t->columns - column);
    const int64_t at = (t->batch * d->out_height + t->row + row) * o->row_stride +
                       (t->column + column) * o->out;
    if (c + NR > o->out || o->project || o->residual2) {
      finish_part(o, sums + i * NR, count, at, block,
                  t->projection + (row * t->columns + column) * W);
    } else if (o->residual) {
      finish_whole(o, sums + i * NR, count, at, c, 1);
    } else {
      finish_whole(o, sums + i * NR, count, at, c, 0);
    }
    i += d->width - column;
  }
}

/* One column block for all positions of the chunk. */
static void convolve(const direct* d, const chunk* t, int64_t block) {
  const fathom_conv2d_args* a = d->args;
  const int64_t panels = panels_of(d, t->rows, t->columns);
  const float* weights = a->packed + block * d->runs * W * NR;
  for (int64_t first = 0; first < d->runs; first += d->together) {
    const int64_t runs = fathom_min(d->together, d->runs - first);
    for (int64_t panel = 0; panel < panels; panel++) {
      float* sums = t->sums + (d->together < d->runs ? panel : 0) * MR * NR;
      (a->stride == 1 ? product1 : product2)(runs, d->offsets + first,
                                             t->strip + panel * MR * a->stride * W,
                                             weights + first * W * NR, sums, first > 0);
      if (first + runs == d->runs) finish_panel(d, t, panel, block, sums);
    }
  }
}

static void task(void* argument, int64_t index, int32_t thread) {
  const direct* d = argument;
  const fathom_conv2d_args* a = d->args;
  const int64_t group = index % d->groups, place = index / d->groups;
  chunk t = {.batch = place / d->column_chunks / d->row_chunks,
             .row = place / d->column_chunks % d->row_chunks * d->rows,
             .column = place % d->column_chunks * d->columns};
  t.rows = fathom_min(d->rows, d->out_height - t.row);
  t.columns = fathom_min(d->columns, d->out_width - t.column);
  t.strip = fathom_local(d->context, thread);
  t.sums = t.strip + d->strip_floats;
  t.projection = t.sums + d->sum_floats;
  t.lines = t.projection + d->projection_floats;
  read_strip(d, &t);
  memset(t.projection, 0, (size_t)d->projection_floats * sizeof *t.projection);
  const int64_t end = fathom_min((group + 1) * d->group_blocks, conv_column_blocks(a->out));
  for (int64_t block = group * d->group_blocks; block < end; block++) convolve(d, &t, block);
  if (!a->project_weight) return;
  for (int64_t r = 0; r < t.rows; r++) {
    const int64_t pixel = (t.batch * d->out_height + t.row + r) * d->out_width + t.column;
    conv_project(&d->output, t.projection + r * t.columns * W, t.columns, a->y + pixel);
  }
}

fathom_status FN(conv_direct)(fathom_context* context, const fathom_conv2d_args* args,
                              int64_t y_row_stride, int64_t bias_period) {
  direct d = {.args = args, .context = context};
  d.out_height = fathom_ceil_div(args->height, args->stride);
  d.out_width = fathom_ceil_div(args->width, args->stride);
  choose_chunks(&d, context->threads);
  const int64_t local = d.strip_floats + d.sum_floats + d.projection_floats + d.line_floats;
  const int64_t output_floats = conv_output_floats(args->out);
  fathom_status status = fathom_reserve(
      context, (size_t)output_floats * sizeof(float) + (size_t)d.runs * sizeof *d.offsets,
      (size_t)local * sizeof(float));
  if (status != FATHOM_OK) return status;
  float* shared = fathom_shared(context);
  d.output = conv_output_of(args, y_row_stride, bias_period, shared);
  d.offsets = (int64_t*)(shared + output_floats);
  choose_offsets(&d);
  fathom_pool_run(context->pool, args->batch * d.row_chunks * d.column_chunks * d.groups, task, &d);
  return FATHOM_OK;
}
