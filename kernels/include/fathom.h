/*
 * Fathom's CPU kernels: the operators of Depth Anything in float32.
 *
 * Letters used in shapes: B batch, T tokens, C channels, H height, W width, D head dimension.
 * Tokens are [B,T,C], maps [B,H,W,C] (channels last), both row-major and contiguous unless a stride
 * is given. Sizes and strides count elements, never bytes. Pointers need the alignment of a float.
 *
 * Every function that can fail returns a fathom_status; fathom_last_error() then has a text that
 * names the operator and the sizes. A size (*_packed_size) is -1 for bad arguments, with that text too.
 * Nothing here exits, aborts or prints.
 *
 * Results are identical from run to run and for any number of threads; they differ in rounding
 * between instruction sets.
 */
#ifndef FATHOM_H
#define FATHOM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FATHOM_API __attribute__((visibility("default")))

/* Raised when a struct or a function below changes its layout or meaning. */
#define FATHOM_ABI_VERSION 3

typedef int32_t fathom_status;
enum {
  FATHOM_OK = 0,
  FATHOM_INVALID_ARGUMENT = 1,
  FATHOM_OUT_OF_MEMORY = 2,
  FATHOM_UNSUPPORTED = 3
};

/* Instruction sets, in rising order. AUTO takes the best that the machine has. */
enum {
  FATHOM_ISA_AUTO = 0,
  FATHOM_ISA_PORTABLE = 1, /* the compiler's vector extensions: SSE2, NEON, ... */
  FATHOM_ISA_AVX2 = 2,     /* AVX2 + FMA */
  FATHOM_ISA_AVX512 = 3    /* AVX-512 F, DQ, BW, VL */
};

/* What an epilogue applies to a sum. GELU is the exact one, x * (1 + erf(x / sqrt 2)) / 2. */
enum {
  FATHOM_ACTIVATION_NONE = 0,
  FATHOM_ACTIVATION_RELU = 1,
  FATHOM_ACTIVATION_GELU = 2,
  FATHOM_ACTIVATION_SIGMOID = 3
};

/* How a 3x3 convolution is computed; chosen when its weights are packed. */
enum {
  FATHOM_CONV_AUTO = 0,
  FATHOM_CONV_DIRECT = 1,  /* implicit GEMM, any kernel and stride */
  FATHOM_CONV_WINOGRAD = 2 /* 3x3, stride 1 */
};

/* ---- library ---- */

FATHOM_API int32_t fathom_abi_version(void);
/* The project's version, as in pom.xml. Static storage. */
FATHOM_API const char* fathom_version(void);
/* The text of this thread's last failure, "" before the first. Valid until the next failure. */
FATHOM_API const char* fathom_last_error(void);
/* The best instruction set of this machine, one of FATHOM_ISA_*. */
FATHOM_API int32_t fathom_best_isa(void);
/* "portable", "avx2" or "avx512"; "unknown" otherwise. Static storage. */
FATHOM_API const char* fathom_isa_name(int32_t isa);
/* CPU model and the features that dispatch looks at, for people. Static storage. */
FATHOM_API const char* fathom_cpu_description(void);

/* ---- memory ---- */

/*
 * bytes of memory with undefined contents, aligned to 64 bytes (large blocks to 2 MB and backed by huge
 * pages where the system has them); NULL when there is none, with the text of fathom_last_error.
 */
FATHOM_API void* fathom_allocate(int64_t bytes);
/* NULL is allowed. */
FATHOM_API void fathom_free(void* block);

/* ---- context: a thread pool, an instruction set and scratch memory ---- */

/*
 * One operator runs in a context at a time: concurrent callers are serialised by a lock inside.
 * Packed weights belong to the context's instruction set, not to the context.
 */
typedef struct fathom_context fathom_context;

/* threads: 1..1024, the caller's included. Fails with UNSUPPORTED when the machine lacks the isa. */
FATHOM_API fathom_status fathom_context_create(int32_t threads, int32_t isa,
                                               fathom_context** context);
/* NULL is allowed. Waits for an operator that is running. */
FATHOM_API void fathom_context_destroy(fathom_context* context);
FATHOM_API int32_t fathom_context_threads(const fathom_context* context);
FATHOM_API int32_t fathom_context_isa(const fathom_context* context);
/* Bytes of scratch memory that the context holds now. */
FATHOM_API int64_t fathom_context_scratch_bytes(const fathom_context* context);
/* Gives the scratch memory back to the system; the next operator takes what it needs again. */
FATHOM_API void fathom_context_trim(fathom_context* context);

