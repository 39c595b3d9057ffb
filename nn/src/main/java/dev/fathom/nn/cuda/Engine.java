package dev.fathom.nn.cuda;

import dev.fathom.bindings.cuda.CudaContext;
import dev.fathom.bindings.cuda.CudaException;
import dev.fathom.bindings.cuda.CudaGraph;
import dev.fathom.bindings.cuda.CudaKernel;
import dev.fathom.bindings.cuda.CudaModule;
import dev.fathom.bindings.cuda.CudaOutOfMemoryException;
import dev.fathom.bindings.cuda.CudaStream;
import dev.fathom.bindings.cuda.DeviceMemory;
import dev.fathom.bindings.cuda.TensorMapShape;
import dev.fathom.nn.tensor.ElementType;
import dev.fathom.nn.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What operator families share: one context, one stream, the kernels, scratch memory, the ways to
 * and from the host. All work goes to the one stream, in the order in which operators are called,
 * so that scratch memory and freed tensors can be used again at once. Whoever launches more than
 * one kernel, uses scratch memory or copies to or from the host holds this object's lock meanwhile.
 */
final class Engine implements AutoCloseable {

  /** The compute capability that wgmma is of, and no other. */
  private static final int HOPPER = 90;

  /** Alignment of the parts of scratch memory. */
  private static final long ALIGNMENT = 256;

  private final CudaContext context;
  private final ElementType elements;
  private final CudaStream stream;
  private final List<CudaModule> modules;
  private final Map<String, CudaKernel> kernels = new ConcurrentHashMap<>();
  private final Staging staging;
  private final Downloads downloads;
  private final Results results;
  private final int multiprocessors;
  private final boolean hopper;
  private @Nullable DeviceMemory scratch;
  private long scratchVersion;
  private volatile @Nullable Consumer<String> observer;
  private boolean capturing;

  /** Operators that are captured want more scratch memory than there is. */
  static final class ScratchTooSmall extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final long bytes;

    private ScratchTooSmall(long bytes) {
      super(
          "no " + bytes + " bytes of scratch memory while operators are recorded",
          null,
          false,
          false);
      this.bytes = bytes;
    }

