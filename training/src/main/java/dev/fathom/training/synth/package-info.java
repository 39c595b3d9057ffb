/**
 * Rendered pictures with exact depth: scenes laid out and textured by random numbers, and a ray
 * caster for them. A scene is a pure function of (domain, seed, index); only IEEE arithmetic,
 * square roots and {@link java.lang.StrictMath} take part, so the pixels are the same on every
 * machine.
 *
 * <p>Coordinates are metres: x right, y up, z forward.
 */
@NullMarked
package dev.fathom.training.synth;

import org.jspecify.annotations.NullMarked;
