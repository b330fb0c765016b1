// The default stack is compiled once for all test executables (stack_instance.cpp), not in each file that uses it. A
// program with many files does well to do the same.
#pragma once

#include "tcpco/stack/basic_stack.hpp"

extern template class tcpco::basic_stack<tcpco::default_policies>;
