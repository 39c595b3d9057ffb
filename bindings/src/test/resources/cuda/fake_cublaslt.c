/* Stands for libcublasLt: a column-major bf16 product computed plainly, on memory that the host can read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct desc {
  int compute, scale, transpose_a, epilogue;
  const uint16_t* bias;
};
struct layout {
  int type;
  uint64_t rows, columns;
  int64_t stride;
};
int fake_objects = 0;

static float wide(uint16_t x) {
  const uint32_t bits = (uint32_t)x << 16;
  float f;
  memcpy(&f, &bits, 4);
  return f;
}
/* Exact for what the tests multiply. */
static uint16_t narrow(float f) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  return bits >> 16;
}
static void* make(size_t bytes) {
  fake_objects++;
  return calloc(1, bytes);
}
static int destroy(void* object) {
  fake_objects--;
  free(object);
  return 0;
}

const char* cublasLtGetStatusString(int status) { return status == 7 ? "CUBLAS_STATUS_INVALID_VALUE" : "other"; }
int cublasLtCreate(void** handle) { *handle = make(1); return 0; }
int cublasLtDestroy(void* handle) { return destroy(handle); }
int cublasLtMatmulDescCreate(struct desc** desc, int compute, int scale) {
  *desc = make(sizeof **desc);
  (*desc)->compute = compute;
  (*desc)->scale = scale;
  (*desc)->epilogue = 1;
  return 0;
}
int cublasLtMatmulDescDestroy(void* desc) { return destroy(desc); }
int cublasLtMatmulDescSetAttribute(struct desc* desc, int attribute, const void* value, size_t bytes) {
  if (attribute == 3 && bytes == 4) return desc->transpose_a = *(const int*)value, 0;
  if (attribute == 7 && bytes == 4) return desc->epilogue = *(const int*)value, 0;
  if (attribute == 8 && bytes == 8) return desc->bias = *(const uint16_t* const*)value, 0;
  return 7;
}
int cublasLtMatrixLayoutCreate(struct layout** layout, int type, uint64_t rows, uint64_t columns, int64_t stride) {
  *layout = make(sizeof **layout);
  **layout = (struct layout){type, rows, columns, stride};
  return 0;
}
int cublasLtMatrixLayoutDestroy(void* layout) { return destroy(layout); }
int cublasLtMatmulPreferenceCreate(void** preference) { *preference = make(1); return 0; }
int cublasLtMatmulPreferenceDestroy(void* preference) { return destroy(preference); }
int cublasLtMatmulPreferenceSetAttribute(void* preference, int attribute, const void* value, size_t bytes) {
  return preference && attribute == 1 && bytes == 8 && *(const uint64_t*)value > 0 ? 0 : 7;
}
struct heuristic {
  uint64_t algorithm[8];
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
int cublasLtMatmulAlgoGetHeuristic(void* handle, struct desc* desc, struct layout* a, struct layout* b,
                                   struct layout* c, struct layout* d, void* preference, int wanted,
                                   struct heuristic* result, int* found) {
  memset(result, 0, sizeof *result);
  result->algorithm[0] = 4711;
  *found = a->rows < 1000; /* none for larger ones */
  return handle && desc->compute == 68 && desc->scale == 0 && b && c == d && preference && wanted == 1 ? 0 : 7;
}
int cublasLtMatmul(void* handle, struct desc* desc, const float* alpha, const uint16_t* a, struct layout* la,
                   const uint16_t* b, struct layout* lb, const float* beta, const uint16_t* c, struct layout* lc,
                   uint16_t* d, struct layout* ld, const uint64_t* algorithm, void* workspace, size_t bytes,
                   void* stream) {
  if (!handle || !workspace || !bytes || !stream || *algorithm != 4711 || desc->transpose_a != 1) return 7;
  if (la->type != 14 || lb->type != 14 || ld->type != 14 || c != d || *beta != 0) return 7;
  if (la->rows != lb->rows || la->columns != ld->rows || lb->columns != ld->columns || lc != ld) return 7;
  for (uint64_t column = 0; column < ld->columns; column++) {
    for (uint64_t row = 0; row < ld->rows; row++) {
      float sum = desc->epilogue == 4 ? wide(desc->bias[row]) : 0;
      for (uint64_t k = 0; k < la->rows; k++) {
        sum += *alpha * wide(a[row * la->stride + k]) * wide(b[column * lb->stride + k]);
      }
      d[column * ld->stride + row] = narrow(sum);
    }
  }
  return 0;
}
