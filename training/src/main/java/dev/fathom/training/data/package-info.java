/** Data sets of pictures, with or without depth, and how they are read. */
@NullMarked
package dev.fathom.training.data;

import org.jspecify.annotations.NullMarked;
