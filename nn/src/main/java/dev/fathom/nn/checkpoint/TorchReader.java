package dev.fathom.nn.checkpoint;

import static dev.fathom.nn.checkpoint.CheckpointException.quote;

import dev.fathom.nn.checkpoint.PyObject.Dict;
import dev.fathom.nn.checkpoint.PyObject.PyList;
import dev.fathom.nn.checkpoint.PyObject.Storage;
import dev.fathom.nn.checkpoint.PyObject.Str;
import dev.fathom.nn.checkpoint.PyObject.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * Reads what {@code torch.save} writes.
 *
 * <p>Since 1.6: a zip archive whose entries lie in one folder, the pickled object in {@code
 * data.pkl}, the storages in {@code data/0}, {@code data/1} and so on, and {@code byteorder}.
 *
 * <p>Before: pickles one after the other - a magic number, the format's version, facts about the
 * machine, the object, the keys of its storages - and then each storage, its number of elements (8
 * bytes) before its little-endian elements.
 */
final class TorchReader {
  /** The pickle of the number 0x1950a86a20f9469cfc6c with which files before 1.6 begin. */
  private static final byte[] LEGACY_MAGIC = {
    (byte) 0x8a,
    10,
    0x6c,
    (byte) 0xfc,
    (byte) 0x9c,
    0x46,
    (byte) 0xf9,
    0x20,
    0x6a,
    (byte) 0xa8,
    0x50,
    0x19
  };

  /** Where {@link TorchWriter} keeps metadata, beside what torch reads. */
  static final String METADATA = "fathom/metadata.json";

  private static final long MAX_METADATA = 1 << 20;
  private static final String PICKLE = "data.pkl";

  private TorchReader() {}

  static boolean isLegacy(MemorySegment file) {
    // PROTO and its argument come before the number.
    return file.byteSize() > 2 + LEGACY_MAGIC.length
        && file.asSlice(2, LEGACY_MAGIC.length).mismatch(MemorySegment.ofArray(LEGACY_MAGIC)) < 0;
  }

  static Contents readZip(MemorySegment file) throws FormatException {
    SequencedMap<String, MemorySegment> entries = ZipDirectory.read(file);
    Map.Entry<String, MemorySegment> pickle =
        ZipDirectory.only(entries, PICKLE)
            .orElseThrow(
                () -> new FormatException("the zip archive has no data.pkl: no torch.save file"));
    String name = pickle.getKey();
    String folder = name.substring(0, name.length() - PICKLE.length());
    if (entries.containsKey(folder + "constants.pkl")) {
      throw new FormatException("it is a TorchScript program; save its state_dict() instead");
    }
    boolean bigEndian = bigEndian(entries.get(folder + "byteorder"));
    PyObject root = new PickleReader(pickle.getValue(), 0, PICKLE).read();
    LinkedHashMap<String, StoredTensor> tensors = new LinkedHashMap<>();
    for (Map.Entry<String, Tensor> entry : StateDict.find(root).entrySet()) {
      Storage storage = entry.getValue().storage();
      MemorySegment bytes = entries.get(folder + "data/" + storage.key());
      if (bytes == null) {
        throw new FormatException(
            "tensor %s lies in %s, which the archive lacks"
                .formatted(quote(entry.getKey()), quote("data/" + storage.key())));
      }
      tensors.put(entry.getKey(), tensor(entry.getKey(), entry.getValue(), bytes, bigEndian));
    }
    return new Contents(
        Checkpoint.Format.TORCH_ZIP, tensors, metadata(entries.get(folder + METADATA)));
  }

  private static boolean bigEndian(@Nullable MemorySegment entry) throws FormatException {
    if (entry == null) {
      return false;
    }
    String order = entry.byteSize() <= 8 ? ByteCursor.decode(entry, "byteorder") : "";
    return switch (order.strip()) {
      case "little" -> false;
      case "big" -> true;
      default -> throw new FormatException("its byteorder is neither little nor big");
    };
  }

