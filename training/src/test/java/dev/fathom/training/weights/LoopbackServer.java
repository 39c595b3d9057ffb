package dev.fathom.training.weights;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** A server on 127.0.0.1 that answers each request with the next of its scripted replies. */
public final class LoopbackServer implements AutoCloseable {
  /** Answers one request. */
  @FunctionalInterface
  public interface Reply {
    void send(HttpExchange exchange) throws IOException;
  }

  private final HttpServer server;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final Deque<Reply> replies = new ArrayDeque<>();
  private final List<Headers> requests = new CopyOnWriteArrayList<>();
  private final List<String> paths = new CopyOnWriteArrayList<>();

  public LoopbackServer(Reply... script) throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    replies.addAll(Arrays.asList(script));
    server.createContext("/", this::answer);
    server.setExecutor(threads);
    server.start();
  }

  private void answer(HttpExchange exchange) throws IOException {
    requests.add(exchange.getRequestHeaders());
    paths.add(exchange.getRequestURI().toString());
    Reply reply;
    synchronized (replies) {
      reply = replies.isEmpty() ? status(418) : replies.removeFirst();
    }
    try (exchange) {
      reply.send(exchange);
    }
  }

  public String address() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  /** Headers of the requests so far. */
  List<Headers> requests() {
    return requests;
  }

  /** Paths of the requests so far. */
  List<String> paths() {
    return paths;
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }

  /** The whole of {@code body}. Headers are name, value, name, value, ... */
  public static Reply whole(byte[] body, String... headers) {
    return exchange -> send(exchange, 200, body, body.length, headers);
  }

  /** As {@link #whole}, but the connection ends after {@code count} bytes. */
  static Reply cutAfter(int count, byte[] body, String... headers) {
    return exchange -> send(exchange, 200, Arrays.copyOf(body, count), body.length, headers);
  }

  /** The bytes that the Range header asks for. */
  static Reply range(byte[] body, String... headers) {
    return exchange -> {
      String range = exchange.getRequestHeaders().getFirst("Range");
      int start = Integer.parseInt(range.replaceAll("\\D", ""));
      exchange
          .getResponseHeaders()
          .set("Content-Range", "bytes " + start + "-" + (body.length - 1) + "/" + body.length);
      byte[] rest = Arrays.copyOfRange(body, start, body.length);
      send(exchange, 206, rest, rest.length, headers);
    };
  }

  static Reply redirect(String location, String... headers) {
    return exchange -> {
      exchange.getResponseHeaders().set("Location", location);
      send(exchange, 302, new byte[0], 0, headers);
    };
  }

  static Reply status(int status, String... headers) {
    return exchange -> send(exchange, status, new byte[0], 0, headers);
  }

  private static void send(
      HttpExchange exchange, int status, byte[] body, long announced, String... headers)
      throws IOException {
    for (int i = 0; i < headers.length; i += 2) {
      exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
    }
    exchange.sendResponseHeaders(status, announced == 0 ? -1 : announced);
    if (body.length > 0) {
      OutputStream out = exchange.getResponseBody();
      out.write(body);
      out.flush();
    }
  }
}
