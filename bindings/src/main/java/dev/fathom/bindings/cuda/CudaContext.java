package dev.fathom.bindings.cuda;

import dev.fathom.bindings.LeakDetector;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashSet;
import java.util.SequencedSet;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Work on a GPU: its primary context, and the owner of all memory, streams, events, graphs and
 * modules that are made through it. Closing it closes what is still open.
 *
 * <p>The driver has a current context for each thread; every method here and of what it owns makes
 * this one current on the calling thread first, which costs a look at a thread-local variable where
 * it is current already. Code that makes another context current by other means has to call {@link
 * CudaDriver#ctxSetCurrent} itself afterwards. Any thread may use the context; close it when no
 * other does.
 */
public final class CudaContext implements AutoCloseable {

  private static final ThreadLocal<@Nullable CudaContext> CURRENT = new ThreadLocal<>();

  private final CudaDriver driver;
  private final CudaDevice device;
  private final long handle;
  private final LeakDetector.Tracker tracker;
  private final SequencedSet<CudaResource> resources = new LinkedHashSet<>();
  private final AtomicLong bytesInUse = new AtomicLong();
  private volatile boolean closed;

  private CudaContext(CudaDriver driver, CudaDevice device, long handle) {
    this.driver = driver;
    this.device = device;
    this.handle = handle;
    this.tracker = LeakDetector.track(this);
  }

  /**
   * A context on the GPU that {@link CudaProbe} found.
   *
   * @throws IllegalStateException if there is none, with the reason
   * @throws CudaException if the driver refuses
   */
  public static CudaContext open() {
    CudaProbe probe = CudaProbe.get();
    return open(probe.driver(), probe.device());
  }

  /**
   * A context on a device.
   *
   * @param driver the driver, initialised
   * @throws CudaException if the driver refuses
   */
  public static CudaContext open(CudaDriver driver, CudaDevice device) {
    long handle = driver.devicePrimaryCtxRetain(device.handle());
    return new CudaContext(driver, device, handle);
  }

  /** The layer below; {@link #makeCurrent} comes before its use. */
  public CudaDriver driver() {
    return driver;
  }

  /** The GPU. */
  public CudaDevice device() {
    return device;
  }

  /** Whether it has not been closed. */
  public boolean isOpen() {
    return !closed;
  }

  /**
   * Makes this the calling thread's context.
   *
   * @throws IllegalStateException if it is closed
   */
  public void makeCurrent() {
    if (closed) {
      throw new IllegalStateException("the CUDA context is closed");
    }
    // A virtual thread's variables move with it from one carrier to the next; what the driver
    // calls current stays with the carrier.
    if (CURRENT.get() != this || Thread.currentThread().isVirtual()) {
      driver.ctxSetCurrent(handle);
      CURRENT.set(this);
    }
  }

  /** Waits for all work on the device. */
  public void synchronize() {
    makeCurrent();
    driver.ctxSynchronize();
  }

  /** Free and total memory of the device, whoever uses it. */
  public MemoryInfo memoryInfo() {
    makeCurrent();
    return driver.memGetInfo();
  }

  /** Bytes of {@link DeviceMemory} that are given out. */
  public long bytesInUse() {
    return bytesInUse.get();
  }

  /**
   * Device memory with undefined contents, aligned to 256 bytes.
   *
   * @throws IllegalArgumentException if the number of bytes is not positive
   * @throws CudaOutOfMemoryException if there is no room; the context stays usable
   */
  public DeviceMemory allocate(long bytes) {
    return allocate(bytes, null);
  }

  DeviceMemory allocate(long bytes, @Nullable CudaStream stream) {
    if (bytes < 1) {
      throw new IllegalArgumentException(bytes + " bytes of device memory");
    }
    makeCurrent();
    long address;
    try {
      address =
          stream == null ? driver.memAlloc(bytes) : driver.memAllocAsync(bytes, stream.handle());
    } catch (CudaException e) {
      if (e.code() != CudaException.OUT_OF_MEMORY) {
        throw e;
      }
      throw new CudaOutOfMemoryException(e, bytes, bytesInUse(), driver.memGetInfo());
    }
    bytesInUse.addAndGet(bytes);
    return DeviceMemory.of(own(new DeviceMemory.Block(this, stream, address, bytes)));
  }

  void freed(long bytes) {
    bytesInUse.addAndGet(-bytes);
  }

  /**
   * Page-locked memory of the host, the one kind that is copied asynchronously and at full speed.
   *
   * @throws IllegalArgumentException if the number of bytes is not positive
   * @throws CudaException if the system refuses
   */
  public PinnedMemory allocatePinned(long bytes) {
    if (bytes < 1) {
      throw new IllegalArgumentException(bytes + " bytes of page-locked memory");
    }
    makeCurrent();
    long address = driver.memHostAlloc(bytes, CudaConstants.MEMHOSTALLOC_PORTABLE);
    return own(new PinnedMemory(this, address, bytes));
  }

  /**
   * The pool behind {@link CudaStream#allocate}.
   *
   * @throws CudaException if the device has none
   */
  public MemoryPool pool() {
    makeCurrent();
    return new MemoryPool(this, driver.deviceGetDefaultMemPool(device.handle()));
  }

  /** A stream that does not wait for the default stream. */
  public CudaStream newStream() {
    makeCurrent();
    return own(new CudaStream(this, driver.streamCreate(CudaConstants.STREAM_NON_BLOCKING)));
  }

  /**
   * An event.
   *
   * @param timing whether times can be taken between it and others; without, it is cheaper
   */
  public CudaEvent newEvent(boolean timing) {
    makeCurrent();
    int flags = timing ? 0 : CudaConstants.EVENT_DISABLE_TIMING;
    return own(new CudaEvent(this, driver.eventCreate(flags)));
  }

  /**
   * Loads compiled kernels.
   *
   * @param image a cubin, a fat binary or zero-terminated PTX, in native memory
   * @throws CudaException if the driver does not take it
   */
  public CudaModule load(MemorySegment image) {
    makeCurrent();
    return own(new CudaModule(this, driver.moduleLoadData(image)));
  }

  <T extends CudaResource> T own(T resource) {
    synchronized (resources) {
      resources.add(resource);
    }
    return resource;
  }

  void disown(CudaResource resource) {
    synchronized (resources) {
      resources.remove(resource);
    }
  }

  /**
   * Waits for all work, closes what was made through this context, the latest first, and gives the
   * context back. Later calls do nothing.
   *
   * @throws CudaException the first failure, also one of work before; it is closed all the same
   */
  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    CudaException failure = attempt(null, this::synchronize);
    CudaResource[] left;
    synchronized (resources) {
      left = resources.reversed().toArray(new CudaResource[0]);
    }
    for (CudaResource resource : left) {
      failure = attempt(failure, resource::close);
    }
    closed = true;
    CURRENT.remove();
    failure = attempt(failure, () -> driver.ctxSetCurrent(0));
    failure = attempt(failure, () -> driver.devicePrimaryCtxRelease(device.handle()));
    tracker.closed();
    if (failure != null) {
      throw failure;
    }
  }

  private static @Nullable CudaException attempt(@Nullable CudaException failure, Runnable step) {
    try {
      step.run();
      return failure;
    } catch (CudaException e) {
      return failure == null ? e : failure;
    }
  }

  /** The GPU's name. */
  @Override
  public String toString() {
    return "CUDA context on " + device;
  }
}
