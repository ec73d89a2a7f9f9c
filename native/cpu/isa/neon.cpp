#define VQ4J_INSTRUCTION_SET neon
#define VQ4J_NEON
#include "cpu/isa/unit.hpp"
