// The TAP of an lwIP server, apart from lwIP's headers, which do not get on with the system's.
#pragma once

namespace tcpco_bench {

// tap0 with the kernel at 198.18.0.1: a descriptor that does not wait, or -1 (said on stderr).
int open_tap();
// The kernel's side alone, of a tap0 that is open already. False: said on stderr.
bool set_up_tap();

}  // namespace tcpco_bench
