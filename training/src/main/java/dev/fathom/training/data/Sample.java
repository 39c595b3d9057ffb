package dev.fathom.training.data;

import dev.fathom.nn.RgbImage;
import org.jspecify.annotations.Nullable;

/**
 * One picture of a data set and what is known of it.
 *
 * @param id names it within its data set: a path relative to the set's folder without extension, or
 *     a shard and a key; unique, and the same on every run
 * @param picture 8-bit red, green, blue
 * @param truth its depth; null if it has none
 * @param classes its object classes; null if it has none
 */
public record Sample(
    String id, RgbImage picture, @Nullable GroundTruth truth, @Nullable ClassMap classes) {}