/*
 * What this machine reaches with the context's threads and instruction set, measured in about a second:
 * float32 operations per second (a multiply-add is two) and bytes per second of a copy out of cache
 * (read + written).
 */
FATHOM_API fathom_status fathom_measure(fathom_context* context, double* flops_per_second,
                                        double* bytes_per_second);

/* ---- linear ---- */

/*
 * weight -> packed, for fathom_linear in contexts of the same isa. As in all functions that pack, with
 * packed NULL only packed_size is set.
 */
typedef struct {
  int64_t out, in;
  const float* weight; /* [out,in] */
  float* packed;       /* [packed_size] or NULL */
  int64_t packed_size; /* set: floats that packed takes */
} fathom_linear_pack_args;
FATHOM_API fathom_status fathom_linear_pack(fathom_context* context, fathom_linear_pack_args* args);

/*
 * y = residual + scale * activation(x' weight^T + bias), x' = input_activation(x); parts whose pointer is
 * NULL are left out. y may be residual (in place); it must not overlap x. pre_activation must not overlap
 * any other part. With an input_activation a layer before this one need not store what it activated.
 */
typedef struct {
  int64_t rows, in, out;
  const float* x;        /* [rows,in], row r at x + r * x_stride */
  int64_t x_stride;      /* >= in */
  const float* packed;   /* fathom_linear_pack */
  const float* bias;     /* [out] or NULL */
  int64_t activation;    /* FATHOM_ACTIVATION_*, SIGMOID excepted */
  const float* scale;    /* [out], LayerScale's gamma, or NULL */
  const float* residual; /* [rows,out] or NULL */
  float* y;              /* [rows,out] */
  float* pre_activation; /* [rows,out], x' weight^T + bias for the backward pass, or NULL */
  int64_t input_activation; /* FATHOM_ACTIVATION_NONE or GELU */
} fathom_linear_args;
FATHOM_API fathom_status fathom_linear(fathom_context* context, const fathom_linear_args* args);

/*
 * Gradients of fathom_linear. With dz = dy * scale * activation'(pre_activation):
 *
 *     dx = dz weight (or dx += it)      d_weight += dz^T x      d_bias += the sum of dz over the rows
 *     d_scale += the sum over the rows of dy * (x weight^T + bias), computed from dy^T x
 *
 * With an input_activation, x' stands for x on the right-hand sides, and dx is the gradient of x itself:
 * (dz weight) * input_activation'(x).
 *
 * A gradient whose pointer is NULL is not computed, and what only it needs may be NULL too. The gradient
 * of the residual is dy. Gradients must not overlap each other or anything that is read.
 */
typedef struct {
  int64_t rows, in, out;
  const float* x;              /* [rows,in], row r at x + r * x_stride; for d_weight and d_scale */
  int64_t x_stride;            /* >= in where x is given */
  const float* weight;         /* [out,in] as in the checkpoints, not packed; for dx and d_scale */
  const float* bias;           /* [out], the layer's, or NULL; for d_scale */
  int64_t activation;          /* FATHOM_ACTIVATION_*, SIGMOID excepted; NONE with a scale */
  const float* pre_activation; /* [rows,out], from fathom_linear; with an activation */
  const float* scale;          /* [out], the layer's, or NULL */
  const float* dy;             /* [rows,out] */
  float* dx;                   /* [rows,in] or NULL */
  int64_t accumulate;          /* 1: add to dx; 0: overwrite it */
  float* d_weight;             /* [out,in], added to, or NULL */
  float* d_bias;               /* [out], added to, or NULL */
  float* d_scale;              /* [out], added to, or NULL; with a scale */
  int64_t input_activation;    /* FATHOM_ACTIVATION_NONE or GELU; GELU needs x for dx too */
} fathom_linear_backward_args;
FATHOM_API fathom_status fathom_linear_backward(fathom_context* context,
                                                const fathom_linear_backward_args* args);

/* SwiGLU (the giant's MLP): y = silu(x[:, :C]) * x[:, C:], x [rows,2C], y [rows,C]. */
typedef struct {
  int64_t rows, channels; /* C */
  const float* x;         /* [rows,2C] */
  float* y;               /* [rows,C] */
} fathom_swiglu_args;
FATHOM_API fathom_status fathom_swiglu(fathom_context* context, const fathom_swiglu_args* args);

