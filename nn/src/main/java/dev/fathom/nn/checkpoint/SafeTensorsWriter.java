package dev.fathom.nn.checkpoint;

import java.io.IOException;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Writes the safetensors format. Tensors are streamed one by one, those of larger elements first:
 * the format has no gaps, and so every tensor is aligned to its element size.
 */
public final class SafeTensorsWriter {
  private static final int ALIGNMENT = 8;

  private SafeTensorsWriter() {}

  /**
   * Writes a file, whole or not at all.
   *
   * @param metadata what the file is to say of itself; may be empty
   * @throws IllegalArgumentException if two tensors have the same name, or one is {@code
   *     __metadata__}
   * @throws IOException if it cannot be written; an older file of that name is then untouched
   */
  public static void write(
      Path target, Collection<? extends WritableTensor> tensors, Map<String, String> metadata)
      throws IOException {
    AtomicFile.write(target, out -> write(out, tensors, metadata));
  }

  static void write(
      WritableByteChannel channel,
      Collection<? extends WritableTensor> tensors,
      Map<String, String> metadata)
      throws IOException {
    List<WritableTensor> ordered = new ArrayList<>(tensors);
    ordered.sort(Comparator.comparingInt(tensor -> -tensor.info().dtype().bytes()));
    byte[] header = header(ordered, metadata);
    try (TensorChannel out = new TensorChannel(channel)) {
      out.write(littleEndian(header.length));
      out.write(header);
      for (WritableTensor tensor : ordered) {
        out.write(tensor);
      }
      out.flush();
    }
  }

  private static byte[] header(List<WritableTensor> tensors, Map<String, String> metadata) {
    StringBuilder json = new StringBuilder("{");
    String separator = "";
    if (!metadata.isEmpty()) {
      json.append("\"__metadata__\":");
      Json.appendObject(json, metadata);
      separator = ",";
    }
    long position = 0;
    Set<String> names = new HashSet<>(Set.of("__metadata__"));
    for (WritableTensor tensor : tensors) {
      TensorInfo info = tensor.info();
      if (!names.add(info.name())) {
        throw new IllegalArgumentException("two tensors are named " + info.name());
      }
      json.append(separator);
      Json.appendString(json, info.name());
      json.append(":{\"dtype\":\"")
          .append(info.dtype().name())
          .append("\",\"shape\":")
          .append(info.shape().toString().replace(" ", ""))
          .append(",\"data_offsets\":[")
          .append(position)
          .append(',')
          .append(position + info.byteSize())
          .append("]}");
      position += info.byteSize();
      separator = ",";
    }
    json.append('}');
    byte[] text = json.toString().getBytes(StandardCharsets.UTF_8);
    return (json + " ".repeat(-text.length & (ALIGNMENT - 1))).getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] littleEndian(long value) {
    byte[] bytes = new byte[Long.BYTES];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (value >>> (8 * i));
    }
    return bytes;
  }
}
