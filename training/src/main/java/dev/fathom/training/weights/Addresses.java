package dev.fathom.training.weights;

import dev.fathom.training.UserException;
import java.net.URI;

/** Which addresses weights may come from. */
final class Addresses {
  private Addresses() {}

  /** Whether {@code host}, as it stands in an address, is this machine. */
  static boolean isLoopback(String host) {
    return host.equalsIgnoreCase("localhost")
        || host.matches("127(\\.\\d{1,3}){3}")
        || host.equals("[::1]");
  }

  /**
   * Checks that {@code address} is HTTPS, or HTTP on this machine.
   *
   * @throws UserException if it is not
   */
  static void check(URI address) {
    String scheme = address.getScheme();
    if (address.getHost() == null) {
      throw new UserException(address.toString(), "is not an address of the form https://host/...");
    }
    boolean fits =
        "https".equalsIgnoreCase(scheme)
            || ("http".equalsIgnoreCase(scheme) && isLoopback(address.getHost()));
    if (!fits) {
      throw new UserException(
          address.toString(), "only https is accepted (http on this machine alone)");
    }
  }

  /**
   * The address of {@code path} at {@code mirror}.
   *
   * @param mirror what stands for {@link Catalogue#HOST}; may have a path and a trailing slash
   */
  static URI at(String mirror, String path) {
    URI address;
    try {
      address = URI.create(mirror.replaceFirst("/+$", "") + "/" + path);
    } catch (IllegalArgumentException e) {
      throw new UserException(mirror, "is not an address", e);
    }
    check(address);
    return address;
  }
}
