/**
 * Checkpoints: files of named tensors, read in place and written whole or not at all.
 *
 * <p>{@link dev.fathom.nn.checkpoint.Checkpoint} opens a file in any of the forms in which Depth
 * Anything weights are found and {@link dev.fathom.nn.checkpoint.CheckpointWeights} shows its
 * tensors under the names of the published checkpoints, whatever names the file uses.
 */
@NullMarked
package dev.fathom.nn.checkpoint;

import org.jspecify.annotations.NullMarked;
