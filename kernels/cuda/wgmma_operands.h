/*
 * The instruction wgmma.mma_async.m64nNk16 (bf16 in, float out) for every N: its operand lists have N / 2
 * registers. A table for dev90.h, for nvcc only.
 *
 *   WGMMA_SHARED(N, d, a, b, accumulate, transposed_a, transposed_b)    A by descriptor
 *   WGMMA_REGISTERS(N, d, a, b, accumulate, transposed_b)               A in four registers
 */
#ifndef FATHOM_CUDA_WGMMA_OPERANDS_H
#define FATHOM_CUDA_WGMMA_OPERANDS_H

#define WGMMA_SHARED_(N, names, registers, a_, b_, go_, ta_, tb_, A, B, GO, TA, TB)                     \
  asm volatile("{.reg .pred p; setp.ne.b32 p, " go_ ", 0; wgmma.mma_async.sync.aligned.m64n" #N         \
               "k16.f32.bf16.bf16 {" names "}, " a_ ", " b_ ", p, 1, 1, " ta_ ", " tb_ ";}"              \
               : registers                                                                               \
               : "l"(A), "l"(B), "r"((int)(GO)), "n"((int)(TA)), "n"((int)(TB)))
#define WGMMA_REGISTERS_(N, names, registers, a0_, a1_, a2_, a3_, b_, go_, tb_, A, B, GO, TB)            \
  asm volatile("{.reg .pred p; setp.ne.b32 p, " go_ ", 0; wgmma.mma_async.sync.aligned.m64n" #N          \
               "k16.f32.bf16.bf16 {" names "}, {" a0_ ", " a1_ ", " a2_ ", " a3_ "}, " b_ ", p, 1, 1, " tb_ ";}" \
               : registers                                                                               \
               : "r"((A)[0]), "r"((A)[1]), "r"((A)[2]), "r"((A)[3]), "l"(B), "r"((int)(GO)), "n"((int)(TB)))

