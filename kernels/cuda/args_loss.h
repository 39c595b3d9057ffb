/*
 * Arguments of the loss kernels: what fathom.h says of each loss holds here. One struct serves all the
 * kernels of a loss, which the host launches one after the other on one stream.
 *
 * The value of a loss comes out in device memory. A workspace is 256-byte aligned; its first bytes, given
 * below, must be 0 before the first kernel of a loss. The kernels leave it ready for the same loss of the
 * same sizes.
 */
#ifndef FATHOM_CUDA_ARGS_LOSS_H
#define FATHOM_CUDA_ARGS_LOSS_H

#include <stdint.h>

enum {
  FATHOM_CUDA_LOSS_THREADS = 256,       /* block of every kernel here */
  FATHOM_CUDA_LOSS_CHUNK = 8192,        /* pixels of one picture, or of a batch, in a block */
  FATHOM_CUDA_LOSS_ROWS = 32,           /* tokens, or rows of logits, in a block */
  FATHOM_CUDA_LOSS_TILE_HEIGHT = 32,    /* of gradient matching */
  FATHOM_CUDA_LOSS_TILE_WIDTH = 64,
  FATHOM_CUDA_LOSS_HEADER_BYTES = 256,  /* of every workspace */
  FATHOM_CUDA_LOSS_TABLE_BYTES = 16640, /* of a region, for its medians */
  FATHOM_CUDA_LOSS_REGION_BYTES = 256,  /* of a region, what is known of it */
  FATHOM_CUDA_LOSS_CHUNK_BYTES = 32,    /* of a region's chunk: its sums */
  FATHOM_CUDA_LOSS_TILE_BYTES = 96,     /* of a picture's tile: its sums */
  FATHOM_CUDA_LOSS_ROW_BYTES = 8,       /* of a row: what its gradient needs */
  FATHOM_CUDA_LOSS_ROWS_BYTES = 16      /* of a block of rows: its sums */
};

/*
 * Losses on depth maps. Pictures have H W < 2^31 pixels; regions = B, or 2 B with boxes, at most 65535.
 * chunks = ceil(H W / CHUNK), tiles = ceil(H / TILE_HEIGHT) ceil(W / TILE_WIDTH).
 *
 * Every kernel: block THREADS, shared 0 bytes. R stands for the grid (chunks, regions).
 *
 *   scale-shift-invariant, CutMix (with boxes)
 *       fathom_loss_median_high    grid R
 *       fathom_loss_median_middle  grid R
 *       fathom_loss_median_low     grid R
 *       fathom_ssi_loss_trim_high, _trim_middle, _trim_low   grid R; all three, with trim > 0 only
 *       fathom_ssi_loss_sums       grid R; writes loss
 *       fathom_ssi_loss_gradient   grid R; where a gradient is wanted
 *     workspace: HEADER + regions (TABLE + REGION + chunks CHUNK_BYTES) bytes, of which the first
 *     HEADER + regions TABLE bytes are to be 0.
 *
 *   gradient matching (no boxes)
 *       fathom_loss_median_high, _middle, _low               grid R
 *       fathom_gradient_matching_loss_sums                   grid (tiles, B); writes loss
 *       fathom_gradient_matching_loss_gradient               grid R; where a gradient is wanted
 *     workspace: HEADER + B (TABLE + REGION + max(chunks CHUNK_BYTES, tiles TILE_BYTES)) bytes, of which
 *     the first HEADER + B TABLE bytes are to be 0. Between its last two kernels the gradient holds
 *     signs, not numbers.
 *
 *   SILog (no boxes): here chunks are of the whole batch, n = ceil(B H W / CHUNK)
 *       fathom_silog_loss_sums      grid n; writes loss
 *       fathom_silog_loss_gradient  grid n; where a gradient is wanted
 *     workspace: HEADER + n CHUNK_BYTES bytes, of which the first HEADER bytes are to be 0.
 */
typedef struct {
  const float* prediction; /* [B,H,W] */
  const float* target;     /* [B,H,W]; with boxes, that inside them */
  const float* outside;    /* [B,H,W], the target outside the boxes; NULL without */
  const float* mask;       /* [B,H,W] or NULL; NULL with boxes */
  const int64_t* boxes;    /* [B,4]: top, left, bottom, right; NULL: one region, the picture */
  float* gradient;         /* [B,H,W], overwritten with factor d loss / d prediction, or NULL */
  double* loss;            /* [1] */
  void* workspace;
  int64_t batch, height, width;
  double factor;
  double trim; /* scale-shift-invariant: 0 <= trim < 1; 0 with boxes */
  double beta; /* SILog */
} fathom_cuda_map_loss_args;

/*
 * Feature alignment. blocks = ceil(rows / ROWS); block THREADS, shared 0 bytes.
 *     fathom_alignment_loss_sums      grid blocks; writes loss and kept
 *     fathom_alignment_loss_gradient  grid blocks; where a gradient is wanted
 * workspace: HEADER + rows ROW_BYTES + blocks ROWS_BYTES bytes (rows rounded up to a multiple of 32),
 * of which the first HEADER bytes are to be 0.
 */
typedef struct {
  const void* student; /* elem [rows,C] */
  const void* frozen;  /* elem [rows,C] */
  void* gradient;      /* elem [rows,C], overwritten, or NULL */
  double* loss;        /* [1] */
  int64_t* kept;       /* [1], tokens below margin */
  void* workspace;
  int64_t rows, channels;
  double margin;
  double factor;
} fathom_cuda_alignment_loss_args;

/*
 * Cross-entropy. blocks = ceil(rows / ROWS); block THREADS, shared 0 bytes.
 *     fathom_cross_entropy_loss_sums      grid blocks; writes loss
 *     fathom_cross_entropy_loss_gradient  grid blocks; where a gradient is wanted
 * workspace: as alignment's.
 */
typedef struct {
  const void* logits;  /* elem [rows,classes] */
  const float* target; /* [rows,classes], >= 0; a row sums to 1 or is 0 */
  void* gradient;      /* elem [rows,classes], overwritten, or NULL */
  double* loss;        /* [1] */
  void* workspace;
  int64_t rows, classes;
  double factor;
} fathom_cuda_cross_entropy_loss_args;

#endif