/* The gradient of fathom_swiglu. dx may be x (in place); it must not overlap dy. */
typedef struct {
  int64_t rows, channels; /* C */
  const float* x;         /* [rows,2C] */
  const float* dy;        /* [rows,C] */
  float* dx;              /* [rows,2C], overwritten */
} fathom_swiglu_backward_args;
FATHOM_API fathom_status fathom_swiglu_backward(fathom_context* context,
                                                const fathom_swiglu_backward_args* args);

/* ---- attention ---- */

/*
 * out = softmax(scale * q k^T) v per head. The score matrix is never stored. out and log_sum_exp must not
 * overlap qkv or each other.
 */
typedef struct {
  int64_t batch, tokens, heads, head_dim;
  const float* qkv;      /* [B,T,3,heads,D] */
  float scale;           /* D^-1/2 for the published networks */
  float reserved;        /* 0 */
  float* out;            /* [B,T,heads*D] */
  float* log_sum_exp;    /* [B,heads,T], natural logarithm of the row sums of exp(scale * q k^T), or NULL */
} fathom_attention_args;
FATHOM_API fathom_status fathom_attention(fathom_context* context, const fathom_attention_args* args);

/*
 * The gradient of fathom_attention. The score matrix is computed again in tiles, and never stored. dqkv
 * must not overlap anything that is read.
 */
typedef struct {
  int64_t batch, tokens, heads, head_dim;
  const float* qkv;         /* [B,T,3,heads,D], as given to fathom_attention */
  float scale;              /* as given to fathom_attention */
  float reserved;           /* 0 */
  const float* out;         /* [B,T,heads*D], from fathom_attention */
  const float* log_sum_exp; /* [B,heads,T], from fathom_attention */
  const float* d_out;       /* [B,T,heads*D] */
  float* dqkv;              /* [B,T,3,heads,D], overwritten */
} fathom_attention_backward_args;
FATHOM_API fathom_status fathom_attention_backward(fathom_context* context,
                                                   const fathom_attention_backward_args* args);

/* ---- norm ---- */

/*
 * y = (x - mean) / sqrt(variance + eps) * weight + bias over the last dimension. The batch stride of
 * x lets a leading row (the class token) be left out: x points at the first row wanted.
 */
typedef struct {
  int64_t batch, rows, channels;
  const float* x;         /* [B,rows,C], batch b at x + b * x_batch_stride */
  int64_t x_batch_stride; /* >= rows * C */
  const float* weight;    /* [C] */
  const float* bias;      /* [C] */
  float eps;
  float reserved;         /* 0 */
  float* y;               /* [B,rows,C] */
  float* mean;            /* [B,rows] or NULL */
  float* rstd;            /* [B,rows], 1 / sqrt(variance + eps), or NULL */
} fathom_layer_norm_args;
FATHOM_API fathom_status fathom_layer_norm(fathom_context* context,
                                           const fathom_layer_norm_args* args);

/*
 * Backward of layer_norm on whole tokens, of which the forward pass left out the first `skip` of each
 * batch entry; they get 0 in dx, or nothing when accumulating. Outputs must not overlap each other or an
 * input.
 */
typedef struct {
  int64_t batch, rows, skip, channels;
  const float* x;      /* [B,skip+rows,C], as in the forward pass */
  const float* weight; /* [C] */
  const float* mean;   /* [B,rows], from the forward pass */
  const float* rstd;   /* [B,rows], from the forward pass */
  const float* dy;     /* [B,rows,C] */
  int64_t accumulate;  /* 1: dx is added to; 0: overwritten */
  float* dx;           /* [B,skip+rows,C] or NULL */
  float* d_weight;     /* [C], added to, or NULL */
  float* d_bias;       /* [C], added to, or NULL */
} fathom_layer_norm_backward_args;
FATHOM_API fathom_status fathom_layer_norm_backward(fathom_context* context,
                                                    const fathom_layer_norm_backward_args* args);

/* ---- patch embedding ---- */

/* weight -> packed. */
typedef struct {
  int64_t channels, patch; /* C, P */
  const float* weight;     /* [C,3,P,P] as in the checkpoints */
  float* packed;           /* [packed_size] or NULL */
  int64_t packed_size;     /* set: floats that packed takes */
} fathom_patch_embed_pack_args;
FATHOM_API fathom_status fathom_patch_embed_pack(fathom_context* context,
                                                 fathom_patch_embed_pack_args* args);
/*
 * tokens[:,0] = cls + position[0]; tokens[:,1+i] = patch_i weight^T + bias + position[1+i], patches
 * in row-major order. Without cls, tokens has no row for it and position [H/P*W/P,C] none either.
 */
