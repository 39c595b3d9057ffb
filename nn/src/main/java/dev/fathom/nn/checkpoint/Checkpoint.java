package dev.fathom.nn.checkpoint;

import static dev.fathom.nn.checkpoint.CheckpointException.quote;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.SequencedSet;

/**
 * An open file of named tensors. The file is mapped, not read: a tensor's bytes are touched only
 * when it is read, and one that is stored as contiguous float32 can be used in place.
 *
 * <p>The mapping lives as long as the checkpoint. After {@link #close} every method that reads, and
 * every segment that {@link #mapped} gave, throws {@link IllegalStateException}. Reading is safe
 * from several threads. The file must not be shortened while it is open: the JVM turns access to
 * vanished pages into an {@link InternalError}.
 *
 * <p>Files are untrusted: nothing in one is ever executed, and a damaged or hostile file makes
 * {@link #open} throw, in bounded time and memory.
 */
public final class Checkpoint implements AutoCloseable {
  /** How the file is laid out. */
  public enum Format {
    SAFETENSORS("safetensors"),
    /** {@code torch.save} since PyTorch 1.6. */
    TORCH_ZIP("torch.save"),
    /** {@code torch.save} before PyTorch 1.6. */
    TORCH_LEGACY("torch.save (legacy)");

    private final String label;

    Format(String label) {
      this.label = label;
    }

    @Override
    public String toString() {
      return label;
    }
  }

  private static final List<String> NAMES_IN_FOLDER =
      List.of("model.safetensors", "pytorch_model.bin");
  private static final int ZIP_START = ZipDirectory.LOCAL;

  private final Path path;
  private final Arena arena;
  private final Format format;
  private final LinkedHashMap<String, StoredTensor> tensors;
  private final Map<String, String> metadata;

  private Checkpoint(Path path, Arena arena, Contents contents) {
    this.path = path;
    this.arena = arena;
    this.format = contents.format();
    this.tensors = contents.tensors();
    this.metadata = Collections.unmodifiableMap(contents.metadata());
  }

  /**
   * Opens a checkpoint; what it is is told from its contents, not from its name.
   *
   * @param path a safetensors file, a file written by {@code torch.save}, or a folder with a {@code
   *     model.safetensors} or {@code pytorch_model.bin} in it
   * @throws CheckpointException if there is no such file, it is none of these, or it is damaged
   */
  @SuppressWarnings("MustBeClosedChecker") // the arena is closed by the checkpoint, or on failure
  public static Checkpoint open(Path path) throws CheckpointException {
    Path file = Files.isDirectory(path) ? inFolder(path) : path;
    Arena arena = Arena.ofShared();
    try {
      Checkpoint checkpoint = new Checkpoint(file, arena, read(map(file, arena)));
      arena = null;
      return checkpoint;
    } catch (FormatException e) {
      throw new CheckpointException(file, e.problem(), e);
    } finally {
      if (arena != null) {
        arena.close();
      }
    }
  }

  private static Path inFolder(Path folder) throws CheckpointException {
    for (String name : NAMES_IN_FOLDER) {
      Path file = folder.resolve(name);
      if (Files.isRegularFile(file)) {
        return file;
      }
    }
    throw new CheckpointException(
        folder, "the folder has no " + String.join(" or ", NAMES_IN_FOLDER));
  }

