/* Stands for libcudnn: an NHWC bf16 convolution and its gradients, plainly, on memory that the host can read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct shape {
  int format, type, extent[4];
};
struct convolution {
  int parameters[8], math;
};
int fake_objects = 0;

static float wide(uint16_t x) {
  const uint32_t bits = (uint32_t)x << 16;
  float f;
  memcpy(&f, &bits, 4);
  return f;
}
static uint16_t narrow(float f) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  return bits >> 16;
}
static int make(void** object, size_t bytes) {
  fake_objects++;
  *object = calloc(1, bytes);
  return 0;
}
static int destroy(void* object) {
  fake_objects--;
  free(object);
  return 0;
}
static void* stream_in_use;

const char* cudnnGetErrorString(int status) { return status ? "CUDNN_STATUS_BAD_PARAM" : "CUDNN_STATUS_SUCCESS"; }
int cudnnCreate(void** handle) { return make(handle, 1); }
int cudnnDestroy(void* handle) { return destroy(handle); }
int cudnnSetStream(void* handle, void* stream) { return stream_in_use = stream, handle ? 0 : 2000; }
int cudnnCreateTensorDescriptor(void** t) { return make(t, sizeof(struct shape)); }
int cudnnDestroyTensorDescriptor(void* t) { return destroy(t); }
int cudnnCreateFilterDescriptor(void** w) { return make(w, sizeof(struct shape)); }
int cudnnDestroyFilterDescriptor(void* w) { return destroy(w); }
int cudnnCreateConvolutionDescriptor(void** c) { return make(c, sizeof(struct convolution)); }
int cudnnDestroyConvolutionDescriptor(void* c) { return destroy(c); }
int cudnnSetTensor4dDescriptor(struct shape* t, int format, int type, int n, int c, int h, int w) {
  *t = (struct shape){format, type, {n, c, h, w}};
  return 0;
}
int cudnnSetFilter4dDescriptor(struct shape* t, int type, int format, int k, int c, int h, int w) {
  *t = (struct shape){format, type, {k, c, h, w}};
  return 0;
}
int cudnnSetConvolution2dDescriptor(struct convolution* c, int pad_h, int pad_w, int u, int v, int dilation_h,
                                    int dilation_w, int mode, int type) {
  const int parameters[8] = {pad_h, pad_w, u, v, dilation_h, dilation_w, mode, type};
  memcpy(c->parameters, parameters, sizeof parameters);
  return 0;
}
int cudnnSetConvolutionMathType(struct convolution* c, int type) { return c->math = type, 0; }
struct perf {
  int algorithm, status;
  float time;
  size_t memory;
  int determinism, math, reserved[3];
};
/* All three ways: two operands, the convolution, a result. */
static int choose(void* handle, void* a, void* b, struct convolution* c, void* result, int wanted, int* found,
                  struct perf* perf, int algorithm) {
  *found = 1;
  *perf = (struct perf){.algorithm = algorithm, .memory = 512, .math = 2};
  return handle && a && b && c->math == 1 && result && wanted == 1 ? 0 : 2000;
}
static int size(void* handle, void* a, void* b, void* c, void* result, int algorithm, size_t* bytes, int expected) {
  *bytes = 512;
  return handle && a && b && c && result && algorithm == expected ? 0 : 2000;
}
#define CHOICE(way, number)                                                                                           \
  int cudnnGetConvolution##way##Algorithm_v7(void* handle, void* a, void* b, struct convolution* c, void* result,     \
                                             int wanted, int* found, struct perf* perf) {                             \
    return choose(handle, a, b, c, result, wanted, found, perf, number);                                              \
  }                                                                                                                   \
  int cudnnGetConvolution##way##WorkspaceSize(void* handle, void* a, void* b, void* c, void* result, int algorithm,   \
                                              size_t* bytes) {                                                        \
    return size(handle, a, b, c, result, algorithm, bytes, number);                                                   \
  }
CHOICE(Forward, 1)
CHOICE(BackwardData, 2)
CHOICE(BackwardFilter, 3)