typedef struct {
  int64_t batch, height, width; /* multiples of P */
  int64_t patch, channels;      /* P, C */
  const float* image;           /* [B,H,W,3], normalised */
  const float* packed;          /* fathom_patch_embed_pack */
  const float* bias;            /* [C] or NULL */
  const float* cls;             /* [C] or NULL */
  const float* position;        /* [1 + H/P*W/P,C] or NULL */
  float* tokens;                /* [B,1 + H/P*W/P,C] */
} fathom_patch_embed_args;
FATHOM_API fathom_status fathom_patch_embed(fathom_context* context,
                                            const fathom_patch_embed_args* args);

/*
 * Backward of patch_embed, for its parameters; pictures get no gradient. Every output is added to, or
 * left out when NULL. Outputs must not overlap.
 */
typedef struct {
  int64_t batch, height, width; /* multiples of P */
  int64_t patch, channels;      /* P, C */
  int64_t class_token;          /* 1: tokens begin with a row for it; 0: they do not */
  const float* image;           /* [B,H,W,3], as in the forward pass */
  const float* d_tokens;        /* [B,class_token + H/P*W/P,C] */
  float* d_weight;              /* [C,3,P,P] or NULL */
  float* d_bias;                /* [C] or NULL */
  float* d_cls;                 /* [C] or NULL; NULL without class_token */
  float* d_position;            /* [class_token + H/P*W/P,C] or NULL */
} fathom_patch_embed_backward_args;
FATHOM_API fathom_status fathom_patch_embed_backward(fathom_context* context,
                                                     const fathom_patch_embed_backward_args* args);

/* ---- convolution ---- */

/* weight -> packed. AUTO depends on the sizes here alone. */
typedef struct {
  int64_t out, in;
  int64_t kernel, stride; /* 1 or 3; 1 or 2 */
  int64_t algorithm;      /* FATHOM_CONV_* */
  const float* weight;    /* [out,in,k,k] as in the checkpoints */
  float* packed;          /* [packed_size] or NULL */
  int64_t packed_size;    /* set: floats that packed takes */
} fathom_conv2d_pack_args;
FATHOM_API fathom_status fathom_conv2d_pack(fathom_context* context, fathom_conv2d_pack_args* args);
/*
 * y = activation(conv(relu?(resize?(x))) + bias) + residual + residual2, zero padding (k-1)/2, output
 * ceil(H/stride) x ceil(W/stride). Parts whose pointer is NULL are left out. y may be residual or
 * residual2 (in place); it must not overlap x.
 *
 * With source_height > 0, x is [B,source_height,source_width,in] and is resized (bilinear,
 * align_corners) to H x W as it is read, so that the large map is never stored.
 *
 * With project_weight, the channels are then reduced to one, which is all that is stored:
 * y [B,OH,OW] = project_scale * project_activation(sum_c project_weight[c] * above[c] + project_bias).
 */
typedef struct {
  int64_t batch, height, width, in, out;
  int64_t kernel, stride;       /* 1 or 3; 1 or 2 */
  int64_t algorithm;            /* as given to fathom_conv2d_pack */
  const float* x;               /* [B,H,W,in] */
  int64_t source_height, source_width; /* 0, 0: x is not resized */
  int64_t relu_input;           /* 1: ReLU as x is read */
  const float* packed;          /* fathom_conv2d_pack */
  const float* bias;            /* [out] or NULL */
  int64_t activation;           /* FATHOM_ACTIVATION_NONE or RELU */
  const float* residual;        /* [B,OH,OW,out] or NULL */
  const float* residual2;       /* [B,OH,OW,out] or NULL */
  const float* project_weight;  /* [out] or NULL */
  float project_bias;
  float project_scale;
  int64_t project_activation;   /* FATHOM_ACTIVATION_NONE, RELU or SIGMOID */
  float* y;                     /* [B,OH,OW,out], or [B,OH,OW] with project_weight */
} fathom_conv2d_args;
FATHOM_API fathom_status fathom_conv2d(fathom_context* context, const fathom_conv2d_args* args);

/* weight -> packed, for a transposed convolution whose kernel is its stride. */
typedef struct {
  int64_t in, out;
  int64_t kernel;      /* k, 2 or 4 */
  const float* weight; /* [in,out,k,k] as in the checkpoints */
  float* packed;       /* [packed_size] or NULL */
  int64_t packed_size; /* set: floats that packed takes */
} fathom_conv_transpose2d_pack_args;
FATHOM_API fathom_status fathom_conv_transpose2d_pack(fathom_context* context,
                                                      fathom_conv_transpose2d_pack_args* args);
