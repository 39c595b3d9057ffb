/**
 * The operators on a GPU: kernels/cuda launched through the driver. One class for each operator
 * family; what they share is {@link dev.fathom.nn.cuda.CudaFamily}.
 */
@NullMarked
package dev.fathom.nn.cuda;

import org.jspecify.annotations.NullMarked;
