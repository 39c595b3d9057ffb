package dev.fathom.nn.cuda;

import dev.fathom.bindings.Native;
import dev.fathom.bindings.generated.cuda.FathomCuda;
import dev.fathom.bindings.generated.cuda.fathom_cuda_patch_embed_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_patch_embed_backward_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_patch_embed_pack_args;
import dev.fathom.bindings.generated.cuda.fathom_cuda_patch_embed_sums_args;
import dev.fathom.nn.op.PatchEmbedOps;
import dev.fathom.nn.tensor.Memory;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** kernels/cuda/patch_embed.cu and patch_embed_backward.cu. */
final class CudaPatchEmbed extends CudaFamily implements PatchEmbedOps {

  private static final int PACK_THREADS = 256;

  private final Kernel pack = new Kernel("fathom_patch_embed_pack");
  private final Kernel embed = new Kernel("fathom_patch_embed");
  private final Kernel backwardWeight = new Kernel("fathom_patch_embed_backward_weight");
  private final Kernel backwardWeightSum = new Kernel("fathom_patch_embed_backward_weight_sum");
  private final Kernel backwardTokens = new Kernel("fathom_patch_embed_backward_tokens");
  private final Kernel backwardBias = new Kernel("fathom_patch_embed_backward_bias");

  CudaPatchEmbed(Engine engine) {
    super(engine);
  }

  @Override
  public Tensor packPatchEmbed(Tensor weight, Memory memory) {
    requireFloats("packPatchEmbed", weight);
    long channels = weight.extent(0);
    long patch = weight.extent(2);
    long depth = FathomCuda.FATHOM_PATCH_DEPTH();
    long padded = ceil(3 * patch * patch, depth) * depth;
    Tensor packed = memory.allocate(engine.elements(), channels, padded);
    synchronized (engine) {
      long source = engine.onDevice(weight);
      MemorySegment args = Native.arguments(fathom_cuda_patch_embed_pack_args.layout());
      fathom_cuda_patch_embed_pack_args.weight(args, address(source));
      fathom_cuda_patch_embed_pack_args.packed(args, address(packed));
      fathom_cuda_patch_embed_pack_args.patch(args, Math.toIntExact(patch));
      fathom_cuda_patch_embed_pack_args.channels(args, Math.toIntExact(channels));
      launch(pack, ceil(packed.size(), PACK_THREADS), PACK_THREADS, args);
    }
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
    requireFloats("patchEmbed", image, bias, cls, position);
    requireElements("patchEmbed", packed, tokens);
    long channels = tokens.extent(2);
    long rows = image.extent(0) * (image.extent(1) / patch) * (image.extent(2) / patch);
    int tile = FathomCuda.FATHOM_PATCH_TILE();
    int row = FathomCuda.FATHOM_PATCH_DEPTH() + FathomCuda.FATHOM_PATCH_PAD();
    int shared = Math.max(4 * tile * row * elementBytes(), tile * (tile + 4) * 4) + tile * 8;
    MemorySegment args = Native.arguments(fathom_cuda_patch_embed_args.layout());
    fathom_cuda_patch_embed_args.image(args, address(image));
    fathom_cuda_patch_embed_args.packed(args, address(packed));
    fathom_cuda_patch_embed_args.bias(args, address(bias));
    fathom_cuda_patch_embed_args.cls(args, address(cls));
    fathom_cuda_patch_embed_args.position(args, address(position));
    fathom_cuda_patch_embed_args.tokens(args, address(tokens));
    fathom_cuda_patch_embed_args.rows(args, rows);
    fathom_cuda_patch_embed_args.height(args, Math.toIntExact(image.extent(1)));
    fathom_cuda_patch_embed_args.width(args, Math.toIntExact(image.extent(2)));
    fathom_cuda_patch_embed_args.patch(args, patch);
    fathom_cuda_patch_embed_args.channels(args, Math.toIntExact(channels));
    launch(
        embed,
        ceil(rows, tile),
        ceil(channels, tile),
        FathomCuda.FATHOM_PATCH_THREADS(),
        shared,
        args);
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
    requireFloats("patchEmbedBackward", image, dWeight, dBias, dCls, dPosition);
    requireElements("patchEmbedBackward", dTokens);
    long channels = dTokens.extent(2);
    synchronized (engine) {
      if (dWeight != null) {
        weight(image, patch, dTokens, dWeight, channels);
      }
      if (dBias != null || dCls != null || dPosition != null) {
        sums(dTokens, dBias, dCls, dPosition, channels);
      }
    }
  }