/* y[b, k*h + i, k*w + j, :] = x[b,h,w,:] weight[:,:,i,j] + bias. */
typedef struct {
  int64_t batch, height, width, in, out;
  int64_t kernel;      /* k, also the stride; 2 or 4 */
  const float* x;      /* [B,H,W,in] */
  const float* packed; /* fathom_conv_transpose2d_pack */
  const float* bias;   /* [out] or NULL */
  float* y;            /* [B,kH,kW,out] */
} fathom_conv_transpose2d_args;
FATHOM_API fathom_status fathom_conv_transpose2d(fathom_context* context,
                                                 const fathom_conv_transpose2d_args* args);

/*
 * Backward of fathom_conv2d without projection: through the activation, the convolution, the resize and
 * the ReLU of the input. The gradient of a residual is dy itself. What is not wanted is NULL.
 */
typedef struct {
  int64_t batch, height, width, in, out;
  int64_t kernel, stride;              /* as in the forward pass, like the sizes */
  const float* x;                      /* [B,H,W,in], or the source; for d_weight and relu_input */
  int64_t source_height, source_width; /* 0, 0: x was not resized */
  int64_t relu_input;                  /* 1: ReLU as x was read */
  const float* weight;                 /* [out,in,k,k] as in the checkpoints; for dx */
  const float* activated;              /* [B,OH,OW,out], the forward result after ReLU without residuals;
                                          NULL: there was no activation */
  const float* dy;                     /* [B,OH,OW,out] */
  float* dx;                           /* of x's shape, or NULL */
  int64_t accumulate;                  /* 1: dx is added to, 0: overwritten */
  float* d_weight;                     /* [out,in,k,k], added to, or NULL */
  float* d_bias;                       /* [out], added to, or NULL */
} fathom_conv2d_backward_args;
FATHOM_API fathom_status fathom_conv2d_backward(fathom_context* context,
                                                const fathom_conv2d_backward_args* args);

/* Backward of fathom_conv_transpose2d. */
typedef struct {
  int64_t batch, height, width, in, out;
  int64_t kernel;      /* k, also the stride; 2 or 4 */
  const float* x;      /* [B,H,W,in]; for d_weight */
  const float* weight; /* [in,out,k,k] as in the checkpoints; for dx */
  const float* dy;     /* [B,kH,kW,out] */
  float* dx;           /* [B,H,W,in], overwritten, or NULL */
  float* d_weight;     /* [in,out,k,k], added to, or NULL */
  float* d_bias;       /* [out], added to, or NULL */
} fathom_conv_transpose2d_backward_args;
FATHOM_API fathom_status fathom_conv_transpose2d_backward(
    fathom_context* context, const fathom_conv_transpose2d_backward_args* args);

/*
 * The projection of fathom_conv2d on its own, where what it reads must be kept:
 * y = scale * activation(sum_c weight[c] * x[c] + bias).
 */
typedef struct {
  int64_t pixels, channels;
  const float* x;      /* [pixels,channels] */
  const float* weight; /* [channels] */
  const float* bias;   /* [1] */
  int64_t activation;  /* FATHOM_ACTIVATION_NONE, RELU or SIGMOID */
  float scale;
  float reserved;      /* 0 */
  float* y;            /* [pixels] */
} fathom_project_args;
FATHOM_API fathom_status fathom_project(fathom_context* context, const fathom_project_args* args);

/* Backward of fathom_project. */
typedef struct {
  int64_t pixels, channels;
  const float* x;      /* [pixels,channels]; for d_weight */
  const float* weight; /* [channels]; for dx */
  int64_t activation;
  float scale;
  float reserved;      /* 0 */
  const float* y;      /* [pixels], the forward result; may be NULL without an activation */
  const float* dy;     /* [pixels] */
  float* dx;           /* [pixels,channels], overwritten, or NULL */
  float* d_weight;     /* [channels], added to, or NULL */
  float* d_bias;       /* [1], added to, or NULL */
} fathom_project_backward_args;
FATHOM_API fathom_status fathom_project_backward(fathom_context* context,
                                                 const fathom_project_backward_args* args);

/* ---- resample ---- */

/*
 * Bilinear. align_corners 1: source = o * (H-1)/(OH-1); 0: source = (o + 1/2) * H/OH - 1/2, clamped
 * at 0, as torch.nn.functional.interpolate does.
 */
