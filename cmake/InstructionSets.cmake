# The translation units of native/cpu/isa, one an instruction set, each with the flags of its own set and no others: which
# of them runs is chosen at load time, so that one library serves every machine of its family.
# Square roots need not set errno and comparisons need not trap: no result depends on it, and both stand in the way of
# vectors. GCC 12 takes the undefined vectors inside its own AVX-512 header for uninitialised variables (bug 105593).
function(vq4j_instruction_sets target)
    set(folder "${PROJECT_SOURCE_DIR}/cpu/isa")
    set(common -fno-math-errno -fno-trapping-math)
    target_sources(${target} PRIVATE ${folder}/portable.cpp)
    set_source_files_properties(${folder}/portable.cpp PROPERTIES COMPILE_OPTIONS "${common}")
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
        target_sources(${target} PRIVATE ${folder}/avx2.cpp ${folder}/avx512.cpp ${folder}/avx512_vnni.cpp)
        set_source_files_properties(${folder}/avx2.cpp PROPERTIES COMPILE_OPTIONS "${common};-mavx2;-mfma")
        set(avx512 "${common};-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mfma;-mprefer-vector-width=512;-Wno-uninitialized;-Wno-maybe-uninitialized")
        set_source_files_properties(${folder}/avx512.cpp PROPERTIES COMPILE_OPTIONS "${avx512}")
        set_source_files_properties(${folder}/avx512_vnni.cpp PROPERTIES COMPILE_OPTIONS "${avx512};-mavx512vnni")
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
        # Every aarch64 has NEON. Scheduling before registers are given out, which GCC does on this processor and not on x86,
        # loads so far ahead that the 24 accumulators of a tile no longer fit.
        target_sources(${target} PRIVATE ${folder}/neon.cpp)
        set_source_files_properties(${folder}/neon.cpp PROPERTIES COMPILE_OPTIONS "${common};-fno-schedule-insns")
    endif()
endfunction()
