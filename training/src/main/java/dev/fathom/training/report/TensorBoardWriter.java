package dev.fathom.training.report;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Locale;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * Scalars and pictures for TensorBoard: an event file, that is TFRecords (length, masked CRC-32C of
 * the length, data, masked CRC-32C of the data) of {@code Event} messages (tensorflow/core/util/
 * event.proto, framework/summary.proto).
 *
 * <p>Each run writes a new file into the folder; TensorBoard reads them all in the order of their
 * names. A run that goes on from step k says so, and TensorBoard forgets what an interrupted run
 * wrote after it. Every event is handed to the operating system whole and at once.
 *
 * <p>Not for several threads at once.
 */
public final class TensorBoardWriter implements AutoCloseable {

  private static final int CRC_MASK = 0xa282ead8;
  private static final String VERSION = "brain.Event:2";

  /** Field numbers of Event. */
  private static final int WALL_TIME = 1;

  private static final int STEP = 2;
  private static final int FILE_VERSION = 3;
  private static final int SUMMARY = 5;
  private static final int SESSION_LOG = 7;

  /** Field numbers of Summary, Summary.Value and Summary.Image. */
  private static final int VALUE = 1;

  private static final int TAG = 1;
  private static final int SIMPLE_VALUE = 2;
  private static final int IMAGE = 4;
  private static final int IMAGE_HEIGHT = 1;
  private static final int IMAGE_WIDTH = 2;
  private static final int IMAGE_COLORSPACE = 3;
  private static final int IMAGE_BYTES = 4;
  private static final int RGB = 3;

  /** Field and value of SessionLog. */
  private static final int STATUS = 1;

  private static final int START = 1;

  private final FileChannel channel;
  private final Path file;
  private final InstantSource clock;

  private TensorBoardWriter(Path file, FileChannel channel, InstantSource clock) {
    this.file = file;
    this.channel = channel;
    this.clock = clock;
  }

  /**
   * Begins a new event file, to write after step {@code step}: 0 for a new run.
   *
   * @param folder made if need be
   */
  public static TensorBoardWriter open(Path folder, long step) throws IOException {
    return open(folder, step, InstantSource.system());
  }

  static TensorBoardWriter open(Path folder, long step, InstantSource clock) throws IOException {
    Files.createDirectories(folder);
    String name =
        String.format(
            Locale.ROOT,
            "events.out.tfevents.%010d.%s.%d",
            clock.instant().getEpochSecond(),
            host(),
            ProcessHandle.current().pid());
    Path file = folder.resolve(name + ".0");
    for (int number = 1; Files.exists(file); number++) {
      file = folder.resolve(name + "." + number);
    }
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    TensorBoardWriter writer = new TensorBoardWriter(file, channel, clock);
    writer.write(writer.event(0).text(FILE_VERSION, VERSION));
    if (step > 0) {
      ProtoWriter session = new ProtoWriter().integer(STATUS, START);
      writer.write(writer.event(step + 1).message(SESSION_LOG, session));
    }
    return writer;
  }

  /** The event file. */
  public Path file() {
    return file;
  }

  /**
   * Writes numbers of one step.
   *
   * @param values by tag; a slash in a tag makes a group: {@code loss/labelled}
   */
  public void scalars(long step, Map<String, ? extends Number> values) throws IOException {
    ProtoWriter summary = new ProtoWriter();
    values.forEach((tag, value) ->
        summary.message(
            VALUE, new ProtoWriter().text(TAG, tag).real32(SIMPLE_VALUE, value.floatValue())));
    write(event(step).message(SUMMARY, summary));
  }

  /**
   * Writes a picture of one step.
   *
   * @param png the file's bytes, 8-bit RGB
   * @throws IllegalArgumentException if it is not a PNG
   */
  public void image(long step, String tag, byte[] png) throws IOException {
    Png.Size size = Png.size(png);
    ProtoWriter image =
        new ProtoWriter()
            .integer(IMAGE_HEIGHT, size.height())
            .integer(IMAGE_WIDTH, size.width())
            .integer(IMAGE_COLORSPACE, RGB)
            .bytes(IMAGE_BYTES, png);
    ProtoWriter value = new ProtoWriter().text(TAG, tag).message(IMAGE, image);
    write(event(step).message(SUMMARY, new ProtoWriter().message(VALUE, value)));
  }

  private ProtoWriter event(long step) {
    Instant now = clock.instant();
    return new ProtoWriter()
        .real64(WALL_TIME, now.getEpochSecond() + now.getNano() * 1e-9)
        .integer(STEP, step);
  }

  private void write(ProtoWriter event) throws IOException {
    byte[] data = event.toByteArray();
    ByteBuffer record =
        ByteBuffer.allocate(Long.BYTES + 2 * Integer.BYTES + data.length)
            .order(ByteOrder.LITTLE_ENDIAN);
    record.putLong(data.length);
    record.putInt(maskedCrc(record.array(), Long.BYTES));
    record.put(data);
    record.putInt(maskedCrc(data, data.length));
    record.flip();
    while (record.hasRemaining()) {
      channel.write(record);
    }
  }

  /** Rotated and shifted, so that a checksum of data with checksums in it stays a good one. */
  private static int maskedCrc(byte[] bytes, int length) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, 0, length);
    return Integer.rotateRight((int) crc.getValue(), 15) + CRC_MASK;
  }

  private static String host() {
    try {
      return InetAddress.getLocalHost().getHostName().replaceAll("[^A-Za-z0-9-]", "_");
    } catch (UnknownHostException e) {
      return "localhost";
    }
  }

  /** Makes everything durable and closes the file. */
  @Override
  public void close() throws IOException {
    if (channel.isOpen()) {
      channel.force(true);
      channel.close();
    }
  }
}
