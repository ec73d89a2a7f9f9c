# Which GPUs libvq4j_cuda.so carries machine code for (VQ4J_CUDA_ARCHITECTURES), in CMake's notation: "-real" is machine
# code of that architecture, "-virtual" is PTX, which the driver compiles at load time for any newer GPU.
#
#   75   Turing         T4, RTX 20
#   80   Ampere         A100
#   86   Ampere         A10, A40, RTX 30
#   89   Ada Lovelace   L4, L40, RTX 40
#   90a  Hopper         H100, H200; "a" has the instructions that no other GPU knows, and serves no other
#   100  Blackwell      B100, B200
#   120  Blackwell      RTX 50, RTX PRO 6000
#
# default: machine code for Hopper, where the time is spent, and PTX of Turing, the oldest that CUDA 13 compiles for:
#          one PTX for every GPU of the table, at the price of a compilation by the driver at its first load there.
#          Sources with instructions that Turing lacks (vq4j_add_ampere_ptx) have PTX of Ampere besides.
# all:     machine code for the whole table, PTX of its newest for what comes after, and the PTX of the default for what is
#          between: machine code of 10.0 does not run on compute capability 11.0, nor PTX of 12.0.
# A list:  machine code for 90 is that of 90a.
function(vq4j_cuda_architectures choice result)
    if(choice STREQUAL "default")
        set(architectures 75-virtual 90a-real)
    elseif(choice STREQUAL "all")
        set(architectures 75 80-real 86-real 89-real 90a-real 100-real 120)
    else()
        string(REPLACE "," ";" architectures "${choice}")
        list(TRANSFORM architectures REPLACE "^90-real$" "90a-real")
        list(TRANSFORM architectures REPLACE "^90$" "90a-real;90-virtual")
    endif()
    set(${result} "${architectures}" PARENT_SCOPE)
endfunction()

# Tells the sources whether there is machine code for 90a.
function(vq4j_define_sm90a target)
    if(CMAKE_CUDA_ARCHITECTURES MATCHES "(^|;)90a(-real)?(;|$)")
        target_compile_definitions(${target} PRIVATE VQ4J_SM90A)
    endif()
endfunction()

function(vq4j_add_ampere_ptx choice)
    if(choice MATCHES "^(default|all)$")
        set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "-gencode=arch=compute_80,code=compute_80")
    endif()
endfunction()
