package dev.fathom.nn.cuda;

import dev.fathom.bindings.cuda.CudaContext;
import dev.fathom.bindings.cuda.CudaEvent;
import dev.fathom.bindings.cuda.CudaStream;
import dev.fathom.bindings.cuda.DeviceMemory;
import dev.fathom.bindings.cuda.PinnedMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Where kernels write the few numbers that the host wants to know: a ring of slots on the device,
 * each with one in page-locked memory that it is copied to, and an event behind the copy. A result
 * whose slot comes round again is read before, so that it may be asked for at any time; that waits
 * only if all the slots were taken since by work that has not run.
 *
 * <p>Slots are taken under the engine's lock; results may be read from any thread.
 */
final class Results {

  /** Bytes of a slot. */
  static final int BYTES = 64;

  private static final int SLOTS = 256;

  private final CudaContext context;
  private final CudaStream stream;
  private final DeviceMemory device;
  private final MemorySegment host;
  private final Result[] taken = new Result[SLOTS];
  private final CudaEvent[] copied = new CudaEvent[SLOTS];
  private int next;

  Results(CudaContext context, CudaStream stream) {
    this.context = context;
    this.stream = stream;
    device = context.allocate((long) SLOTS * BYTES);
    PinnedMemory pinned = context.allocatePinned((long) SLOTS * BYTES);
    host = pinned.segment();
    Arrays.setAll(copied, _ -> context.newEvent(false));
  }

  /** A slot for the kernels that are launched next; {@link Result#copy} follows them. */
  Result take() {
    int slot = next;
    next = (next + 1) % SLOTS;
    Result before = taken[slot];
    if (before != null) {
      before.retire();
    }
    Result result = new Result(slot);
    taken[slot] = result;
    return result;
  }

  /** What kernels write to one slot. */
  final class Result {

    private final int slot;
    private boolean requested;
    private boolean retired;
    private @Nullable MemorySegment contents;

    private Result(int slot) {
      this.slot = slot;
    }

    /** Where kernels write it. */
    long address() {
      return device.address() + (long) slot * BYTES;
    }

    /** Has it copied to the host once the kernels so far have run. */
    Result copy() {
      return copyFrom(address());
    }

    /** The same from elsewhere on the device, with a slot's bytes. */
    Result copyFrom(long source) {
      context.makeCurrent();
      context.driver().memcpyDtoHAsync(room(), source, BYTES, stream.handle());
      copied[slot].record(stream);
      requested = true;
      return this;
    }

    private MemorySegment room() {
      return host.asSlice((long) slot * BYTES, BYTES);
    }

    /** Whether the kernels' slot on the device still holds it. */
    synchronized boolean onDevice() {
      return !retired;
    }

    /** Its bytes; waits for the kernels if need be. */
    synchronized MemorySegment read() {
      MemorySegment known = contents;
      if (known == null) {
        copied[slot].synchronize();
        known = MemorySegment.ofArray(room().toArray(ValueLayout.JAVA_LONG));
        contents = known;
      }
      return known;
    }

    private synchronized void retire() {
      if (requested) {
        var _ = read();
      }
      retired = true;
    }
  }
}
