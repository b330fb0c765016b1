#include "stack_instance.hpp"

template class tcpco::basic_stack<tcpco::default_policies>;
