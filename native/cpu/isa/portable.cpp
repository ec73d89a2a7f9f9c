#define VQ4J_INSTRUCTION_SET portable
#include "cpu/isa/unit.hpp"
