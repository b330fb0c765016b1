#include "lwip_end.hpp"

#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <netif/etharp.h>
#include <netif/ethernet.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <vector>

namespace {

std::uint32_t now_ms = 0;
netif interface;
tcpco_bench::lwip_end::wire wire_out = nullptr;
std::deque<pbuf*> arrived;
std::vector<char> user_buffer(256 * 1024);
std::uint64_t read_of[2] = {};  // by services, by clients
std::uint64_t connections_ended = 0;

// What a callback knows of its connection: a service, or a client.
void* const service = nullptr;
void* const client = &interface;

// The octets go to the user's buffer, one chunk after the other, as a reader that reads a chunk at a time has them.
std::size_t take(void* who, tcp_pcb* pcb, pbuf* p)
{
    static std::size_t at = 0;
    const std::size_t n = p->tot_len;
    at = at + n <= user_buffer.size() ? at : 0;
    pbuf_copy_partial(p, user_buffer.data() + at, p->tot_len, 0);
    read_of[who == client ? 1 : 0] += n;
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    at += n;
    return at - n;
}

err_t on_text(void* who, tcp_pcb* pcb, pbuf* p, err_t)
{
    if (p != nullptr) {
        take(who, pcb, p);
    } else if (who == client) {
        ++connections_ended;
    } else {
        tcp_close(pcb);
    }
    return ERR_OK;
}

err_t echo(void* who, tcp_pcb* pcb, pbuf* p, err_t e)
{
    if (p == nullptr) {
        return on_text(who, pcb, p, e);
    }
    const u16_t n = p->tot_len;
    const std::size_t at = take(who, pcb, p);
    return tcp_write(pcb, user_buffer.data() + at, n, TCP_WRITE_FLAG_COPY);  // sent when the segment has been dealt with
}

void serve(u16_t port, tcp_accept_fn accept)
{
    tcp_pcb* pcb = tcp_new();
    tcp_bind(pcb, IP_ADDR_ANY, port);
    tcp_accept(tcp_listen_with_backlog(pcb, 255), accept);
}

err_t send_frame(netif*, pbuf* p)
{
    iovec list[16];
    int n = 0;
    for (const pbuf* piece = p; piece != nullptr && n < 16; piece = piece->next) {
        list[n++] = {piece->payload, piece->len};
    }
    return wire_out(list, n) ? ERR_OK : ERR_MEM;
}

err_t set_up(netif* n)
{
    const auto number = static_cast<u8_t>(reinterpret_cast<std::uintptr_t>(n->state));
    const u8_t mac[6] = {0x02, 0x12, 0x34, 0x56, 0x78, number};
    std::memcpy(n->hwaddr, mac, sizeof mac);
    n->hwaddr_len = 6;
    n->name[0] = 'm';
    n->name[1] = 'm';
    n->mtu = 1500;
    n->output = etharp_output;
    n->linkoutput = send_frame;
    n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

void start(unsigned number, tcpco_bench::lwip_end::wire out)
{
    wire_out = out;
    lwip_init();
    ip4_addr_t address;
    ip4_addr_t mask;
    IP4_ADDR(&address, 198, 18, 0, number);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    auto* const state = reinterpret_cast<void*>(static_cast<std::uintptr_t>(number));
    netif_add(&interface, &address, &mask, IP4_ADDR_ANY4, state, set_up, ethernet_input);
    netif_set_default(&interface);
    netif_set_up(&interface);
    serve(7, [](void*, tcp_pcb* pcb, err_t) -> err_t {
        tcp_nagle_disable(pcb);
        tcp_recv(pcb, echo);
        return ERR_OK;
    });
    serve(9, [](void*, tcp_pcb* pcb, err_t) -> err_t {
        tcp_recv(pcb, on_text);
        return ERR_OK;
    });
}

bool deliver(const iovec* frame, int pieces)
{
    std::size_t n = 0;
    for (int i = 0; i < pieces; ++i) {
        n += frame[i].iov_len;
    }
    pbuf* p = pbuf_alloc(PBUF_RAW, static_cast<u16_t>(n), PBUF_POOL);
    if (p == nullptr || p->len < n) {
        return false;
    }
    auto* to = static_cast<char*>(p->payload);
    for (int i = 0; i < pieces; ++i) {
        std::memcpy(to, frame[i].iov_base, frame[i].iov_len);
        to += frame[i].iov_len;
    }
    arrived.push_back(p);
    return true;
}

std::size_t run(std::size_t most)
{
    std::size_t n = 0;
    for (; n < most && !arrived.empty(); ++n) {
        pbuf* p = arrived.front();
        arrived.pop_front();
        if (interface.input(p, &interface) != ERR_OK) {
            pbuf_free(p);
        }
    }
    netif_poll_all();
    return n;
}

void advance(unsigned milliseconds)
{
    now_ms += milliseconds;
    sys_check_timeouts();
}

void* open_connection(unsigned number, std::uint16_t port)
{
    tcp_pcb* pcb = tcp_new();
    if (pcb == nullptr) {
        return nullptr;
    }
    ip_addr_t to;
    if (number == 0) {
        IP_ADDR4(&to, 127, 0, 0, 1);
    } else {
        IP_ADDR4(&to, 198, 18, 0, number);
    }
    tcp_nagle_disable(pcb);
    tcp_arg(pcb, client);
    tcp_recv(pcb, on_text);
    return tcp_connect(pcb, &to, port, [](void*, tcp_pcb*, err_t) -> err_t { return ERR_OK; }) == ERR_OK ? pcb : nullptr;
}

std::size_t write(void* connection, const char* octets, std::size_t n)
{
    auto* const pcb = static_cast<tcp_pcb*>(connection);
    std::size_t done = 0;
    while (done < n) {
        const std::size_t most = std::min<std::size_t>({n - done, tcp_sndbuf(pcb), 16 * TCP_MSS});
        if (most == 0 || tcp_write(pcb, octets + done, static_cast<u16_t>(most), TCP_WRITE_FLAG_COPY) != ERR_OK) {
            break;
        }
        done += most;
    }
    tcp_output(pcb);
    return done;
}

void close(void* connection)
{
    tcp_close(static_cast<tcp_pcb*>(connection));
}

}  // namespace

extern "C" u32_t sys_now(void)
{
    return now_ms;
}

extern "C" __attribute__((visibility("default"))) const tcpco_bench::lwip_end* lwip_end_of_module()
{
    static const tcpco_bench::lwip_end calls = {
        .start = start,
        .deliver = deliver,
        .run = run,
        .advance = advance,
        .connect = open_connection,
        .write = write,
        .close = close,
        .read_by_clients = [] { return read_of[1]; },
        .read_by_services = [] { return read_of[0]; },
        .ended = [] { return connections_ended; },
        .segment_octets = TCP_MSS,
    };
    return &calls;
}
