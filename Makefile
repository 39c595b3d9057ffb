# Fathom. `make` builds, `make test` runs every test, `make run` the main job, `make bench` the
# benchmarks. Needs JDK 25.0.3 or newer, Maven 3.8 or newer and a C compiler; everything else is fetched.

MVN = $(shell command -v mvn)
JAVA_HOME := $(shell bin/find-jdk 2>/dev/null)
export JAVA_HOME
MAVEN = mvn -B -q

.PHONY: all check-tools test run bench bindings format clean
all: check-tools
	@$(MAVEN) package -DskipTests

check-tools:
	@bin/find-jdk >/dev/null
	@command -v mvn >/dev/null || { echo "Maven is missing: install Maven 3.8 or newer (Debian: apt-get install maven)" >&2; exit 1; }
	@command -v $${CC:-cc} >/dev/null || { echo "No C compiler: install gcc or clang (Debian: apt-get install gcc libc6-dev)" >&2; exit 1; }

test: check-tools
	@mvn -B verify

# Whether the generated Java agrees with kernels/include/fathom.h; needs jextract, says so without it.
bindings:
	@scripts/generate-bindings --check

format: check-tools
	@$(MAVEN) spotless:apply

clean:
	@rm -rf kernels/build */target target out
