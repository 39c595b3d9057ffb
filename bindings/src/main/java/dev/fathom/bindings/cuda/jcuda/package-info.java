/**
 * What uses JCuda's classes. JCuda is optional and its classes are defined by a class loader of
 * Fathom's own ({@link dev.fathom.bindings.cuda.CudaProbe} chooses the driver), which defines the
 * classes of this package too: nothing outside may refer to them but by name.
 */
@NullMarked
package dev.fathom.bindings.cuda.jcuda;

import org.jspecify.annotations.NullMarked;
