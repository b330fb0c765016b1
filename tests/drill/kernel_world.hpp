// The kernel's sockets in a network namespace of the calling thread's own, in real time; a TUN is the wire.
//
// What an administrator can set is set as the scripts want it: the SYN's retransmissions twice as far apart each time
// from the first on, and Reno. docs/kernel_differences.md says what is left.
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "device/private_network.hpp"
#include "drill/world.hpp"
#include "tcpco/device/interface_setup.hpp"
#include "tcpco/device/tun.hpp"

namespace tcpco_test::drill {

class kernel_world final : public world {
public:
    // Throws what is missing. private_network() was asked before.
    explicit kernel_world(const settings& wanted = {})
    {
        if (::unshare(CLONE_NEWNET) != 0) {
            throw std::runtime_error{std::string{"no network namespace: "} + std::strerror(errno)};
        }
        set("ipv6/conf/default/disable_ipv6", "1");
        set("ipv4/tcp_syn_linear_timeouts", "0");
        set("ipv4/tcp_congestion_control", "reno");
        for (const auto& [name, value] : wanted) {
            set("ipv4/" + name, std::to_string(value).c_str());
        }
        device_error error;
        device_ = tun::open({.name = "drill"}, error);
        if (!error) {
            error = set_interface_address("drill", "198.18.0.1/24"_net);
        }
        if (!error) {
            error = set_interface_up("drill");
        }
        if (error) {
            throw_device_error(error);
        }
        if (::fcntl(device_.fd(), F_SETFL, O_NONBLOCK) != 0) {
            throw std::runtime_error{std::string{"the TUN blocks: "} + std::strerror(errno)};
        }
    }

    posix_test::sockets& calls() override { return calls_; }
    const char* name() const override { return "kernel"; }
    std::int64_t longest_wait() const override { return 10'000'000; }
    std::int64_t tolerance() const override { return 60'000; }
    std::int64_t lag(std::int64_t wait) const override { return wait / 8; }  // as coarse as Linux's timer wheel is
    std::int64_t now() override  // since it was first asked, which is when the script has been read
    {
        start_ = start_ == 0 ? clock() : start_;
        return clock() - start_;
    }

    // A call that a script thinks need not wait must not wait for ever.
    void opened(int fd) override
    {
        const timeval limit{2, 0};
        static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
        static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    }

    void wait_until(std::int64_t time) override
    {
        collect(0);
        for (std::int64_t left = time - now(); left > 0; left = time - now()) {
            collect(left);
        }
    }
    bool wait_for_packet(std::int64_t limit) override
    {
        collect(0);
        for (std::int64_t left = limit - now(); packets.empty() && left > 0; left = limit - now()) {
            collect(left);
        }
        return !packets.empty();
    }
    void inject(const octets& packet) override
    {
        if (::write(device_.fd(), packet.data(), packet.size()) != static_cast<ssize_t>(packet.size())) {
            throw std::runtime_error{std::string{"the TUN does not take a packet: "} + std::strerror(errno)};
        }
    }

    void begin(std::function<void()> call) override
    {
        give_up();
        ended_ = -1;
        call_ = std::thread{[this, call = std::move(call)] {
            call();
            ended_ = now();
        }};
    }
    std::optional<std::int64_t> ended() override
    {
        const std::int64_t at = ended_;
        return at < 0 ? std::nullopt : std::optional{at};
    }
    void give_up() override
    {
        if (call_.joinable()) {
            call_.join();  // no call waits longer than opened() lets it
        }
    }
    ~kernel_world() override { give_up(); }

private:
    static std::int64_t clock()
    {
        timespec t{};
        ::clock_gettime(CLOCK_MONOTONIC, &t);
        return std::int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1'000;
    }
    // What this kernel does not know, or does not let us set, stays.
    static void set(const std::string& what, const char* value) { std::ofstream{"/proc/sys/net/" + what} << value; }

    // What comes within this time, or at once when something is there.
    void collect(std::int64_t us)
    {
        pollfd wire{device_.fd(), POLLIN, 0};
        const timespec limit{us / 1'000'000, us % 1'000'000 * 1'000};
        if (::ppoll(&wire, 1, &limit, nullptr) <= 0) {
            return;
        }
        octets packet(65'536);
        for (ssize_t n = 0; (n = ::read(device_.fd(), packet.data(), packet.size())) > 0;) {
            packets.emplace_back(now(), octets(packet.begin(), packet.begin() + n));
        }
    }

    posix_test::kernel_sockets calls_;
    tun device_;
    std::int64_t start_ = 0;
    std::atomic<std::int64_t> ended_{-1};
    std::thread call_;
};

}  // namespace tcpco_test::drill
