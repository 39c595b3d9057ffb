package dev.fathom.nn.checkpoint;

import static dev.fathom.nn.checkpoint.CheckpointException.quote;

import dev.fathom.nn.checkpoint.PyObject.Dict;
import dev.fathom.nn.checkpoint.PyObject.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * Finds the state dict in what {@code torch.save} wrote: the saved object itself, or the dict that
 * a training program put under one of the usual keys, beside its epoch and its optimizer.
 */
final class StateDict {
  private static final List<String> USUAL_KEYS = List.of("model", "state_dict", "model_state_dict");
  private static final int MAX_DEPTH = 4;

  private StateDict() {}

  static SequencedMap<String, Tensor> find(PyObject root) throws FormatException {
    if (!(root instanceof Dict dict)) {
      throw new FormatException("it holds something other than a dict of tensors");
    }
    return find(dict, 0);
  }

  private static SequencedMap<String, Tensor> find(Dict dict, int depth) throws FormatException {
    if (depth < MAX_DEPTH) {
      for (String key : USUAL_KEYS) {
        if (dict.entries.get(key) instanceof Dict inner && holdsTensors(inner, depth + 1)) {
          return find(inner, depth + 1);
        }
      }
    }
    SequencedMap<String, Tensor> tensors = tensors(dict);
    if (!tensors.isEmpty()) {
      return tensors;
    }
    List<String> keys = new ArrayList<>();
    for (Map.Entry<String, PyObject> entry : dict.entries.entrySet()) {
      if (entry.getValue() instanceof Dict inner && !tensors(inner).isEmpty()) {
        keys.add(entry.getKey());
      }
    }
    if (keys.size() == 1 && dict.entries.get(keys.getFirst()) instanceof Dict only) {
      return tensors(only);
    }
    if (keys.isEmpty()) {
      throw new FormatException("it holds no named tensors");
    }
    throw new FormatException(
        "it holds tensors under %s and under %s; which of them are the weights cannot be told"
            .formatted(quote(keys.get(0)), quote(keys.get(1))));
  }

  private static boolean holdsTensors(Dict dict, int depth) {
    for (PyObject value : dict.entries.values()) {
      if (value instanceof Tensor) {
        return true;
      }
    }
    for (String key : USUAL_KEYS) {
      if (depth < MAX_DEPTH
          && dict.entries.get(key) instanceof Dict inner
          && holdsTensors(inner, depth + 1)) {
        return true;
      }
    }
    return false;
  }

  private static SequencedMap<String, Tensor> tensors(Dict dict) {
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    dict.entries.forEach((name, value) -> {
      if (value instanceof Tensor tensor) {
        tensors.put(name, tensor);
      }
    });
    return tensors;
  }
}
