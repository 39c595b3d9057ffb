/*
 * Boxes of neighbouring pixels of maps, as TMA brings them: the lines of an operand of conv90.cu
 * and conv_backward90.cu.
 */
#ifndef FATHOM_CUDA_CONV_BOX90_H
#define FATHOM_CUDA_CONV_BOX90_H

#include "args_conv90.h"
#include "dev90.h"
#include "gemm_tile.h"

/* Where a box begins. */
struct Corner {
  int b, y, x;
};

/* All boxes of a batch of maps, row by row. */
struct Boxes {
  int height, width; /* of a map */
  int box_height, box_width;

  DEV_MEMBER int down() const { return ceil_div(height, box_height); }
  DEV_MEMBER int across() const { return ceil_div(width, box_width); }
  DEV_MEMBER int pixels() const { return box_height * box_width; }
  DEV_MEMBER Corner corner(int box) const {
    Corner c;
    c.b = box / (down() * across());
    c.y = box / across() % down() * box_height;
    c.x = box % across() * box_width;
    return c;
  }
};

/* A tile's rows in the order of its box. A pixel that does not exist is -1. */
struct PixelsOfBox {
  Boxes boxes;
  Corner corner;
  DEV_MEMBER int64_t operator()(int row) const {
    const int y = corner.y + row / boxes.box_width, x = corner.x + row % boxes.box_width;
    return row < boxes.pixels() && y < boxes.height && x < boxes.width
               ? ((int64_t)corner.b * boxes.height + y) * boxes.width + x
               : -1;
  }
};

/* One thread: 64 channels of the pixels that a tap of a kernel sees from a box. */
DEV void load_box(unsigned char* to, const fathom_cuda_tensor_map& map, Corner corner, int channel,
                  int tap, int kernel, uint64_t* barrier) {
  const int margin = (kernel - 1) / 2;
  tensor_load(to, map, channel, corner.x + tap % kernel - margin, corner.y + tap / kernel - margin,
              corner.b, barrier);
}

#endif
