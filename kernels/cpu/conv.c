/*
 * Convolutions: 1x1 and 3x3 with their fusions, and transposed convolutions whose kernel is their stride.
 * conv_direct.c and conv_winograd.c compute, conv_read.c and conv.h have what they share.
 */
#include "conv.h"

int64_t FN(conv2d_packed_size)(int64_t out, int64_t in, int64_t kernel, int64_t stride,
                               int64_t algorithm) {
  return conv_uses_winograd(out, in, kernel, stride, algorithm)
             ? FN(conv_winograd_packed_size)(out, in)
             : FN(conv_direct_packed_size)(out, in, kernel);
}

fathom_status FN(conv2d_pack)(fathom_context* context, int64_t out, int64_t in, int64_t kernel,
                              int64_t stride, int64_t algorithm, const float* weight,
                              float* packed) {
  if (conv_uses_winograd(out, in, kernel, stride, algorithm))
    return FN(conv_winograd_pack)(context, out, in, weight, packed);
  FN(conv_direct_pack)(out, in, kernel, weight, packed);
  return FATHOM_OK;
}

fathom_status FN(conv2d)(fathom_context* context, const fathom_conv2d_args* args) {
  if (conv_uses_winograd(args->out, args->in, args->kernel, args->stride, args->algorithm))
    return FN(conv_winograd)(context, args, NULL, NULL);
  fathom_conv2d_args a = *args;
  if (a.kernel == 1 && a.stride == 1 && a.source_height == 0) {
    /* Pixels are independent: one long row has no ragged ends. */
    a.width *= a.batch * a.height;
    a.batch = a.height = 1;
  }
  return FN(conv_direct)(context, &a, fathom_ceil_div(a.width, a.stride) * a.out, a.out);
}

/*
 * A transposed convolution with kernel = stride is one product per row of the kernel: the outputs of a
 * pixel in that row are k * out consecutive floats. Packed as k 1x1 convolutions in -> k * out.
 */
int64_t FN(conv_transpose2d_packed_size)(int64_t in, int64_t out, int64_t kernel) {
  return kernel * FN(conv_direct_packed_size)(kernel * out, in, 1);
}

fathom_status FN(conv_transpose2d_pack)(fathom_context* context __attribute__((unused)), int64_t in,
                                        int64_t out, int64_t kernel, const float* weight,
                                        float* packed) {
  int64_t columns = kernel * out;
  for (int64_t i = 0; i < kernel; i++) {
    for (int64_t block = 0; block < conv_column_blocks(columns); block++) {
      for (int64_t c = 0; c < conv_groups(in) * W; c++) {
        for (int64_t n = block * NR; n < (block + 1) * NR; n++) {
          int64_t j = n / out, o = n % out;
          *packed++ =
              n < columns && c < in ? weight[((c * out + o) * kernel + i) * kernel + j] : 0.0f;
        }
      }
    }
  }
  return FATHOM_OK;
}

fathom_status FN(conv_transpose2d)(fathom_context* context,
                                   const fathom_conv_transpose2d_args* args) {
  int64_t k = args->kernel, row = args->width * k * args->out;
  for (int64_t i = 0; i < k; i++) {
    fathom_conv2d_args a = {
        .batch = 1,
        .height = args->batch * args->height,
        .width = args->width,
        .in = args->in,
        .out = k * args->out,
        .kernel = 1,
        .stride = 1,
        .x = args->x,
        .packed = args->packed + i * FN(conv_direct_packed_size)(k * args->out, args->in, 1),
        .bias = args->bias,
        .y = args->y + i * row,
    };
    fathom_status status = FN(conv_direct)(context, &a, k * row, args->out);
    if (status != FATHOM_OK) return status;
  }
  return FATHOM_OK;
}

#ifdef FATHOM_ENTRY

