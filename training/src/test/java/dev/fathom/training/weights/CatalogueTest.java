package dev.fathom.training.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.model.Release;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

final class CatalogueTest {
  @Test
  void everyNameAndAliasMeansOneCheckpoint() {
    Set<String> seen = new HashSet<>();
    Set<String> files = new HashSet<>();
    for (Checkpoint checkpoint : Catalogue.checkpoints()) {
      assertTrue(seen.add(checkpoint.name()), checkpoint.name());
      checkpoint.aliases().forEach(alias -> assertTrue(seen.add(alias), alias));
      assertTrue(files.add(checkpoint.fileName()), checkpoint.fileName());
      assertEquals("https", checkpoint.address().getScheme());
      assertTrue(checkpoint.path().contains("/resolve/main/"), checkpoint.path());
      assertEquals(checkpoint.size(), checkpoint.config().name());
      assertEquals(checkpoint, Catalogue.find(checkpoint.name()).orElseThrow());
    }
    assertEquals(24, files.size());
  }

  @Test
  void addressesAreTheOnesInThePublishersReadme() {
    assertEquals(
        "https://huggingface.co/depth-anything/Depth-Anything-V2-Metric-VKITTI-Base/resolve/main/"
            + "depth_anything_v2_metric_vkitti_vitb.pth",
        Catalogue.find("v2-outdoor-vitb").orElseThrow().address().toString());
    assertEquals(
        "https://huggingface.co/depth-anything/Depth-Anything-V2-Large/resolve/main/"
            + "depth_anything_v2_vitl.pth",
        Catalogue.find("V2-Large").orElseThrow().address().toString());
    assertEquals(
        "https://huggingface.co/depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf/"
            + "resolve/main/model.safetensors",
        Catalogue.find("v2-indoor-vits-hf").orElseThrow().address().toString());
  }

  @Test
  void licencesFollowReleaseAndSize() {
    for (Checkpoint checkpoint : Catalogue.checkpoints()) {
      boolean free = checkpoint.release() == Release.V1 || checkpoint.size().equals("vits");
      assertEquals(free, checkpoint.license().commercial(), checkpoint.name());
    }
  }

  @Test
  void nearNamesComeFirst() {
    assertEquals("v2-vits", Catalogue.nearest("v2-vit").getFirst());
    assertEquals("v2-indoor-vitl", Catalogue.nearest("v2-hypersim-larg").getFirst());
    assertFalse(Catalogue.find("vit").isPresent());
    assertEquals(3, Catalogue.editDistance("kitten", "sitting"));
    assertEquals(4, Catalogue.editDistance("", "vits"));
  }
}
