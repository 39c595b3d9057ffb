/** The one file that says everything a run depends on. */
@NullMarked
package dev.fathom.training.config;

import org.jspecify.annotations.NullMarked;
