package dev.fathom.nn.checkpoint;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The values that a pickled checkpoint may hold. They are inert: reading builds them and nothing
 * else. Containers compare by identity, so that no depth of nesting costs anything.
 */
sealed interface PyObject {
  /** None. */
  enum None implements PyObject {
    NONE
  }

  record Bool(boolean value) implements PyObject {
    static final Bool TRUE = new Bool(true);
    static final Bool FALSE = new Bool(false);
  }

  /** An int of at most 64 bits. */
  record Int(long value) implements PyObject {}

  record Str(String value) implements PyObject {}

  /** A value of no interest to a reader of tensors: a float, bytes, a set, a long int, a device. */
  enum Opaque implements PyObject {
    OPAQUE
  }

  /** A class or function of the allow-list, by its full name. */
  record Global(String name) implements PyObject {}

  /**
   * Named bytes of the file.
   *
   * @param key name of the storage
   * @param dtype type of its elements; U8 for an untyped storage
   * @param first index of the first element in the storage that the file holds
   * @param elements their number
   */
  record Storage(String key, DType dtype, long first, long elements) implements PyObject {}

  /** A view of a storage; offset and strides count elements. */
  record Tensor(Storage storage, DType dtype, long offset, List<Long> shape, List<Long> strides)
      implements PyObject {}

  final class Tuple implements PyObject {
    static final Tuple EMPTY = new Tuple(List.of());
    final List<PyObject> items;

    Tuple(List<PyObject> items) {
      this.items = items;
    }
  }

  final class PyList implements PyObject {
    final List<PyObject> items = new ArrayList<>(0);
  }

  /**
   * A dict or OrderedDict. Entries whose key is not a str are dropped: no tensor of a state dict is
   * under one, and keys of foreign types would have to be compared.
   */
  final class Dict implements PyObject {
    final Map<String, PyObject> entries = new LinkedHashMap<>();

    void put(PyObject key, PyObject value) {
      if (key instanceof Str name) {
        entries.put(name.value, value);
      }
    }
  }
}
