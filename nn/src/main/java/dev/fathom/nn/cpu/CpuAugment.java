package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.nn.op.AugmentOps;
import dev.fathom.nn.op.LossOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** kernels/cpu/augment.c. */
final class CpuAugment extends CpuFamily implements AugmentOps {

  CpuAugment(CpuContext context) {
    super(context);
  }

  @Override
  public void readPicture(MemorySegment pixels, int width, int height, Crop crop, Tensor y) {
    throw new UnsupportedOperationException("not built yet");
  }

  @Override
  public void readMap(Tensor x, Crop crop, Tensor y) {
    throw new UnsupportedOperationException("not built yet");
  }

  @Override
  public void distort(
      Tensor x,
      List<Distortion> distortions,
      @Nullable List<Integer> partners,
      @Nullable List<LossOps.Box> boxes,
      float[] mean,
      float[] std,
      Tensor y) {
    throw new UnsupportedOperationException("not built yet");
  }
}
