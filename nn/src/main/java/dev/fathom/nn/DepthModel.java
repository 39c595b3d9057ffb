package dev.fathom.nn;

import dev.fathom.nn.checkpoint.Checkpoint;
import dev.fathom.nn.checkpoint.CheckpointException;
import dev.fathom.nn.checkpoint.CheckpointWeights;
import dev.fathom.nn.checkpoint.InferredModel;
import dev.fathom.nn.layer.Loader;
import dev.fathom.nn.layer.Weights;
import dev.fathom.nn.model.DepthAnything;
import dev.fathom.nn.model.Inference;
import dev.fathom.nn.model.ModelConfig;
import dev.fathom.nn.model.NetworkSize;
import dev.fathom.nn.model.ParameterShapes;
import dev.fathom.nn.model.Release;
import dev.fathom.nn.op.Backend;
import dev.fathom.nn.tensor.BlockMemory;
import dev.fathom.nn.tensor.Buffer;
import dev.fathom.nn.tensor.NativeMemory;
import dev.fathom.nn.tensor.Tensor;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;

/**
 * A Depth Anything network, ready to use:
 *
 * <pre>{@code
 * try (DepthModel model = DepthModel.load(Path.of("depth_anything_vits14.pth"))) {
 *   DepthMap depth = model.estimate(ImageIO.read(new File("photo.jpg")));
 *   System.out.println(depth.at(320, 240));
 * }
 * }</pre>
 *
 * <p>It holds the weights and its working memory outside the Java heap until it is closed. It may
 * be used from many threads; estimates then run one after the other, each on all the model's
 * threads.
 */
public final class DepthModel implements AutoCloseable {

  /** ImageNet's mean and standard deviation, for red, green and blue in 0..1. */
  private static final float[] MEAN = {0.485f, 0.456f, 0.406f};

  private static final float[] STD = {0.229f, 0.224f, 0.225f};

  private final Backend backend;
  private final BlockMemory memory;
  private final NativeMemory host = new NativeMemory();
  private final Inference inference;
  private final ModelConfig config;
  private final String guessed;
  private final List<String> unusedTensors;
  private final int inputSize;
  private final Buffer pixels;
  private final Buffer resized;
  private Supplier<String> deviceNote = () -> "";
  private boolean closed;

  private DepthModel(
      ModelConfig config,
      Weights weights,
      DepthModelOptions options,
      String guessed,
      List<String> unusedTensors) {
    this.config = config;
    this.guessed = guessed;
    this.unusedTensors = unusedTensors;
    inputSize = options.inputSize();
    backend =
        options
            .device()
            .open(options.threads(), options.isa(), options.kernels(), note -> deviceNote = note);
    memory = backend.newMemory();
    pixels = new Buffer(host);
    resized = new Buffer(memory);
    try {
      DepthAnything network = new DepthAnything(new Loader(backend, memory, weights), config);
      inference = new Inference(network, backend, memory);
    } catch (RuntimeException | Error e) {
      memory.close();
      host.close();
      backend.close();
      throw e;
    }
  }

  /**
   * Loads a checkpoint: safetensors or {@code torch.save}, under the published names or Hugging
   * Face's. Size and release are inferred from its tensors, its name and the files beside it.
   *
   * @throws IOException if the file cannot be read, is damaged, or is not such a network; the
   *     message names the file and the tensor
   */
  public static DepthModel load(Path weights) throws IOException {
    return load(weights, DepthModelOptions.defaults());
  }

