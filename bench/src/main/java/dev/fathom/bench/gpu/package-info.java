/**
 * What a GPU gives: every kernel's test on it, each kernel's rate beside cuBLAS, cuDNN and the
 * machine's peaks, whole networks and training steps beside PyTorch, what a launch costs. {@link
 * dev.fathom.bench.gpu.GpuCheck} runs it all.
 */
@org.jspecify.annotations.NullMarked
package dev.fathom.bench.gpu;
