// The same clients as coroutines on a second stack, for a link in memory.
#pragma once

#include "options.hpp"
#include "service.hpp"

namespace echo_example {

// Talks to 198.18.0.2 port 7 from the stack `net`. True: every octet came back.
tcpco::task<bool> run_memory_clients(tcpco::stack_port& net, const options& chosen);

}  // namespace echo_example
