package dev.fathom.nn;

import java.util.HexFormat;

/**
 * The 256 colours of each colour map in sRGB. Those without a formula are written out, six
 * hexadecimal digits each: matplotlib's inferno and viridis (van der Walt and Smith) and turbo
 * (Mikhailov), rounded to eight bits as OpenCV's {@code applyColorMap} has them.
 */
final class ColormapTables {

  private static final String INFERNO_HEX =
      "00000401000501010601010802010a02020c02020e03021004031204031405041706041907051b08051d"
          + "09061f0a07220b07240c08260d08290e092b10092d110a30120a32140b34150b37160b39180c3c190c3e"
          + "1b0c411c0c431e0c451f0c48210c4a230c4c240c4f260c51280b53290b552b0b572d0b592f0a5b310a5c"
          + "320a5e340a5f3609613809623909633b09643d09653e0966400a67420a68440a68450a69470b6a490b6a"
          + "4a0c6b4c0c6b4d0d6c4f0d6c510e6c520e6d540f6d550f6d57106e59106e5a116e5c126e5d126e5f136e"
          + "61136e62146e64156e65156e67166e69166e6a176e6c186e6d186e6f196e71196e721a6e741a6e751b6e"
          + "771c6d781c6d7a1d6d7c1d6d7d1e6d7f1e6c801f6c82206c84206b85216b87216b88226a8a226a8c2369"
          + "8d23698f24699025689225689326679526679727669827669a28659b29649d29649f2a63a02a63a22b62"
          + "a32c61a52c60a62d60a82e5fa92e5eab2f5ead305dae305cb0315bb1325ab3325ab43359b63458b73557"
          + "b93556ba3655bc3754bd3853bf3952c03a51c13a50c33b4fc43c4ec63d4dc73e4cc83f4bca404acb4149"
          + "cc4248ce4347cf4446d04545d24644d34743d44842d54a41d74b3fd84c3ed94d3dda4e3cdb503bdd513a"
          + "de5238df5337e05536e15635e25734e35933e45a31e55c30e65d2fe75e2ee8602de9612bea632aeb6429"
          + "eb6628ec6726ed6925ee6a24ef6c23ef6e21f06f20f1711ff1731df2741cf3761bf37819f47918f57b17"
          + "f57d15f67e14f68013f78212f78410f8850ff8870ef8890cf98b0bf98c0af98e09fa9008fa9207fa9407"
          + "fb9606fb9706fb9906fb9b06fb9d07fc9f07fca108fca309fca50afca60cfca80dfcaa0ffcac11fcae12"
          + "fcb014fcb216fcb418fbb61afbb81dfbba1ffbbc21fbbe23fac026fac228fac42afac62df9c72ff9c932"
          + "f9cb35f8cd37f8cf3af7d13df7d340f6d543f6d746f5d949f5db4cf4dd4ff4df53f4e156f3e35af3e55d"
          + "f2e661f2e865f2ea69f1ec6df1ed71f1ef75f1f179f2f27df2f482f3f586f3f68af4f88ef5f992f6fa96"
          + "f8fb9af9fc9dfafda1fcffa4";

  private static final String TURBO_HEX =
      "30123b32154333184a341b51351e5836215f37246638276d392a733a2d793b2f803c32863d358b3e3891"
          + "3f3b973f3e9c4040a24143a74146ac4249b1424bb5434eba4451bf4454c34456c74559cb455ccf455ed3"
          + "4661d64664da4666dd4669e0466be3476ee64771e94773eb4776ee4778f0477bf2467df44680f64682f8"
          + "4685fa4687fb458afc458cfd448ffe4391fe4294ff4196ff4099ff3e9bfe3d9efe3ba0fd3aa3fc38a5fb"
          + "37a8fa35abf833adf731aff52fb2f42eb4f22cb7f02ab9ee28bceb27bee925c0e723c3e422c5e220c7df"
          + "1fc9dd1ecbda1ccdd81bd0d51ad2d21ad4d019d5cd18d7ca18d9c818dbc518ddc218dec018e0bd19e2bb"
          + "19e3b91ae4b61ce6b41de7b21fe9af20eaac22ebaa25eca727eea42aefa12cf09e2ff19b32f29835f394"
          + "38f4913cf58e3ff68a43f78746f8844af8804ef97d52fa7a55fa7659fb735dfc6f61fc6c65fd6969fd66"
          + "6dfe6271fe5f75fe5c79fe597dff5680ff5384ff5188ff4e8bff4b8fff4992ff4796fe4499fe429cfe40"
          + "9ffd3fa1fd3da4fc3ca7fc3aa9fb39acfb38affa37b1f936b4f836b7f735b9f635bcf534bef434c1f334"
          + "c3f134c6f034c8ef34cbed34cdec34d0ea34d2e935d4e735d7e535d9e436dbe236dde037dfdf37e1dd37"
          + "e3db38e5d938e7d739e9d539ebd339ecd13aeecf3aefcd3af1cb3af2c93af4c73af5c53af6c33af7c13a"
          + "f8be39f9bc39faba39fbb838fbb637fcb336fcb136fdae35fdac34fea933fea732fea431fea130fe9e2f"
          + "fe9b2dfe992cfe962bfe932afe9029fd8d27fd8a26fc8725fc8423fb8122fb7e21fa7b1ff9781ef9751d"
          + "f8721cf76f1af66c19f56918f46617f36315f26014f15d13f05b12ef5811ed5510ec530feb500eea4e0d"
          + "e84b0ce7490ce5470be4450ae2430ae14109df3f08dd3d08dc3b07da3907d83706d63506d43305d23105"
          + "d02f05ce2d04cc2b04ca2a04c82803c52603c32503c12302be2102bc2002b91e02b71d02b41b01b21a01"
          + "af1801ac1701a91601a71401a41301a112019e10019b0f01980e01950d01920b018e0a018b0902880802"
          + "8507028106027e05027a0403";

