# Fathom. `make` builds, `make test` runs every test, `make run` the main job, `make bench` the
# benchmarks. Needs JDK 25.0.3 or newer, Maven 3.8 or newer and a C compiler; everything else is fetched.

MVN = $(shell command -v mvn)
JAVA_HOME := $(shell bin/find-jdk 2>/dev/null)
export JAVA_HOME
MAVEN = mvn -B -q

.PHONY: all build cuda aot check-tools test run bench bench-training gpu-check bundle bindings format clean
all: cuda build

build: check-tools
	@$(MAVEN) package -DskipTests
	@$(MAKE) --no-print-directory aot

# The kernels for GPUs, by nvcc; without it one line, and everything else works.
cuda:
	@$(MAKE) --no-print-directory -s -j$$(nproc) -C kernels cuda

# Classes loaded and linked ahead of time, so that the command line starts faster. It only speeds things
# up: where it cannot be made, everything works without.
aot:
	@bin/fathom smoke --quiet --tiny --out training/target/aot && \
	  FATHOM_AOT_RECORD=1 bin/fathom predict --quiet training/target/aot/street.png \
	  --weights training/target/aot/random_tiny.safetensors --out training/target/aot \
	  >training/target/aot/record.log 2>&1 || echo "no ahead-of-time cache: see training/target/aot/record.log"

check-tools:
	@bin/find-jdk >/dev/null
	@command -v mvn >/dev/null || { echo "Maven is missing: install Maven 3.8 or newer (Debian: apt-get install maven)" >&2; exit 1; }
	@command -v $${CC:-cc} >/dev/null || { echo "No C compiler: install gcc or clang (Debian: apt-get install gcc libc6-dev)" >&2; exit 1; }

# The whole pipeline on rendered scenes: an encoder, a teacher, its labels, a student, and how they compare.
# Nothing is downloaded. Stopped, it goes on where it was; `rm -r out/demo` starts anew.
run: build
	@bin/fathom selftrain --config configs/demo.yaml --out out/demo
	@echo "Look at out/demo/report.html; the numbers are in out/demo/metrics.json."

# The CUDA kernels run on the emulator here, which takes a C++ compiler.
test: check-tools
	@command -v $${CXX:-c++} >/dev/null || { echo "No C++ compiler: install g++ (Debian: apt-get install g++)" >&2; exit 1; }
	@mvn -B verify

# Operators of ViT-S, then what is asked for: BENCH='--models vits,vitb --threads 1,2 --isa avx2',
# BENCH=--help. WEIGHTS=<checkpoint> also times the whole network and the start, ONNX=<graph> beside
# ONNX Runtime.
bench: build
	@"$(JAVA_HOME)/bin/java" --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow \
	  -jar bench/target/fathom-bench-[0-9]*.jar $(BENCH) \
	  $(if $(WEIGHTS),--weights "$(WEIGHTS)") $(if $(ONNX),--onnx "$(ONNX)")

# A training step beside the same step in PyTorch, where Python has it: BENCH='--python FILE --out NAME'.
bench-training: build
	@bench/training-step $(BENCH)

# The kernels' tests and rates on this machine's GPU, beside NVIDIA's libraries and PyTorch where they are:
# BENCH='--out bench/results/NAME'. For another machine: make bundle.
gpu-check: build
	@$(MAKE) --no-print-directory -s -j$$(nproc) -C kernels gpu-tests
	@bench/gpu-check $(BENCH)

# A folder that runs on a Linux machine with only NVIDIA's driver: bin/fathom, bin/gpu-check. Needs nvcc.
bundle: cuda build
	@$(MAKE) --no-print-directory -s -j$$(nproc) -C kernels gpu-tests
	@scripts/bundle target/fathom-linux-x86_64

# Whether the generated Java agrees with kernels/include/fathom.h; needs jextract, says so without it.
bindings:
	@scripts/generate-bindings --check

format: check-tools
	@$(MAVEN) spotless:apply

clean:
	@rm -rf kernels/build */target target out
