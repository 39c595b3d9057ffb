package dev.fathom.nn.checkpoint;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * Pickles a state dict (protocol 2) with the instructions that {@code torch.load} allows under
 * {@code weights_only=True}. The k-th tensor is the whole of storage k.
 */
final class PickleWriter {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  private PickleWriter() {}

  static byte[] stateDict(List<TensorInfo> tensors) {
    PickleWriter pickle = new PickleWriter();
    pickle.op(0x80).op(2);
    pickle.emptyOrderedDict();
    pickle.op('(');
    int key = 0;
    for (TensorInfo tensor : tensors) {
      pickle.text(tensor.name());
      pickle.tensor(tensor, key++);
    }
    pickle.op('u').op('.');
    return pickle.out.toByteArray();
  }

  private void tensor(TensorInfo info, int key) {
    global("torch._utils", "_rebuild_tensor_v2");
    op('(');
    op('(');
    text("storage");
    global("torch", TorchGlobals.storageClass(info.dtype()));
    text(Integer.toString(key));
    text("cpu");
    integer(info.elements());
    op('t').op('Q');
    integer(0);
    long[] shape = info.dims();
    tuple(shape);
    long step = 1;
    long[] strides = new long[shape.length];
    for (int i = shape.length - 1; i >= 0; i--) {
      strides[i] = step;
      step *= Math.max(1, shape[i]);
    }
    tuple(strides);
    op(0x89); // requires_grad
    emptyOrderedDict(); // backward hooks
    op('t').op('R');
  }

  private void emptyOrderedDict() {
    global("collections", "OrderedDict");
    op(')').op('R');
  }

  private void tuple(long[] values) {
    op('(');
    for (long value : values) {
      integer(value);
    }
    op('t');
  }

  private void global(String module, String name) {
    op('c').bytes(module + "\n" + name + "\n");
  }

  private void text(String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    op('X').little(utf8.length, 4);
    out.writeBytes(utf8);
  }

  private void integer(long value) {
    if (value < 1 << 8) {
      op('K').little(value, 1);
    } else if (value <= Integer.MAX_VALUE) {
      op('J').little(value, 4);
    } else {
      op(0x8a).op(8).little(value, 8);
    }
  }

  private PickleWriter op(int code) {
    out.write(code);
    return this;
  }

  private void bytes(String ascii) {
    out.writeBytes(ascii.getBytes(StandardCharsets.US_ASCII));
  }

  private void little(long value, int size) {
    for (int i = 0; i < size; i++) {
      out.write((int) (value >>> (8 * i)));
    }
  }
}
