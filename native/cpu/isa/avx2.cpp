#define VQ4J_INSTRUCTION_SET avx2
#define VQ4J_FILTERED_ASSIGNMENT
#include "cpu/isa/unit.hpp"
