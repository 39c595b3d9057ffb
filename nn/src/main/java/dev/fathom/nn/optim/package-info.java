/** Optimisers over flat arenas of parameters, and how their rate changes over a run. */
@NullMarked
package dev.fathom.nn.optim;

import org.jspecify.annotations.NullMarked;
