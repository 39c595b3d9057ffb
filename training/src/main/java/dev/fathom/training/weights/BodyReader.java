package dev.fathom.training.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Pulls the body of a response with a limit on how long the next piece may take; {@link
 * java.net.http.HttpRequest.Builder#timeout} ends with the headers.
 */
final class BodyReader implements Flow.Subscriber<List<ByteBuffer>>, AutoCloseable {
  private sealed interface Event {
    record Piece(List<ByteBuffer> buffers) implements Event {}

    record Failure(Throwable cause) implements Event {}

    record End() implements Event {}
  }

  private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
  private final Duration stallTimeout;
  private volatile Flow.@Nullable Subscription subscription;

  BodyReader(Flow.Publisher<List<ByteBuffer>> body, Duration stallTimeout) {
    this.stallTimeout = stallTimeout;
    body.subscribe(this);
  }

  /**
   * The next piece of the body; null at its end.
   *
   * @throws TransientException if nothing came for the stall time-out, or the connection broke
   */
  @Nullable List<ByteBuffer> next() throws IOException {
    Event event;
    try {
      event = events.poll(stallTimeout.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
    return switch (event) {
      case null ->
          throw new TransientException("nothing came for " + stallTimeout.toSeconds() + " s");
      case Event.Piece(List<ByteBuffer> buffers) -> {
        request();
        yield buffers;
      }
      case Event.Failure(Throwable cause) ->
          throw new TransientException("connection lost: " + cause.getMessage());
      case Event.End() -> null;
    };
  }

  private void request() {
    Flow.Subscription current = subscription;
    if (current != null) {
      current.request(1);
    }
  }

  @Override
  public void onSubscribe(Flow.Subscription newSubscription) {
    subscription = newSubscription;
    // Two in flight: one being written to the disk while the next one arrives.
    newSubscription.request(2);
  }

  @Override
  public void onNext(List<ByteBuffer> buffers) {
    events.add(new Event.Piece(buffers));
  }

  @Override
  public void onError(Throwable cause) {
    events.add(new Event.Failure(cause));
  }

  @Override
  public void onComplete() {
    events.add(new Event.End());
  }

  /** Drops the connection if the body has not ended. */
  @Override
  public void close() {
    Flow.Subscription current = subscription;
    if (current != null) {
      current.cancel();
    }
  }
}
