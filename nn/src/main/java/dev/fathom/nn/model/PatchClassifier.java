package dev.fathom.nn.model;

import dev.fathom.nn.layer.Linear;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.op.Activation;
import dev.fathom.nn.tensor.Tensor;

/**
 * The encoder with one linear layer that says which classes a patch shows. It pretrains an encoder
 * where no DINOv2 checkpoint is at hand; only the encoder is kept.
 */
public final class PatchClassifier {

  /** What the encoder's parameters are called in a Depth Anything network. */
  public static final String ENCODER = "pretrained";

  private final DinoV2 encoder;
  private final Linear classifier;

  /** The encoder under its published names, and {@code classifier} [classes,C]. */
  public PatchClassifier(Loader loader, ModelConfig config, int classes) {
    encoder = new DinoV2(loader, ENCODER, config);
    classifier = Linear.load(loader, "classifier", config.embedDim(), classes);
  }

  /**
   * Class scores before the softmax.
   *
   * @param image [B,H,W,3], normalised; H and W multiples of the patch
   * @return [B,H/P*W/P,classes]
   */
  public Tensor forward(Pass pass, Tensor image) {
    Tensor features = encoder.features(pass, image);
    Tensor logits = classifier.forward(pass, features, Activation.NONE);
    pass.release(features);
    return logits;
  }
}