    /** What they want. */
    long bytes() {
      return bytes;
    }
  }

  Engine(CudaContext context, KernelImages images) {
    this.context = context;
    elements = images.elements();
    stream = context.newStream();
    // What is freed stays for what is allocated next; otherwise each wait gives it back to the
    // system.
    context.pool().releaseThreshold(Long.MAX_VALUE);
    modules = images.load(context);
    staging = new Staging(context, stream);
    downloads = new Downloads(context, stream);
    results = new Results(context, stream);
    multiprocessors = context.device().multiprocessors();
    hopper = elements == ElementType.BFLOAT16 && context.device().capability() == HOPPER;
  }

  CudaContext context() {
    return context;
  }

  CudaStream stream() {
    return stream;
  }

  ElementType elements() {
    return elements;
  }

  /** Whether the kernels for compute capability 9.0 are there and run here. */
  boolean hasHopperKernels() {
    return hopper;
  }

  /**
   * Describes a tensor of elements for the tensor memory accelerator, 128-byte swizzled boxes,
   * zeros outside.
   *
   * @param map 128 bytes of a kernel's struct
   * @param extents innermost first
   * @param strides bytes, of all dimensions but the innermost
   * @param box elements of one copy in each dimension
   */
  void encode(MemorySegment map, long address, long[] extents, long[] strides, int... box) {
    context.makeCurrent();
    context
        .driver()
        .tensorMapEncodeTiled(
            map,
            new TensorMapShape(
                TensorMapShape.ElementType.BFLOAT16,
                address,
                extents,
                strides,
                box,
                TensorMapShape.Swizzle.BYTES_128));
  }

  int multiprocessors() {
    return multiprocessors;
  }

  /** Who is told of every launch from now on. */
  void observe(@Nullable Consumer<String> newObserver) {
    observer = newObserver;
  }

  /** Tells of a launch. */
  void tell(String kernel) {
    Consumer<String> current = observer;
    if (current != null) {
      current.accept(kernel);
    }
  }

  /**
   * A kernel by name.
   *
   * @throws IllegalStateException if no module has it
   */
  CudaKernel kernel(String name) {
    CudaKernel known = kernels.get(name);
    return known != null ? known : kernels.computeIfAbsent(name, this::find);
  }

  private CudaKernel find(String name) {
    for (CudaModule module : modules) {
      try {
        return module.kernel(name);
      } catch (CudaException e) {
        if (e.code() != CudaException.NOT_FOUND) {
          throw e;
        }
      }
    }
    throw new IllegalStateException("no CUDA kernel is named " + name);
  }

  /**
   * Scratch memory for the kernels that are launched next, valid until the next call. What earlier
   * kernels do with it is done before, as all are of one stream.
   */
  Scratch scratch(long... parts) {
    List<Long> offsets = new ArrayList<>(parts.length);
    long end = 0;
    for (long part : parts) {
      offsets.add(end);
      end += (Math.max(part, 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    DeviceMemory current = scratch;
    if (current == null || current.byteSize() < end) {
      if (capturing) {
        throw new ScratchTooSmall(end);
      }
      if (current != null) {
        scratch = null;
        scratchVersion++;
        current.close();
      }
      current = allocate(end);
      scratch = current;
    }
    return new Scratch(current.address(), offsets);
  }

  /** Parts of scratch memory, each aligned to 256 bytes. */
  record Scratch(long base, List<Long> offsets) {

    /** Where a part begins. */
    long part(int index) {
      return base + offsets.get(index);
    }
  }

  /** Memory of a tensor, for a library. */
  DeviceMemory borrowed(long address, long bytes) {
    return DeviceMemory.borrowed(context, address, bytes);
  }

  /**
   * Device memory in the stream's order.
   *
   * @throws OutOfMemoryError if there is no room, saying what was asked for and what is in use
   * @throws IllegalStateException while operators are captured
   */
  synchronized DeviceMemory allocate(long bytes) {
    if (capturing) {
      throw new IllegalStateException("device memory is allocated while operators are recorded");
    }
    try {
      return stream.allocate(bytes);
    } catch (CudaOutOfMemoryException e) {
      giveBackUnused();
    }
    try {
      return stream.allocate(bytes);
    } catch (CudaOutOfMemoryException e) {
      OutOfMemoryError error = new OutOfMemoryError(e.getMessage());
      error.initCause(e);
      throw error;
    }
  }

  /**
   * Gives the driver what was freed. It may be in use still by work that the stream has before it,
   * which is waited for.
   */
  void giveBackUnused() {
    stream.synchronize();
    context.pool().trim(0);
  }

  /**
   * Captures what operators give to the stream; the caller holds this object's lock.
   *
   * @throws ScratchTooSmall if that is so; the stream is as it was before
   * @throws CudaException if the driver has no room
   */
  CudaGraph capture(Runnable operators) {
    capturing = true;
    try {
      return stream.capture(operators);
    } finally {
      capturing = false;
    }
  }

  /** Rises when scratch memory moves or goes. */
  synchronized long scratchVersion() {
    return scratchVersion;
  }

  /**
   * Where a weight lies on the device. One of the host is copied to scratch memory, which nothing
   * else may use until the kernel that reads it is launched.
   */
  long onDevice(Tensor weight) {
    if (weight.onDevice()) {
      return weight.address();
    }
    long staged = scratch(weight.bytes()).part(0);
    upload(staged, weight.data(), weight.bytes());
    return staged;
  }

  long scratchBytes() {
    DeviceMemory current = scratch;
    return current == null ? 0 : current.byteSize();
  }

  /** Copies from the host, in the stream's order; the source is the caller's again on return. */
  void upload(long destination, MemorySegment source, long bytes) {
    staging.upload(destination, source, bytes);
  }

  /** Copies to the host what is there after the work so far; waits for it. */
  void download(MemorySegment destination, long source, long bytes) {
    staging.download(destination, source, bytes);
  }

  /** Begins to copy to the host what is there after the work so far. */
  Downloads.Download downloadLater(long source, long bytes) {
    return downloads.begin(source, bytes);
  }

  /** Copies on the device, in the stream's order. */
  void copy(long destination, long source, long bytes) {
    context.makeCurrent();
    context.driver().memcpyDtoDAsync(destination, source, bytes, stream.handle());
  }

  /** Zeroes memory, in the stream's order. */
  void zero(long address, long bytes) {
    context.makeCurrent();
    context.driver().memsetD8Async(address, (byte) 0, bytes, stream.handle());
  }

  /** Room for a number that kernels give back to the host. */
  Results.Result newResult() {
    return results.take();
  }

  @Override
  public void close() {
    if (context.isOpen()) {
      try {
        stream.synchronize();
        context.pool().trim(0);
      } catch (CudaException e) {
        // The context has failed before, and its memory goes with it.
      }
    }
    context.close();
  }
}
