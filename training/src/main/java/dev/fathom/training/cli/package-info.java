/** The command line: one class per command on a small common skeleton. */
@NullMarked
package dev.fathom.training.cli;

import org.jspecify.annotations.NullMarked;
