package dev.fathom.bindings.cuda;

/** A driver function's failure: what was being done, the driver's name for the error, its text. */
public class CudaException extends RuntimeException {

  private static final long serialVersionUID = 1L;

  /** CUDA_ERROR_INVALID_VALUE. */
  public static final int INVALID_VALUE = 1;

  /** CUDA_ERROR_OUT_OF_MEMORY. */
  public static final int OUT_OF_MEMORY = 2;

  /** CUDA_ERROR_NO_DEVICE. */
  public static final int NO_DEVICE = 100;

  /** CUDA_ERROR_NOT_FOUND: no function of that name in a module. */
  public static final int NOT_FOUND = 500;

  /** CUDA_ERROR_NOT_READY: what was asked about has not ended. */
  public static final int NOT_READY = 600;

  /** CUDA_ERROR_NOT_SUPPORTED; also of a function that the installed driver does not have. */
  public static final int NOT_SUPPORTED = 801;

  private final int code;
  private final String errorName;
  private final String errorText;
  private final String operation;

  /**
   * A failure.
   *
   * @param operation what was being done: a driver function, or a launch with its geometry
   * @param code the CUresult, not 0
   * @param errorName the driver's name for it, for example CUDA_ERROR_INVALID_VALUE
   * @param errorText the driver's description of it
   */
  public CudaException(String operation, int code, String errorName, String errorText) {
    this(
        operation + ": " + errorName + " (" + errorText + ")",
        operation,
        code,
        errorName,
        errorText);
  }

  CudaException(String message, String operation, int code, String errorName, String errorText) {
    super(message);
    this.operation = operation;
    this.code = code;
    this.errorName = errorName;
    this.errorText = errorText;
  }

  /** The same failure, of an operation that says more than the driver function's name. */
  CudaException of(String largerOperation) {
    CudaException larger = new CudaException(largerOperation, code, errorName, errorText);
    larger.initCause(this);
    return larger;
  }

  /** The CUresult. */
  public final int code() {
    return code;
  }

  /** The driver's name for the error. */
  public final String errorName() {
    return errorName;
  }

  /** The driver's description of the error. */
  public final String errorText() {
    return errorText;
  }

  /** What was being done. */
  public final String operation() {
    return operation;
  }

  /**
   * Whether the context is unusable from now on: a kernel faulted, or the hardware did. Every later
   * call fails with the same code, and only a new process helps.
   */
  public final boolean isContextLost() {
    return switch (code) {
      // ECC, contained memory error; illegal address to tensor memory leak; assert.
      case 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721 -> true;
      default -> false;
    };
  }
}
