package dev.fathom.training.evaluation;

/**
 * A picture that is not part of the means.
 *
 * @param id of the sample
 * @param problem one line that names the file or the sample and says why
 */
public record SkippedPicture(String id, String problem) {}
