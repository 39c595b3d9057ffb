/**
 * Pictures in, depth out: reading pictures of the common formats, finding them in folders, globs
 * and lists, and writing and reading depth maps.
 *
 * <p>Everything that can be wrong with a file is a {@link
 * dev.fathom.training.picture.PictureException}, whose message is one line that names the file.
 */
@NullMarked
package dev.fathom.training.picture;

import org.jspecify.annotations.NullMarked;
