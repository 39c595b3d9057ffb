package dev.fathom.training.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fathom.training.UserException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.URI;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class EnvironmentProxyTest {
  private static final URI HUB = URI.create("https://huggingface.co/x");

  private static Proxy proxy(URI target, Map<String, String> environment) {
    return new EnvironmentProxy(environment).select(target).getFirst();
  }

  private static String address(URI target, Map<String, String> environment) {
    InetSocketAddress address = (InetSocketAddress) proxy(target, environment).address();
    return address.getHostString() + ":" + address.getPort();
  }

  @Test
  void followsTheSchemesVariable() {
    Map<String, String> both =
        Map.of("HTTPS_PROXY", "http://127.0.0.1:3128", "http_proxy", "127.0.0.2:80");
    assertEquals("127.0.0.1:3128", address(HUB, both));
    assertEquals("127.0.0.2:80", address(URI.create("http://a.test/"), both));
    assertEquals(Proxy.NO_PROXY, proxy(HUB, Map.of()));
    assertEquals(
        "127.0.0.3:1080",
        address(HUB, Map.of("HTTPS_PROXY", "http://127.0.0.1:1", "https_proxy", "127.0.0.3")));
  }

  @Test
  void leavesOutTheExceptions() {
    for (String exempt : new String[] {"*", "a.test, huggingface.co", ".co", "co"}) {
      Map<String, String> environment =
          Map.of("HTTPS_PROXY", "http://127.0.0.1:1", "NO_PROXY", exempt);
      assertEquals(Proxy.NO_PROXY, proxy(HUB, environment), exempt);
    }
    assertEquals(
        "127.0.0.1:1",
        address(HUB, Map.of("HTTPS_PROXY", "http://127.0.0.1:1", "NO_PROXY", "face.co")));
    assertEquals(
        Proxy.NO_PROXY,
        proxy(URI.create("http://127.0.0.1:99/"), Map.of("http_proxy", "http://10.0.0.1:1")));
  }

  @Test
  void takesTheLoginAndRefusesWhatItCannotDo() {
    Map<String, String> login = Map.of("https_proxy", "http://user:secret@127.0.0.1:1");
    assertTrue(new EnvironmentProxy(login).authenticator(HUB).isPresent());
    assertTrue(new EnvironmentProxy(Map.of()).authenticator(HUB).isEmpty());
    assertThrows(
        UserException.class, () -> proxy(HUB, Map.of("https_proxy", "socks5://127.0.0.1:1")));
  }
}