typedef struct {
  int64_t batch, height, width, channels;
  int64_t out_height, out_width;
  int64_t align_corners; /* 0 or 1 */
  const float* x;        /* [B,H,W,C] */
  const float* add;      /* [B,OH,OW,C], added to the result, or NULL */
  float* y;              /* [B,OH,OW,C]; may be add */
} fathom_resize_bilinear_args;
FATHOM_API fathom_status fathom_resize_bilinear(fathom_context* context,
                                                const fathom_resize_bilinear_args* args);

/* Backward of resize_bilinear: dx = or += the transposed resize of dy. */
typedef struct {
  int64_t batch, height, width, channels;
  int64_t out_height, out_width;
  int64_t align_corners; /* 0 or 1 */
  const float* dy;       /* [B,OH,OW,C] */
  int64_t accumulate;    /* 1: dx is added to; 0: overwritten */
  float* dx;             /* [B,H,W,C], must not overlap dy */
} fathom_resize_bilinear_backward_args;
FATHOM_API fathom_status fathom_resize_bilinear_backward(
    fathom_context* context, const fathom_resize_bilinear_backward_args* args);

/*
 * Bicubic, A = -0.75, no antialiasing, edges clamped; source = (o + 1/2) * step - 1/2. A step of
 * H/OH is OpenCV's INTER_CUBIC and torch's align_corners=False; DINOv2's position table gives its own.
 */
typedef struct {
  int64_t batch, height, width, channels;
  int64_t out_height, out_width;
  double step_y, step_x;
  const float* x; /* [B,H,W,C] */
  float* y;       /* [B,OH,OW,C] */
} fathom_resize_bicubic_args;
FATHOM_API fathom_status fathom_resize_bicubic(fathom_context* context,
                                               const fathom_resize_bicubic_args* args);

/* Backward of resize_bicubic: dx += the transposed resize of dy. */
typedef struct {
  int64_t batch, height, width, channels;
  int64_t out_height, out_width;
  double step_y, step_x;
  const float* dy; /* [B,OH,OW,C] */
  float* dx;       /* [B,H,W,C], added to; must not overlap dy */
} fathom_resize_bicubic_backward_args;
FATHOM_API fathom_status fathom_resize_bicubic_backward(
    fathom_context* context, const fathom_resize_bicubic_backward_args* args);

/*
 * A picture to the network's input: (bicubic(pixels) / 255 - mean) / std, bicubic as above with steps
 * height/out_height and width/out_width. Channel c of a pixel p is at pixels[p * pixel_stride + c].
 */
typedef struct {
  int64_t height, width;
  int64_t out_height, out_width;
  const uint8_t* pixels; /* [height,width,>=3], red first; row r at pixels + r * row_stride */
  int64_t row_stride;    /* bytes */
  int64_t pixel_stride;  /* bytes, 3 or 4 */
  float mean[3];
  float std[3];
  float* y;              /* [out_height,out_width,3] */
} fathom_preprocess_args;
FATHOM_API fathom_status fathom_preprocess(fathom_context* context, const fathom_preprocess_args* args);

/* ---- vector ---- */

/* x[0,n) = value; n may be 0. */
FATHOM_API fathom_status fathom_fill(fathom_context* context, int64_t n, float value, float* x);

/* y = a x + b y. With b = 0, y is not read. x may be y. n may be 0. */
FATHOM_API fathom_status fathom_axpby(fathom_context* context, int64_t n, float a, const float* x,
                                      float b, float* y);

/* *sum = the sum of x[i]^2, in float64; NaN or infinity if an element is. n may be 0. */
FATHOM_API fathom_status fathom_sum_of_squares(fathom_context* context, int64_t n, const float* x,
                                               double* sum);

/* ---- optim ---- */

/*
 * One step of AdamW as torch.optim.AdamW computes it, with g = gradient_scale * gradient:
 *
 *     value *= 1 - rate * weight_decay
 *     m = beta1 * m + (1 - beta1) * g
 *     v = beta2 * v + (1 - beta2) * g^2
 *     value -= rate / (1 - beta1^step) * m / (sqrt(v / (1 - beta2^step)) + eps)
 *
 * n may be 0. value, m and v must not overlap each other or gradient.
 */
typedef struct {
  int64_t n;
  float* value;          /* [n] */
  const float* gradient; /* [n] */
  float* m;              /* [n], first moment */
  float* v;              /* [n], second moment */
  int64_t step;          /* the number of this step, from 1 */
  double rate;           /* >= 0 */
  double beta1, beta2;   /* in [0,1) */
  double eps;            /* >= 0 */
  double weight_decay;   /* >= 0 */
  double gradient_scale;
} fathom_adamw_args;
FATHOM_API fathom_status fathom_adamw(fathom_context* context, const fathom_adamw_args* args);

