/** Tests of the network against the published code's results. */
@NullMarked
package dev.fathom.nn.model;

import org.jspecify.annotations.NullMarked;
