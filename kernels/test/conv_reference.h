/* Convolutions in float64, written as their definitions. */
#ifndef FATHOM_CONV_REFERENCE_H
#define FATHOM_CONV_REFERENCE_H

#include "test.h"

/* The map convolved, relu?(resize?(x)), [B,H,W,in]. Caller frees. */
double* conv2d_input_reference(const fathom_conv2d_args* args);

/*
 * What fathom_conv2d stores, from weight [out,in,k,k] as in the checkpoints. Caller frees. The size of
 * the result goes to *size.
 */
double* conv2d_reference(const fathom_conv2d_args* args, const float* weight, int64_t* size);

/* The same for a transposed convolution with weight [in,out,k,k]. */
double* conv_transpose2d_reference(const fathom_conv_transpose2d_args* args, const float* weight,
                                   int64_t* size);

#endif
