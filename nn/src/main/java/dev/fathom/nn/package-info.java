/**
 * The library's surface: {@link dev.fathom.nn.DepthModel} turns a picture into a {@link
 * dev.fathom.nn.DepthMap}.
 */
@NullMarked
package dev.fathom.nn;

import org.jspecify.annotations.NullMarked;
