package dev.fathom.training.weights;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * What has come of a file so far: {@code NAME.part}, its running SHA-256, and {@code
 * NAME.part.json}, which says what it is a part of. It outlives the process, so that the next
 * download goes on where this one stopped.
 */
final class PartFile implements AutoCloseable {
  private static final int BUFFER = 1 << 20;

  /**
   * What the part belongs to.
   *
   * @param source the address that was asked
   * @param size of the whole file, -1 if not known
   * @param sha256 as announced
   * @param sha256Header the header that it stood in
   * @param etag strong tag of the answer that carried the body
   */
  record State(
      String source,
      long size,
      @Nullable String sha256,
      @Nullable String sha256Header,
      @Nullable String etag) {
    /** Whether a rest that fits can be told from one that does not. */
    boolean resumable() {
      return etag != null || sha256 != null;
    }

    /** Whether a part of that length is all of a file that can be checked without asking again. */
    boolean isWhole(long length) {
      return length == size && sha256 != null;
    }

    /** What the server announced. */
    Announced announced() {
      return new Announced(size, sha256, sha256Header, etag);
    }
  }

  private final Path path;
  private final Path statePath;
  private final FileChannel file;
  private final WritableByteChannel sink;
  private final MessageDigest digest;
  private long length;

  /**
   * Opens or creates the part of {@code target}.
   *
   * @param wrapper stands between the download and the file; tests make it fail
   */
  PartFile(Path target, UnaryOperator<WritableByteChannel> wrapper) throws IOException {
    path = target.resolveSibling(target.getFileName() + ".part");
    statePath = target.resolveSibling(target.getFileName() + ".part.json");
    file =
        FileChannel.open(
            path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    sink = wrapper.apply(file);
    digest = sha256();
    try {
      readExisting();
    } catch (IOException e) {
      file.close();
      throw e;
    }
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }

  private void readExisting() throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
    file.position(0);
    while (file.read(buffer.clear()) >= 0) {
      digest.update(buffer.flip());
    }
    length = file.position();
  }

  /** Bytes that are here. */
  long length() {
    return length;
  }

  /** The part. */
  Path path() {
    return path;
  }

  /** What the part belongs to, if that is known. */
  Optional<State> state() throws IOException {
    return Json.read(statePath, State.class);
  }

  /** Records what the bytes to come belong to. */
  void state(State state) throws IOException {
    Json.write(statePath, state);
  }

  /** Forgets what is here. */
  void restart() throws IOException {
    Files.deleteIfExists(statePath);
    file.truncate(0);
    file.position(0);
    digest.reset();
    length = 0;
  }

  /**
   * Appends.
   *
   * @throws UserException if the disk does not take it
   */
  void append(ByteBuffer bytes) {
    digest.update(bytes.duplicate());
    int count = bytes.remaining();
    try {
      while (bytes.hasRemaining()) {
        sink.write(bytes);
      }
    } catch (IOException e) {
      throw new UserException(
          path.toString(),
          "cannot write: "
              + e.getMessage()
              + "; what is here is kept, and the next download goes on from it",
          e);
    }
    length += count;
  }

  /** The first bytes, at most {@code count}. */
  byte[] head(int count) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(count);
    int position = 0;
    while (buffer.hasRemaining()) {
      int read = file.read(buffer, position);
      if (read < 0) {
        break;
      }
      position += read;
    }
    byte[] head = new byte[position];
    buffer.flip().get(head);
    return head;
  }

  /** SHA-256 of everything that is here, in hexadecimal. */
  String checksum() {
    try {
      return HexFormat.of().formatHex(((MessageDigest) digest.clone()).digest());
    } catch (CloneNotSupportedException e) {
      throw new AssertionError("the JDK's SHA-256 can be cloned", e);
    }
  }

  /** Makes the bytes durable and gives them their name. */
  void moveTo(Path target) throws IOException {
    file.force(true);
    Files.move(path, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    Files.deleteIfExists(statePath);
    Path folder = target.toAbsolutePath().getParent();
    if (folder != null) {
      // The new name is durable once the folder is.
      try (FileChannel names = FileChannel.open(folder, StandardOpenOption.READ)) {
        names.force(true);
      }
    }
  }

  /** Removes what is here. */
  void delete() throws IOException {
    Files.deleteIfExists(statePath);
    Files.deleteIfExists(path);
  }

  /** Keeps what has come; a part that nothing came of goes. */
  @Override
  public void close() throws IOException {
    boolean empty = file.size() == 0;
    file.close();
    if (empty) {
      delete();
    }
  }
}
