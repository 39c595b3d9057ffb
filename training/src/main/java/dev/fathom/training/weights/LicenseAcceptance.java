package dev.fathom.training.weights;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;

/** Which licences the user has accepted: {@code accepted-licenses.json} in the cache. */
public final class LicenseAcceptance {
  private final Path file;

  /** One acceptance: the licence's SPDX identifier, for which checkpoint it was asked, when. */
  private record Entry(String license, String checkpoint, String date) {}

  private record Entries(List<Entry> accepted) {}

  /** The acceptances recorded in {@code cache}. */
  public LicenseAcceptance(WeightsCache cache) {
    file = cache.folder().resolve("accepted-licenses.json");
  }

  /** Whether {@code license} needs no acceptance or has it. */
  public boolean covers(License license) throws IOException {
    return license.commercial()
        || entries().stream().anyMatch(entry -> entry.license().equals(license.spdx()));
  }

  /** Records that the user accepted the licence of {@code checkpoint}. */
  public void accept(Checkpoint checkpoint) throws IOException {
    List<Entry> entries = new ArrayList<>(entries());
    entries.add(
        new Entry(
            checkpoint.license().spdx(),
            checkpoint.name(),
            Instant.now().truncatedTo(ChronoUnit.SECONDS).toString()));
    Files.createDirectories(file.toAbsolutePath().getParent());
    Json.write(file, new Entries(entries));
  }

  private List<Entry> entries() throws IOException {
    return Json.read(file, Entries.class).map(Entries::accepted).orElse(List.of());
  }
}
