package dev.fathom.bindings;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * kernels/include/fathom.h, read by the few rules it keeps: fixed-size types, structs and enums
 * without tags, integer constants. What does not fit them is an error, not skipped.
 *
 * @param constants name to value
 * @param structs name to fields
 * @param functions name to signature
 */
record CHeader(
    Map<String, Integer> constants,
    Map<String, List<Field>> structs,
    Map<String, Function> functions) {

  /** A type of the header: the Java type that carries it, and its size, which is its alignment. */
  record Type(Class<?> carrier, long size) {}

  record Field(String name, Type type, long count) {}

  record Function(Type result, List<Type> parameters) {}

  private static final Pattern DECLARATION =
      Pattern.compile(
          "#define (?<define>FATHOM_[A-Z_]+) (?<value>\\d+)$"
              + "|^enum \\{(?<enum>[^}]*)\\};"
              + "|^typedef struct \\{(?<fields>[^}]*)\\} (?<struct>\\w+);"
              + "|^FATHOM_API (?<function>[^;]*);",
          Pattern.MULTILINE);
  private static final Pattern IGNORED =
      Pattern.compile(
          "#(ifndef|ifdef|endif|include|define FATHOM_H\\b|define FATHOM_API)[^\n]*"
              + "|extern \"C\" \\{|^\\}"
              + "|typedef int32_t fathom_status;"
              + "|typedef struct fathom_context fathom_context;",
          Pattern.MULTILINE);
  private static final Pattern DECLARATOR =
      Pattern.compile("(?:const )?(?<type>\\w+) ?(?<pointer>\\*{0,2}) ?(?<name>\\w+)");

  static CHeader read() throws IOException {
    Path module = Path.of(System.getProperty("basedir", "")).toAbsolutePath();
    return parse(Files.readString(module.resolve("../kernels/include/fathom.h")));
  }

  static CHeader parse(String source) {
    String text = source.replaceAll("(?s)/\\*.*?\\*/", "").replaceAll("//[^\n]*", "");
    CHeader header =
        new CHeader(new LinkedHashMap<>(), new LinkedHashMap<>(), new LinkedHashMap<>());
    StringBuilder rest = new StringBuilder();
    Matcher matcher = DECLARATION.matcher(text);
    while (matcher.find()) {
      matcher.appendReplacement(rest, "");
      if (matcher.group("define") != null) {
        header.constants().put(matcher.group("define"), Integer.valueOf(matcher.group("value")));
      } else if (matcher.group("enum") != null) {
        header.addEnum(matcher.group("enum"));
      } else if (matcher.group("struct") != null) {
        header.addStruct(matcher.group("struct"), matcher.group("fields"));
      } else {
        header.addFunction(matcher.group("function").replaceAll("\\s+", " "));
      }
    }
    matcher.appendTail(rest);
    String unknown = IGNORED.matcher(rest).replaceAll("").strip();
    if (!unknown.isEmpty()) {
      throw new IllegalStateException("not understood in fathom.h: " + unknown);
    }
    return header;
  }

  private void addEnum(String body) {
    for (String entry : body.split(",", -1)) {
      if (entry.isBlank()) {
        continue;
      }
      String[] sides = entry.strip().split(" = ", -1);
      constants.put(sides[0], Integer.valueOf(sides[1]));
    }
  }

  private void addStruct(String name, String body) {
    List<Field> fields = new ArrayList<>();
    for (String line : body.split(";", -1)) {
      if (line.isBlank()) {
        continue;
      }
      // "int64_t rows, in, out": the first has the type, the others share it.
      String[] names = line.strip().split(",\\s*", -1);
      Matcher array = Pattern.compile("(.*)\\[(\\d+)]").matcher(names[0]);
      long count = array.matches() ? Long.parseLong(array.group(2)) : 0;
      Matcher first = declarator(count > 0 ? array.group(1) : names[0]);
      Type type = type(first.group("type"), first.group("pointer"));
      fields.add(new Field(first.group("name"), type, count));
      for (int i = 1; i < names.length; i++) {
        if (!names[i].matches("\\w+") || count > 0 || !first.group("pointer").isEmpty()) {
          throw new IllegalStateException("not understood in " + name + ": " + line);
        }
        fields.add(new Field(names[i], type, 0));
      }
    }
    structs.put(name, fields);
  }

  private void addFunction(String declaration) {
    int open = declaration.indexOf('(');
    Matcher head = declarator(declaration.substring(0, open));
    String list = declaration.substring(open + 1, declaration.lastIndexOf(')'));
    List<Type> parameters = new ArrayList<>();
    if (!list.equals("void")) {
      for (String parameter : list.split(", ", -1)) {
        Matcher matcher = declarator(parameter);
        parameters.add(type(matcher.group("type"), matcher.group("pointer")));
      }
    }
    Type result = type(head.group("type"), head.group("pointer"));
    functions.put(head.group("name"), new Function(result, parameters));
  }

  private static Matcher declarator(String text) {
    Matcher matcher = DECLARATOR.matcher(text.strip());
    if (!matcher.matches()) {
      throw new IllegalStateException("not understood in fathom.h: " + text);
    }
    return matcher;
  }

  private static Type type(String name, String pointer) {
    if (!pointer.isEmpty()) {
      return new Type(MemorySegment.class, 8);
    }
    return switch (name) {
      case "void" -> new Type(void.class, 0);
      case "uint8_t", "int8_t" -> new Type(byte.class, 1);
      case "int32_t", "uint32_t", "fathom_status" -> new Type(int.class, 4);
      case "int64_t", "uint64_t" -> new Type(long.class, 8);
      case "float" -> new Type(float.class, 4);
      case "double" -> new Type(double.class, 8);
      default -> throw new IllegalStateException("type " + name + " in fathom.h");
    };
  }
}
