/**
 * The structs of the kernels' parameters and the constants of kernels/cuda/args.h, as jextract binds them. Written by
 * scripts/generate-bindings; not to be edited.
 */
@NullMarked
package dev.fathom.bindings.generated.cuda;

import org.jspecify.annotations.NullMarked;
