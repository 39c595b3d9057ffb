package dev.fathom.bindings.cuda;

import dev.fathom.bindings.SharedLibrary;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Defines JCuda's classes, and those of Fathom that use them, so that JCuda's native libraries come
 * from where Fathom puts them.
 *
 * <p>JCuda asks for its library by System.loadLibrary and, if that fails, writes it to a fixed name
 * in java.io.tmpdir, or takes the file that is there already, whoever put it there. A JVM looks in
 * {@link ClassLoader#findLibrary} of the loader of the class that asks before anything else; that,
 * and not java.library.path, which the JVM reads once, is what can be decided here. So the classes
 * get a loader of their own, which gives out a copy in the private cache. The copy is loaded before
 * JCuda asks: if it cannot be, JCuda is not asked at all and never gets to its temporary folder.
 *
 * <p>An application may use JCuda itself; its classes are others, with a native library of theirs.
 */
final class JCudaLoader extends ClassLoader {

  /** There is one: a native library can be loaded by one class loader only. */
  private static final JCudaLoader INSTANCE = new JCudaLoader(JCudaLoader.class.getClassLoader());

  private static final String OURS = "dev.fathom.bindings.cuda.jcuda.";
  private static final String NATIVES = OURS + "Natives";

  private final ClassLoader classPath;
  private final Map<String, Path> libraries = new ConcurrentHashMap<>();

  private JCudaLoader(ClassLoader classPath) {
    super("fathom-jcuda", classPath);
    this.classPath = classPath;
  }

  /** Whether JCuda's classes are on the class path. */
  static boolean isPresent() {
    return INSTANCE.classPath.getResource("jcuda/driver/JCudaDriver.class") != null;
  }

  /**
   * Makes an object of a class that uses JCuda.
   *
   * @param <T> what it is known as
   * @param type what it is known as
   * @param name the class's name within the package of such classes
   * @param library the JCuda library that it needs, for example JCudaDriver
   * @param parameterType the type of its constructor's one parameter
   * @param parameter the argument
   * @throws IOException if that cannot be done, with the reason in one line
   */
  static <T, P> T open(
      Class<T> type, String name, String library, Class<P> parameterType, P parameter)
      throws IOException {
    synchronized (INSTANCE.libraries) {
      Runnable discardCopy = INSTANCE.loadNatives(library);
      try {
        return type.cast(
            INSTANCE.loadClass(OURS + name).getConstructor(parameterType).newInstance(parameter));
      } catch (InvocationTargetException e) {
        throw new IOException(firstLine(e.getCause() == null ? e : e.getCause()), e);
      } catch (ReflectiveOperationException | LinkageError e) {
        throw new IOException(firstLine(e), e);
      } finally {
        discardCopy.run();
      }
    }
  }

  /** Loads a library of JCuda; what is returned is to be run when JCuda has asked for it. */
  private Runnable loadNatives(String library) throws IOException {
    String name = libraryName(library);
    if (libraries.containsKey(name)) {
      return () -> {};
    }
    String file = System.mapLibraryName(name);
    Path configured = onLibraryPath(file);
    if (configured != null) {
      load(name, configured);
      return () -> {};
    }
    URL resource = classPath.getResource("lib/" + file);
    if (resource == null) {
      throw new IOException("there is no lib/" + file + " on the class path (a JCuda natives jar)");
    }
    SharedLibrary.Copy copy = SharedLibrary.extract(resource, file);
    try {
      load(name, copy.path());
    } catch (IOException e) {
      copy.close();
      throw e;
    }
    return copy::close;
  }

  private void load(String name, Path file) throws IOException {
    try {
      loadClass(NATIVES).getMethod("load", String.class).invoke(null, file.toString());
    } catch (InvocationTargetException e) {
      throw new IOException(firstLine(e.getCause() == null ? e : e.getCause()), e);
    } catch (ReflectiveOperationException e) {
      throw new IOException(firstLine(e), e);
    }
    libraries.put(name, file);
  }

  /** The name that JCuda asks for, for example JCudaDriver-12.6.0-linux-x86_64. */
  private String libraryName(String library) throws IOException {
    try {
      Object version = loadClass("jcuda.JCudaVersion").getMethod("get").invoke(null);
      Object name =
          loadClass("jcuda.LibUtils")
              .getMethod("createPlatformLibraryName", String.class)
              .invoke(null, library + "-" + version);
      return String.valueOf(name);
    } catch (ReflectiveOperationException e) {
      throw new IOException("org.jcuda:jcuda is not on the class path", e);
    }
  }

  private static @Nullable Path onLibraryPath(String file) {
    for (String folder :
        System.getProperty("java.library.path", "").split(File.pathSeparator, -1)) {
      // An empty entry would mean the current folder, whatever that is.
      if (!folder.isEmpty() && Files.isRegularFile(Path.of(folder, file))) {
        return Path.of(folder, file).toAbsolutePath();
      }
    }
    return null;
  }

  private static String firstLine(Throwable e) {
    String text = String.valueOf(e.getMessage());
    return text.lines().findFirst().orElse(e.getClass().getSimpleName());
  }

  @Override
  protected @Nullable String findLibrary(String name) {
    Path file = libraries.get(name);
    return file == null ? null : file.toString();
  }

  @Override
  protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
    if (!name.startsWith("jcuda.") && !name.startsWith(OURS)) {
      return super.loadClass(name, resolve);
    }
    synchronized (getClassLoadingLock(name)) {
      Class<?> loaded = findLoadedClass(name);
      return loaded != null ? loaded : define(name);
    }
  }

  private Class<?> define(String name) throws ClassNotFoundException {
    try (InputStream in = classPath.getResourceAsStream(name.replace('.', '/') + ".class")) {
      if (in == null) {
        throw new ClassNotFoundException(name);
      }
      byte[] bytes = in.readAllBytes();
      return defineClass(name, bytes, 0, bytes.length, JCudaLoader.class.getProtectionDomain());
    } catch (IOException e) {
      throw new ClassNotFoundException(name, e);
    }
  }
}
