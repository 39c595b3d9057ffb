package dev.fathom.training.report;

import java.util.ArrayDeque;
import java.util.Deque;

/** HTML and SVG being written: every element is closed, every text and attribute escaped. */
final class Markup {

  private final StringBuilder out = new StringBuilder();
  private final Deque<String> open = new ArrayDeque<>();

  /** Begins an element; attributes are names and values in turn. */
  Markup begin(String element, String... attributes) {
    tag(element, attributes);
    out.append('>');
    open.push(element);
    return this;
  }

  /** Ends the element that was begun last. */
  Markup end() {
    out.append("</").append(open.pop()).append('>');
    return this;
  }

  /** As {@link #end()}, and a new line. */
  Markup endLine() {
    end();
    out.append('\n');
    return this;
  }

  /** An element without content. */
  Markup empty(String element, String... attributes) {
    tag(element, attributes);
    out.append("/>");
    return this;
  }

  /** An element with text. */
  Markup element(String element, String text, String... attributes) {
    return begin(element, attributes).text(text).end();
  }

  Markup text(String text) {
    escape(text);
    return this;
  }

  /** Trusted markup as it is. */
  Markup raw(String markup) {
    out.append(markup);
    return this;
  }

  private void tag(String element, String... attributes) {
    out.append('<').append(element);
    for (int i = 0; i < attributes.length; i += 2) {
      out.append(' ').append(attributes[i]).append("=\"");
      escape(attributes[i + 1]);
      out.append('"');
    }
  }

  private void escape(String text) {
    text.codePoints()
        .forEach(c -> {
          switch (c) {
            case '&' -> out.append("&amp;");
            case '<' -> out.append("&lt;");
            case '>' -> out.append("&gt;");
            case '"' -> out.append("&quot;");
            case '\'' -> out.append("&#39;");
            case '\r' -> {}
            case '\n', '\t' -> out.append((char) c);
            default -> out.appendCodePoint(isText(c) ? c : 0xFFFD);
          }
        });
  }

  /** Whether a page may contain the character: no controls, no half of a surrogate pair. */
  private static boolean isText(int c) {
    boolean control = c < 0x20 || (c >= 0x7F && c < 0xA0);
    boolean surrogate = c >= 0xD800 && c < 0xE000;
    return !control && !surrogate && c != 0xFFFE && c != 0xFFFF;
  }

  @Override
  public String toString() {
    return out.toString();
  }
}
