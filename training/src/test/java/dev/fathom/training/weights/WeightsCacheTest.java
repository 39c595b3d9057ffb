package dev.fathom.training.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class WeightsCacheTest {
  @TempDir Path folder;

  private String problem(String weights) {
    return assertThrows(UserException.class, () -> new WeightsCache(folder).resolve(weights))
        .getMessage();
  }

  @Test
  void theFolderFollowsPropertyThenEnvironmentThenHome() {
    assertEquals(Path.of("/p"), WeightsCache.userFolder("/p", Map.of("FATHOM_HOME", "/f"), "/h"));
    assertEquals(
        Path.of("/f/weights"),
        WeightsCache.userFolder(null, Map.of("FATHOM_HOME", "/f", "XDG_CACHE_HOME", "/x"), "/h"));
    assertEquals(
        Path.of("/x/fathom/weights"),
        WeightsCache.userFolder(null, Map.of("XDG_CACHE_HOME", "/x"), "/h"));
    assertEquals(
        Path.of("/h/.cache/fathom/weights"),
        WeightsCache.userFolder("", Map.of("XDG_CACHE_HOME", "relative"), "/h"));
  }

  @Test
  void aNameIsTheDownloadedFile() throws IOException {
    WeightsCache cache = new WeightsCache(folder);
    assertTrue(cache.find("v2-vitb").isEmpty());
    Path file = Files.createFile(folder.resolve("v2-vitb.pth"));
    assertEquals(Optional.of(file), cache.find("v2-base"));
    WeightsCache.Weights weights = cache.resolve("V2-Base");
    assertEquals(file, weights.file());
    assertEquals("v2-vitb", weights.checkpoint().orElseThrow().name());
    assertFalse(cache.find("nothing").isPresent());
  }

  @Test
  void anythingElseIsAFile() throws IOException {
    Path file = Files.createFile(folder.resolve("mine.pth"));
    WeightsCache.Weights weights = new WeightsCache(folder).resolve(file.toString());
    assertEquals(file, weights.file());
    assertTrue(weights.checkpoint().isEmpty());
  }

  @Test
  void saysHowToGetWhatIsNotThere() {
    assertEquals(
        "v2-large: not downloaded yet; run: fathom weights download v2-vitl", problem("v2-large"));
    assertEquals("./vits: no such file", problem("./vits"));
    assertEquals("mine.pth: no such file", problem("mine.pth"));
    String unknown = problem("vitx");
    assertTrue(unknown.contains("nearest are vits, vitb, vitl;"), unknown);
    assertTrue(unknown.contains("v2-outdoor-vitl-hf"), unknown);
  }

  @Test
  void anAcceptedLicenceStaysAccepted() throws IOException {
    Checkpoint base = Catalogue.find("v2-vitb").orElseThrow();
    WeightsCache cache = new WeightsCache(folder.resolve("new"));
    assertTrue(new LicenseAcceptance(cache).covers(License.APACHE_2_0));
    assertFalse(new LicenseAcceptance(cache).covers(base.license()));
    new LicenseAcceptance(cache).accept(base);
    assertTrue(new LicenseAcceptance(cache).covers(base.license()));
    String record = Files.readString(cache.folder().resolve("accepted-licenses.json"));
    assertTrue(record.contains("CC-BY-NC-4.0") && record.contains("v2-vitb"), record);
  }
}