/* ---- loss ---- */

/*
 * Each loss writes its value to args->loss and, where gradient is not NULL, factor times its
 * derivative by the prediction there: 0 for pixels that do not count. A mask is 0 where a pixel does
 * not count; without one, every pixel does. gradient must not overlap an input.
 *
 * A map is normalised over a region as (d - t) / s: t its median, the lower one of an even number, s
 * the mean absolute deviation from it. A region without pixels, or where the prediction or the target
 * has s = 0 (below the smallest normal float: a constant map, a single pixel), adds nothing and has no
 * gradient, but still counts as a picture or as area where a mean is taken over those. NaN or infinity
 * among a region's pixels makes the loss NaN, and the gradient of that region's pixels. Of pixels equal
 * to the median each has the same part of its gradient; |x| has derivative 0 at 0.
 */

/*
 * Scale-shift-invariant: for each picture the mean of |normalised prediction - normalised target| over
 * its valid pixels, or over the floor((1 - trim) n) of them where it is smallest (none: adds nothing);
 * then the mean over the B pictures. Where some of several equal residuals are kept, each counts in part.
 */
typedef struct {
  int64_t batch, height, width;
  const float* prediction; /* [B,H,W] */
  const float* target;     /* [B,H,W] */
  const float* mask;       /* [B,H,W] or NULL */
  double trim;             /* 0 <= trim < 1 */
  double factor;
  float* gradient; /* [B,H,W] or NULL */
  double loss;     /* out */
} fathom_ssi_loss_args;
FATHOM_API fathom_status fathom_ssi_loss(fathom_context* context, fathom_ssi_loss_args* args);

/*
 * The pair of a picture mixed by CutMix: scale-shift-invariant against `inside` within the box and
 * against `outside` elsewhere, both regions normalised on their own; the mean over the picture's
 * pixels, then over the B pictures. A box may be empty or the whole picture.
 */
typedef struct {
  int64_t batch, height, width;
  const float* prediction; /* [B,H,W] */
  const float* inside;     /* [B,H,W] */
  const float* outside;    /* [B,H,W] */
  const int64_t* boxes;    /* [B,4]: top, left, bottom, right; rows [top,bottom), columns [left,right) */
  double factor;
  float* gradient; /* [B,H,W] or NULL */
  double loss;     /* out */
} fathom_cutmix_loss_args;
FATHOM_API fathom_status fathom_cutmix_loss(fathom_context* context, fathom_cutmix_loss_args* args);

/*
 * Gradient matching: r = normalised prediction - normalised target, each picture on its own. For
 * strides 1, 2, 4, 8, on the grid of every stride-th pixel, the sum of |difference| between horizontal
 * and vertical neighbours that both count, over the batch, divided by the batch's pixels of that grid
 * that count; then the sum over strides. Pixels of a picture that cannot be normalised do not count.
 */
typedef struct {
  int64_t batch, height, width;
  const float* prediction; /* [B,H,W] */
  const float* target;     /* [B,H,W] */
  const float* mask;       /* [B,H,W] or NULL */
  double factor;
  float* gradient; /* [B,H,W] or NULL */
  double loss;     /* out */
} fathom_gradient_matching_loss_args;
FATHOM_API fathom_status fathom_gradient_matching_loss(fathom_context* context,
                                                       fathom_gradient_matching_loss_args* args);

/*
 * Feature alignment: the mean of 1 - cosine(student, frozen) over the tokens whose cosine is below
 * margin; 0 if there is none. A token that is 0 in one of the two has cosine 0 and no gradient. A token
 * whose cosine is NaN is kept, so that the loss is NaN.
 */
typedef struct {
  int64_t rows, channels; /* B T, C */
  const float* student;   /* [rows,C] */
  const float* frozen;    /* [rows,C] */
  double margin;
  double factor;
  float* gradient; /* [rows,C] or NULL */
  double loss;     /* out */
  int64_t kept;    /* out: tokens below margin */
} fathom_alignment_loss_args;
FATHOM_API fathom_status fathom_alignment_loss(fathom_context* context,
                                               fathom_alignment_loss_args* args);

/*
 * Scale-invariant log: 10 sqrt(var(g) + beta mean(g)^2) with g = log(prediction + 1e-7) -
 * log(target + 1e-7) over the batch's valid pixels, var unbiased. 0 without valid pixels; of a single
 * one, var is 0. Where the loss is 0, so is the gradient. Numbers below -1e-7 make the loss NaN.
 */
