# CUDA: kernels for GPUs, the emulator, and the tests that run on both. Included by the Makefile.
#
#   make cuda             build/cuda/<name>.fatbin (sm_80, sm_89, sm_90, PTX for newer ones), <name>90.cubin (sm_90a),
#                         modules.txt. Fails if a kernel spills registers or has a stack frame. Needs nvcc.
#   make emulator         build/emulator/libcuda.so.1 and the same kernels for it: <name>.emu.so (elem is
#                         bf16), <name>_float.emu.so, modules.txt
#   make test-cuda        every test/cuda/test_*.cpp on the emulator; test-cuda-vector: that of one family
#   make test-gpu         the same tests on a GPU, with NVIDIA's driver
#   make gpu-tests        build/gpu-tests: those tests with all that they need, to be carried to a machine with a
#                         GPU, and what the kernels gave on the emulator (test/cuda/recording.h)
#
# One module for each cuda/*.cu; files named *90.cu are for sm_90a only.

CXX ?= c++
NVCC ?= $(shell command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)
# For a profiler: NVCC_FLAGS='-std=c++17 -O3 -lineinfo'.
NVCC_FLAGS ?= -std=c++17 -O3
CUDA_BUILD = $(BUILD)/cuda
EMULATOR = $(BUILD)/emulator

