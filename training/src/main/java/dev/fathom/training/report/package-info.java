/** What a training run leaves behind: its metrics as files, event files, and a page to look at. */
@NullMarked
package dev.fathom.training.report;

import org.jspecify.annotations.NullMarked;
