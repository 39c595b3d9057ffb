/*
 * Direct convolution as an implicit GEMM, any kernel and stride.
 *
 * A task takes a chunk of output pixels and copies the input it needs, padded, to thread-local scratch.
 * There the taps of consecutive output pixels lie a fixed distance apart, so that the register tile
 * reads A in place: row i of a panel is position + i, and positions run on across the padded ends of
 * the chunk's rows (whose sums are dropped), so that only the last panel of a chunk is ragged. With
 * stride 2 the even and the odd rows are kept in two planes, which makes rows of positions adjacent.
 *
 * Packed weights: [out/NR][k*k][in][NR], zero in columns past `out`.
 */
#include "conv.h"
#include "gemm.h"

/* Thread-local floats for the input of a chunk: half of a 1 MB L2. */
#define STRIP_FLOATS (128 * 1024)
/* Weights that stay in L2 next to the strip while all panels pass. */
#define WEIGHT_FLOATS (64 * 1024)

int64_t FN(conv_direct_packed_size)(int64_t out, int64_t in, int64_t kernel) {
  return conv_column_blocks(out) * kernel * kernel * in * NR;
}

void FN(conv_direct_pack)(int64_t out, int64_t in, int64_t kernel, const float* weight,
                          float* packed) {
  int64_t taps = kernel * kernel;
  for (int64_t j = 0; j < conv_column_blocks(out); j++) {
    for (int64_t tap = 0; tap < taps; tap++) {
      for (int64_t c = 0; c < in; c++) {
        for (int64_t i = 0; i < NR; i++) {
          int64_t o = j * NR + i;
          *packed++ = o < out ? weight[(o * in + c) * taps + tap] : 0.0f;
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
  int64_t pixel_stride;              /* floats between pixels of the strip */
  int64_t width;                     /* positions in a row of a chunk */
  int64_t plane_rows;                /* rows of one of `stride` planes */
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
  int64_t capacity = STRIP_FLOATS / (d->pixel_stride * planes);
  /* A chunk is as wide as the map if four rows of it fit, else several panels wide. */
  int64_t widest = fathom_max(fathom_min(capacity / (k + (k ? 4 : 1)) - k, wanted), 3 * MR);
  d->column_chunks = fathom_ceil_div(d->out_width, widest);
  d->columns = fathom_ceil_div(d->out_width, d->column_chunks);
  d->column_chunks = fathom_ceil_div(d->out_width, d->columns);
  d->width = d->columns + k;
  int64_t tallest = fathom_max(capacity / d->width - k, 1);
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
  /* The last panel reads past the strip, MR positions at most. */
  d->strip_floats =
      (a->stride * d->plane_rows * a->stride * d->width + MR * a->stride) * d->pixel_stride;
  int64_t panels = panels_of(d, d->rows, d->columns);
  d->sum_floats = panels * MR * NR;
  d->projection_floats = a->project_weight ? d->rows * d->columns * W : 0;
  d->line_floats = a->source_height ? 2 * a->stride * d->width * a->in : 0;
}

/* Sums of one column block for all positions of the chunk: sums [panels*MR][NR]. */
static void multiply(const direct* d, const float* strip, int64_t panels, const float* packed,
                     float* sums) {
  const fathom_conv2d_args* a = d->args;
  int64_t k = a->kernel, s = a->stride, step = d->pixel_stride;
  /* Taps of a row of the kernel are one run of 3 * in floats unless pixels are spaced out. */
  int64_t joined = step == a->in ? k : 1, run = joined * a->in;
  int64_t runs = k * k / joined;
  int64_t together = fathom_max(WEIGHT_FLOATS / (run * NR), 1);
  for (int64_t first = 0; first < runs; first += together) {
    int64_t end = fathom_min(first + together, runs);
    for (int64_t panel = 0; panel < panels; panel++) {
      for (int64_t r = first; r < end; r++) {
        int64_t tap = r * joined, ky = tap / k, kx = tap % k;
        int64_t row = (ky % s) * d->plane_rows + ky / s;
        const float* from = strip + (row * s * d->width + kx + panel * MR * s) * step;
        gemm_tile(run, from, s * step, 1, packed + tap * a->in * NR, sums + panel * MR * NR, NR,
                  r > 0);
      }
    }
  }
}

static void task(void* argument, int64_t index, int32_t thread) {
  const direct* d = argument;
  const fathom_conv2d_args* a = d->args;
  const conv_output* o = &d->output;
  int64_t group = index % d->groups, chunk = index / d->groups;
  int64_t column = chunk % d->column_chunks * d->columns;
  int64_t row = chunk / d->column_chunks % d->row_chunks * d->rows;
  int64_t batch = chunk / d->column_chunks / d->row_chunks;
  int64_t rows = fathom_min(d->rows, d->out_height - row);
  int64_t columns = fathom_min(d->columns, d->out_width - column);
  int64_t panels = panels_of(d, rows, columns);

  float* strip = fathom_local(d->context, thread);
  float* sums = strip + d->strip_floats;
  float* projection = sums + d->sum_floats;
  float* lines = projection + d->projection_floats;
  int64_t s = a->stride, margin = (a->kernel - 1) / 2;
  for (int64_t plane = 0; plane < s; plane++) {
    conv_window window = {
        .batch = batch,
        .row = row * s - margin + plane,
        .rows = d->plane_rows,
        .row_step = s,
        .column = column * s - margin,
        .columns = s * d->width,
        .to = strip + plane * d->plane_rows * s * d->width * d->pixel_stride,
        .row_stride = s * d->width * d->pixel_stride,
        .pixel_stride = d->pixel_stride,
        .lines = lines,
    };
    FN(conv_read)(a, &window);
  }
  int64_t tail = MR * s * d->pixel_stride;
  memset(strip + d->strip_floats - tail, 0, (size_t)tail * sizeof *strip);
  memset(projection, 0, (size_t)d->projection_floats * sizeof *projection);

  int64_t block_end = fathom_min((group + 1) * d->group_blocks, conv_column_blocks(a->out));
  for (int64_t block = group * d->group_blocks; block < block_end; block++) {
    const float* packed = a->packed + block * a->kernel * a->kernel * a->in * NR;
    multiply(d, strip, panels, packed, sums);
    for (int64_t c = block * NR; c < fathom_min((block + 1) * NR, a->out); c += W) {
      int64_t n = fathom_min(W, a->out - c);
      for (int64_t r = 0; r < rows; r++) {
        int64_t at = (batch * d->out_height + row + r) * o->row_stride + column * o->out;
        const float* from = sums + r * d->width * NR + (c - block * NR);
        float* to = projection + r * columns * W;
        for (int64_t i = 0; i < columns; i++)
          conv_finish(o, v_load(from + i * NR), at + i * o->out, c, n, to + i * W);
      }
    }
  }
  if (!o->project) return;
  for (int64_t r = 0; r < rows; r++) {
    int64_t at = (batch * d->out_height + row + r) * d->out_width + column;
    conv_project(o, projection + r * columns * W, columns, o->y + at);
  }
}

fathom_status FN(conv_direct)(fathom_context* context, const fathom_conv2d_args* args,
                              int64_t y_row_stride, int64_t bias_period) {
  direct d = {.args = args, .context = context};
  d.out_height = fathom_ceil_div(args->height, args->stride);
  d.out_width = fathom_ceil_div(args->width, args->stride);
  /* The rows of a panel must not fall into the same sets of the L1 cache, 4 KB apart. */
  d.pixel_stride = args->in + (args->in * args->stride % 512 == 0 ? 16 : 0);
  choose_chunks(&d, context->threads);
  int64_t local = d.strip_floats + d.sum_floats + d.projection_floats + d.line_floats;
  fathom_status status =
      fathom_reserve(context, (size_t)conv_output_floats(args->out) * sizeof(float),
                     (size_t)local * sizeof(float));
  if (status != FATHOM_OK) return status;
  d.output = conv_output_of(args, y_row_stride, bias_period, fathom_shared(context));
  fathom_pool_run(context->pool, args->batch * d.row_chunks * d.column_chunks * d.groups, task, &d);
  return FATHOM_OK;
}
