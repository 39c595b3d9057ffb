package dev.fathom.nn.cpu;

import dev.fathom.bindings.CpuContext;
import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.FathomNative;
import dev.fathom.bindings.generated.fathom_patch_embed_args;
import dev.fathom.bindings.generated.fathom_patch_embed_backward_args;
import dev.fathom.bindings.generated.fathom_patch_embed_pack_args;
import dev.fathom.nn.op.PatchEmbedOps;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** kernels/cpu/patch_embed.c and patch_embed_backward.c. */
final class CpuPatchEmbed extends CpuFamily implements PatchEmbedOps {

  CpuPatchEmbed(CpuContext context) {
    super(context);
  }

  @Override
  public Tensor packPatchEmbed(Tensor weight, Memory memory) {
    long channels = weight.extent(0);
    long patch = weight.extent(2);
    MemorySegment args = Native.arguments(fathom_patch_embed_pack_args.layout());
    fathom_patch_embed_pack_args.channels(args, channels);
    fathom_patch_embed_pack_args.patch(args, patch);
    fathom_patch_embed_pack_args.weight(args, weight.data());
    Native.check(FathomNative.fathom_patch_embed_pack(context.handle(), args));
    Tensor packed = memory.allocate(fathom_patch_embed_pack_args.packed_size(args));
    fathom_patch_embed_pack_args.packed(args, packed.data());
    Native.check(FathomNative.fathom_patch_embed_pack(context.handle(), args));
    return packed;
  }

  @Override
  public void patchEmbed(
      Tensor image,
      int patch,
      Tensor packed,
      Tensor bias,
      Tensor cls,
      Tensor position,
      Tensor tokens) {
    MemorySegment args = Native.arguments(fathom_patch_embed_args.layout());
    fathom_patch_embed_args.batch(args, image.extent(0));
    fathom_patch_embed_args.height(args, image.extent(1));
    fathom_patch_embed_args.width(args, image.extent(2));
    fathom_patch_embed_args.patch(args, patch);
    fathom_patch_embed_args.channels(args, tokens.extent(2));
    fathom_patch_embed_args.image(args, image.data());
    fathom_patch_embed_args.packed(args, packed.data());
    fathom_patch_embed_args.bias(args, bias.data());
    fathom_patch_embed_args.cls(args, cls.data());
    fathom_patch_embed_args.position(args, position.data());
    fathom_patch_embed_args.tokens(args, tokens.data());
    Native.check(FathomNative.fathom_patch_embed(context.handle(), args));
  }

  @Override
  public void patchEmbedBackward(
      Tensor image,
      int patch,
      Tensor dTokens,
      @Nullable Tensor dWeight,
      @Nullable Tensor dBias,
      @Nullable Tensor dCls,
      @Nullable Tensor dPosition) {
    MemorySegment args = Native.arguments(fathom_patch_embed_backward_args.layout());
    fathom_patch_embed_backward_args.batch(args, image.extent(0));
    fathom_patch_embed_backward_args.height(args, image.extent(1));
    fathom_patch_embed_backward_args.width(args, image.extent(2));
    fathom_patch_embed_backward_args.patch(args, patch);
    fathom_patch_embed_backward_args.channels(args, dTokens.extent(2));
    fathom_patch_embed_backward_args.class_token(args, 1);
    fathom_patch_embed_backward_args.image(args, image.data());
    fathom_patch_embed_backward_args.d_tokens(args, dTokens.data());
    fathom_patch_embed_backward_args.d_weight(args, address(dWeight));
    fathom_patch_embed_backward_args.d_bias(args, address(dBias));
    fathom_patch_embed_backward_args.d_cls(args, address(dCls));
    fathom_patch_embed_backward_args.d_position(args, address(dPosition));
    Native.check(FathomNative.fathom_patch_embed_backward(context.handle(), args));
  }
}
