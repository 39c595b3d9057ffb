/*
 * The parts of the backward convolutions, one file each: the gradient of the weight
 * (conv_weight_gradient.c), that of the input (conv_input_gradient.c, or conv_winograd.c with the weight
 * turned round) and the way back through the resize (conv_resize_adjoint.c).
 */
#ifndef FATHOM_CONV_BACKWARD_H
#define FATHOM_CONV_BACKWARD_H

#include "conv.h"

/*
 * d_weight [out,in,k,k] += sum over pixels p of gradient[p] x map[p under each tap], and d_bias [out] +=
 * sum over pixels of gradient. The geometry is that of a convolution with the given margin.
 */
typedef struct {
  fathom_conv2d_args map; /* batch, height, width, in, x, source_*, relu_input: the map convolved */
  int64_t out, kernel, stride, margin;
  int64_t out_height, out_width;
  const float* gradient; /* [B,OH,OW,out] */
  const float* gate;     /* likewise: gradient counts where gate > 0; or NULL */
  float* d_weight;       /* or NULL */
  float* d_bias;         /* or NULL */
} conv_weight_gradient_args;
fathom_status FN(conv_weight_gradient)(fathom_context* context,
                                       const conv_weight_gradient_args* args);

/* dx = or += the convolution's adjoint applied to dy. */
typedef struct {
  int64_t batch, height, width, in, out, kernel, stride;
  const float* dy;      /* [B,OH,OW,out] */
  const float* dy_gate; /* likewise: dy counts where it is > 0; or NULL */
  const float* dx_gate; /* [B,H,W,in]: dx is 0 where it is not > 0; or NULL */
  float* dx;            /* [B,H,W,in] */
  int accumulate;
} conv_input_gradient_args;
/* The sizes alone decide on the algorithm, direct or Winograd, and with it on the packed weights. */
int64_t FN(conv_input_gradient_packed_size)(const conv_input_gradient_args* args);
/* weight [out,in,k,k] -> packed */
void FN(conv_input_gradient_pack)(fathom_context* context, const conv_input_gradient_args* args,
                                  const float* weight, float* packed);
fathom_status FN(conv_input_gradient)(fathom_context* context,
                                      const conv_input_gradient_args* args, const float* packed);

/*
 * dx [source_height,source_width,in] = or += the adjoint of the resize that conv_read does, applied to
 * gradient [height,width,in], of one picture. args: the sizes and, with relu_input, x at this picture.
 * The gradient is overwritten where ReLU was closed.
 */
fathom_status FN(conv_resize_adjoint)(fathom_context* context, const fathom_conv2d_args* args,
                                      float* gradient, float* dx, int accumulate);

#endif