  /**
   * Loads a checkpoint with options.
   *
   * @throws IOException as {@link #load(Path)}, also where the options contradict the file
   */
  public static DepthModel load(Path weights, DepthModelOptions options) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(weights)) {
      CheckpointWeights named = CheckpointWeights.of(checkpoint);
      InferredModel inferred =
          InferredModel.of(named, options.model(), options.release(), options.maxDepth());
      if (inferred.encoderOnly()) {
        throw new CheckpointException(weights, "it holds an encoder alone, without a depth head");
      }
      List<String> unused = named.require(ParameterShapes.of(inferred.config()));
      return new DepthModel(
          inferred.config(), new StoredWeights(named), options, inferred.guessed(), unused);
    }
  }

  /** A network of given weights, for example random ones. */
  public static DepthModel of(ModelConfig config, Weights weights, DepthModelOptions options) {
    return new DepthModel(config, weights, options, "", List.of());
  }

  /** The network's shape. */
  public ModelConfig config() {
    return config;
  }

  /** What was assumed of the checkpoint without any sign of it, for people; empty if nothing. */
  public String guessed() {
    return guessed;
  }

  /** Names of the checkpoint's tensors that this network does not read. */
  public List<String> unusedTensors() {
    return unusedTensors;
  }

  /** What it runs on, for people: {@code cpu (avx512, 2 threads)}. */
  public String device() {
    return backend.description();
  }

  /**
   * Why it does not run on a GPU, if none was found where one would have been taken; else empty.
   */
  public String deviceNote() {
    return deviceNote.get();
  }

  /** Bytes outside the Java heap: weights, intermediate results, scratch memory. */
  public synchronized long nativeBytes() {
    requireOpen();
    return memory.bytes() + host.bytes() + backend.scratchBytes();
  }

  /** What the numbers of this model's depth maps mean. */
  public DepthMap.Kind kind() {
    return config.release() == Release.V2_METRIC ? DepthMap.Kind.METRES : DepthMap.Kind.DISPARITY;
  }

  /**
   * The depth of each pixel of a picture, as the published scripts compute it: the picture is
   * resized so that its shorter side is the input size, and the network's output is resized back.
   *
   * @return a map of the picture's size
   * @throws IllegalArgumentException if the picture is too large or too narrow
   * @throws IllegalStateException after close
   */
  public DepthMap estimate(BufferedImage image) {
    return estimate(RgbImage.of(image));
  }

  /** As {@link #estimate(BufferedImage)}. */
  public DepthMap estimate(RgbImage image) {
    return estimate(image, false);
  }

  /**
   * As {@link #estimate(BufferedImage)}, but a map of the size at which the network sees the
   * picture.
   */
  public DepthMap estimateRaw(RgbImage image) {
    return estimate(image, true);
  }

  /**
   * Begins to estimate: on a GPU this returns when the picture is on its way, so that the next one
   * can be given to it before this one's map is fetched. On the CPU it computes.
   *
   * @return gives what {@link #estimate(RgbImage)} does, and waits for it; to be asked once, by any
   *     thread, before the model is closed
   * @throws IllegalArgumentException if the picture is too large or too narrow
   * @throws IllegalStateException after close
   */
  public Supplier<DepthMap> estimateLater(RgbImage image) {
    return begin(image, false);
  }

  /** As {@link #estimateLater}, for {@link #estimateRaw}. */
  public Supplier<DepthMap> estimateRawLater(RgbImage image) {
    return begin(image, true);
  }

  /**
   * The network alone, on a picture that is normalised already: without resizing either way.
   *
   * @param image [3,height,width]: planes of (channel / 255 - mean) / std
   * @param height a multiple of the patch
   * @param width a multiple of the patch
   * @return [height,width]
   * @throws IllegalArgumentException if the sizes do not fit
   */
  public synchronized float[] estimateNormalised(float[] image, int height, int width) {
    requireOpen();
    int pixels = Math.multiplyExact(height, width);
    if (image.length != 3 * pixels) {
      throw new IllegalArgumentException(
          image.length + " values for a picture [3," + height + "," + width + "]");
    }
    return inference.run(
        new long[] {1, height, width, 3},
        input -> {
          float[] interleaved = new float[image.length];
          for (int i = 0; i < pixels; i++) {
            for (int c = 0; c < 3; c++) {
              interleaved[3 * i + c] = image[c * pixels + i];
            }
          }
          backend.transfer().write(interleaved, input);
        },
        backend.transfer()::read);
  }

  private synchronized DepthMap estimate(RgbImage image, boolean raw) {
    return begin(image, raw).get();
  }

  private synchronized Supplier<DepthMap> begin(RgbImage image, boolean raw) {
    requireOpen();
    NetworkSize size = NetworkSize.of(image.width(), image.height(), inputSize, config.patch());
    return inference.run(
        new long[] {1, size.height(), size.width(), 3},
        input -> preprocess(image, input),
        depth -> raw ? raw(depth, size) : resize(depth, size, image));
  }

  private void preprocess(RgbImage image, Tensor input) {
    MemorySegment segment = pixels.atLeast((image.rgb().length + 3) / 4).data();
    MemorySegment.copy(image.rgb(), 0, segment, ValueLayout.JAVA_BYTE, 0, image.rgb().length);
    backend.resample().preprocess(segment, image.width(), image.height(), MEAN, STD, input);
  }

  private Supplier<DepthMap> raw(Tensor depth, NetworkSize size) {
    return map(depth, size.width(), size.height());
  }

  private Supplier<DepthMap> map(Tensor depth, int width, int height) {
    Supplier<float[]> values = backend.transfer().readLater(depth);
    return () -> new DepthMap(width, height, kind(), values.get());
  }

  private Supplier<DepthMap> resize(Tensor depth, NetworkSize size, RgbImage image) {
    int width = image.width();
    int height = image.height();
    if (width == size.width() && height == size.height()) {
      return raw(depth, size);
    }
    Tensor target =
        resized.atLeast(Math.multiplyExact(width, height)).slice(0, 1, height, width, 1);
    // V1's scripts resize with align_corners=False, V2's with True.
    boolean alignCorners = config.release() != Release.V1;
    backend
        .resample()
        .resizeBilinear(depth.view(1, size.height(), size.width(), 1), alignCorners, target);
    return map(target, width, height);
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("model used after close");
    }
  }

  /**
   * Frees the weights, the working memory and the threads; waits for an estimate that is running.
   */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      memory.close();
      host.close();
      backend.close();
    }
  }
}
