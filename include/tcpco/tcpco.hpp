// Everything: the stack, coroutines, devices and reactors. Needs Linux and liburing; tcpco/core.hpp needs neither.
//
//     what a program writes     task<> session(tcp_socket), connect, accept, read, write, with_timeout, with_scope
//                                         |
//     async/        coroutines: task, scope, when_all, when_any, stop tokens, sockets
//                                         |                         driver: where the three below meet, once a turn
//                        .----------------+----------------.
//                        |                |                |
//     stack/          basic_stack      reactor/          device/
//       tcp/ wire/    TCP/IP as a      io_uring, poll,   TAP, TUN, any fd that keeps frame boundaries,
//       policy/       value: frames    or virtual time   memory_link; impairment in between
//       storage/      and time in,
//       core/         frames out
//
// A header includes only what stands further down its own column, never a neighbour's: the stack knows no coroutine, no
// clock and no file descriptor, and policies know nothing but core/. So each part can be used without the others.
#pragma once

#include "tcpco/core.hpp"

#include "tcpco/async/concepts.hpp"
#include "tcpco/async/connect.hpp"
#include "tcpco/async/driver.hpp"
#include "tcpco/async/error.hpp"
#include "tcpco/async/event.hpp"
#include "tcpco/async/executor.hpp"
#include "tcpco/async/operation.hpp"
#include "tcpco/async/root.hpp"
#include "tcpco/async/scope.hpp"
#include "tcpco/async/std_stop.hpp"
#include "tcpco/async/task.hpp"
#include "tcpco/async/tcp_listener.hpp"
#include "tcpco/async/tcp_socket.hpp"
#include "tcpco/async/timeout.hpp"
#include "tcpco/async/when.hpp"
#include "tcpco/device/capture.hpp"
#include "tcpco/device/decorated.hpp"
#include "tcpco/device/frame_fd.hpp"
#include "tcpco/device/impairment.hpp"
#include "tcpco/device/interface_setup.hpp"
#include "tcpco/device/memory_link.hpp"
#include "tcpco/device/sharded.hpp"
#include "tcpco/device/tap.hpp"
#include "tcpco/device/tun.hpp"
#include "tcpco/reactor/random_seed.hpp"
#include "tcpco/reactor/system_reactor.hpp"
#include "tcpco/reactor/virtual_reactor.hpp"
#include "tcpco/sim/bottleneck_link.hpp"
