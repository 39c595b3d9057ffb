package dev.fathom.nn.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;

/**
 * A safetensors file of boolean zeros that takes no room on the disk: the shapes of a network of a
 * billion parameters can be tested with it.
 */
final class SparseCheckpoint {
  private SparseCheckpoint() {}

  static Path write(Path file, Map<String, long[]> shapes, Map<String, String> metadata)
      throws IOException {
    StringBuilder header = new StringBuilder("{\"__metadata__\":");
    Json.appendObject(header, metadata);
    long position = 0;
    for (Map.Entry<String, long[]> entry : shapes.entrySet()) {
      TensorInfo info = TensorInfo.of(entry.getKey(), DType.BOOL, entry.getValue());
      header.append(
          ",\"%s\":{\"dtype\":\"BOOL\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
              .formatted(info.name(), info.shape(), position, position + info.byteSize()));
      position += info.byteSize();
    }
    byte[] text = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
    ByteBuffer start = ByteBuffer.allocate(8 + text.length).order(ByteOrder.LITTLE_ENDIAN);
    start.putLong(text.length).put(text).flip();
    Files.deleteIfExists(file);
    try (FileChannel out =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.WRITE,
            StandardOpenOption.SPARSE)) {
      out.write(start);
      out.write(ByteBuffer.allocate(1), 8 + text.length + position - 1);
    }
    return file;
  }
}
