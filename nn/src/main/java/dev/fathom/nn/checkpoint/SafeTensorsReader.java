package dev.fathom.nn.checkpoint;

import static dev.fathom.nn.checkpoint.CheckpointException.quote;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads the safetensors format: the header's length (8 bytes), a JSON header that gives each
 * tensor's type, shape and place, then the tensors' bytes, without gaps or overlaps.
 *
 * @see <a href="https://github.com/huggingface/safetensors#format">The format</a>
 */
final class SafeTensorsReader {
  /** Longest header that is read; a header takes about 100 bytes for each tensor. */
  static final long MAX_HEADER = 16 << 20;

  private record Span(String name, long start, long end) {}

  private SafeTensorsReader() {}

  static Contents read(MemorySegment file) throws FormatException {
    ByteCursor cursor = new ByteCursor(file, 0, "the safetensors file");
    long size = cursor.i64();
    if (size < 2 || size > cursor.remaining()) {
      throw new FormatException(
          "the safetensors header claims %s bytes of the %d that follow"
              .formatted(Long.toUnsignedString(size), cursor.remaining()));
    }
    if (size > MAX_HEADER) {
      throw new FormatException(
          "the safetensors header of " + size + " bytes is longer than " + MAX_HEADER);
    }
    String text = ByteCursor.decode(cursor.slice(size), "the safetensors header");
    MemorySegment data = cursor.slice(cursor.remaining());
    Map<?, ?> header = parse(text);

    Map<String, String> metadata = Map.of();
    LinkedHashMap<String, StoredTensor> tensors = new LinkedHashMap<>();
    List<Span> spans = new ArrayList<>();
    for (Map.Entry<?, ?> entry : header.entrySet()) {
      String name = (String) entry.getKey();
      if (name.equals("__metadata__")) {
        metadata = metadata(entry.getValue());
      } else {
        tensors.put(name, tensor(name, entry.getValue(), data, spans));
      }
    }
    checkSpans(spans, data.byteSize());
    return new Contents(Checkpoint.Format.SAFETENSORS, tensors, metadata);
  }

  private static Map<?, ?> parse(String text) throws FormatException {
    try {
      if (Json.parse(text) instanceof Map<?, ?> header) {
        return header;
      }
    } catch (FormatException e) {
      throw new FormatException("the safetensors header " + e.problem());
    }
    throw new FormatException("the safetensors header is not an object");
  }

  private static Map<String, String> metadata(Object value) throws FormatException {
    Map<String, String> metadata = new LinkedHashMap<>();
    if (value instanceof Map<?, ?> members) {
      for (Map.Entry<?, ?> member : members.entrySet()) {
        if (member.getKey() instanceof String key && member.getValue() instanceof String text) {
          metadata.put(key, text);
        } else {
          throw new FormatException(
              "the metadata " + quote(String.valueOf(member.getKey())) + " is not a text");
        }
      }
      return metadata;
    }
    throw new FormatException("the metadata is not an object");
  }

  private static StoredTensor tensor(
      String name, Object description, MemorySegment data, List<Span> spans)
      throws FormatException {
    String tensor = "tensor " + quote(name);
    if (!(description instanceof Map<?, ?> fields)
        || !(fields.get("dtype") instanceof String dtypeName)
        || !(fields.get("shape") instanceof List<?> sizes)
        || !(fields.get("data_offsets") instanceof List<?> offsets)
        || offsets.size() != 2
        || !(offsets.get(0) instanceof Long start)
        || !(offsets.get(1) instanceof Long end)) {
      throw new FormatException(tensor + " lacks a dtype, a shape or two data_offsets");
    }
    if (sizes.size() > StoredTensor.MAX_RANK) {
      throw new FormatException(tensor + " has " + sizes.size() + " dimensions");
    }
    List<Long> shape = new ArrayList<>();
    for (Object size : sizes) {
      if (!(size instanceof Long number) || number < 0) {
        throw new FormatException(tensor + " has a size that is not a whole number");
      }
      shape.add(number);
    }
    TensorInfo info;
    try {
      info = new TensorInfo(name, dtype(dtypeName, tensor), shape);
    } catch (ArithmeticException e) {
      throw new FormatException(tensor + " of shape " + shape + " is too large");
    }
    if (start < 0 || end < start || end > data.byteSize()) {
      throw new FormatException(
          "%s lies at bytes %d to %d of %d: the file is truncated or its header is wrong"
              .formatted(tensor, start, end, data.byteSize()));
    }
    if (end - start != info.byteSize()) {
      throw new FormatException(
          "%s of %s %s takes %d bytes, not %d"
              .formatted(tensor, dtypeName, shape, info.byteSize(), end - start));
    }
    spans.add(new Span(name, start, end));
    return StoredTensor.contiguous(info, data.asSlice(start, end - start));
  }

  private static DType dtype(String name, String tensor) throws FormatException {
    for (DType dtype : DType.values()) {
      if (dtype.name().equals(name)) {
        return dtype;
      }
    }
    throw new FormatException(tensor + " has the dtype " + quote(name) + ", which is not known");
  }

  private static void checkSpans(List<Span> spans, long size) throws FormatException {
    spans.sort(Comparator.comparingLong(Span::start).thenComparingLong(Span::end));
    long position = 0;
    String before = "";
    for (Span span : spans) {
      if (span.start < position) {
        throw new FormatException(
            "tensors " + quote(before) + " and " + quote(span.name) + " overlap");
      }
      if (span.start > position) {
        throw new FormatException("no tensor has the bytes before tensor " + quote(span.name));
      }
      position = span.end;
      before = span.name;
    }
    if (position != size) {
      throw new FormatException(
          "the last " + (size - position) + " bytes of the file belong to no tensor");
    }
  }
}
