package dev.fathom.training.weights;

/** Is told how a download goes. */
public interface DownloadListener {
  /** Something worth a line. */
  void note(String message);

  /**
   * Bytes begin to come.
   *
   * @param total bytes of the whole file; 0 or less if the server does not say
   * @param first bytes that an earlier download brought
   */
  void begin(long total, long first);

  /** So many bytes of the file are here. */
  void at(long bytes);

  /** No more bytes come. */
  void end();
}
