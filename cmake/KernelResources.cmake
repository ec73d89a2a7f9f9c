# What the compiler says of every kernel of a CUDA library: registers, spills, stack and shared memory, for each GPU that
# the library has machine code for. The target kernel_resources prints it. VQ4J_KERNEL_RESOURCES_TEST is the command of a
# test that holds it against cmake/kernel_limits.txt.
#
# ptxas writes its report while it compiles. A launcher around the compiler keeps it beside the object file, so that
# nothing is compiled twice.
function(vq4j_kernel_resources target)
    set(folder "${PROJECT_SOURCE_DIR}/../cmake")
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:-Xptxas=-v>")
    set_target_properties(${target} PROPERTIES RULE_LAUNCH_COMPILE "sh \"${folder}/keep_compiler_report.sh\" <OBJECT>")
    set(objects "${PROJECT_BINARY_DIR}/kernel_resources_objects.txt")
    file(GENERATE OUTPUT "${objects}" CONTENT "$<JOIN:$<TARGET_OBJECTS:${target}>,\n>\n")
    find_program(VQ4J_CXXFILT NAMES c++filt llvm-cxxfilt)
    set(print "${CMAKE_COMMAND}" "-DOBJECTS=${objects}" "-DFOLDER=${PROJECT_BINARY_DIR}" "-DCXXFILT=${VQ4J_CXXFILT}")
    set(script -P "${folder}/kernel_resources.cmake")
    add_custom_target(kernel_resources COMMAND ${print} ${script} VERBATIM
        COMMENT "Registers, spills and memory of the kernels")
    add_dependencies(kernel_resources ${target})
    set(VQ4J_KERNEL_RESOURCES_TEST ${print} "-DLIMITS=${folder}/kernel_limits.txt" ${script} PARENT_SCOPE)
endfunction()
