/**
 * Java to the native CPU library: finding and loading it ({@link
 * dev.fathom.bindings.NativeLibrary}), its contexts ({@link dev.fathom.bindings.CpuContext}), and
 * what a call needs ({@link dev.fathom.bindings.Native}). The functions themselves are in {@link
 * dev.fathom.bindings.generated}. Nothing here knows of networks.
 */
@NullMarked
package dev.fathom.bindings;

import org.jspecify.annotations.NullMarked;
