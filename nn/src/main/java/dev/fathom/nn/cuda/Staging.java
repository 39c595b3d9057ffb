package dev.fathom.nn.cuda;

import dev.fathom.bindings.cuda.CudaContext;
import dev.fathom.bindings.cuda.CudaEvent;
import dev.fathom.bindings.cuda.CudaStream;
import dev.fathom.bindings.cuda.PinnedMemory;
import java.lang.foreign.MemorySegment;

/**
 * Copies between the host's memory and a GPU's through page-locked memory, the only kind that the
 * driver copies without waiting.
 *
 * <p>Uploads go through a ring of {@value #UPLOAD_PARTS} parts of 4 MiB, 64 MiB in all, each
 * allocated when it is first wanted. Small uploads follow each other within a part, large ones take
 * several. Behind a part's last copy the stream gets an event; a part is written again when that
 * has happened. So an upload returns when its bytes are in the ring, and waits only while 60 MiB of
 * earlier ones are on their way. Downloads, which have to wait, go through two more parts, one
 * filled while the other is read.
 *
 * <p>Not thread-safe: used under the engine's lock.
 */
final class Staging {

  private static final int UPLOAD_PARTS = 16;
  private static final int DOWNLOAD_PARTS = 2;
  private static final long PART_BYTES = 4L << 20;

  /** Of each upload's start within a part. */
  private static final long ALIGNMENT = 64;

  /** Page-locked memory, and when the stream is done with it. */
  private static final class Part {
    final MemorySegment memory;
    final CudaEvent free;

    Part(CudaContext context) {
      PinnedMemory pinned = context.allocatePinned(PART_BYTES);
      memory = pinned.segment();
      free = context.newEvent(false);
    }
  }

  private final CudaContext context;
  private final CudaStream stream;
  private final Part[] uploads = new Part[UPLOAD_PARTS];
  private final Part[] downloads = new Part[DOWNLOAD_PARTS];

  /** The part that uploads go to, and how much of it they have taken. */
  private int current;

  private long used;

  Staging(CudaContext context, CudaStream stream) {
    this.context = context;
    this.stream = stream;
  }

  /**
   * Copies to the device in the stream's order, and does not wait for it.
   *
   * @param source native or of the Java heap; the caller's again on return
   */
  void upload(long destination, MemorySegment source, long bytes) {
    for (long done = 0; done < bytes; ) {
      long piece = Math.min(bytes - done, PART_BYTES - used);
      MemorySegment staged = part(uploads, current).memory.asSlice(used, piece);
      MemorySegment.copy(source, done, staged, 0, piece);
      context.makeCurrent();
      context.driver().memcpyHtoDAsync(destination + done, staged, piece, stream.handle());
      done += piece;
      used += (piece + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
      if (used >= PART_BYTES) {
        next();
      }
    }
  }

  /** Leaves the current part to the stream and waits for the next. */
  private void next() {
    part(uploads, current).free.record(stream);
    current = (current + 1) % UPLOAD_PARTS;
    used = 0;
    part(uploads, current).free.synchronize();
  }

  /**
   * Copies to the host what is there after the stream's work so far; waits for it.
   *
   * @param destination native or of the Java heap
   */
  void download(MemorySegment destination, long source, long bytes) {
    begin(source, bytes, 0);
    for (long done = 0; done < bytes; done += PART_BYTES) {
      begin(source, bytes, done + PART_BYTES);
      Part part = downloads(done);
      part.free.synchronize();
      MemorySegment.copy(part.memory, 0, destination, done, Math.min(bytes - done, PART_BYTES));
    }
  }

  /** Queues the copy of the piece at an offset, if there is one. */
  private void begin(long source, long bytes, long offset) {
    if (offset < bytes) {
      Part part = downloads(offset);
      context.makeCurrent();
      context
          .driver()
          .memcpyDtoHAsync(
              part.memory.asSlice(0, Math.min(bytes - offset, PART_BYTES)),
              source + offset,
              Math.min(bytes - offset, PART_BYTES),
              stream.handle());
      part.free.record(stream);
    }
  }

  private Part downloads(long offset) {
    return part(downloads, (int) (offset / PART_BYTES % DOWNLOAD_PARTS));
  }

  private Part part(Part[] parts, int index) {
    Part part = parts[index];
    if (part == null) {
      part = new Part(context);
      parts[index] = part;
    }
    return part;
  }
}
