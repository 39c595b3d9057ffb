package dev.fathom.training.weights;

import dev.fathom.training.UserException;
import java.io.IOException;
import java.net.Authenticator;
import java.net.InetSocketAddress;
import java.net.PasswordAuthentication;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The proxy that {@code https_proxy}, {@code http_proxy} and {@code no_proxy} name, or their
 * upper-case forms, by the rules that curl made common: {@code no_proxy} is {@code *} or a list of
 * hosts and domains. The loopback is never asked through a proxy.
 */
final class EnvironmentProxy extends ProxySelector {
  private static final int DEFAULT_PORT = 1080;

  private final Map<String, String> environment;

  EnvironmentProxy(Map<String, String> environment) {
    this.environment = environment;
  }

  @Override
  public List<Proxy> select(URI target) {
    return proxyOf(target)
        .map(proxy ->
            new Proxy(Proxy.Type.HTTP, new InetSocketAddress(proxy.getHost(), portOf(proxy))))
        .map(List::of)
        .orElse(List.of(Proxy.NO_PROXY));
  }

  @Override
  public void connectFailed(URI target, SocketAddress proxy, IOException cause) {
    // The request fails with the same cause.
  }

  /** The user name and password in the proxy's address for {@code target}, if it has them. */
  Optional<Authenticator> authenticator(URI target) {
    return proxyOf(target)
        .map(URI::getUserInfo)
        .map(login -> {
          int colon = login.indexOf(':');
          String user = colon < 0 ? login : login.substring(0, colon);
          String password = colon < 0 ? "" : login.substring(colon + 1);
          return new Authenticator() {
            @Override
            protected @Nullable PasswordAuthentication getPasswordAuthentication() {
              return getRequestorType() == RequestorType.PROXY
                  ? new PasswordAuthentication(user, password.toCharArray())
                  : null;
            }
          };
        });
  }

  private Optional<URI> proxyOf(URI target) {
    String scheme = target.getScheme().toLowerCase(Locale.ROOT);
    String host = target.getHost();
    String address = variable(scheme + "_proxy");
    if (address.isEmpty() || Addresses.isLoopback(host) || isExempt(host)) {
      return Optional.empty();
    }
    URI proxy;
    try {
      proxy = URI.create(address.contains("://") ? address : "http://" + address);
    } catch (IllegalArgumentException e) {
      throw new UserException(scheme + "_proxy", "is not an address: " + address, e);
    }
    if (!"http".equals(proxy.getScheme()) || proxy.getHost() == null) {
      throw new UserException(
          scheme + "_proxy", "only http://host:port proxies are supported, not " + address);
    }
    return Optional.of(proxy);
  }

  private boolean isExempt(String host) {
    String name = host.toLowerCase(Locale.ROOT);
    for (String entry : variable("no_proxy").split(",", -1)) {
      String domain = entry.strip().toLowerCase(Locale.ROOT).replaceFirst("^\\.", "");
      if (domain.equals("*")
          || (!domain.isEmpty() && (name.equals(domain) || name.endsWith("." + domain)))) {
        return true;
      }
    }
    return false;
  }

  private String variable(String name) {
    String value = environment.get(name);
    return value == null
        ? environment.getOrDefault(name.toUpperCase(Locale.ROOT), "").strip()
        : value.strip();
  }

  private static int portOf(URI proxy) {
    return proxy.getPort() < 0 ? DEFAULT_PORT : proxy.getPort();
  }
}
