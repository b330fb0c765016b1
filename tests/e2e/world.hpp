// What an end-to-end test begins with: a namespace, a TAP in it with the kernel at 198.18.0.1, and tcpco at 198.18.0.2
// on one step of the reactor's ladder, put together as a program would. Not a test itself.
#pragma once

#include "tcpco/tcpco.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "reactor/rungs.hpp"
#include "skip.hpp"
#include "support/echo_service.hpp"
#include "support/kernel_peer.hpp"
#include "support/stack_instance.hpp"

namespace tcpco_test {

// The two ways of waiting: io_uring, poll(2).
inline constexpr const char* both_rungs[] = {"", "off"};

inline constexpr tcpco::endpoint our_service{tcpco::ipv4_address{our_address}, 7};
inline constexpr tcpco::endpoint kernel_service{tcpco::ipv4_address{kernel_address}, 9'000};

struct world_options {
    std::string rung{};
    bool offload = false;
    std::uint32_t mtu = 1500;
};

// A TAP that outlives its descriptor; it goes with its namespace.
inline tcpco::device_error make_persistent_tap(const std::string& name, std::uint32_t mtu)
{
    tcpco::device_error error;
    const tcpco::tap made = tcpco::tap::open({.name = name}, error);
    if (!error && ::ioctl(made.fd(), TUNSETPERSIST, 1UL) != 0) {
        error = {tcpco::detail::last_error(), tcpco::device_step::set_up, name};
    }
    return error ? error : tcpco::set_interface_mtu(name, mtu);
}

// tap0, up and with its address.
inline tcpco::tap open_tap(const world_options& options)
{
    tcpco::device_error error = make_persistent_tap("tap0", options.mtu);
    tcpco::tap link;
    if (!error) {
        link = tcpco::tap::open({.name = "tap0", .create = false, .offload = options.offload}, error);
    }
    for (const tcpco::device_error& e :
         {error, tcpco::set_interface_address("tap0", {tcpco::ipv4_address{kernel_address}, 24}),
          tcpco::set_interface_up("tap0"), tcpco::set_interface_up("lo")}) {
        if (e) {
            tcpco::throw_device_error(e);
        }
    }
    return link;
}

// The device itself, or the device with decorators on it.
template <class... Hooks>
struct hooked_tap {
    hooked_tap(tcpco::tap& t, Hooks&... hooks) : device{t, hooks...} {}
    tcpco::decorated<tcpco::tap, Hooks...>& get(tcpco::tap&) { return device; }
    tcpco::decorated<tcpco::tap, Hooks...> device;
};
template <>
struct hooked_tap<> {
    explicit hooked_tap(tcpco::tap&) {}
    static tcpco::tap& get(tcpco::tap& t) { return t; }
};

template <class Bundle = tcpco::default_policies, class... Hooks>
struct tap_world {
    using stack_type = tcpco::basic_stack<Bundle>;
    using device_type =
        std::remove_reference_t<decltype(std::declval<hooked_tap<Hooks...>&>().get(std::declval<tcpco::tap&>()))>;

    explicit tap_world(const world_options& options, tcpco::stack_config<Bundle> config = {}, Hooks&... hooks)
        : link{open_tap(options)}, reactor{reactor_on(options.rung)}, net{with_address(config)}, hooked{link, hooks...},
          link_driver{net, hooked.get(link), *reactor}
    {
    }

    // Runs `work` while `script` plays the kernel's side on a thread, and turns on until both have ended. `work` has to
    // end by itself. timed_out: it did not.
    template <class Script, class Work>
    auto beside(Script script, Work work, tcpco::duration limit = seconds(20))
    {
        return run_both([&script] { script(); }, [] {}, std::move(work), limit);
    }

    // The same for work that goes on until it is stopped, which it is when `script` ends.
    template <class Script, class Work>
    auto until_end_of(Script script, Work work, tcpco::duration limit = seconds(20))
    {
        return run_both([&script] { script(); }, [this] { reactor->stop(); }, std::move(work), limit);
    }

    // True when all connections ended without a reset. The kernel's side has to have closed.
    bool close() { return link_driver.close_all(seconds(2)); }

    static tcpco::stack_config<Bundle> with_address(tcpco::stack_config<Bundle> config)
    {
        config.address = {tcpco::ipv4_address{our_address}, 24};
        config.seed = config.seed != 0 ? config.seed : 20'26;
        return config;
    }

    static constexpr tcpco::duration seconds(int n) { return tcpco::duration{n * 1'000'000'000LL}; }

    tcpco::tap link;
    std::unique_ptr<tcpco::linux_reactor> reactor;
    stack_type net;
    hooked_tap<Hooks...> hooked;
    tcpco::driver<stack_type, device_type, tcpco::linux_reactor> link_driver;

private:
    template <class Script, class AtItsEnd, class Work>
    auto run_both(Script script, AtItsEnd at_its_end, Work work, tcpco::duration limit)
    {
        tcpco::async_event script_over;
        const std::jthread kernel{[&] {
            script();
            reactor->post([&] {
                script_over.set();
                at_its_end();
            });
        }};
        auto result = reactor->run(tcpco::with_timeout(std::move(work), limit));
        // The kernel's side may still read what is queued.
        static_cast<void>(reactor->run(tcpco::with_timeout(script_over.wait(), seconds(2 * patience_seconds))));
        return result;
    }
};

// Drops that a kernel's peer must never cause, by name; empty: none. What the kernel sends to others (IPv6's multicast)
// does not count, nor do duplicates (tcp_out_of_window): its tail loss probes come where this machine is slow; nor what
// a repeated FIN leads to when its socket is gone (tcp_rst_in_time_wait).
inline std::string unexpected_drops(const tcpco::stack_counters& counters)
{
    using tcpco::drop_reason;
    constexpr drop_reason expected[] = {drop_reason::wrong_mac, drop_reason::unknown_ethertype,
                                        drop_reason::tcp_out_of_window, drop_reason::tcp_rst_in_time_wait};
    std::string text;
    for (std::size_t i = 0; i < tcpco::drop_reason_count; ++i) {
        const auto reason = static_cast<drop_reason>(i);
        if (counters.dropped[i] != 0 &&
            std::find(std::begin(expected), std::end(expected), reason) == std::end(expected)) {
            text += std::string{text.empty() ? "" : ", "} + tcpco::to_string(reason) + " " +
                    std::to_string(counters.dropped[i]);
        }
    }
    return text;
}

// Reads to the end of the stream; `why` is end_of_stream or what came instead.
inline tcpco::task<std::error_code> read_all(tcpco::tcp_socket& socket, std::string& into)
{
    for (;;) {
        auto [ec, octets] = co_await socket.receive();
        if (ec) {
            co_return ec;
        }
        into.append(octets.text());
    }
}

// Empty, or why no end-to-end test over a TAP can run here on this step of the ladder.
inline std::string why_no_world(const std::string& rung)
{
    if (const std::string refusal = fresh_network(); !refusal.empty()) {
        return refusal;
    }
    tcpco::device_error error;
    static_cast<void>(tcpco::tap::open({.name = "probe0"}, error));
    if (error) {
        return tcpco::explain(error);
    }
    const auto reactor = reactor_on(rung);
    return rung != "off" && is_poll(*reactor) ? "this step of the ladder cannot be had: " + reactor->why()
                                              : std::string{};
}

}  // namespace tcpco_test

// One step of the ladder, in a namespace of its own, bounded in time. Leaves the test, with the reason, where that is
// not to be had.
#define TCPCO_ON_EACH_RUNG(rung)                                                                      \
    const std::string rung =                                                                          \
        GENERATE(from_range(std::begin(tcpco_test::both_rungs), std::end(tcpco_test::both_rungs))); \
    const tcpco_test::time_limit limit_of_test{40};                                                   \
    if (const std::string why = tcpco_test::why_no_world(rung); !why.empty()) {                       \
        tcpco_test::skip(why);                                                                        \
        return;                                                                                       \
    }                                                                                                 \
    INFO("TCPCO_URING=" << rung << "; the kernel peer runs " << tcpco_test::kernel_congestion_control())
