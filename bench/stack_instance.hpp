// The stack of the default policies is compiled once for all programs of the benchmarks (stack_instance.cpp). What it costs
// in instructions is within 2.5 percent of what a program has that compiles its own, in either direction; tests/budget
// counts the latter.
#pragma once

#include "tcpco/policy/bundle.hpp"
#include "tcpco/stack/basic_stack.hpp"

extern template class tcpco::basic_stack<tcpco::default_policies>;
