package dev.fathom.training.data;

import dev.fathom.training.UserException;
import dev.fathom.training.picture.PictureReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The pictures below a folder, at any depth, in the order of their paths; nothing is known of their
 * depth. Hidden files and folders are left out. A picture's id is its path without the extension;
 * where two pictures differ in nothing else, all ids keep it.
 */
public final class FolderDataSet extends FileDataSet {

  private FolderDataSet(Path folder, List<SampleParts> samples) {
    super(folder.toString(), samples, DataSpec.of(folder));
  }

  /**
   * Searches a folder.
   *
   * @throws UserException if it does not exist, cannot be read, or has no picture in it
   */
  public static FolderDataSet open(Path folder) {
    List<String> names = new ArrayList<>();
    for (String file : FileTree.files(folder)) {
      if (PictureReader.isPictureName(Path.of(file))) {
        names.add(file);
      }
    }
    if (names.isEmpty()) {
      throw new UserException(
          folder, "no picture in this folder (JPEG, PNG, WebP, TIFF, BMP, GIF)");
    }
    List<String> ids = SampleTable.ids(names);
    List<SampleParts> samples = new ArrayList<>(names.size());
    for (int i = 0; i < names.size(); i++) {
      Part picture = Part.file(folder, names.get(i));
      samples.add(new SampleParts(ids.get(i), picture, null, null, null, null));
    }
    return new FolderDataSet(folder, samples);
  }
}
