/** Random numbers that are a pure function of what they are for. */
@NullMarked
package dev.fathom.training.random;

import org.jspecify.annotations.NullMarked;
