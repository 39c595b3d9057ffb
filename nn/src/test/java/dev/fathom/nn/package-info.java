/** Tests of the network and what they share. */
@NullMarked
package dev.fathom.nn;

import org.jspecify.annotations.NullMarked;