  private void weight(Tensor image, int patch, Tensor dTokens, Tensor dWeight, long channels) {
    long rows = image.extent(0) * (image.extent(1) / patch) * (image.extent(2) / patch);
    long depth = 3L * patch * patch;
    long slices = ceil(rows, FathomCuda.FATHOM_PATCH_SLICE());
    long partial = engine.scratch(4 * slices * channels * depth).part(0);
    int tile = FathomCuda.FATHOM_PATCH_TILE();
    int step = FathomCuda.FATHOM_PATCH_DEPTH();
    int shared = 4 * step * (tile + FathomCuda.FATHOM_PATCH_PAD()) * elementBytes() + 2 * step * 8;
    MemorySegment args = Native.arguments(fathom_cuda_patch_embed_backward_args.layout());
    fathom_cuda_patch_embed_backward_args.image(args, address(image));
    fathom_cuda_patch_embed_backward_args.d_tokens(args, address(dTokens));
    fathom_cuda_patch_embed_backward_args.partial(args, address(partial));
    fathom_cuda_patch_embed_backward_args.d_weight(args, address(dWeight));
    fathom_cuda_patch_embed_backward_args.rows(args, rows);
    fathom_cuda_patch_embed_backward_args.height(args, Math.toIntExact(image.extent(1)));
    fathom_cuda_patch_embed_backward_args.width(args, Math.toIntExact(image.extent(2)));
    fathom_cuda_patch_embed_backward_args.patch(args, patch);
    fathom_cuda_patch_embed_backward_args.channels(args, Math.toIntExact(channels));
    fathom_cuda_patch_embed_backward_args.class_token(args, 1);
    fathom_cuda_patch_embed_backward_args.slices(args, Math.toIntExact(slices));
    launch(
        backwardWeight,
        ceil(depth, tile),
        ceil(channels, tile),
        slices,
        FathomCuda.FATHOM_PATCH_THREADS(),
        shared,
        args);
    int threads = FathomCuda.FATHOM_PATCH_SUM_THREADS();
    launch(backwardWeightSum, ceil(channels * depth, threads), threads, args);
  }

  private void sums(
      Tensor dTokens,
      @Nullable Tensor dBias,
      @Nullable Tensor dCls,
      @Nullable Tensor dPosition,
      long channels) {
    long tokens = dTokens.extent(1);
    long blocks = ceil(tokens, FathomCuda.FATHOM_PATCH_SUM_TOKENS());
    long partial = dBias != null ? engine.scratch(4 * blocks * channels).part(0) : 0;
    MemorySegment args = Native.arguments(fathom_cuda_patch_embed_sums_args.layout());
    fathom_cuda_patch_embed_sums_args.d_tokens(args, address(dTokens));
    fathom_cuda_patch_embed_sums_args.d_bias(args, address(dBias));
    fathom_cuda_patch_embed_sums_args.d_cls(args, address(dCls));
    fathom_cuda_patch_embed_sums_args.d_position(args, address(dPosition));
    fathom_cuda_patch_embed_sums_args.partial(args, address(partial));
    fathom_cuda_patch_embed_sums_args.batch(args, Math.toIntExact(dTokens.extent(0)));
    fathom_cuda_patch_embed_sums_args.tokens(args, Math.toIntExact(tokens));
    fathom_cuda_patch_embed_sums_args.channels(args, Math.toIntExact(channels));
    fathom_cuda_patch_embed_sums_args.class_token(args, 1);
    fathom_cuda_patch_embed_sums_args.blocks(args, Math.toIntExact(blocks));
    long columns = ceil(channels, FathomCuda.FATHOM_PATCH_SUM_COLUMNS());
    int threads = FathomCuda.FATHOM_PATCH_SUM_THREADS();
    launch(backwardTokens, columns, blocks, threads, 0, args);
    if (dBias != null) {
      launch(backwardBias, columns, threads, args);
    }
  }
}