/* Names and operands of d[0] to d[N / 2 - 1]. */
#define WGMMA_NAMES_8 "%0, %1, %2, %3"
#define WGMMA_OUT_8(d) "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
#define WGMMA_NAMES_16 WGMMA_NAMES_8 ", %4, %5, %6, %7"
#define WGMMA_OUT_16(d) WGMMA_OUT_8(d), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7])
#define WGMMA_NAMES_24 WGMMA_NAMES_16 ", %8, %9, %10, %11"
#define WGMMA_OUT_24(d) WGMMA_OUT_16(d), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11])
#define WGMMA_NAMES_32 WGMMA_NAMES_24 ", %12, %13, %14, %15"
#define WGMMA_OUT_32(d) WGMMA_OUT_24(d), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15])
#define WGMMA_NAMES_40 WGMMA_NAMES_32 ", %16, %17, %18, %19"
#define WGMMA_OUT_40(d) WGMMA_OUT_32(d), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19])
#define WGMMA_NAMES_48 WGMMA_NAMES_40 ", %20, %21, %22, %23"
#define WGMMA_OUT_48(d) WGMMA_OUT_40(d), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23])
#define WGMMA_NAMES_56 WGMMA_NAMES_48 ", %24, %25, %26, %27"
#define WGMMA_OUT_56(d) WGMMA_OUT_48(d), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27])
#define WGMMA_NAMES_64 WGMMA_NAMES_56 ", %28, %29, %30, %31"
#define WGMMA_OUT_64(d) WGMMA_OUT_56(d), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])
#define WGMMA_NAMES_72 WGMMA_NAMES_64 ", %32, %33, %34, %35"
#define WGMMA_OUT_72(d) WGMMA_OUT_64(d), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35])
#define WGMMA_NAMES_80 WGMMA_NAMES_72 ", %36, %37, %38, %39"
#define WGMMA_OUT_80(d) WGMMA_OUT_72(d), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39])
#define WGMMA_NAMES_88 WGMMA_NAMES_80 ", %40, %41, %42, %43"
#define WGMMA_OUT_88(d) WGMMA_OUT_80(d), "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43])
#define WGMMA_NAMES_96 WGMMA_NAMES_88 ", %44, %45, %46, %47"
#define WGMMA_OUT_96(d) WGMMA_OUT_88(d), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47])
#define WGMMA_NAMES_104 WGMMA_NAMES_96 ", %48, %49, %50, %51"
#define WGMMA_OUT_104(d) WGMMA_OUT_96(d), "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51])
#define WGMMA_NAMES_112 WGMMA_NAMES_104 ", %52, %53, %54, %55"
#define WGMMA_OUT_112(d) WGMMA_OUT_104(d), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55])
#define WGMMA_NAMES_120 WGMMA_NAMES_112 ", %56, %57, %58, %59"
#define WGMMA_OUT_120(d) WGMMA_OUT_112(d), "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59])
#define WGMMA_NAMES_128 WGMMA_NAMES_120 ", %60, %61, %62, %63"
#define WGMMA_OUT_128(d) WGMMA_OUT_120(d), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
#define WGMMA_NAMES_136 WGMMA_NAMES_128 ", %64, %65, %66, %67"
#define WGMMA_OUT_136(d) WGMMA_OUT_128(d), "+f"(d[64]), "+f"(d[65]), "+f"(d[66]), "+f"(d[67])
#define WGMMA_NAMES_144 WGMMA_NAMES_136 ", %68, %69, %70, %71"
#define WGMMA_OUT_144(d) WGMMA_OUT_136(d), "+f"(d[68]), "+f"(d[69]), "+f"(d[70]), "+f"(d[71])
#define WGMMA_NAMES_152 WGMMA_NAMES_144 ", %72, %73, %74, %75"
#define WGMMA_OUT_152(d) WGMMA_OUT_144(d), "+f"(d[72]), "+f"(d[73]), "+f"(d[74]), "+f"(d[75])
#define WGMMA_NAMES_160 WGMMA_NAMES_152 ", %76, %77, %78, %79"
#define WGMMA_OUT_160(d) WGMMA_OUT_152(d), "+f"(d[76]), "+f"(d[77]), "+f"(d[78]), "+f"(d[79])
#define WGMMA_NAMES_168 WGMMA_NAMES_160 ", %80, %81, %82, %83"
#define WGMMA_OUT_168(d) WGMMA_OUT_160(d), "+f"(d[80]), "+f"(d[81]), "+f"(d[82]), "+f"(d[83])
#define WGMMA_NAMES_176 WGMMA_NAMES_168 ", %84, %85, %86, %87"
#define WGMMA_OUT_176(d) WGMMA_OUT_168(d), "+f"(d[84]), "+f"(d[85]), "+f"(d[86]), "+f"(d[87])
#define WGMMA_NAMES_184 WGMMA_NAMES_176 ", %88, %89, %90, %91"
#define WGMMA_OUT_184(d) WGMMA_OUT_176(d), "+f"(d[88]), "+f"(d[89]), "+f"(d[90]), "+f"(d[91])
#define WGMMA_NAMES_192 WGMMA_NAMES_184 ", %92, %93, %94, %95"
#define WGMMA_OUT_192(d) WGMMA_OUT_184(d), "+f"(d[92]), "+f"(d[93]), "+f"(d[94]), "+f"(d[95])
#define WGMMA_NAMES_200 WGMMA_NAMES_192 ", %96, %97, %98, %99"
#define WGMMA_OUT_200(d) WGMMA_OUT_192(d), "+f"(d[96]), "+f"(d[97]), "+f"(d[98]), "+f"(d[99])
#define WGMMA_NAMES_208 WGMMA_NAMES_200 ", %100, %101, %102, %103"
#define WGMMA_OUT_208(d) WGMMA_OUT_200(d), "+f"(d[100]), "+f"(d[101]), "+f"(d[102]), "+f"(d[103])
#define WGMMA_NAMES_216 WGMMA_NAMES_208 ", %104, %105, %106, %107"
#define WGMMA_OUT_216(d) WGMMA_OUT_208(d), "+f"(d[104]), "+f"(d[105]), "+f"(d[106]), "+f"(d[107])
#define WGMMA_NAMES_224 WGMMA_NAMES_216 ", %108, %109, %110, %111"
#define WGMMA_OUT_224(d) WGMMA_OUT_216(d), "+f"(d[108]), "+f"(d[109]), "+f"(d[110]), "+f"(d[111])
#define WGMMA_NAMES_232 WGMMA_NAMES_224 ", %112, %113, %114, %115"
#define WGMMA_OUT_232(d) WGMMA_OUT_224(d), "+f"(d[112]), "+f"(d[113]), "+f"(d[114]), "+f"(d[115])
#define WGMMA_NAMES_240 WGMMA_NAMES_232 ", %116, %117, %118, %119"
#define WGMMA_OUT_240(d) WGMMA_OUT_232(d), "+f"(d[116]), "+f"(d[117]), "+f"(d[118]), "+f"(d[119])
#define WGMMA_NAMES_248 WGMMA_NAMES_240 ", %120, %121, %122, %123"
#define WGMMA_OUT_248(d) WGMMA_OUT_240(d), "+f"(d[120]), "+f"(d[121]), "+f"(d[122]), "+f"(d[123])
#define WGMMA_NAMES_256 WGMMA_NAMES_248 ", %124, %125, %126, %127"
#define WGMMA_OUT_256(d) WGMMA_OUT_248(d), "+f"(d[124]), "+f"(d[125]), "+f"(d[126]), "+f"(d[127])