MODULES_90 = $(patsubst cuda/%.cu,%,$(wildcard cuda/*90.cu))
MODULES = $(filter-out $(MODULES_90),$(patsubst cuda/%.cu,%,$(wildcard cuda/*.cu)))

.PHONY: cuda cuda-float emulator test-cuda test-gpu gpu-tests

# ---- for GPUs ----

ifeq (,$(NVCC))
cuda cuda-float:
	@echo "nvcc is not installed: the CUDA kernels are not built"
else
TARGETS = -gencode arch=compute_80,code=sm_80 -gencode arch=compute_89,code=sm_89 \
  -gencode arch=compute_90,code=sm_90 -gencode arch=compute_80,code=compute_80
TEST_TARGETS = -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90 \
  -gencode arch=compute_80,code=compute_80
cuda: $(CUDA_BUILD)/modules.txt
$(CUDA_BUILD)/modules.txt: $(MODULES:%=$(CUDA_BUILD)/%.fatbin) $(MODULES_90:%=$(CUDA_BUILD)/%.cubin)
	@printf '%s\n' $(notdir $^) | sort >$@
# Not shipped: that the variant for tests compiles too.
cuda-float: $(MODULES:%=$(CUDA_BUILD)/%_float.fatbin)

$(CUDA_BUILD)/%.fatbin: cuda/%.cu cuda/nvcc-checked cuda.mk
	@mkdir -p $(@D)
	cuda/nvcc-checked $(NVCC) $(NVCC_FLAGS) $(TARGETS) -MMD -MF $(@:.fatbin=.d) -fatbin -o $@ $<
$(CUDA_BUILD)/%_float.fatbin: cuda/%.cu cuda.mk
	@mkdir -p $(@D)
	$(NVCC) $(NVCC_FLAGS) -DFATHOM_ELEM_FLOAT $(TEST_TARGETS) -fatbin -o $@ $<
$(CUDA_BUILD)/%90.cubin: cuda/%90.cu cuda/nvcc-checked cuda.mk
	@mkdir -p $(@D)
	cuda/nvcc-checked $(NVCC) $(NVCC_FLAGS) -gencode arch=compute_90a,code=sm_90a -MMD \
	  -MF $(@:.cubin=.d) -cubin -o $@ $<
endif

# ---- emulator ----

# -march=native: the modules are made where they run. The fibers and guard pages do not go with ASan.
EMULATOR_WARNINGS = -Wall -Wextra -Werror
EMULATOR_FLAGS = -std=c++20 -g1 -fPIC -fvisibility=hidden -fno-strict-aliasing -U_FORTIFY_SOURCE -pthread \
  $(EMULATOR_WARNINGS) -MMD -MP
MODULE_FLAGS = $(EMULATOR_FLAGS) -O2 -ftree-vectorize -march=native -fno-math-errno -fno-gnu-unique \
  -Wno-unknown-pragmas -x c++
EMULATOR_OBJECTS = $(patsubst emulator/%.cpp,$(EMULATOR)/%.o,$(wildcard emulator/*.cpp))
EMULATED = $(MODULES:%=$(EMULATOR)/%.emu.so) $(MODULES:%=$(EMULATOR)/%_float.emu.so) \
  $(MODULES_90:%=$(EMULATOR)/%.emu.so)

emulator: $(EMULATOR)/modules.txt
# The names of the modules with elem = bf16, as for GPUs.
$(EMULATOR)/modules.txt: $(EMULATED)
	@printf '%s\n' $(filter-out %_float.emu.so,$(notdir $(EMULATED))) | sort >$@

$(EMULATOR)/%.o: emulator/%.cpp cuda.mk
	@mkdir -p $(@D)
	$(CXX) $(EMULATOR_FLAGS) -O2 -c $< -o $@
$(EMULATOR)/libcuda.so.1: $(EMULATOR_OBJECTS)
	$(CXX) -shared -pthread -Wl,-soname,libcuda.so.1 -Wl,--no-undefined -o $@ $^
	@ln -sf libcuda.so.1 $(EMULATOR)/libcuda.so

EMULATOR_MODULE = $(CXX) $(MODULE_FLAGS) $(1) -shared -o $@ $< -x none $(EMULATOR)/libcuda.so.1
$(EMULATOR)/%90.emu.so: cuda/%90.cu cuda.mk | $(EMULATOR)/libcuda.so.1
	$(call EMULATOR_MODULE,-DFATHOM_ARCHITECTURE=90)
$(EMULATOR)/%_float.emu.so: cuda/%.cu cuda.mk | $(EMULATOR)/libcuda.so.1
	$(call EMULATOR_MODULE,-DFATHOM_ELEM_FLOAT)
$(EMULATOR)/%.emu.so: cuda/%.cu cuda.mk | $(EMULATOR)/libcuda.so.1
	$(call EMULATOR_MODULE,)

# ---- tests ----

CUDA_TESTS = $(patsubst test/cuda/%.cpp,$(EMULATOR)/%,$(wildcard test/cuda/test_*.cpp))
# Kernels for tests of the emulator and of the device layer: kernels/, and broken/ with a fault each.
TEST_KERNELS = $(patsubst test/cuda/%.cu,%,$(wildcard test/cuda/broken/*.cu test/cuda/kernels/*.cu))
TEST_MODULES = $(TEST_KERNELS:%=$(EMULATOR)/%.emu.so) $(EMULATOR)/kernels/fragments_float.emu.so \
  $(EMULATOR)/broken/copy_float.emu.so
TEST_MODULE = @mkdir -p $(@D) && $(CXX) $(MODULE_FLAGS) -Icuda $(1) -shared -o $@ $< -x none \
  $(EMULATOR)/libcuda.so.1
TEST_MODULES_GPU = $(CUDA_BUILD)/kernels/fragments.fatbin $(CUDA_BUILD)/kernels/fragments_float.fatbin \
  $(CUDA_BUILD)/kernels/gemm90.cubin $(CUDA_BUILD)/kernels/product90.cubin

# Definitions in float64 that the CPU's tests use, too.
CUDA_TEST_OBJECTS += $(EMULATOR)/recording.o $(EMULATOR)/loss_reference.o $(EMULATOR)/augment_reference.o
.SECONDARY: $(CUDA_TEST_OBJECTS)
$(EMULATOR)/%_reference.o: test/%_reference.c cuda.mk
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 $(WARNINGS) -MMD -MP -c $< -o $@
$(EMULATOR)/harness.o $(EMULATOR)/recording.o: $(EMULATOR)/%.o: test/cuda/%.cpp cuda.mk
	@mkdir -p $(@D)
	$(CXX) $(EMULATOR_FLAGS) -O2 -c $< -o $@
$(EMULATOR)/test_%: test/cuda/test_%.cpp $(EMULATOR)/harness.o $(CUDA_TEST_OBJECTS) | $(EMULATOR)/libcuda.so.1
	$(CXX) $(EMULATOR_FLAGS) -O2 -static-libstdc++ -static-libgcc -o $@ $< $(EMULATOR)/harness.o $(CUDA_TEST_OBJECTS) \
	  $(EMULATOR)/libcuda.so.1 -Wl,--enable-new-dtags -Wl,-rpath,'$$ORIGIN'
$(EMULATOR)/%90.emu.so: test/cuda/%90.cu cuda.mk | $(EMULATOR)/libcuda.so.1
	$(call TEST_MODULE,-DFATHOM_ARCHITECTURE=90)
$(EMULATOR)/%_float.emu.so: test/cuda/%.cu cuda.mk | $(EMULATOR)/libcuda.so.1
	$(call TEST_MODULE,-DFATHOM_ELEM_FLOAT)
$(EMULATOR)/%.emu.so: test/cuda/%.cu cuda.mk | $(EMULATOR)/libcuda.so.1
	$(call TEST_MODULE,)
$(CUDA_BUILD)/kernels/%90.cubin: test/cuda/kernels/%90.cu cuda.mk
	@mkdir -p $(@D)
	$(NVCC) $(NVCC_FLAGS) -Icuda -gencode arch=compute_90a,code=sm_90a -cubin -o $@ $<
$(CUDA_BUILD)/kernels/%.fatbin: test/cuda/kernels/%.cu cuda.mk
	@mkdir -p $(@D)
	$(NVCC) $(NVCC_FLAGS) -Icuda $(TEST_TARGETS) -fatbin -o $@ $<
$(CUDA_BUILD)/kernels/%_float.fatbin: test/cuda/kernels/%.cu cuda.mk
	@mkdir -p $(@D)
	$(NVCC) $(NVCC_FLAGS) -Icuda -DFATHOM_ELEM_FLOAT $(TEST_TARGETS) -fatbin -o $@ $<

test: test-cuda
test-cuda: $(CUDA_TESTS) $(EMULATED) $(TEST_MODULES)
	@for t in $(CUDA_TESTS); do FATHOM_EMULATOR_QUIET=1 $$t || exit 1; done
test-cuda-%: $(EMULATOR)/test_%
	@$(MAKE) --no-print-directory $(foreach m,$(filter $(*:%90=%)%,$(MODULES)),$(EMULATOR)/$(m).emu.so \
	  $(EMULATOR)/$(m)_float.emu.so) $(foreach m,$(filter $(*:%90=%)%,$(MODULES_90)),$(EMULATOR)/$(m).emu.so)
	$<
test-cuda-emulator: $(EMULATED) $(TEST_MODULES) $(filter $(EMULATOR)/test_emulator%,$(CUDA_TESTS))
	@for t in $(filter $(EMULATOR)/test_emulator%,$(CUDA_TESTS)); do FATHOM_EMULATOR_QUIET=1 $$t || exit 1; done
GPU_TESTS = $(filter-out $(EMULATOR)/test_emulator%,$(CUDA_TESTS))
test-gpu: cuda cuda-float $(TEST_MODULES_GPU) $(CUDA_TESTS)
	@lib=$$(ldconfig -p | sed -n 's/.*libcuda.so.1 .*x86-64.* => //p' | head -1); \
	test -n "$$lib" || lib=$$(ls /usr/local/nvidia/lib64/libcuda.so.1 2>/dev/null); \
	test -n "$$lib" || { echo "no libcuda.so.1 of NVIDIA here"; exit 1; }; \
	for t in $(GPU_TESTS); do FATHOM_CUDA_MODULES=$(CUDA_BUILD) LD_PRELOAD=$$lib $$t || exit 1; done
ifeq (,$(NVCC))
gpu-tests:
	@echo "nvcc is not installed: the kernels' tests for GPUs are not built"
else
gpu-tests: cuda cuda-float $(TEST_MODULES_GPU) $(GPU_TESTS) $(EMULATED) $(TEST_MODULES)
	@rm -rf $(BUILD)/gpu-tests && mkdir -p $(BUILD)/gpu-tests/kernels
	@for t in $(GPU_TESTS); do FATHOM_CUDA_RECORD=$(BUILD)/gpu-tests $$t --schedule 0 || exit 1; done
	@cp $(CUDA_BUILD)/*.fatbin $(CUDA_BUILD)/*.cubin $(CUDA_BUILD)/modules.txt $(GPU_TESTS) $(BUILD)/gpu-tests
	@cp $(TEST_MODULES_GPU) $(BUILD)/gpu-tests/kernels
endif

-include $(wildcard $(CUDA_BUILD)/*.d $(EMULATOR)/*.d $(EMULATOR)/*/*.d)
