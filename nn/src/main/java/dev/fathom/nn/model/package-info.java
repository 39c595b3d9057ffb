/** The network: DINOv2 encoder, DPT head, and the published combinations of the two. */
@NullMarked
package dev.fathom.nn.model;

import org.jspecify.annotations.NullMarked;
