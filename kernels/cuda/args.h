/* The parameters of all kernels: what Java's bindings are generated from. */
#ifndef FATHOM_CUDA_ARGS_H
#define FATHOM_CUDA_ARGS_H

#include "args_attention.h"
#include "args_attention90.h"
#include "args_augment.h"
#include "args_conv.h"
#include "args_conv90.h"
#include "args_epilogue.h"
#include "args_linear.h"
#include "args_loss.h"
#include "args_norm.h"
#include "args_optim.h"
#include "args_patch_embed.h"
#include "args_resample.h"
#include "args_vector.h"

#endif
