/** The stages of a run: encoder, teacher, pseudo-labels, student, comparison. */
@NullMarked
package dev.fathom.training.stage;

import org.jspecify.annotations.NullMarked;
