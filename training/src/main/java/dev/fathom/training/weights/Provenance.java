package dev.fathom.training.weights;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Where a checkpoint in the cache comes from: the JSON file beside it.
 *
 * @param checkpoint its name in the catalogue
 * @param source the address that was asked for it
 * @param downloaded when, as an ISO 8601 instant
 * @param bytes its size
 * @param sha256 its checksum, in hexadecimal
 * @param checkedAgainst where the checksum that it was compared with came from; null if none was
 *     announced
 * @param license SPDX identifier of its licence
 * @param release v1, v2 or v2-metric
 * @param size vits, vitb or vitl
 * @param maxDepthMetres what metric weights reach, 0 for relative ones
 */
public record Provenance(
    String checkpoint,
    String source,
    String downloaded,
    long bytes,
    String sha256,
    @Nullable String checkedAgainst,
    String license,
    String release,
    String size,
    double maxDepthMetres) {

  /** Where the record of {@code weights} lies. */
  static Path beside(Path weights) {
    return weights.resolveSibling(weights.getFileName() + ".json");
  }

  /** The record beside {@code weights}, if there is a readable one. */
  public static Optional<Provenance> of(Path weights) throws IOException {
    return Json.read(beside(weights), Provenance.class);
  }
}
