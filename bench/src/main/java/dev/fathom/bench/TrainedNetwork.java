package dev.fathom.bench;

import dev.fathom.nn.autograd.Parameters;
import dev.fathom.nn.autograd.Tape;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.layer.Weights;
import dev.fathom.nn.model.DepthAnything;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.ParameterShapes;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.op.Scalar;
import dev.fathom.nn.optim.AdamW;
import dev.fathom.nn.tensor.CachingMemory;
import dev.fathom.nn.tensor.Tensor;
import java.util.List;

/**
 * A network that is trained on one batch again and again: forward, the scale-shift-invariant loss,
 * backward, AdamW with the paper's rates.
 */
public final class TrainedNetwork {

  private final Backend backend;
  private final CachingMemory memory;
  private final Parameters parameters;
  private final DepthAnything network;
  private final AdamW optimiser;
  private final Tensor image;
  private final Tensor target;
  private final boolean checkpoints;

  /**
   * A network before its first step.
   *
   * @param memory keeps all of it, the caller's to close
   * @param image [B,S,S,3], normalised
   * @param target [B,S,S], disparity
   * @param checkpoints whether blocks are computed again on the way back
   */
  public TrainedNetwork(
      Backend backend,
      CachingMemory memory,
      ModelConfig config,
      Weights first,
      int batch,
      int side,
      float[] image,
      float[] target,
      boolean checkpoints) {
    this.backend = backend;
    this.memory = memory;
    this.checkpoints = checkpoints;
    parameters = new Parameters(backend, memory, ParameterShapes.of(config));
    network = new DepthAnything(new Loader(backend, memory, first, parameters), config);
    optimiser =
        new AdamW(
            backend,
            memory,
            parameters,
            List.of(
                new AdamW.Group("encoder", 5e-6, name -> name.startsWith("pretrained.")),
                new AdamW.Group("head", 5e-5, name -> name.startsWith("depth_head."))),
            AdamW.Settings.DEFAULT);
    this.image = memory.allocate(batch, side, side, 3);
    this.target = memory.allocate(batch, side, side);
    backend.transfer().write(image, this.image);
    backend.transfer().write(target, this.target);
  }

  /** One step; gives the loss before it, which a GPU may still be computing. */
  public Scalar step() {
    parameters.zeroGradients();
    try (Tape tape = new Tape(backend, memory)) {
      Pass pass = Pass.training(backend, memory, tape, checkpoints);
      Tensor depth = network.forward(pass, image);
      Tensor gradient = memory.allocate(target.shape());
      Scalar loss = backend.loss().scaleShiftInvariant(depth, target, null, 0, 1, gradient);
      tape.seed(depth, gradient);
      memory.release(depth);
      tape.backward();
      optimiser.step(1, 1);
      return loss;
    }
  }
}
