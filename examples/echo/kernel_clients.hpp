// Clients on the kernel's own sockets, to the server on the other side of the TAP. Blocking; they run on a thread of
// their own.
#pragma once

#include "options.hpp"

namespace echo_example {

// Talks to 198.18.0.2 port 7 in turn: text, the large transfer, many at a time. True: every octet came back.
bool run_kernel_clients(const options& chosen);

}  // namespace echo_example
