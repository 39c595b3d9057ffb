/** What the parts of the training module share. */
@NullMarked
package dev.fathom.training;

import org.jspecify.annotations.NullMarked;
