package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.bindings.generated.fathom_attention_args;
import dev.fathom.bindings.generated.fathom_attention_backward_args;
import dev.fathom.nn.op.AttentionOps;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** kernels/cpu/attention.c and attention_backward.c. */
final class CpuAttention extends CpuFamily implements AttentionOps {

  CpuAttention(CpuContext context) {
    super(context);
  }

  @Override
  public void attention(Tensor qkv, int heads, float scale, Tensor y, @Nullable Tensor logSumExp) {
    MemorySegment args = Native.arguments(fathom_attention_args.layout());
    fathom_attention_args.batch(args, y.extent(0));
    fathom_attention_args.tokens(args, y.extent(1));
    fathom_attention_args.heads(args, heads);
    fathom_attention_args.head_dim(args, y.extent(2) / heads);
    fathom_attention_args.qkv(args, qkv.data());
    fathom_attention_args.scale(args, scale);
    fathom_attention_args.out(args, y.data());
    fathom_attention_args.log_sum_exp(args, address(logSumExp));
    Native.check(FathomNative.fathom_attention(context.handle(), args));
  }

  @Override
  public void attentionBackward(
      Tensor qkv, int heads, float scale, Tensor y, Tensor logSumExp, Tensor dy, Tensor dqkv) {
    MemorySegment args = Native.arguments(fathom_attention_backward_args.layout());
    fathom_attention_backward_args.batch(args, y.extent(0));
    fathom_attention_backward_args.tokens(args, y.extent(1));
    fathom_attention_backward_args.heads(args, heads);
    fathom_attention_backward_args.head_dim(args, y.extent(2) / heads);
    fathom_attention_backward_args.qkv(args, qkv.data());
    fathom_attention_backward_args.scale(args, scale);
    fathom_attention_backward_args.out(args, y.data());
    fathom_attention_backward_args.log_sum_exp(args, logSumExp.data());
    fathom_attention_backward_args.d_out(args, dy.data());
    fathom_attention_backward_args.dqkv(args, dqkv.data());
    Native.check(FathomNative.fathom_attention_backward(context.handle(), args));
  }
}
