package dev.fathom.training.weights;

/** What a published checkpoint may be used for. */
public enum License {
  /** Any use. */
  APACHE_2_0("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0", true),

  /** No commercial use; has to be accepted before the download. */
  CC_BY_NC_4_0("CC-BY-NC-4.0", "https://creativecommons.org/licenses/by-nc/4.0/", false);

  private final String spdx;
  private final String address;
  private final boolean commercial;

  License(String spdx, String address, boolean commercial) {
    this.spdx = spdx;
    this.address = address;
    this.commercial = commercial;
  }

  /** The SPDX identifier. */
  public String spdx() {
    return spdx;
  }

  /** Where its text is. */
  public String address() {
    return address;
  }

  /** Whether commercial use is allowed. */
  public boolean commercial() {
    return commercial;
  }
}
