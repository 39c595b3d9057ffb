package dev.fathom.training.data;

import org.jspecify.annotations.Nullable;

/** The files of one sample; null for those it does not have. */
record SampleParts(
    String id,
    Part picture,
    @Nullable Part depth,
    @Nullable Part mask,
    @Nullable Part sky,
    @Nullable Part classes) {

  SampleParts withId(String other) {
    return new SampleParts(other, picture, depth, mask, sky, classes);
  }
}
