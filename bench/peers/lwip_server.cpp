// lwIP behind a TAP: echo, sink and source on its raw API, which is its fastest. Compiled twice:
//
//   against the library that Debian ships, with its own options, its thread and its tapif;
//   with lwIP from Debian's source and options/lwipopts.h: one thread, and a network interface that reads until there is
//   nothing and writes gather lists. busy=1: never waits.
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <netif/etharp.h>
#if !NO_SYS
#include <lwip/tcpip.h>
extern "C" {
#include <netif/tapif.h>
}
#endif

#include <poll.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "lwip_device.hpp"

namespace {

std::vector<char> user_buffer(256 * 1024, 'x');

void end(tcp_pcb* pcb)
{
    tcp_recv(pcb, nullptr);
    tcp_sent(pcb, nullptr);
    if (tcp_close(pcb) != ERR_OK) {
        tcp_abort(pcb);
    }
}

err_t echo(void*, tcp_pcb* pcb, pbuf* p, err_t)
{
    if (p == nullptr) {
        end(pcb);
        return ERR_OK;
    }
    for (const pbuf* piece = p; piece != nullptr; piece = piece->next) {
        tcp_write(pcb, piece->payload, piece->len, TCP_WRITE_FLAG_COPY);
    }
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return tcp_output(pcb);
}

err_t sink(void*, tcp_pcb* pcb, pbuf* p, err_t)
{
    if (p == nullptr) {
        end(pcb);
        return ERR_OK;
    }
    pbuf_copy_partial(p, user_buffer.data(), p->tot_len, 0);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

err_t fill(void*, tcp_pcb* pcb, u16_t)
{
    while (tcp_sndbuf(pcb) > 0) {
        const std::size_t n = std::min<std::size_t>(tcp_sndbuf(pcb), 16 * TCP_MSS);
        if (tcp_write(pcb, user_buffer.data(), static_cast<u16_t>(n), TCP_WRITE_FLAG_COPY) != ERR_OK) {
            break;
        }
    }
    return tcp_output(pcb);
}

err_t drain(void*, tcp_pcb* pcb, pbuf* p, err_t)
{
    if (p == nullptr) {
        end(pcb);
    } else {
        tcp_recved(pcb, p->tot_len);
        pbuf_free(p);
    }
    return ERR_OK;
}

err_t accept_echo(void*, tcp_pcb* pcb, err_t)
{
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, echo);
    return ERR_OK;
}
err_t accept_sink(void*, tcp_pcb* pcb, err_t)
{
    tcp_recv(pcb, sink);
    return ERR_OK;
}
err_t accept_source(void*, tcp_pcb* pcb, err_t)
{
    tcp_recv(pcb, drain);
    tcp_sent(pcb, fill);
    return fill(nullptr, pcb, 0);
}

void listen_on(u16_t port, tcp_accept_fn on_accept)
{
    tcp_pcb* pcb = tcp_new();
    if (pcb == nullptr || tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK) {
        std::fprintf(stderr, "lwip_server: no listener\n");
        std::exit(1);
    }
    tcp_accept(tcp_listen(pcb), on_accept);
}

void serve(netif& interface, netif_init_fn init, netif_input_fn input)
{
    ip4_addr_t address;
    ip4_addr_t mask;
    ip4_addr_t gateway;
    IP4_ADDR(&address, 198, 18, 0, 2);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 198, 18, 0, 1);
    netif_add(&interface, &address, &mask, &gateway, nullptr, init, input);
    netif_set_default(&interface);
    netif_set_up(&interface);
    listen_on(7, accept_echo);
    listen_on(9, accept_sink);
    listen_on(19, accept_source);
}

}  // namespace

#if NO_SYS

extern "C" u32_t sys_now(void)
{
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<u32_t>(t.tv_sec * 1000 + t.tv_nsec / 1'000'000);
}

namespace {

int tap_fd = -1;

err_t output(netif*, pbuf* p)
{
    iovec list[16];
    int n = 0;
    for (const pbuf* piece = p; piece != nullptr && n < 16; piece = piece->next) {
        list[n++] = {piece->payload, piece->len};
    }
    return ::writev(tap_fd, list, n) > 0 ? ERR_OK : ERR_IF;
}

err_t init(netif* interface)
{
    const u8_t mac[6] = {0x02, 0x12, 0x34, 0x56, 0x78, 0xab};
    std::memcpy(interface->hwaddr, mac, sizeof mac);
    interface->hwaddr_len = 6;
    interface->name[0] = 't';
    interface->name[1] = 'p';
    interface->mtu = 1500;
    interface->output = etharp_output;
    interface->linkoutput = output;
    interface->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

// False when nothing waits.
bool read_one(netif& interface)
{
    pbuf* p = pbuf_alloc(PBUF_RAW, 1518, PBUF_POOL);
    if (p == nullptr) {
        return false;
    }
    const ssize_t n = ::read(tap_fd, p->payload, 1518);
    if (n <= 0) {
        pbuf_free(p);
        return false;
    }
    pbuf_realloc(p, static_cast<u16_t>(n));
    if (interface.input(p, &interface) != ERR_OK) {
        pbuf_free(p);
    }
    return true;
}

}  // namespace

int main(int argc, char** argv)
{
    const bool busy = argc > 1 && std::strcmp(argv[1], "busy=1") == 0;
    tap_fd = tcpco_bench::open_tap();
    if (tap_fd < 0) {
        return 1;
    }
    lwip_init();
    static netif interface;
    serve(interface, init, netif_input);
    std::puts("ready");
    std::fflush(stdout);
    for (;;) {
        int n = 0;
        while (n < 64 && read_one(interface)) {
            ++n;
        }
        sys_check_timeouts();
        if (n == 0 && !busy) {
            pollfd p{tap_fd, POLLIN, 0};
            ::poll(&p, 1, static_cast<int>(std::min<u32_t>(sys_timeouts_sleeptime(), 1'000)));
        }
    }
}

#else

namespace {

netif shipped_interface;

void serve_shipped(void*)
{
    serve(shipped_interface, tapif_init, tcpip_input);
    if (!tcpco_bench::set_up_tap()) {
        std::exit(1);
    }
    std::puts("ready");
    std::fflush(stdout);
}

}  // namespace

int main()
{
    ::setenv("PRECONFIGURED_TAPIF", "tap0", 1);  // else tapif would call ifconfig
    tcpip_init(serve_shipped, nullptr);
    for (;;) {
        ::pause();
    }
}

#endif
