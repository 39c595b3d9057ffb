package dev.fathom.nn.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.nn.DepthMap;
import dev.fathom.nn.DepthModel;
import dev.fathom.nn.DepthModelOptions;
import dev.fathom.nn.Device;
import dev.fathom.nn.Golden;
import dev.fathom.nn.RgbImage;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * From pictures to depth maps on the GPU's kernels, on the emulator, where whatever is asynchronous
 * happens as late as it may.
 */
class CudaModelTest {

  private static final double TOLERANCE = 5e-2;

  @BeforeEach
  void asLateAsItMay() {
    Emulated.configure(2, true);
  }

  @AfterEach
  void asItWas() {
    Emulated.configure(0, false);
  }

  /** The second has the size at which the network sees it; sizes come again, so graphs do. */
  private static List<RgbImage> pictures() {
    List<RgbImage> pictures = new ArrayList<>();
    int[][] sizes = {{61, 47}, {98, 70}, {61, 47}, {61, 47}};
    for (int i = 0; i < sizes.length; i++) {
      byte[] rgb = new byte[3 * sizes[i][0] * sizes[i][1]];
      for (int k = 0; k < rgb.length; k++) {
        rgb[k] = (byte) (128 + 100 * Math.sin(k * (0.011 + 0.003 * i)));
      }
      pictures.add(new RgbImage(sizes[i][0], sizes[i][1], rgb));
    }
    return pictures;
  }

  private static DepthModel model(Device device) {
    return DepthModel.of(
        CudaNetworkTest.TINY,
        Golden.weights(),
        DepthModelOptions.defaults().withInputSize(70).withThreads(2).withDevice(device));
  }

  @Test
  void picturesThatOverlapHaveTheMapsOfThoseThatDoNot() {
    List<RgbImage> pictures = pictures();
    List<DepthMap> expected = new ArrayList<>();
    try (DepthModel cpu = model(Device.CPU)) {
      pictures.forEach(picture -> expected.add(cpu.estimateLater(picture).get()));
    }
    try (DepthModel model = model(Device.CUDA)) {
      List<Supplier<DepthMap>> begun = pictures.stream().map(model::estimateLater).toList();
      for (int i = pictures.size() - 1; i >= 0; i--) {
        DepthMap map = begun.get(i).get();
        assertEquals(pictures.get(i).width(), map.width());
        assertEquals(pictures.get(i).height(), map.height());
        double error = Golden.relativeError(map.values(), expected.get(i).values());
        assertTrue(error < TOLERANCE, "picture " + i + ": relative error " + error);
        if (i == 0) {
          assertArrayEquals(
              model.estimate(pictures.get(i)).values(), map.values(), "picture " + i + " alone");
        }
      }
      assertThrows(IllegalStateException.class, () -> begun.getFirst().get());
      DepthMap raw = model.estimateRawLater(pictures.getFirst()).get();
      assertArrayEquals(model.estimateRaw(pictures.getFirst()).values(), raw.values());
    }
  }
}
