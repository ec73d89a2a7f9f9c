# Toolchain for 64-bit ARM on a PC (Debian: g++-aarch64-linux-gnu, and qemu-user to run the tests):
# cmake -S native -B build-arm64 -DCMAKE_TOOLCHAIN_FILE=cmake/linux-arm64.cmake -DVQ4J_CUDA=OFF
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

# Where Debian puts the libraries of that machine.
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)

# An entry of the cache, so that another emulator can be named; with none the tests are compiled only.
find_program(qemu_aarch64 NAMES qemu-aarch64 qemu-aarch64-static NO_CACHE)
if(qemu_aarch64)
    set(CMAKE_CROSSCOMPILING_EMULATOR "${qemu_aarch64};-L;/usr/aarch64-linux-gnu" CACHE STRING "Runs the tests")
endif()