struct operands {
  const struct shape *tx, *tw, *ty;
  const struct convolution* c;
};
static int refuses(struct operands o) {
  const struct shape *tx = o.tx, *tw = o.tw, *ty = o.ty;
  const int kernel = tw->extent[2], pad = (kernel - 1) / 2, stride = o.c->parameters[2];
  const int expected[8] = {pad, pad, stride, stride, 1, 1, 1, 0};
  if (memcmp(o.c->parameters, expected, sizeof expected) || o.c->math != 2) return 1;
  if (tx->format != 1 || tw->format != 1 || ty->format != 1 || tx->type != 9 || tw->type != 9 || ty->type != 9) {
    return 1;
  }
  for (int i = 2; i < 4; i++) {
    if (tw->extent[i] != kernel || ty->extent[i] != (tx->extent[i] + stride - 1) / stride) return 1;
  }
  return tx->extent[0] != ty->extent[0] || tw->extent[0] != ty->extent[1] || tw->extent[1] != tx->extent[1];
}
/* Adds to the one of the three that is a sum: result[..] += first[..] * second[..] for each term of the convolution. */
static void run(struct operands o, const uint16_t* x, const uint16_t* w, const uint16_t* y, float* sums) {
  const int inputs = o.tx->extent[1], height = o.tx->extent[2], width = o.tx->extent[3];
  const int outputs = o.ty->extent[1], rows = o.ty->extent[2], columns = o.ty->extent[3];
  const int kernel = o.tw->extent[2], pad = o.c->parameters[0], stride = o.c->parameters[2];
  for (int n = 0; n < o.tx->extent[0]; n++)
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < columns; j++)
        for (int k = 0; k < outputs; k++)
          for (int tap = 0; tap < kernel * kernel; tap++) {
            const int row = i * stride + tap / kernel - pad, column = j * stride + tap % kernel - pad;
            if (row < 0 || row >= height || column < 0 || column >= width) continue;
            for (int c = 0; c < inputs; c++) {
              const int at_x = ((n * height + row) * width + column) * inputs + c;
              const int at_w = (k * kernel * kernel + tap) * inputs + c;
              const int at_y = ((n * rows + i) * columns + j) * outputs + k;
              if (!y) sums[at_y] += wide(x[at_x]) * wide(w[at_w]);
              if (!x) sums[at_x] += wide(w[at_w]) * wide(y[at_y]);
              if (!w) sums[at_w] += wide(x[at_x]) * wide(y[at_y]);
            }
          }
}
static int compute(void* handle, const float* alpha, const float* beta, struct operands o, const uint16_t* x,
                   const uint16_t* w, const uint16_t* y, uint16_t* result, const struct shape* t, int algorithm,
                   int expected, void* workspace, size_t bytes) {
  if (!handle || !stream_in_use || algorithm != expected || !workspace || bytes != 512) return 2000;
  if (refuses(o) || *alpha != 1 || *beta != 0) return 2000;
  const int n = t->extent[0] * t->extent[1] * t->extent[2] * t->extent[3];
  float* sums = calloc(n, sizeof *sums);
  run(o, x, w, y, sums);
  for (int i = 0; i < n; i++) result[i] = narrow(sums[i]);
  free(sums);
  return 0;
}
int cudnnConvolutionForward(void* handle, const float* alpha, struct shape* tx, const uint16_t* x, struct shape* tw,
                            const uint16_t* w, struct convolution* c, int algorithm, void* workspace, size_t bytes,
                            const float* beta, struct shape* ty, uint16_t* y) {
  const struct operands o = {tx, tw, ty, c};
  return compute(handle, alpha, beta, o, x, w, NULL, y, ty, algorithm, 1, workspace, bytes);
}
int cudnnConvolutionBackwardData(void* handle, const float* alpha, struct shape* tw, const uint16_t* w,
                                 struct shape* ty, const uint16_t* dy, struct convolution* c, int algorithm,
                                 void* workspace, size_t bytes, const float* beta, struct shape* tx, uint16_t* dx) {
  const struct operands o = {tx, tw, ty, c};
  return compute(handle, alpha, beta, o, NULL, w, dy, dx, tx, algorithm, 2, workspace, bytes);
}
int cudnnConvolutionBackwardFilter(void* handle, const float* alpha, struct shape* tx, const uint16_t* x,
                                   struct shape* ty, const uint16_t* dy, struct convolution* c, int algorithm,
                                   void* workspace, size_t bytes, const float* beta, struct shape* tw, uint16_t* dw) {
  const struct operands o = {tx, tw, ty, c};
  return compute(handle, alpha, beta, o, x, NULL, dy, dw, tw, algorithm, 3, workspace, bytes);
}