  private static MemorySegment map(Path file, Arena arena) throws CheckpointException {
    if (Files.exists(file) && !Files.isRegularFile(file)) {
      throw new CheckpointException(file, "is not a regular file");
    }
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    } catch (NoSuchFileException e) {
      throw new CheckpointException(file, "no such file", e);
    } catch (IOException e) {
      throw new CheckpointException(file, "cannot be read: " + e.getMessage(), e);
    }
  }

  private static Contents read(MemorySegment file) throws FormatException {
    if (file.byteSize() == 0) {
      throw new FormatException("the file is empty");
    }
    if (file.byteSize() >= 9) {
      if (file.get(ByteCursor.I32, 0) == ZIP_START) {
        return TorchReader.readZip(file);
      }
      if (TorchReader.isLegacy(file)) {
        return TorchReader.readLegacy(file);
      }
      if (file.get(JAVA_BYTE, 8) == '{') {
        return SafeTensorsReader.read(file);
      }
    }
    throw new FormatException(unknown(file));
  }

  /** What is wrong with a file of no known format; two are met often enough to be named. */
  private static String unknown(MemorySegment file) {
    byte[] start = new byte[(int) Math.min(64, file.byteSize())];
    MemorySegment.copy(file, 0, MemorySegment.ofArray(start), 0, start.length);
    String text = new String(start, StandardCharsets.ISO_8859_1);
    if (text.startsWith("version https://git-lfs")) {
      return "is a Git LFS pointer, not the weights; fetch them with 'git lfs pull'";
    }
    if (text.stripLeading().startsWith("<")) {
      return "is a web page, not a checkpoint; download the file itself";
    }
    return "is neither a safetensors nor a torch.save file";
  }

  public Path path() {
    return path;
  }

  public Format format() {
    return format;
  }

  /** The tensors' names, in the file's order. Cannot be modified. */
  public SequencedSet<String> names() {
    return Collections.unmodifiableSequencedSet(tensors.sequencedKeySet());
  }

  public boolean contains(String name) {
    return tensors.containsKey(name);
  }

  /**
   * Type and shape of a tensor.
   *
   * @throws NoSuchElementException if there is no such tensor
   */
  public TensorInfo info(String name) {
    return tensor(name).info();
  }

  /** What the file says of itself; empty for most files. Cannot be modified. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /**
   * Converts a tensor to contiguous float32. Values that float32 cannot hold are rounded to
   * nearest; beyond its range they become infinite.
   *
   * @param target as many floats as the tensor has elements, in native byte order
   * @throws NoSuchElementException if there is no such tensor
   * @throws IllegalArgumentException if the target's size is another
   * @throws IllegalStateException if the checkpoint is closed
   */
  public void readFloats(String name, MemorySegment target) {
    StoredTensor tensor = tensor(name);
    long needed = Math.multiplyExact(tensor.info().elements(), Float.BYTES);
    if (target.byteSize() != needed) {
      throw new IllegalArgumentException(
          "tensor %s needs %d bytes as float32; the target has %d"
              .formatted(quote(name), needed, target.byteSize()));
    }
    checkOpen();
    tensor.readFloats(target);
  }

  /**
   * The tensor in the file itself, if it is stored as contiguous, aligned, native float32. Read
   * only; valid until the checkpoint is closed.
   *
   * @throws NoSuchElementException if there is no such tensor
   * @throws IllegalStateException if the checkpoint is closed
   */
  public Optional<MemorySegment> mapped(String name) {
    checkOpen();
    return tensor(name).mappedFloats();
  }

  /**
   * The tensor as something to write: its elements with their type, in row-major order. Valid until
   * the checkpoint is closed.
   *
   * @throws NoSuchElementException if there is no such tensor
   */
  public WritableTensor writable(String name) {
    StoredTensor tensor = tensor(name);
    return new WritableTensor() {
      @Override
      public TensorInfo info() {
        return tensor.info();
      }

      @Override
      public void writeTo(Sink sink) throws IOException {
        checkOpen();
        tensor.forEachChunk((bytes, first) -> sink.write(bytes));
      }
    };
  }

  private StoredTensor tensor(String name) {
    StoredTensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new NoSuchElementException(path + " has no tensor " + quote(name));
    }
    return tensor;
  }

  private void checkOpen() {
    if (!arena.scope().isAlive()) {
      throw new IllegalStateException(path + " is closed");
    }
  }

  /** Unmaps the file. Closing again does nothing. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }

  @Override
  public String toString() {
    return "%s (%s, %d tensors)".formatted(path, format, tensors.size());
  }
}
