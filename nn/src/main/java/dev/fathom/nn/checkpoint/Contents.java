package dev.fathom.nn.checkpoint;

import java.util.LinkedHashMap;
import java.util.Map;

/** What a reader finds in a mapped file. */
record Contents(
    Checkpoint.Format format,
    LinkedHashMap<String, StoredTensor> tensors,
    Map<String, String> metadata) {}
