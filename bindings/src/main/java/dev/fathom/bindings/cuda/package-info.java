/**
 * Java to the CUDA driver, libcuda.so.1, and to nothing else of CUDA.
 *
 * <p>{@link dev.fathom.bindings.cuda.CudaProbe} says whether there is a GPU that the kernels run
 * on, or in one line why not. {@link dev.fathom.bindings.cuda.CudaContext} is where work begins: it
 * owns memory, streams, events and modules, and closes what is left. {@link
 * dev.fathom.bindings.cuda.CudaDriver} is the layer below, one method for each driver function; it
 * is implemented twice, on JCuda and on the JDK alone, and {@code fathom.cuda.driver} chooses.
 *
 * <p>{@link dev.fathom.bindings.cuda.VendorLibraries} gives NVIDIA's own matrix product and
 * convolution where they are installed, to compare with; nothing depends on them.
 */
@NullMarked
package dev.fathom.bindings.cuda;

import org.jspecify.annotations.NullMarked;
