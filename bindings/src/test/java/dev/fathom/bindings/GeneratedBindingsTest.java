package dev.fathom.bindings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.bindings.generated.FathomNative;
import java.io.IOException;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.PaddingLayout;
import java.lang.foreign.SequenceLayout;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The committed bindings agree with the header; needs no jextract. */
class GeneratedBindingsTest {

  private static final String REMEDY =
      " differs from kernels/include/fathom.h: run scripts/generate-bindings";

  private static CHeader header;

  @BeforeAll
  static void readHeader() throws IOException {
    header = CHeader.read();
  }

  @Test
  void headerWasRead() {
    assertTrue(header.functions().size() > 20, "functions: " + header.functions().keySet());
    assertTrue(header.structs().size() > 8, "structs: " + header.structs().keySet());
    assertTrue(header.constants().containsKey("FATHOM_ABI_VERSION"));
    assertTrue(header.constants().containsKey("FATHOM_ISA_AVX512"));
  }

  @Test
  void everyConstantHasTheHeadersValue() throws ReflectiveOperationException {
    for (Map.Entry<String, Integer> constant : header.constants().entrySet()) {
      Object value = FathomNative.class.getMethod(constant.getKey()).invoke(null);
      assertEquals(constant.getValue(), value, () -> constant.getKey() + REMEDY);
    }
  }

  @Test
  void everyFunctionHasTheHeadersSignature() {
    for (Map.Entry<String, CHeader.Function> function : header.functions().entrySet()) {
      Class<?>[] parameters =
          function.getValue().parameters().stream()
              .map(CHeader.Type::carrier)
              .toArray(Class<?>[]::new);
      Method method = method(function.getKey());
      assertEquals(
          Arrays.asList(parameters),
          Arrays.asList(method.getParameterTypes()),
          () -> "parameters: " + function.getKey() + REMEDY);
      assertEquals(
          function.getValue().result().carrier(),
          method.getReturnType(),
          () -> "result: " + function.getKey() + REMEDY);
    }
  }

  @Test
  void nothingElseIsBound() {
    Set<String> wanted = new TreeSet<>(header.functions().keySet());
    wanted.addAll(header.constants().keySet());
    Set<String> bound =
        Arrays.stream(FathomNative.class.getDeclaredMethods())
            .filter(method -> Modifier.isPublic(method.getModifiers()))
            .map(Method::getName)
            .filter(name -> !name.contains("$"))
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(wanted, bound, () -> "FathomNative" + REMEDY);
  }

  @Test
  void everyStructIsLaidOutAsInC() throws ReflectiveOperationException {
    for (Map.Entry<String, List<CHeader.Field>> struct : header.structs().entrySet()) {
      GroupLayout layout = layout(struct.getKey());
      List<String> expected = new ArrayList<>();
      long offset = 0;
      long alignment = 1;
      for (CHeader.Field field : struct.getValue()) {
        long size = field.type().size();
        offset = (offset + size - 1) / size * size;
        alignment = Math.max(alignment, size);
        expected.add(line(field.name(), field.type().carrier(), field.count(), offset));
        offset += size * Math.max(1, field.count());
      }
      assertEquals(expected, describe(layout), () -> struct.getKey() + REMEDY);
      assertEquals(
          (offset + alignment - 1) / alignment * alignment,
          layout.byteSize(),
          () -> "size: " + struct.getKey() + REMEDY);
    }
  }

  @Test
  void everyStructFitsTheReusedArguments() throws ReflectiveOperationException {
    for (String struct : header.structs().keySet()) {
      GroupLayout layout = layout(struct);
      assertTrue(Native.arguments(layout).byteSize() >= layout.byteSize(), struct);
    }
  }

  @Test
  void instructionSetsHaveTheHeadersNumbers() {
    for (CpuIsa isa : CpuIsa.values()) {
      assertEquals(header.constants().get("FATHOM_ISA_" + isa), isa.code());
      assertEquals(isa, CpuIsa.of(isa.code()));
    }
    long inHeader =
        header.constants().keySet().stream().filter(name -> name.startsWith("FATHOM_ISA_")).count();
    assertEquals(inHeader, CpuIsa.values().length);
    assertThrows(IllegalArgumentException.class, () -> CpuIsa.of(77));
  }

  @Test
  void whatTheParserDoesNotUnderstandIsAnError() {
    assertThrows(
        IllegalStateException.class, () -> CHeader.parse("union { int32_t a; float b; } both;"));
    assertThrows(
        IllegalStateException.class,
        () -> CHeader.parse("FATHOM_API fathom_status fathom_f(size_t n);"));
  }

  private static Method method(String name) {
    List<Method> found =
        Arrays.stream(FathomNative.class.getMethods())
            .filter(method -> method.getName().equals(name))
            .toList();
    assertEquals(1, found.size(), () -> name + REMEDY);
    return found.getFirst();
  }

  private static GroupLayout layout(String struct) throws ReflectiveOperationException {
    Class<?> type = Class.forName("dev.fathom.bindings.generated." + struct);
    return (GroupLayout) type.getMethod("layout").invoke(null);
  }

  private static List<String> describe(GroupLayout layout) {
    List<String> lines = new ArrayList<>();
    long offset = 0;
    for (MemoryLayout member : layout.memberLayouts()) {
      switch (member) {
        case PaddingLayout _ -> {}
        case ValueLayout value ->
            lines.add(line(value.name().orElseThrow(), value.carrier(), 0, offset));
        case SequenceLayout sequence ->
            lines.add(
                line(
                    sequence.name().orElseThrow(),
                    ((ValueLayout) sequence.elementLayout()).carrier(),
                    sequence.elementCount(),
                    offset));
        case GroupLayout group -> throw new AssertionError("a struct in a struct: " + group);
      }
      offset += member.byteSize();
    }
    return lines;
  }

  private static String line(String name, Class<?> carrier, long count, long offset) {
    String array = count > 0 ? "[" + count + "]" : "";
    return carrier.getSimpleName() + " " + name + array + " at " + offset;
  }
}
