package dev.fathom.training.data;

import dev.fathom.training.picture.PictureException;
import dev.fathom.training.picture.PictureReader;
import java.io.EOFException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;

/**
 * Where the bytes of one picture or map are: a file below a folder, or a stretch of a shard.
 *
 * @param container the folder, or the shard
 * @param name the file below the folder, or the member's name
 * @param offset where the bytes begin in the shard; {@link #WHOLE_FILE} for a file
 * @param length bytes of a member
 */
record Part(Path container, String name, long offset, long length) {

  static final long WHOLE_FILE = -1;

  private static final long LONGEST_MEMBER = 1L << 30;

  /** A file. */
  static Part file(Path folder, String name) {
    return new Part(folder, name, WHOLE_FILE, 0);
  }

  /** The file, for messages; a member is named as if the shard were a folder. */
  Path path() {
    return container.resolve(name);
  }

  /**
   * All its bytes. A shard is opened anew for each: no handle is shared between threads, and an
   * interrupt of one does not close it for the others.
   */
  byte[] bytes() throws PictureException {
    if (offset == WHOLE_FILE) {
      return PictureReader.readBytes(path(), "cannot read the file");
    }
    if (length > LONGEST_MEMBER) {
      throw new PictureException(
          path(), "a file of " + (length >> 20) + " MiB, over the limit of 1024");
    }
    try (RandomAccessFile shard = new RandomAccessFile(container.toFile(), "r")) {
      if (offset + length > shard.length()) {
        throw new EOFException();
      }
      byte[] bytes = new byte[Math.toIntExact(length)];
      shard.seek(offset);
      shard.readFully(bytes);
      return bytes;
    } catch (EOFException e) {
      throw new PictureException(path(), "the shard is shorter than when it was opened", e);
    } catch (FileNotFoundException e) {
      throw new PictureException(path(), "the shard cannot be opened any more", e);
    } catch (IOException e) {
      throw new PictureException(path(), "cannot read the shard: " + e.getMessage(), e);
    }
  }
}
