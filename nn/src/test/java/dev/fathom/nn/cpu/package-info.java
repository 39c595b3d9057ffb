/** Tests of the operators against the published code's results. */
@NullMarked
package dev.fathom.nn.cpu;

import org.jspecify.annotations.NullMarked;
