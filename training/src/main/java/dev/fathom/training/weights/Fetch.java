package dev.fathom.training.weights;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Flow;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * One GET, with its redirects followed by hand: what the redirecting answers announce is needed,
 * and none of them may lead away from HTTPS.
 */
final class Fetch implements AutoCloseable {
  private static final int MOST_REDIRECTS = 10;

  private final HttpClient client;
  private final DownloadSettings settings;

  /** The answer that carries the body, and the headers of those that led to it. */
  record Answer(
      HttpResponse<Flow.Publisher<List<ByteBuffer>>> response, List<HttpHeaders> redirects) {
    Announced announced() {
      return Announced.of(redirects, response.headers(), response.statusCode() == 206);
    }

    /** Drops a body that is not wanted. */
    void discard() {
      new BodyReader(response.body(), Duration.ZERO).close();
    }
  }

  Fetch(URI target, Map<String, String> environment, DownloadSettings settings) {
    this.settings = settings;
    EnvironmentProxy proxy = new EnvironmentProxy(environment);
    HttpClient.Builder builder =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(settings.connectTimeout())
            .proxy(proxy);
    proxy
        .authenticator(target)
        .ifPresent(login -> {
          // The JDK refuses Basic to a proxy for HTTPS unless told otherwise before first use.
          System.setProperty("jdk.http.auth.tunneling.disabledSchemes", "");
          builder.authenticator(login);
        });
    client = builder.build();
  }

  /**
   * Asks for {@code source}.
   *
   * @param from first byte wanted; 0 for the whole file
   * @param ifRange entity tag that the file must still have for {@code from} to count
   * @throws TransientException if another try may help
   * @throws UserException if it may not: an address that is not allowed, a broken certificate
   */
  Answer get(URI source, long from, @Nullable String ifRange) throws IOException {
    List<HttpHeaders> redirects = new ArrayList<>();
    URI target = source;
    while (true) {
      Addresses.check(target);
      HttpRequest.Builder request =
          HttpRequest.newBuilder(target)
              .timeout(settings.stallTimeout())
              .header("Accept-Encoding", "identity")
              .header("User-Agent", "fathom");
      if (from > 0) {
        request.header("Range", "bytes=" + from + "-");
        if (ifRange != null) {
          request.header("If-Range", ifRange);
        }
      }
      Answer answer = new Answer(send(request.build()), redirects);
      int status = answer.response().statusCode();
      if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308) {
        return answer;
      }
      answer.discard();
      if (redirects.size() == MOST_REDIRECTS) {
        throw new UserException(source.toString(), "too many redirects");
      }
      String location =
          answer
              .response()
              .headers()
              .firstValue("Location")
              .orElseThrow(
                  () -> new UserException(source.toString(), "redirect that names no address"));
      redirects.add(answer.response().headers());
      target = follow(source, target, location);
    }
  }

  private static URI follow(URI source, URI from, String location) {
    URI target;
    try {
      target = from.resolve(location);
    } catch (IllegalArgumentException e) {
      throw new UserException(source.toString(), "redirect to a malformed address", e);
    }
    if (from.getScheme().equals("https") && !target.getScheme().equals("https")) {
      throw new UserException(source.toString(), "redirect away from https, to " + target);
    }
    return target;
  }

  private HttpResponse<Flow.Publisher<List<ByteBuffer>>> send(HttpRequest request)
      throws IOException {
    String host = request.uri().getHost();
    try {
      return client.send(request, HttpResponse.BodyHandlers.ofPublisher());
    } catch (HttpConnectTimeoutException e) {
      throw new TransientException("no connection to " + host + " within the time limit");
    } catch (HttpTimeoutException e) {
      throw new TransientException(
          "no answer from " + host + " for " + settings.stallTimeout().toSeconds() + " s");
    } catch (ConnectException e) {
      throw TransientException.unreachable(
          isUnresolved(e)
              ? host + " is not found; is there a network?"
              : "no connection to " + host + (e.getMessage() == null ? "" : ": " + e.getMessage()));
    } catch (SSLException e) {
      throw new UserException(host, "TLS failed: " + e.getMessage(), e);
    } catch (IOException e) {
      throw new TransientException("connection to " + host + " lost: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  private static boolean isUnresolved(Throwable thrown) {
    for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
      if (cause instanceof UnresolvedAddressException || cause instanceof UnknownHostException) {
        return true;
      }
    }
    return false;
  }

  @Override
  public void close() {
    client.shutdownNow();
  }
}
