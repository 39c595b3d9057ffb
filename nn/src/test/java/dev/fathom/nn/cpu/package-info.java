/** Tests of the operators on the processor, through the interfaces of {@code dev.fathom.nn.op}. */
@NullMarked
package dev.fathom.nn.cpu;

import org.jspecify.annotations.NullMarked;
