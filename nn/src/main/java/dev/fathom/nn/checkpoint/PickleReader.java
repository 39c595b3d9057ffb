package dev.fathom.nn.checkpoint;

import static dev.fathom.nn.checkpoint.CheckpointException.quote;

import dev.fathom.nn.checkpoint.PyObject.Bool;
import dev.fathom.nn.checkpoint.PyObject.Dict;
import dev.fathom.nn.checkpoint.PyObject.Global;
import dev.fathom.nn.checkpoint.PyObject.Int;
import dev.fathom.nn.checkpoint.PyObject.None;
import dev.fathom.nn.checkpoint.PyObject.Opaque;
import dev.fathom.nn.checkpoint.PyObject.PyList;
import dev.fathom.nn.checkpoint.PyObject.Storage;
import dev.fathom.nn.checkpoint.PyObject.Str;
import dev.fathom.nn.checkpoint.PyObject.Tuple;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads a pickle (protocols 2 to 5) of plain data and tensors. A pickle is a program: this reader
 * knows only the instructions that build data, and of the functions a pickle may call only those of
 * {@link TorchGlobals}, none of which does anything but describe a tensor. Anything else is an
 * error that names it. The number of instructions and of bytes is bounded, and with them time and
 * memory.
 */
final class PickleReader {
  static final int MAX_INSTRUCTIONS = 2_000_000;
  static final long MAX_BYTES = 32L << 20;
  private static final int LONGEST_TEXT = 1 << 20;
  private static final int LONGEST_GLOBAL = 512;

  private final ByteCursor in;
  private final String what;
  private final Map<Long, PyObject> memo = new HashMap<>();
  private final Deque<List<PyObject>> marked = new ArrayDeque<>();
  private final Map<String, DType> storages = new HashMap<>();
  private List<PyObject> stack = new ArrayList<>();

  /** Items that calls may still copy; a pickle could otherwise copy one long list many times. */
  private int copies = MAX_INSTRUCTIONS;

  /**
   * @param what named in messages
   */
  PickleReader(MemorySegment bytes, long position, String what) {
    this.in = new ByteCursor(bytes, position, what);
    this.what = what;
  }

  /** Where the pickle that was read ends. */
  long position() {
    return in.position();
  }

  /** The element type of each storage that the pickle refers to, by the storage's key. */
  Map<String, DType> storages() {
    return storages;
  }

  /** Reads one pickle up to its STOP. */
  PyObject read() throws FormatException {
    long start = in.position();
    for (int i = 0; i < MAX_INSTRUCTIONS; i++) {
      if (in.position() - start > MAX_BYTES) {
        throw new FormatException(what + " is longer than " + MAX_BYTES + " bytes");
      }
      int opcode = in.u8();
      if (opcode == '.') {
        return pop();
      }
      execute(opcode);
    }
    throw new FormatException(what + " has more than " + MAX_INSTRUCTIONS + " instructions");
  }

  private void execute(int opcode) throws FormatException {
    switch (opcode) {
      case 0x80 -> protocol(in.u8());
      case 0x95 -> in.skip(8); // FRAME
      case '(' -> mark();
      case '0' -> pop();
      case '1' -> popMark();
      case '2' -> push(top());
      case 'N' -> push(None.NONE);
      case 0x88 -> push(Bool.TRUE);
      case 0x89 -> push(Bool.FALSE);
      case 'J' -> push(new Int(in.i32()));
      case 'K' -> push(new Int(in.u8()));
      case 'M' -> push(new Int(in.u16()));
      case 0x8a -> push(longInteger(in.u8()));
      case 'G' -> skipOpaque(8);
      case 'X' -> push(text(in.u32()));
      case 0x8c -> push(text(in.u8()));
      case 'T' -> push(latin1(in.u32()));
      case 'U' -> push(latin1(in.u8()));
      case 'B' -> skipOpaque(in.u32());
      case 'C' -> skipOpaque(in.u8());
      case ')' -> push(Tuple.EMPTY);
      case 't' -> push(new Tuple(popMark()));
      case 0x85 -> push(tuple(1));
      case 0x86 -> push(tuple(2));
      case 0x87 -> push(tuple(3));
      case ']' -> push(new PyList());
      case 'a' -> append(List.of(pop()));
      case 'e' -> append(popMark());
      case '}' -> push(new Dict());
      case 's' -> setItems(tuple(2).items);
      case 'u' -> setItems(popMark());
      case 0x8f -> push(Opaque.OPAQUE); // EMPTY_SET
      case 0x90 -> popMark(); // ADDITEMS
      case 'q' -> memo.put((long) in.u8(), top());
      case 'r' -> memo.put(in.u32(), top());
      case 0x94 -> memo.put((long) memo.size(), top()); // MEMOIZE
      case 'h' -> push(recall(in.u8()));
      case 'j' -> push(recall(in.u32()));
      case 'c' -> push(TorchGlobals.find(in.line(LONGEST_GLOBAL), in.line(LONGEST_GLOBAL)));
      case 0x93 -> stackGlobal();
      case 'R' -> reduce();
      case 'b' -> build();
      case 'Q' -> push(storage());
      default ->
          throw new FormatException(
              "%s has the instruction 0x%02x, which no checkpoint needs".formatted(what, opcode));
    }
  }

