// Everything that is portable: the stack without I/O and without coroutines, with its policies. Needs nothing but
// C++20, not even exceptions or RTTI. With coroutines and Linux: tcpco/tcpco.hpp.
#pragma once

#include "tcpco/policies.hpp"
#include "tcpco/policy/bundle.hpp"
#include "tcpco/stack/basic_stack.hpp"
#include "tcpco/version.hpp"
#include "tcpco/wire/dump.hpp"