  private static final String VIRIDIS_HEX =
      "44015444025645045745055946075a46085c460a5d460b5e470d60470e61471063471164471365481467"
          + "48166848176948186a481a6c481b6d481c6e481d6f481f70482071482173482374482475482576482677"
          + "482878482979472a7a472c7a472d7b472e7c472f7d46307e46327e46337f463480453581453781453882"
          + "443983443a83443b84433d84433e85423f854240864241864142874144874045884046883f47883f4889"
          + "3e49893e4a893e4c8a3d4d8a3d4e8a3c4f8a3c508b3b518b3b528b3a538b3a548c39558c39568c38588c"
          + "38598c375a8c375b8d365c8d365d8d355e8d355f8d34608d34618d33628d33638d32648e32658e31668e"
          + "31678e31688e30698e306a8e2f6b8e2f6c8e2e6d8e2e6e8e2e6f8e2d708e2d718e2c718e2c728e2c738e"
          + "2b748e2b758e2a768e2a778e2a788e29798e297a8e297b8e287c8e287d8e277e8e277f8e27808e26818e"
          + "26828e26828e25838e25848e25858e24868e24878e23888e23898e238a8d228b8d228c8d228d8d218e8d"
          + "218f8d21908d21918c20928c20928c20938c1f948c1f958b1f968b1f978b1f988b1f998a1f9a8a1e9b8a"
          + "1e9c891e9d891f9e891f9f881fa0881fa1881fa1871fa28720a38620a48621a58521a68522a78522a884"
          + "23a98324aa8325ab8225ac8226ad8127ad8128ae8029af7f2ab07f2cb17e2db27d2eb37c2fb47c31b57b"
          + "32b67a34b67935b77937b87838b9773aba763bbb753dbc743fbc7340bd7242be7144bf7046c06f48c16e"
          + "4ac16d4cc26c4ec36b50c46a52c56954c56856c66758c7655ac8645cc8635ec96260ca6063cb5f65cb5e"
          + "67cc5c69cd5b6ccd5a6ece5870cf5773d05675d05477d1537ad1517cd2507fd34e81d34d84d44b86d549"
          + "89d5488bd6468ed64590d74393d74195d84098d83e9bd93c9dd93ba0da39a2da37a5db36a8db34aadc32"
          + "addc30b0dd2fb2dd2db5de2bb8de29bade28bddf26c0df25c2df23c5e021c8e020cae11fcde11dd0e11c"
          + "d2e21bd5e21ad8e219dae319dde318dfe318e2e418e5e419e7e419eae51aece51befe51cf1e51df4e61e"
          + "f6e620f8e621fbe723fde725";

  /** The eleven colours of ColorBrewer's diverging scheme Spectral. */
  private static final int[] SPECTRAL_COLOURS = {
    0x9e0142, 0xd53e4f, 0xf46d43, 0xfdae61, 0xfee08b, 0xffffbf, 0xe6f598, 0xabdda4, 0x66c2a5,
    0x3288bd, 0x5e4fa2
  };

  private static final byte[] INFERNO = HexFormat.of().parseHex(INFERNO_HEX);
  private static final byte[] TURBO = HexFormat.of().parseHex(TURBO_HEX);
  private static final byte[] VIRIDIS = HexFormat.of().parseHex(VIRIDIS_HEX);
  private static final byte[] SPECTRAL = spectral(false);
  private static final byte[] SPECTRAL_R = spectral(true);
  private static final byte[] GRAY = gray();

  private ColormapTables() {}

  /** Red, green and blue of each of the 256 colours; shared, not to be written to. */
  static byte[] of(Colormap map) {
    return switch (map) {
      case INFERNO -> INFERNO;
      case SPECTRAL -> SPECTRAL;
      case SPECTRAL_R -> SPECTRAL_R;
      case TURBO -> TURBO;
      case VIRIDIS -> VIRIDIS;
      case GRAY -> GRAY;
    };
  }

  /**
   * The 256 colours between Spectral's eleven. The order of operations is that of matplotlib's
   * lookup table: the cut to an integer makes the last bit of a double visible.
   */
  private static byte[] spectral(boolean reversed) {
    int last = SPECTRAL_COLOURS.length - 1;
    int[] colours = new int[last + 1];
    double[] positions = new double[last + 1];
    for (int k = 0; k <= last; k++) {
      colours[k] = SPECTRAL_COLOURS[reversed ? last - k : k];
      double even = 1.0 / last;
      positions[k] = 255 * (reversed ? 1 - (last - k) * even : k * even);
    }
    byte[] table = new byte[3 * 256];
    int right = 1;
    for (int i = 0; i < 256; i++) {
      double position = 255 * (i * (1.0 / 255));
      while (right < last && positions[right] < position) {
        right++;
      }
      double fraction =
          i == 255
              ? 1
              : (position - positions[right - 1]) / (positions[right] - positions[right - 1]);
      for (int band = 0; band < 3; band++) {
        int shift = 16 - 8 * band;
        double low = (colours[right - 1] >> shift & 0xff) / 255.0;
        double high = (colours[right] >> shift & 0xff) / 255.0;
        table[3 * i + band] = (byte) (int) ((fraction * (high - low) + low) * 255);
      }
    }
    return table;
  }

  private static byte[] gray() {
    byte[] table = new byte[3 * 256];
    for (int i = 0; i < table.length; i++) {
      table[i] = (byte) (i / 3);
    }
    return table;
  }
}
