package dev.fathom.training.random;

/**
 * A counter-based random generator, Philox 4x32-10 (Salmon et al., "Parallel random numbers: as
 * easy as 1, 2, 3", 2011). A stream is named by (seed, purpose, epoch, index), and its n-th number
 * is a pure function of that name: it does not matter which thread draws, nor what was drawn
 * before.
 */
public final class Philox {

  private static final int MULTIPLIER_0 = 0xD2511F53;
  private static final int MULTIPLIER_1 = 0xCD9E8D57;
  private static final int WEYL_0 = 0x9E3779B9;
  private static final int WEYL_1 = 0xBB67AE85;
  private static final int ROUNDS = 10;

  private final int key0;
  private final int key1;
  private final int counter1;
  private final int counter2;
  private final int counter3;
  private final int[] block = new int[4];
  private int counter0;
  private int used = 4;

  /**
   * The stream of one purpose.
   *
   * @param seed the run's seed
   * @param purpose what the numbers are for; streams of different purposes are independent
   * @param epoch pass over the data, or 0
   * @param index sample, step or scene
   */
  public Philox(long seed, Purpose purpose, int epoch, long index) {
    key0 = (int) seed;
    key1 = (int) (seed >>> 32);
    counter1 = (int) index;
    // An index has 48 bits, a purpose 16.
    counter2 = ((int) (index >>> 32) & 0xFFFF) | (purpose.code() << 16);
    counter3 = epoch;
  }

  /** 32 random bits. */
  public int nextInt() {
    if (used == 4) {
      fill();
      used = 0;
    }
    return block[used++];
  }

  /** Uniform in [0, bound). */
  public int nextInt(int bound) {
    if (bound <= 0) {
      throw new IllegalArgumentException("bound " + bound);
    }
    // Lemire's multiply-shift; numbers of the incomplete last interval are drawn again.
    long product = (nextInt() & 0xFFFFFFFFL) * bound;
    long low = product & 0xFFFFFFFFL;
    if (low < bound) {
      long threshold = (1L << 32) % bound;
      while (low < threshold) {
        product = (nextInt() & 0xFFFFFFFFL) * bound;
        low = product & 0xFFFFFFFFL;
      }
    }
    return (int) (product >>> 32);
  }

  /** Uniform in [0, 1), with 53 random bits. */
  public double nextDouble() {
    long bits = ((long) (nextInt() >>> 5) << 26) | (nextInt() >>> 6);
    return bits * 0x1p-53;
  }

  /** Uniform in [low, high). */
  public double uniform(double low, double high) {
    return low + (high - low) * nextDouble();
  }

  /** True with this probability. */
  public boolean chance(double probability) {
    return nextDouble() < probability;
  }

  /** Standard normal (Box and Muller, 1958). */
  public double nextGaussian() {
    double radius = Math.sqrt(-2 * Math.log(1 - nextDouble()));
    return radius * Math.cos(2 * Math.PI * nextDouble());
  }

  /** A uniformly random order of 0 .. n-1 (Fisher and Yates). */
  public int[] permutation(int n) {
    int[] order = new int[n];
    for (int i = 0; i < n; i++) {
      int j = nextInt(i + 1);
      order[i] = order[j];
      order[j] = i;
    }
    return order;
  }

  private void fill() {
    int[] words = rounds(counter0++, counter1, counter2, counter3, key0, key1);
    System.arraycopy(words, 0, block, 0, 4);
  }

  /** The function itself: four words of a counter and two of a key to four random words. */
  static int[] rounds(int c0, int c1, int c2, int c3, int k0, int k1) {
    for (int round = 0; round < ROUNDS; round++) {
      long product0 = (MULTIPLIER_0 & 0xFFFFFFFFL) * (c0 & 0xFFFFFFFFL);
      long product1 = (MULTIPLIER_1 & 0xFFFFFFFFL) * (c2 & 0xFFFFFFFFL);
      int next0 = (int) (product1 >>> 32) ^ c1 ^ k0;
      int next2 = (int) (product0 >>> 32) ^ c3 ^ k1;
      c0 = next0;
      c1 = (int) product1;
      c2 = next2;
      c3 = (int) product0;
      k0 += WEYL_0;
      k1 += WEYL_1;
    }
    return new int[] {c0, c1, c2, c3};
  }
}