  private void protocol(int version) throws FormatException {
    if (version < 2 || version > 5) {
      throw new FormatException(what + " has pickle protocol " + version);
    }
  }

  private void mark() {
    marked.push(stack);
    stack = new ArrayList<>(4);
  }

  private List<PyObject> popMark() throws FormatException {
    List<PyObject> items = stack;
    List<PyObject> below = marked.poll();
    if (below == null) {
      throw underflow();
    }
    stack = below;
    return items;
  }

  private void push(PyObject value) {
    stack.add(value);
  }

  private PyObject pop() throws FormatException {
    if (stack.isEmpty()) {
      throw underflow();
    }
    return stack.removeLast();
  }

  private PyObject top() throws FormatException {
    if (stack.isEmpty()) {
      throw underflow();
    }
    return stack.getLast();
  }

  private FormatException underflow() {
    return new FormatException(what + " is damaged: an instruction lacks its operand");
  }

  private PyObject recall(long index) throws FormatException {
    PyObject value = memo.get(index);
    if (value == null) {
      throw new FormatException(what + " is damaged: it refers to value " + index + ", not given");
    }
    return value;
  }

  private Tuple tuple(int size) throws FormatException {
    if (stack.size() < size) {
      throw underflow();
    }
    List<PyObject> tail = stack.subList(stack.size() - size, stack.size());
    Tuple tuple = new Tuple(List.copyOf(tail));
    tail.clear();
    return tuple;
  }

  /** A little-endian two's complement number. */
  private PyObject longInteger(int size) throws FormatException {
    byte[] digits = in.array(size);
    if (size > Long.BYTES) {
      return Opaque.OPAQUE;
    }
    long value = size > 0 && digits[size - 1] < 0 ? -1 : 0;
    for (int i = size - 1; i >= 0; i--) {
      value = (value << 8) | (digits[i] & 0xff);
    }
    return new Int(value);
  }

  private Str text(long size) throws FormatException {
    return new Str(in.utf8(size, LONGEST_TEXT));
  }

  /** A str of Python 2, whose encoding is not known; names of tensors are ASCII. */
  private Str latin1(long size) throws FormatException {
    if (size > LONGEST_TEXT) {
      throw new FormatException(what + " has a text of " + size + " bytes");
    }
    return new Str(new String(in.array((int) size), StandardCharsets.ISO_8859_1));
  }

  private void skipOpaque(long size) throws FormatException {
    in.skip(size);
    push(Opaque.OPAQUE);
  }

  private void append(List<PyObject> items) throws FormatException {
    if (!(top() instanceof PyList list)) {
      throw new FormatException(what + " appends to something that is not a list");
    }
    list.items.addAll(items);
  }

  private void setItems(List<PyObject> items) throws FormatException {
    if (!(top() instanceof Dict dict) || items.size() % 2 != 0) {
      throw new FormatException(what + " sets an item of something that is not a dict");
    }
    for (int i = 0; i < items.size(); i += 2) {
      dict.put(items.get(i), items.get(i + 1));
    }
  }

  private PyObject storage() throws FormatException {
    Storage storage = TorchGlobals.storage(pop());
    DType before = storages.put(storage.key(), storage.dtype());
    if (before != null && before != storage.dtype()) {
      throw new FormatException(
          "storage %s has elements of both %s and %s"
              .formatted(quote(storage.key()), before, storage.dtype()));
    }
    return storage;
  }

  private void stackGlobal() throws FormatException {
    PyObject name = pop();
    PyObject module = pop();
    if (!(name instanceof Str n) || !(module instanceof Str m)) {
      throw new FormatException(what + " has a global whose name is not a text");
    }
    push(TorchGlobals.find(m.value(), n.value()));
  }

  private void reduce() throws FormatException {
    PyObject arguments = pop();
    PyObject function = pop();
    if (!(function instanceof Global global) || !(arguments instanceof Tuple tuple)) {
      throw new FormatException(what + " calls something that is not a function");
    }
    if (global.name().equals(TorchGlobals.ORDERED_DICT)) {
      push(orderedDict(tuple.items));
    } else {
      push(TorchGlobals.call(global, tuple.items));
    }
  }

  /** An OrderedDict, of nothing or (as Python 2 wrote it) of a list of pairs. */
  private Dict orderedDict(List<PyObject> arguments) throws FormatException {
    Dict dict = new Dict();
    if (arguments.isEmpty()) {
      return dict;
    }
    if (arguments.size() == 1 && arguments.getFirst() instanceof PyList pairs) {
      copies -= pairs.items.size();
      if (copies < 0) {
        throw new FormatException(what + " copies too many items");
      }
      for (PyObject pair : pairs.items) {
        List<PyObject> items =
            switch (pair) {
              case PyList list -> list.items;
              case Tuple tuple -> tuple.items;
              default -> List.of();
            };
        if (items.size() != 2) {
          throw new FormatException(what + " has an OrderedDict of something other than pairs");
        }
        dict.put(items.get(0), items.get(1));
      }
      return dict;
    }
    throw new FormatException(
        what + " calls " + quote(TorchGlobals.ORDERED_DICT) + " with unexpected arguments");
  }

  /** Attributes of a state dict, such as its _metadata, are of no use here and dropped. */
  private void build() throws FormatException {
    pop();
    if (!(top() instanceof Dict)) {
      throw new FormatException(what + " sets attributes of something that is not a dict");
    }
  }
}
