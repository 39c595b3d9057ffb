package dev.fathom.nn.checkpoint;

import static dev.fathom.nn.checkpoint.CheckpointException.quote;

import dev.fathom.nn.checkpoint.PyObject.Global;
import dev.fathom.nn.checkpoint.PyObject.Int;
import dev.fathom.nn.checkpoint.PyObject.None;
import dev.fathom.nn.checkpoint.PyObject.Opaque;
import dev.fathom.nn.checkpoint.PyObject.PyList;
import dev.fathom.nn.checkpoint.PyObject.Storage;
import dev.fathom.nn.checkpoint.PyObject.Str;
import dev.fathom.nn.checkpoint.PyObject.Tensor;
import dev.fathom.nn.checkpoint.PyObject.Tuple;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The classes and functions that a checkpoint written by {@code torch.save} may name: containers,
 * storages, element types and the functions that rebuild a tensor from a storage.
 */
final class TorchGlobals {
  static final String ORDERED_DICT = "collections.OrderedDict";

  private static final String REBUILD = "torch._utils._rebuild_";
  private static final String PARAMETER = "torch.nn.parameter.Parameter";
  private static final String UNTYPED_STORAGE = "torch.storage.UntypedStorage";

  /** The typed storage classes. */
  private static final Map<String, DType> STORAGES =
      Map.of(
          "torch.BoolStorage", DType.BOOL,
          "torch.ByteStorage", DType.U8,
          "torch.CharStorage", DType.I8,
          "torch.ShortStorage", DType.I16,
          "torch.IntStorage", DType.I32,
          "torch.LongStorage", DType.I64,
          "torch.HalfStorage", DType.F16,
          "torch.BFloat16Storage", DType.BF16,
          "torch.FloatStorage", DType.F32,
          "torch.DoubleStorage", DType.F64);

  private static final Map<String, DType> DTYPES = dtypes();

  /** Functions that rebuild a tensor, and those whose result is of no interest here. */
  private static final Set<String> FUNCTIONS =
      Set.of(
          ORDERED_DICT,
          "collections.Counter",
          REBUILD + "tensor",
          REBUILD + "tensor_v2",
          REBUILD + "tensor_v3",
          REBUILD + "parameter",
          REBUILD + "parameter_with_state",
          "torch._tensor._rebuild_from_type_v2",
          PARAMETER,
          "torch.Tensor",
          "torch.Size",
          "torch.device",
          "_codecs.encode",
          "__builtin__.set",
          "builtins.set",
          UNTYPED_STORAGE);

  private TorchGlobals() {}

  private static Map<String, DType> dtypes() {
    Map<String, DType> types = new HashMap<>();
    types.put("torch.bool", DType.BOOL);
    types.put("torch.uint8", DType.U8);
    types.put("torch.int8", DType.I8);
    types.put("torch.uint16", DType.U16);
    types.put("torch.int16", DType.I16);
    types.put("torch.uint32", DType.U32);
    types.put("torch.int32", DType.I32);
    types.put("torch.uint64", DType.U64);
    types.put("torch.int64", DType.I64);
    types.put("torch.float16", DType.F16);
    types.put("torch.bfloat16", DType.BF16);
    types.put("torch.float32", DType.F32);
    types.put("torch.float64", DType.F64);
    return Map.copyOf(types);
  }

  /** The storage class of an element type, without its module {@code torch}. */
  static String storageClass(DType dtype) {
    for (Map.Entry<String, DType> entry : STORAGES.entrySet()) {
      if (entry.getValue() == dtype) {
        return entry.getKey().substring("torch.".length());
      }
    }
    throw new IllegalArgumentException("torch.save has no storage for " + dtype);
  }

  /**
   * A global of the allow-list.
   *
   * @throws FormatException if it is not on the list
   */
  static Global find(String module, String name) throws FormatException {
    String full = module + "." + name;
    if (!FUNCTIONS.contains(full) && !STORAGES.containsKey(full) && !DTYPES.containsKey(full)) {
      throw new FormatException(
          "it refers to " + quote(full) + ", which is no part of a state dict; nothing was run");
    }
    return new Global(full);
  }