#define WGMMA_SHARED_CASES(X) \
  X(8, "%4", "%5", "%6", "%7", "%8") \
  X(16, "%8", "%9", "%10", "%11", "%12") \
  X(24, "%12", "%13", "%14", "%15", "%16") \
  X(32, "%16", "%17", "%18", "%19", "%20") \
  X(40, "%20", "%21", "%22", "%23", "%24") \
  X(48, "%24", "%25", "%26", "%27", "%28") \
  X(56, "%28", "%29", "%30", "%31", "%32") \
  X(64, "%32", "%33", "%34", "%35", "%36") \
  X(72, "%36", "%37", "%38", "%39", "%40") \
  X(80, "%40", "%41", "%42", "%43", "%44") \
  X(88, "%44", "%45", "%46", "%47", "%48") \
  X(96, "%48", "%49", "%50", "%51", "%52") \
  X(104, "%52", "%53", "%54", "%55", "%56") \
  X(112, "%56", "%57", "%58", "%59", "%60") \
  X(120, "%60", "%61", "%62", "%63", "%64") \
  X(128, "%64", "%65", "%66", "%67", "%68") \
  X(136, "%68", "%69", "%70", "%71", "%72") \
  X(144, "%72", "%73", "%74", "%75", "%76") \
  X(152, "%76", "%77", "%78", "%79", "%80") \
  X(160, "%80", "%81", "%82", "%83", "%84") \
  X(168, "%84", "%85", "%86", "%87", "%88") \
  X(176, "%88", "%89", "%90", "%91", "%92") \
  X(184, "%92", "%93", "%94", "%95", "%96") \
  X(192, "%96", "%97", "%98", "%99", "%100") \
  X(200, "%100", "%101", "%102", "%103", "%104") \
  X(208, "%104", "%105", "%106", "%107", "%108") \
  X(216, "%108", "%109", "%110", "%111", "%112") \
  X(224, "%112", "%113", "%114", "%115", "%116") \
  X(232, "%116", "%117", "%118", "%119", "%120") \
  X(240, "%120", "%121", "%122", "%123", "%124") \
  X(248, "%124", "%125", "%126", "%127", "%128") \
  X(256, "%128", "%129", "%130", "%131", "%132")

#define WGMMA_REGISTERS_CASES(X) \
  X(8, "%4", "%5", "%6", "%7", "%8", "%9", "%10") \
  X(16, "%8", "%9", "%10", "%11", "%12", "%13", "%14") \
  X(24, "%12", "%13", "%14", "%15", "%16", "%17", "%18") \
  X(32, "%16", "%17", "%18", "%19", "%20", "%21", "%22") \
  X(40, "%20", "%21", "%22", "%23", "%24", "%25", "%26") \
  X(48, "%24", "%25", "%26", "%27", "%28", "%29", "%30") \
  X(56, "%28", "%29", "%30", "%31", "%32", "%33", "%34") \
  X(64, "%32", "%33", "%34", "%35", "%36", "%37", "%38") \
  X(72, "%36", "%37", "%38", "%39", "%40", "%41", "%42") \
  X(80, "%40", "%41", "%42", "%43", "%44", "%45", "%46") \
  X(88, "%44", "%45", "%46", "%47", "%48", "%49", "%50") \
  X(96, "%48", "%49", "%50", "%51", "%52", "%53", "%54") \
  X(104, "%52", "%53", "%54", "%55", "%56", "%57", "%58") \
  X(112, "%56", "%57", "%58", "%59", "%60", "%61", "%62") \
  X(120, "%60", "%61", "%62", "%63", "%64", "%65", "%66") \
  X(128, "%64", "%65", "%66", "%67", "%68", "%69", "%70") \
  X(136, "%68", "%69", "%70", "%71", "%72", "%73", "%74") \
  X(144, "%72", "%73", "%74", "%75", "%76", "%77", "%78") \
  X(152, "%76", "%77", "%78", "%79", "%80", "%81", "%82") \
  X(160, "%80", "%81", "%82", "%83", "%84", "%85", "%86") \
  X(168, "%84", "%85", "%86", "%87", "%88", "%89", "%90") \
  X(176, "%88", "%89", "%90", "%91", "%92", "%93", "%94") \
  X(184, "%92", "%93", "%94", "%95", "%96", "%97", "%98") \
  X(192, "%96", "%97", "%98", "%99", "%100", "%101", "%102") \
  X(200, "%100", "%101", "%102", "%103", "%104", "%105", "%106") \
  X(208, "%104", "%105", "%106", "%107", "%108", "%109", "%110") \
  X(216, "%108", "%109", "%110", "%111", "%112", "%113", "%114") \
  X(224, "%112", "%113", "%114", "%115", "%116", "%117", "%118") \
  X(232, "%116", "%117", "%118", "%119", "%120", "%121", "%122") \
  X(240, "%120", "%121", "%122", "%123", "%124", "%125", "%126") \
  X(248, "%124", "%125", "%126", "%127", "%128", "%129", "%130") \
  X(256, "%128", "%129", "%130", "%131", "%132", "%133", "%134")

#endif
