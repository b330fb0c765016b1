// The bare TAP: a sink, a source and an echo without a stack, as the limit that tcpco is compared with.
//
//     engine=plain|read|uring   read(2) and write(2) with poll(2); the same with a read that waits, which is the least
//                          for an echo and serves nothing else; tcpco's own driver on io_uring with nothing above it
//     offload=0|1          super-frames
//     every=n              data frames per ACK
//     slots=n              frames that are read before they are looked at, and sent before the next are read
//     window=octets        receive window of a connection
//     kept=n               what was sent stays in memory until so many frames have followed, as a stack keeps it until
//                          it is acknowledged; 0: each frame is copied to where the one before was
//     busy=1               never waits
#include <poll.h>
#include <sys/uio.h>

#include <functional>

#include "canned_tcp.hpp"
#include "kernel_side.hpp"
#include "tcpco/async/driver.hpp"
#include "tcpco/device/tap.hpp"
#include "tcpco/reactor/system_reactor.hpp"

namespace {

using namespace tcpco_bench;

class plain_loop {
public:
    plain_loop(canned_tcp& host, tap& device, unsigned slots, bool busy, bool read_waits)
        : host_{host}, device_{device}, header_{device.vnet_header_size()}, slots_(slots), sizes_(slots), busy_{busy}
    {
        for (auto& s : slots_) {
            s.resize(66'560);
        }
        detail::set_nonblocking(device.fd(), !read_waits);
    }

    [[noreturn]] void run()
    {
        auto sink = [this](const outgoing_frame& out) { return write(out); };
        for (;;) {
            const std::size_t n = read_batch();
            for (std::size_t i = 0; i < n; ++i) {
                host_.input(std::span<const std::byte>{slots_[i]}.subspan(header_, sizes_[i] - header_));
            }
            if (n < slots_.size()) {
                host_.acknowledge_all();
            }
            const std::size_t sent = host_.transmit({}, sink, std::max<std::size_t>(slots_.size(), 1));
            if (n == 0 && sent == 0 && !busy_) {
                wait();
            }
        }
    }

private:
    std::size_t read_batch()
    {
        std::size_t n = 0;
        for (; n < slots_.size(); ++n) {
            const ssize_t size = ::read(device_.fd(), slots_[n].data(), slots_[n].size());
            if (size <= static_cast<ssize_t>(header_)) {
                break;
            }
            sizes_[n] = static_cast<std::size_t>(size);
        }
        return n;
    }

    sink_verdict write(const outgoing_frame& out)
    {
        const vnet_prefix prefix = encode_vnet_header(make_vnet_header(out, link_framing::ethernet));
        std::array<iovec, detail::gather_limit> list{};
        const std::size_t n = detail::fill_gather_list(list, std::span{prefix}.first(header_), out);
        const bool taken = ::writev(device_.fd(), list.data(), static_cast<int>(n)) > 0;
        return taken ? sink_verdict::done : sink_verdict::refused;
    }

    void wait()
    {
        pollfd p{.fd = device_.fd(), .events = POLLIN, .revents = 0};
        if (::poll(&p, 1, 200) == 0) {
            host_.silence();
        }
    }

    canned_tcp& host_;
    tap& device_;
    std::size_t header_;
    std::vector<std::vector<std::byte>> slots_;
    std::vector<std::size_t> sizes_;
    bool busy_;
};

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    const std::string engine = given.text("engine", "plain");
    const bool busy = given.flag("busy");
    canned_tcp::settings s;
    s.offload = given.flag("offload");
    s.ack_every = given.number("every", s.ack_every);
    s.slots = given.number("slots", s.slots);
    s.window = given.number("window", s.window);
    s.kept = given.number("kept", s.kept);
    given.done();

    canned_tcp host{s};
    tap device = tap::open({.name = "tap0", .offload = s.offload});
    set_up_kernel_side("tap0");
    if (engine == "plain" || engine == "read") {
        const bool read_waits = engine == "read" && !busy;
        plain_loop loop{host, device, read_waits ? 1 : s.slots, busy, read_waits};
        say_ready();
        loop.run();
    }
    if (engine != "uring") {
        throw std::runtime_error{"engine is plain, read or uring"};
    }
    system_reactor reactor;
    driver link_driver{host, device, reactor, {.slots = s.slots, .batch_octets = ~std::size_t{0}}};
    say_ready();
    for (;;) {
        reactor.turn(busy ? duration::zero() : 200_ms);
    }
} catch (const std::exception& e) {
    std::fprintf(stderr, "raw_tap: %s\n", e.what());
    return 1;
}
