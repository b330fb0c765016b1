// A path between two TAPs of different network namespaces, in real time: a bottleneck with a tail-drop queue, a delay
// each way, and loss by script. What it carries are segments as they are on a wire; a super-frame ends it.
//
// Which data segments are lost is decided by the segment's place in the stream and by how often it has passed before,
// not by when it came or what was sent in between: so two senders that do not agree on what to send again, and when,
// meet the same losses. The handshake, ACKs and a FIN without data are never lost by script.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "kernel_socket.hpp"
#include "tcpco/device/impairment_model.hpp"
#include "tcpco/device/tap.hpp"
#include "tcpco/reactor/poll_common.hpp"
#include "tcpco/reactor/poll_port.hpp"
#include "tcpco/wire/ethernet.hpp"
#include "tcpco/wire/ipv4.hpp"
#include "tcpco/wire/tcp.hpp"

namespace tcpco_bench {

using namespace tcpco;

// Of one connection in one direction.
class loss_script {
public:
    struct counters {
        unsigned segments = 0;  // with data, that came through the bottleneck
        unsigned again = 0;     // of these, not for the first time
        unsigned lost = 0;      // of these, by script
    };

    loss_script(double probability, std::uint64_t seed) noexcept : probability_{probability}, seed_{seed} {}

    const counters& count() const noexcept { return count_; }

    bool loses(std::span<const std::byte> frame)
    {
        const auto link = parse_ethernet(frame);
        if (!link || link->header.type != ethertype::ipv4) {
            return false;
        }
        const auto packet = parse_ipv4(link->payload);
        if (!packet || packet->header.protocol != ip_protocol::tcp) {
            return false;
        }
        const auto segment = parse_tcp(packet->payload);
        if (!segment) {
            return false;
        }
        if (segment->header.has(tcp_flag::syn)) {
            first_ = segment->header.seq.value + 1;
            passed_.clear();
            return false;
        }
        return !segment->payload.empty() && decide((segment->header.seq.value - first_) / segment_octets);
    }

private:
    // The payload of a full segment with MTU 1500 and timestamps.
    static constexpr std::uint32_t segment_octets = 1'448;

    bool decide(std::size_t index)
    {
        if (index >= passed_.size()) {
            passed_.resize(index + 1);
        }
        const unsigned before = passed_[index]++;
        random_source mix{seed_};
        random_source of_segment{mix.next() + index};
        random_source of_passing{of_segment.next() + before};
        const bool lost = of_passing.chance(probability_);
        ++count_.segments;
        count_.again += before != 0 ? 1 : 0;
        count_.lost += lost ? 1 : 0;
        return lost;
    }

    double probability_;
    std::uint64_t seed_;
    std::uint32_t first_ = 0;
    std::vector<unsigned> passed_{};  // by index: how often
    counters count_{};
};

class impaired_path {
public:
    // `there` is from a to b and has the loss. Both TAPs are without offload.
    impaired_path(const tap& a, const tap& b, const impairment_config& there, const impairment_config& back,
                  const loss_script& script)
        : there_{a, b, there}, back_{b, a, back}, script_{script}
    {
    }

    const loss_script::counters& scripted() const noexcept { return script_.count(); }
    // Frames that did not fit the queue before the bottleneck.
    std::uint64_t overflows() const noexcept { return there_.model.counters().queue_full; }

    // Until `over`.
    void run(const std::atomic<bool>& over)
    {
        while (!over.load(std::memory_order_relaxed)) {
            wait();
            const time_point now = detail::monotonic_now();
            take(there_, now, &script_);
            take(back_, now, nullptr);
            release(there_, now);
            release(back_, now);
        }
    }

private:
    struct held_frame {
        time_point at{};
        std::vector<std::byte> octets{};
    };
    struct direction {
        direction(const tap& source, const tap& destination, const impairment_config& config)
            : from{source.fd()}, to{destination.fd()}, model{config, 0}
        {
            detail::set_nonblocking(from, true);
        }

        int from;
        int to;
        impairment_model model;
        std::deque<held_frame> queue{};  // the model keeps frames in order where it is not told to reorder
    };

    void wait()
    {
        duration left = duration{10'000'000};  // how late `over` may be seen
        const time_point now = detail::monotonic_now();
        for (const direction* d : {&there_, &back_}) {
            if (!d->queue.empty()) {
                left = std::min(left, std::max(d->queue.front().at - now, duration{}));
            }
        }
        const timespec limit = detail::to_timespec(left);
        pollfd both[] = {{there_.from, POLLIN, 0}, {back_.from, POLLIN, 0}};
        check(::ppoll(both, 2, &limit, nullptr) >= 0 || errno == EINTR, "ppoll");
    }

    void take(direction& d, time_point now, loss_script* script)
    {
        for (;;) {
            const ssize_t n = ::read(d.from, buffer_.data(), buffer_.size());
            if (n <= 0) {
                check(n == 0 || errno == EAGAIN || errno == EINTR, "read from a TAP");
                return;
            }
            const std::span<const std::byte> frame{buffer_.data(), static_cast<std::size_t>(n)};
            if (frame.size() > longest_frame) {
                throw std::runtime_error{"a super-frame came to the path: loss would not strike segments"};
            }
            const auto link = parse_ethernet(frame);
            if (!link || link->header.type == ethertype::ipv6) {
                continue;  // the interfaces' own multicast
            }
            const impairment_decision decision = d.model.offer(now, frame.size());
            if (decision.what != impairment_decision::fate::deliver || (script != nullptr && script->loses(frame))) {
                continue;
            }
            d.queue.push_back({decision.at, {frame.begin(), frame.end()}});
        }
    }

    static void release(direction& d, time_point now)
    {
        for (; !d.queue.empty() && d.queue.front().at <= now; d.queue.pop_front()) {
            const std::vector<std::byte>& octets = d.queue.front().octets;
            check(::write(d.to, octets.data(), octets.size()) >= 0, "write to a TAP");
        }
    }

    static constexpr std::size_t longest_frame = 1'514;

    direction there_;
    direction back_;
    loss_script script_;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(66'560);
};

}  // namespace tcpco_bench