static fathom_status check_layer(int64_t out, int64_t in, int64_t kernel, int64_t stride,
                                 int64_t algorithm) {
#define CHECK(condition, text)                                                             \
  FATHOM_CHECK(condition, "conv2d %lld -> %lld, kernel %lld, stride %lld, algorithm %lld: " text, \
               (long long)in, (long long)out, (long long)kernel, (long long)stride,        \
               (long long)algorithm)
  CHECK(in > 0 && out > 0, "channels must be positive");
  CHECK(kernel == 1 || kernel == 3, "the kernel is 1 or 3");
  CHECK(stride == 1 || stride == 2, "the stride is 1 or 2");
  CHECK(algorithm >= FATHOM_CONV_AUTO && algorithm <= FATHOM_CONV_WINOGRAD, "unknown algorithm");
  CHECK(algorithm != FATHOM_CONV_WINOGRAD || (kernel == 3 && stride == 1),
        "Winograd takes kernel 3 and stride 1");
  CHECK(FATHOM_PRODUCT(in, out, 36) > 0, "the sizes overflow");
#undef CHECK
  return FATHOM_OK;
}

fathom_status fathom_conv2d_pack(fathom_context* context, fathom_conv2d_pack_args* args) {
  FATHOM_CHECK(context && args, "conv2d: the context or args is NULL");
  const fathom_conv2d_pack_args* a = args;
  fathom_status status = check_layer(a->out, a->in, a->kernel, a->stride, a->algorithm);
  if (status != FATHOM_OK) return status;
  args->packed_size =
      context->ops->conv2d_packed_size(a->out, a->in, a->kernel, a->stride, a->algorithm);
  if (!a->packed) return FATHOM_OK;
  FATHOM_CHECK(a->weight, "conv2d: packing a weight [%lld,%lld,%lld,%lld], weight is NULL",
               (long long)a->out, (long long)a->in, (long long)a->kernel, (long long)a->kernel);
  FATHOM_DISPATCH(context, conv2d_pack, a->out, a->in, a->kernel, a->stride, a->algorithm, a->weight,
                  a->packed);
}

static fathom_status check_conv2d(const fathom_conv2d_args* a) {
  fathom_status status = check_layer(a->out, a->in, a->kernel, a->stride, a->algorithm);
  if (status != FATHOM_OK) return status;
#define CHECK(condition, text)                                                                    \
  FATHOM_CHECK(condition, "conv2d [%lld,%lld,%lld,%lld] -> %lld, kernel %lld, stride %lld: " text, \
               (long long)a->batch, (long long)a->height, (long long)a->width, (long long)a->in,  \
               (long long)a->out, (long long)a->kernel, (long long)a->stride)
  CHECK(a->batch > 0 && a->height > 0 && a->width > 0, "sizes must be positive");
  CHECK(a->x && a->packed && a->y, "x, packed or y is NULL");
  CHECK(FATHOM_PRODUCT(a->batch, a->height, a->width, a->in) > 0 &&
            FATHOM_PRODUCT(a->batch, a->height, a->width, a->out) > 0,
        "the sizes overflow");
  CHECK(a->relu_input == 0 || a->relu_input == 1, "relu_input is 0 or 1");
  CHECK(a->activation == FATHOM_ACTIVATION_NONE || a->activation == FATHOM_ACTIVATION_RELU,
        "the activation is none or ReLU");
  int64_t in_height = a->height, in_width = a->width;
  if (a->source_height || a->source_width) {
    FATHOM_CHECK(a->source_height > 0 && a->source_width > 0 &&
                     FATHOM_PRODUCT(a->batch, a->source_height, a->source_width, a->in) > 0 &&
                     FATHOM_PRODUCT(a->source_height, a->height) > 0 &&
                     FATHOM_PRODUCT(a->source_width, a->width) > 0,
                 "conv2d: cannot resize %lldx%lld to %lldx%lld", (long long)a->source_height,
                 (long long)a->source_width, (long long)a->height, (long long)a->width);
    in_height = a->source_height;
    in_width = a->source_width;
  }
  int64_t pixels = a->batch * fathom_ceil_div(a->height, a->stride) *
                   fathom_ceil_div(a->width, a->stride);
  if (a->project_weight) {
    CHECK(a->project_activation == FATHOM_ACTIVATION_NONE ||
              a->project_activation == FATHOM_ACTIVATION_RELU ||
              a->project_activation == FATHOM_ACTIVATION_SIGMOID,
          "the projection's activation is none, ReLU or sigmoid");
    CHECK(!(a->residual && fathom_overlap(a->residual, pixels * a->out, a->y, pixels)) &&
              !(a->residual2 && fathom_overlap(a->residual2, pixels * a->out, a->y, pixels)),
          "a projection cannot be written over a residual");
  }
  CHECK(!fathom_overlap(a->x, a->batch * in_height * in_width * a->in, a->y,
                  pixels * (a->project_weight ? 1 : a->out)),
        "y overlaps x");
#undef CHECK
  return FATHOM_OK;
}

