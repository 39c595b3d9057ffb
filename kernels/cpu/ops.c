/* One table of kernels per instruction set. */
#include "internal.h"
#include "simd.h"

#define OPERATORS(X)                                                                        \
  X(measure) X(linear_packed_size) X(linear_pack) X(linear) X(linear_backward) X(swiglu)    \
  X(swiglu_backward) X(attention) X(attention_backward) X(layer_norm)                       \
  X(layer_norm_backward) X(patch_embed_packed_size) X(patch_embed_pack) X(patch_embed)      \
  X(patch_embed_backward) X(conv2d_packed_size) X(conv2d_pack) X(conv2d)                    \
  X(conv_transpose2d_packed_size) X(conv_transpose2d_pack) X(conv_transpose2d)              \
  X(conv2d_backward) X(conv_transpose2d_backward) X(project) X(project_backward)            \
  X(resize_bilinear) X(resize_bicubic) X(resize_bilinear_backward)                          \
  X(resize_bicubic_backward) X(preprocess) X(fill) X(axpby) X(sum_of_squares) X(adamw)      \
  X(ssi_loss) X(cutmix_loss) X(gradient_matching_loss) X(alignment_loss) X(silog_loss)      \
  X(cross_entropy_loss) X(read_picture) X(read_map) X(distort)

#define DECLARE(operator) extern __typeof__(*((fathom_ops*)0)->operator) FN(operator);
OPERATORS(DECLARE)

#define ROW(operator) .operator = FN(operator),
#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)
const fathom_ops FN(ops) = {.name = TEXT(FATHOM_ISA_SUFFIX), OPERATORS(ROW)};
