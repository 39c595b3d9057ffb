/* Stands for libcudnn: a 3x3 NHWC bf16 convolution computed plainly, on memory that the host can read. */
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
int cudnnGetConvolutionForwardAlgorithm_v7(void* handle, struct shape* x, struct shape* w, struct convolution* c,
                                           struct shape* y, int wanted, int* found, struct perf* perf) {
  *found = 1;
  *perf = (struct perf){.algorithm = 1, .memory = 512, .math = 2};
  return handle && x && w && c->math == 1 && y && wanted == 1 ? 0 : 2000;
}
int cudnnGetConvolutionForwardWorkspaceSize(void* handle, struct shape* x, struct shape* w, struct convolution* c,
                                            struct shape* y, int algorithm, size_t* bytes) {
  *bytes = 512;
  return handle && x && w && c && y && algorithm == 1 ? 0 : 2000;
}
int cudnnConvolutionForward(void* handle, const float* alpha, struct shape* tx, const uint16_t* x,
                            struct shape* tw, const uint16_t* w, struct convolution* c, int algorithm,
                            void* workspace, size_t bytes, const float* beta, struct shape* ty, uint16_t* y) {
  static const int expected[8] = {1, 1, 1, 1, 1, 1, 1, 0};
  if (!handle || !stream_in_use || algorithm != 1 || !workspace || bytes != 512 || c->math != 2) return 2000;
  if (memcmp(c->parameters, expected, sizeof expected) || *alpha != 1 || *beta != 0) return 2000;
  if (tx->format != 1 || tw->format != 1 || ty->format != 1 || tx->type != 9 || tw->type != 9 || ty->type != 9) {
    return 2000;
  }
  const int inputs = tx->extent[1], height = tx->extent[2], width = tx->extent[3], outputs = ty->extent[1];
  if (tw->extent[0] != outputs || tw->extent[1] != inputs || tw->extent[2] != 3 || tw->extent[3] != 3) return 2000;
  for (int n = 0; n < tx->extent[0]; n++)
    for (int i = 0; i < height; i++)
      for (int j = 0; j < width; j++)
        for (int o = 0; o < outputs; o++) {
          float sum = 0;
          for (int tap = 0; tap < 9; tap++) {
            const int row = i + tap / 3 - 1, column = j + tap % 3 - 1;
            if (row < 0 || row >= height || column < 0 || column >= width) continue;
            for (int k = 0; k < inputs; k++) {
              sum += wide(x[((n * height + row) * width + column) * inputs + k]) * wide(w[(o * 9 + tap) * inputs + k]);
            }
          }
          y[((n * height + i) * width + j) * outputs + o] = narrow(sum);
        }
  return 0;
}
