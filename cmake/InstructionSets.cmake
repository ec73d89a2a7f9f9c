# The translation units of native/cpu/isa, one an instruction set, each with the flags of its own set and no others: which
# of them runs is chosen at load time, so that one library serves every machine of its family.
function(vq4j_instruction_sets target)
    set(folder "${PROJECT_SOURCE_DIR}/cpu/isa")
    target_sources(${target} PRIVATE ${folder}/portable.cpp)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
        target_sources(${target} PRIVATE ${folder}/avx2.cpp ${folder}/avx512.cpp)
        set_source_files_properties(${folder}/avx2.cpp PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c")
        set_source_files_properties(${folder}/avx512.cpp PROPERTIES
            COMPILE_OPTIONS "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mfma")
    endif()
endfunction()