typedef struct {
  int64_t batch, height, width;
  const float* prediction; /* [B,H,W] */
  const float* target;     /* [B,H,W] */
  const float* mask;       /* [B,H,W] or NULL */
  double beta;
  double factor;
  float* gradient; /* [B,H,W] or NULL */
  double loss;     /* out */
} fathom_silog_loss_args;
FATHOM_API fathom_status fathom_silog_loss(fathom_context* context, fathom_silog_loss_args* args);

/*
 * Cross-entropy with soft targets: the mean over the rows of -sum_k target_k log softmax(logits)_k. A
 * row whose targets are all 0 does not count; the loss is 0 if none does.
 */
typedef struct {
  int64_t rows, classes;
  const float* logits; /* [rows,classes] */
  const float* target; /* [rows,classes], >= 0; a row sums to 1 or is 0 */
  double factor;
  float* gradient; /* [rows,classes] or NULL */
  double loss;     /* out */
} fathom_cross_entropy_loss_args;
FATHOM_API fathom_status fathom_cross_entropy_loss(fathom_context* context,
                                                   fathom_cross_entropy_loss_args* args);

/* ---- augment ---- */

/* Steps of a colour jitter, each followed by a clamp to 0..1, as torchvision's on float images. */
enum {
  FATHOM_COLOR_BRIGHTNESS = 0, /* f x */
  FATHOM_COLOR_CONTRAST = 1,   /* f x + (1 - f) mean of the grey picture */
  FATHOM_COLOR_SATURATION = 2, /* f x + (1 - f) grey */
  FATHOM_COLOR_HUE = 3         /* turned by f of the circle, -0.5..0.5 */
};

/*
 * A crop of an 8-bit picture, resized and mirrored, as numbers in 0..1. Output row o is centred on
 * crop_top + (o + 1/2) crop_height / out_height. Bicubic, A = -0.75; where it shrinks, the kernel is
 * stretched by the same factor (antialiasing). The kernel reaches past the crop, and repeats the edge
 * of the picture. The crop lies within the picture.
 */
typedef struct {
  int64_t height, width;
  int64_t out_height, out_width;
  const uint8_t* pixels; /* [height,width,3] */
  double crop_top, crop_left, crop_height, crop_width; /* source pixels */
  int64_t flip;          /* 1: mirrored left to right */
  float* y;              /* [out_height,out_width,3] */
} fathom_read_picture_args;
FATHOM_API fathom_status fathom_read_picture(fathom_context* context,
                                             const fathom_read_picture_args* args);

/* The same crop of a map of floats: each output takes the pixel that its centre falls into. */
typedef struct {
  int64_t height, width;
  int64_t out_height, out_width;
  const float* x;  /* [height,width] */
  double crop_top, crop_left, crop_height, crop_width;
  int64_t flip;    /* 0 or 1 */
  float* y;        /* [out_height,out_width]; not x */
} fathom_read_map_args;
FATHOM_API fathom_status fathom_read_map(fathom_context* context, const fathom_read_map_args* args);

/*
 * Colours, blur, CutMix and normalisation of a batch:
 * y_b = ((inside box_b ? d(x_partner(b)) : d(x_b)) - mean) / std. d applies a picture's colour steps in
 * their order, then greyscale (0.2989, 0.587, 0.114), then a Gaussian blur of 2 ceil(3 sigma) + 1 taps
 * that reflects the edges.
 */
typedef struct {
  int64_t batch, height, width;
  const float* x;              /* [B,H,W,3] in 0..1 */
  const int64_t* step_starts;  /* [B + 1], from 0: picture b has steps [step_starts[b],step_starts[b+1]) */
  const int64_t* steps;        /* FATHOM_COLOR_*; NULL if there are none */
  const float* step_factors;   /* one for each step */
  const int64_t* grey;         /* [B], 0 or 1 */
  const float* blur_sigmas;    /* [B], pixels; 0: no blur; at most 170 */
  const int64_t* partners;     /* [B], or NULL: no CutMix */
  const int64_t* boxes;        /* [B,4]: top, left, bottom, right; may be empty; NULL: no CutMix */
  float mean[3];
  float std[3];
  float* y;                    /* [B,H,W,3]; must not overlap x */
} fathom_distort_args;
FATHOM_API fathom_status fathom_distort(fathom_context* context, const fathom_distort_args* args);

#ifdef __cplusplus
}
#endif

#endif
