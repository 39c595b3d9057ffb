package dev.fathom.nn.model;

import dev.fathom.nn.autograd.Parameter;
import dev.fathom.nn.layer.Attention;
import dev.fathom.nn.layer.LayerNorm;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Mlp;
import dev.fathom.nn.layer.Pass;
import dev.fathom.nn.tensor.Tensor;

/** A pre-norm transformer block: x + ls1 attention(norm1 x), then x + ls2 mlp(norm2 x). */
final class Block {

  private final LayerNorm norm1;
  private final Attention attention;
  private final Parameter gamma1;
  private final LayerNorm norm2;
  private final Mlp mlp;
  private final Parameter gamma2;

  Block(Loader loader, String name, ModelConfig config) {
    int channels = config.embedDim();
    norm1 = LayerNorm.load(loader, name + ".norm1", channels, DinoV2.EPS);
    attention = Attention.load(loader, name + ".attn", channels, config.heads());
    gamma1 = loader.plain(name + ".ls1.gamma", channels);
    norm2 = LayerNorm.load(loader, name + ".norm2", channels, DinoV2.EPS);
    mlp = Mlp.load(loader, name + ".mlp", channels, config.swiglu());
    gamma2 = loader.plain(name + ".ls2.gamma", channels);
  }

  /** x [B,T,C] gives its memory to the result. */
  Tensor forward(Pass pass, Tensor x) {
    Tensor y = attention.forwardResidual(pass, norm1.forward(pass, x, 0), gamma1, x);
    return mlp.forwardResidual(pass, norm2.forward(pass, y, 0), gamma2, y);
  }
}