  /** What a call of a function of the allow-list gives. */
  static PyObject call(Global function, List<PyObject> arguments) throws FormatException {
    String name = function.name();
    return switch (name) {
      case REBUILD + "tensor", REBUILD + "tensor_v2" -> {
        if (arguments.size() < 4 || !(arguments.getFirst() instanceof Storage storage)) {
          throw unexpected(name);
        }
        yield tensor(name, storage, storage.dtype(), arguments);
      }
      case REBUILD + "tensor_v3" -> {
        if (arguments.size() < 7
            || !(arguments.getFirst() instanceof Storage storage)
            || !(arguments.get(6) instanceof Global type)
            || !DTYPES.containsKey(type.name())) {
          throw unexpected(name);
        }
        yield tensor(name, storage, dtype(type), arguments);
      }
      case REBUILD + "parameter", REBUILD + "parameter_with_state", PARAMETER -> {
        if (arguments.isEmpty() || !(arguments.getFirst() instanceof Tensor tensor)) {
          throw unexpected(name);
        }
        yield tensor;
      }
      case "torch._tensor._rebuild_from_type_v2" -> {
        if (arguments.size() != 4
            || !(arguments.getFirst() instanceof Global rebuild)
            || !rebuild.name().startsWith(REBUILD)
            || !(arguments.get(2) instanceof Tuple inner)) {
          throw unexpected(name);
        }
        yield call(rebuild, inner.items);
      }
      case "torch.Size" -> {
        if (arguments.size() != 1 || !(arguments.getFirst() instanceof Tuple sizes)) {
          throw unexpected(name);
        }
        yield sizes;
      }
      case "collections.Counter",
          "torch.device",
          "_codecs.encode",
          "__builtin__.set",
          "builtins.set" ->
          Opaque.OPAQUE;
      default -> throw new FormatException("it calls " + quote(name) + ", which is not done");
    };
  }

  private static DType dtype(Global type) throws FormatException {
    DType dtype = DTYPES.get(type.name());
    if (dtype == null) {
      throw unexpected(type.name());
    }
    return dtype;
  }

  private static Tensor tensor(
      String function, Storage storage, DType dtype, List<PyObject> arguments)
      throws FormatException {
    if (!(arguments.get(1) instanceof Int offset)) {
      throw unexpected(function);
    }
    return new Tensor(
        storage,
        dtype,
        offset.value(),
        integers(function, arguments.get(2)),
        integers(function, arguments.get(3)));
  }

  private static List<Long> integers(String function, PyObject value) throws FormatException {
    List<PyObject> items =
        switch (value) {
          case Tuple tuple -> tuple.items;
          case PyList list -> list.items;
          default -> throw unexpected(function);
        };
    if (items.size() > StoredTensor.MAX_RANK) {
      throw new FormatException("it has a tensor of " + items.size() + " dimensions");
    }
    List<Long> integers = new ArrayList<>(items.size());
    for (PyObject item : items) {
      if (!(item instanceof Int integer)) {
        throw unexpected(function);
      }
      integers.add(integer.value());
    }
    return integers;
  }

  /**
   * What a persistent id stands for: {@code ("storage", class, key, device, size)}, and in the
   * format before 1.6 a sixth item, None or the part {@code (key, first, size)} of the storage.
   */
  static Storage storage(PyObject id) throws FormatException {
    if (!(id instanceof Tuple tuple)
        || tuple.items.size() < 5
        || !(tuple.items.get(0) instanceof Str kind)
        || !kind.value().equals("storage")
        || !(tuple.items.get(1) instanceof Global type)
        || !(tuple.items.get(2) instanceof Str key)
        || !(tuple.items.get(4) instanceof Int size)
        || size.value() < 0) {
      throw new FormatException("it refers to something outside that is not a storage");
    }
    DType dtype = type.name().equals(UNTYPED_STORAGE) ? DType.U8 : STORAGES.get(type.name());
    if (dtype == null) {
      throw new FormatException("it has a storage of class " + quote(type.name()));
    }
    long first = 0;
    long elements = size.value();
    if (tuple.items.size() > 5 && tuple.items.get(5) != None.NONE) {
      if (!(tuple.items.get(5) instanceof Tuple part)
          || part.items.size() != 3
          || !(part.items.get(1) instanceof Int start)
          || !(part.items.get(2) instanceof Int length)
          || start.value() < 0
          || length.value() < 0
          || start.value() > size.value() - length.value()) {
        throw new FormatException("storage " + quote(key.value()) + " has an ill-formed part");
      }
      first = start.value();
      elements = length.value();
    }
    return new Storage(key.value(), dtype, first, elements);
  }

  private static FormatException unexpected(String function) {
    return new FormatException("it calls " + quote(function) + " with unexpected arguments");
  }
}
