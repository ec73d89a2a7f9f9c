# Flags of every C++ and CUDA source of vq4j.
#
# Results are equal bit for bit on every machine because a multiply and an add are fused only where the source says fma:
# hence -ffp-contract=off, --fmad=false, and never -ffast-math.
# Two builds of one source tree give the same libraries: no build path (-ffile-prefix-map) and no build id in them.
function(vq4j_compiler_flags target)
    target_compile_features(${target} PUBLIC cxx_std_17)
    set_target_properties(${target} PROPERTIES
        CXX_EXTENSIONS OFF CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON CUDA_EXTENSIONS OFF
        POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden
        VISIBILITY_INLINES_HIDDEN ON)
    set(warnings_and_sums -Wall -Wextra -ffp-contract=off)
    set(no_build_path "-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=")
    # nvcc splits at spaces and commas what it hands to g++, but not within quotes.
    set(host_through_nvcc ${warnings_and_sums} "\"${no_build_path}\"")
    string(REPLACE ";" "," host_through_nvcc "${host_through_nvcc}")
    target_compile_options(${target} PRIVATE
        "$<$<COMPILE_LANGUAGE:CXX>:${warnings_and_sums};${no_build_path}>"
        "$<$<COMPILE_LANGUAGE:CUDA>:--fmad=false;-Xcompiler=${host_through_nvcc}>")
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
endfunction()

# A shared library that shows the world its C API and nothing else. The C++ runtime is linked in, so that it loads where
# libstdc++ is older than the compiler; without the sections that nobody uses, which ask for a newer C library. It stays in
# the process (nodelete) when a class loader that had it is gone: its threads run on.
function(vq4j_export_c_api_only target)
    set(map "${PROJECT_SOURCE_DIR}/../cmake/exported_symbols.map")
    target_link_options(${target} PRIVATE "LINKER:--version-script=${map}" LINKER:--build-id=none LINKER:-z,defs
        LINKER:-z,nodelete LINKER:--as-needed $<$<CONFIG:Release>:LINKER:--strip-all>)
    if(NOT VQ4J_SANITIZE)
        target_link_options(${target} PRIVATE -static-libstdc++ LINKER:--gc-sections)
    endif()
    set_target_properties(${target} PROPERTIES LINK_DEPENDS "${map}")
endfunction()
