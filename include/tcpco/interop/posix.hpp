// BSD sockets over a tcpco stack, for bridges and for programs that are written for them.
//
// A stack on a thread of its own, called from any other:
//
//     posix::stack<> net{{.address = "198.18.0.2/24"_net}, tap::open({.name = "tap0"})};
//     const int fd = net->socket(AF_INET, SOCK_STREAM);
//     net->connect(fd, address, sizeof *address);
//     net->send(fd, "hello", 5, 0);
//
// or stepped in virtual time, on one thread, where a call that waits runs turns until it is done:
//
//     virtual_reactor reactor;  ...  driver link{net, device, reactor};
//     posix::host sockets{net, reactor};
//
// `posix::host` has socket, bind, listen, accept, accept4, connect, shutdown, close; read, recv, readv, recvfrom,
// recvmsg; write, send, writev, sendto, sendmsg; poll, getsockname, getpeername, getsockopt, setsockopt, fcntl, ioctl.
// They answer as the C library's do: -1 and errno. Options of the stack itself (SACK, timestamps, initial window, RTO,
// congestion controller, ...) stand in its stack_config and its bundle.
//
// Descriptors belong to their host; they begin at 2^20, above the kernel's (host_options). A number below is answered
// with ENOTSOCK (poll: POLLNVAL). close() gives the number free at once.
//
// Where it is not Linux, on purpose:
//   - TCP over IPv4 alone: other families EAFNOSUPPORT, other types ESOCKTNOSUPPORT. Ports below 1024 need no
//     privilege.
//   - There never is a SIGPIPE, with MSG_NOSIGNAL or without: signals belong to the program. Nor is there an EINTR.
//   - Options that the stack cannot do, and some that it could ignore, answer ENOPROTOOPT: SO_REUSEPORT, SO_RCVLOWAT,
//     TCP_QUICKACK, TCP_DEFER_ACCEPT, TCP_FASTOPEN_CONNECT, every SOL_IP. Flags likewise: MSG_TRUNC to recv and
//     MSG_DONTROUTE to send are EOPNOTSUPP; control messages to send are EINVAL. SO_OOBINLINE is always on; MSG_OOB to
//     recv is EINVAL, to send it marks the octets as urgent.
//   - MSG_FASTOPEN without a cookie of that server takes the octets and sends them after the handshake.
//   - TCP_MAXSEG on a connection is EISCONN: it could change nothing (Linux takes it and changes nothing).
//   - TCP_CONGESTION knows the controllers of the stack's bundle (any_congestion has several) and no other: ENOENT.
//   - TCP_LINGER2 reads 60 where it was never set, whatever the stack's own timeout is. A negative one lets the peer's
//     next segment find nothing; Linux also sends an RST at once.
//   - SO_REUSEADDR on the new socket is enough to bind beside connections that have no descriptor any more, TIME-WAIT
//     among them; Linux wants it of the old socket as well.
//   - SIOCOUTQ counts octets; Linux counts an unacknowledged FIN as one.
//   - A corked segment (TCP_CORK, MSG_MORE) waits until it is uncorked, not 200 ms at the most.
//   - close() in one thread ends the calls of others on that descriptor with EBADF; Linux lets them wait on.
//   - SO_LINGER's wait ends when all octets are acknowledged; Linux also waits for the FIN's acknowledgement.
//   - SO_RCVBUF and SO_SNDBUF, doubled as on Linux, are octets of payload, not of the kernel's memory. Never set, they
//     read 0 before there is a connection. An accepted connection has its listener's, but the SYN,ACK went before.
//   - After a disconnect or a reset a socket keeps its local port, and bind() is EINVAL. shutdown() ends a handshake
//     that is under way, and connect() may begin another. Port 0, broadcast and multicast addresses are refused at
//     once.
//   - O_APPEND and F_SETFD have no meaning: descriptors are not the kernel's.
//   - A call on the stack's own thread that would have to wait fails with EDEADLK.
// tests/interop/posix_kernel_test.cpp makes the same calls on both and compares.
#pragma once

#include "tcpco/interop/posix/host.hpp"
#include "tcpco/interop/posix/on_thread.hpp"
