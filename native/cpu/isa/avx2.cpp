#define VQ4J_INSTRUCTION_SET avx2
#include "cpu/isa/unit.hpp"
