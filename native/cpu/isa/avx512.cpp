#define VQ4J_INSTRUCTION_SET avx512
#include "cpu/isa/unit.hpp"