fathom_status fathom_conv2d(fathom_context* context, const fathom_conv2d_args* args) {
  FATHOM_CHECK(context && args, "conv2d: the context or args is NULL");
  fathom_status status = check_conv2d(args);
  if (status != FATHOM_OK) return status;
  FATHOM_DISPATCH(context, conv2d, args);
}

static fathom_status check_transpose_layer(int64_t in, int64_t out, int64_t kernel) {
#define CHECK(condition, text)                                                       \
  FATHOM_CHECK(condition, "conv_transpose2d %lld -> %lld, kernel %lld: " text, (long long)in, \
               (long long)out, (long long)kernel)
  CHECK(in > 0 && out > 0, "channels must be positive");
  CHECK(kernel == 2 || kernel == 4, "the kernel is 2 or 4");
  CHECK(FATHOM_PRODUCT(in, out, kernel, kernel) > 0, "the sizes overflow");
#undef CHECK
  return FATHOM_OK;
}

fathom_status fathom_conv_transpose2d_pack(fathom_context* context,
                                           fathom_conv_transpose2d_pack_args* args) {
  FATHOM_CHECK(context && args, "conv_transpose2d: the context or args is NULL");
  const fathom_conv_transpose2d_pack_args* a = args;
  fathom_status status = check_transpose_layer(a->in, a->out, a->kernel);
  if (status != FATHOM_OK) return status;
  args->packed_size = context->ops->conv_transpose2d_packed_size(a->in, a->out, a->kernel);
  if (!a->packed) return FATHOM_OK;
  FATHOM_CHECK(a->weight, "conv_transpose2d: packing a weight [%lld,%lld,%lld,%lld], weight is NULL",
               (long long)a->in, (long long)a->out, (long long)a->kernel, (long long)a->kernel);
  FATHOM_DISPATCH(context, conv_transpose2d_pack, a->in, a->out, a->kernel, a->weight, a->packed);
}

fathom_status fathom_conv_transpose2d(fathom_context* context,
                                      const fathom_conv_transpose2d_args* args) {
  FATHOM_CHECK(context && args, "conv_transpose2d: the context or args is NULL");
  const fathom_conv_transpose2d_args* a = args;
  fathom_status status = check_transpose_layer(a->in, a->out, a->kernel);
  if (status != FATHOM_OK) return status;
#define CHECK(condition, text)                                                                  \
  FATHOM_CHECK(condition, "conv_transpose2d [%lld,%lld,%lld,%lld] -> %lld, kernel %lld: " text, \
               (long long)a->batch, (long long)a->height, (long long)a->width,                  \
               (long long)a->in, (long long)a->out, (long long)a->kernel)
  CHECK(a->batch > 0 && a->height > 0 && a->width > 0, "sizes must be positive");
  CHECK(a->x && a->packed && a->y, "x, packed or y is NULL");
  int64_t x_size = FATHOM_PRODUCT(a->batch, a->height, a->width, a->in);
  int64_t y_size = FATHOM_PRODUCT(a->batch, a->height, a->width, a->out, a->kernel, a->kernel);
  CHECK(x_size > 0 && y_size > 0, "the sizes overflow");
  CHECK(!fathom_overlap(a->x, x_size, a->y, y_size), "y overlaps x");
#undef CHECK
  FATHOM_DISPATCH(context, conv_transpose2d, args);
}

#endif