  private static Map<String, String> metadata(@Nullable MemorySegment entry)
      throws FormatException {
    Map<String, String> metadata = new LinkedHashMap<>();
    if (entry != null
        && entry.byteSize() <= MAX_METADATA
        && Json.parse(ByteCursor.decode(entry, METADATA)) instanceof Map<?, ?> members) {
      members.forEach((key, value) -> {
        if (key instanceof String name && value instanceof String text) {
          metadata.put(name, text);
        }
      });
    }
    return metadata;
  }

  private static StoredTensor tensor(
      String name, Tensor view, MemorySegment bytes, boolean bigEndian) throws FormatException {
    Storage storage = view.storage();
    int size = storage.dtype().bytes();
    if (storage.first() + storage.elements() > bytes.byteSize() / size) {
      throw new FormatException(
          "storage %s of tensor %s has %d bytes where %d elements of %d bytes should be"
              .formatted(
                  quote(storage.key()),
                  quote(name),
                  bytes.byteSize(),
                  storage.first() + storage.elements(),
                  size));
    }
    MemorySegment part = bytes.asSlice(storage.first() * size, storage.elements() * size);
    return StoredTensor.view(
        name, view.dtype(), view.shape(), view.strides(), view.offset(), part, bigEndian);
  }

  static Contents readLegacy(MemorySegment file) throws FormatException {
    long position = 0;
    for (String part : new String[] {"the magic number", "the version", "the machine's facts"}) {
      position = skipPickle(file, position, part);
    }
    PickleReader object = new PickleReader(file, position, "the pickled object");
    SequencedMap<String, Tensor> views = StateDict.find(object.read());
    PickleReader keyList = new PickleReader(file, object.position(), "the list of storages");
    if (!(keyList.read() instanceof PyList keys)) {
      throw new FormatException("the list of storages is missing");
    }
    Map<String, MemorySegment> storages =
        storages(keys, object.storages(), new ByteCursor(file, keyList.position(), "the file"));

    LinkedHashMap<String, StoredTensor> tensors = new LinkedHashMap<>();
    for (Map.Entry<String, Tensor> entry : views.entrySet()) {
      String key = entry.getValue().storage().key();
      MemorySegment bytes = storages.get(key);
      if (bytes == null) {
        throw new FormatException(
            "tensor %s lies in storage %s, which the file lacks"
                .formatted(quote(entry.getKey()), quote(key)));
      }
      tensors.put(entry.getKey(), tensor(entry.getKey(), entry.getValue(), bytes, false));
    }
    return new Contents(Checkpoint.Format.TORCH_LEGACY, tensors, Map.of());
  }

  private static long skipPickle(MemorySegment file, long position, String what)
      throws FormatException {
    PickleReader reader = new PickleReader(file, position, what);
    PyObject value = reader.read();
    if (value instanceof Dict facts && facts.entries.containsKey("module")) {
      throw new FormatException("it holds a whole module; save its state_dict() instead");
    }
    return reader.position();
  }

  private static Map<String, MemorySegment> storages(
      PyList keys, Map<String, DType> dtypes, ByteCursor in) throws FormatException {
    Map<String, MemorySegment> storages = new HashMap<>();
    for (PyObject item : keys.items) {
      if (!(item instanceof Str key)) {
        throw new FormatException("the list of storages has something that is not a key");
      }
      DType dtype =
          Optional.ofNullable(dtypes.get(key.value()))
              .orElseThrow(
                  () -> new FormatException("no tensor uses storage " + quote(key.value())));
      long elements = in.i64();
      if (elements < 0 || elements > in.remaining() / dtype.bytes()) {
        throw new FormatException(
            "storage %s claims %d elements of %d bytes; %d bytes follow: the file is truncated"
                .formatted(quote(key.value()), elements, dtype.bytes(), in.remaining()));
      }
      storages.put(key.value(), in.slice(elements * dtype.bytes()));
    }
    return storages;
  }
}
