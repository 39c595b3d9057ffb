/** How good depth is: the field's metrics and protocols, with confidence intervals. */
@NullMarked
package dev.fathom.training.evaluation;

import org.jspecify.annotations.NullMarked;
