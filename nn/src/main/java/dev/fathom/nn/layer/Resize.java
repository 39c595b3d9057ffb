package dev.fathom.nn.layer;

import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.op.ResampleOps;
import dev.fathom.nn.tensor.Tensor;

/** Bilinear resizing of maps, with align_corners. */
public final class Resize {

  private Resize() {}

  /**
   * The map at another size.
   *
   * @param x [B,H,W,C]
   * @return [B,height,width,C]
   */
  public static Tensor bilinear(Pass pass, Tensor x, long height, long width) {
    Tensor y = pass.allocate(x.extent(0), height, width, x.extent(3));
    ResampleOps ops = pass.backend().resample();
    ops.resizeBilinear(x, true, y);
    Tape tape = pass.tape();
    if (tape != null && tape.tracks(x)) {
      long[] shape = y.shape();
      tape.record(
          y,
          dy -> {
            Tape.Slot dx = tape.slot(x);
            if (dx.tensor() != null) {
              ops.resizeBilinearBackward(dy.view(shape), true, dx.tensor(), dx.accumulate());
            }
          });
    }
    return y;
  }
}
