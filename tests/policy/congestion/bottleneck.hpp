// A bottleneck in the small, for one controller alone: a link of a certain rate behind a queue, a delay, and a sender
// with endless data that paces, samples the delivery rate and takes a packet for lost when the third one after it is
// acknowledged. No connection, no retransmission by sequence: what a controller does with a path, in a few milliseconds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>

#include "tcpco/policy/concepts.hpp"
#include "tcpco/policy/congestion/limits.hpp"
#include "tcpco/tcp/rate_sampler.hpp"

namespace tcpco::tests {

struct path_shape {
    std::int64_t rate = 1'250'000;  // octets per second
    duration delay{40'000'000};     // there and back, without the queue
    octet_count queue = 50'000;     // octets that may wait; what is more is dropped
    octet_count mark_above = 0;     // ECN: octets in the queue from which on packets are marked; 0: never
    duration mark_interval{};       // at most one mark in so long, as classic queues do; zero: each packet
    std::uint32_t loss_ppm = 0;     // random loss, in a million
};

template <class Controller>
class bottleneck {
public:
    static constexpr octet_count smss = 1'000;

    explicit bottleneck(const path_shape& shape, const typename Controller::config& c = {})
        : policy{c}, path{shape}
    {
        const connection_established e{.now = now,
                                       .initial_window = 10 * smss,
                                       .smss = smss,
                                       .handshake_rtt = shape.delay};
        if constexpr (told_of_establishment<Controller>) {
            policy.on_connection_established(e);
        }
    }

    void run(duration length)
    {
        const time_point end = now + length;
        while (now < end) {
            send();
            const time_point ack = in_flight_.empty() ? time_point::never() : next_ack();
            now = std::min({ack, next_send_ > now && may_send() ? next_send_ : time_point::never(), end});
            if (now == ack) {
                acknowledge();
            }
        }
    }

    // Octets delivered since the last call, as a share of what the link could carry in `length`.
    double utilization(duration length)
    {
        const octet_count before = std::exchange(counted_, sampler_.delivered());
        return static_cast<double>(sampler_.delivered() - before) /
               (static_cast<double>(path.rate) * static_cast<double>(length.ns) / 1e9);
    }
    octet_count queued() const noexcept
    {
        return link_free_ > now ? (link_free_ - now).ns * path.rate / 1'000'000'000 : 0;
    }

    Controller policy;
    path_shape path;
    time_point now{duration{1'000'000'000}};
    bool application_limited = false;
    octet_count delivered_total() const noexcept { return sampler_.delivered(); }
    octet_count lost_total() const noexcept { return sampler_.lost(); }
    octet_count longest_queue = 0;
    std::uint64_t reductions = 0;

private:
    struct packet {
        transmission t;
        time_point ack_at{};  // never: lost
        bool marked = false;
    };

    bool may_send() const noexcept { return pipe_ + smss <= std::max(policy.cwnd(), smss) && !application_limited; }

    void send()
    {
        while (may_send() && next_send_ <= now) {
            packet p;
            p.t.first = nxt_;
            p.t.last = nxt_ = nxt_ + smss;
            p.t.sent_at = now;
            p.t.stamp = sampler_.on_send(now, smss, pipe_, in_flight_.empty());
            if constexpr (told_of_packets_sent<Controller>) {
                policy.on_packet_sent({.now = now, .octets = smss, .segments = 1, .in_flight_before = pipe_});
            }
            pipe_ += smss;
            carry(p);
            in_flight_.push_back(p);
            if constexpr (paces<Controller>) {
                if (policy.pacing_rate() != 0) {
                    next_send_ = now + duration{smss * 1'000'000'000 / static_cast<std::int64_t>(policy.pacing_rate())};
                }
            }
        }
    }
    void carry(packet& p)
    {
        random_ = random_ * 6'364'136'223'846'793'005u + 1'442'695'040'888'963'407u;
        longest_queue = std::max(longest_queue, queued());
        if (queued() + smss > path.queue || (random_ >> 33) % 1'000'000 < path.loss_ppm) {
            p.ack_at = time_point::never();
            return;
        }
        p.marked = path.mark_above > 0 && queued() > path.mark_above && now >= next_mark_;
        next_mark_ = p.marked ? now + path.mark_interval : next_mark_;
        link_free_ = std::max(link_free_, now) + duration{smss * 1'000'000'000 / path.rate};
        p.ack_at = link_free_ + path.delay;
    }

    time_point next_ack() const noexcept
    {
        for (const packet& p : in_flight_) {
            if (p.ack_at != time_point::never()) {
                return p.ack_at;
            }
        }
        return now + duration{200'000'000};  // nothing is coming: a timeout
    }

    void acknowledge()
    {
        ack_info a{.now = now, .in_flight_before = pipe_, .smss = smss};
        a.cwnd_limited = pipe_ + smss > policy.cwnd();
        sampler_.begin_ack();
        auto it = std::find_if(in_flight_.begin(), in_flight_.end(),
                               [](const packet& p) { return p.ack_at != time_point::never(); });
        if (it == in_flight_.end()) {
            time_out();
            return;
        }
        const packet p = *it;
        in_flight_.erase(it);
        sampler_.on_delivered(p.t, now);
        pipe_ -= smss;
        a.acked = a.delivered = smss;
        a.latest_rtt = now - p.t.sent_at;
        min_rtt_ = std::min(min_rtt_, a.latest_rtt);
        a.min_rtt = min_rtt_;
        a.srtt = srtt_ = srtt_ == duration{} ? a.latest_rtt : duration{(7 * srtt_.ns + a.latest_rtt.ns) / 8};
        a.una = p.t.last;
        a.nxt = nxt_;
        a.round_start = p.t.stamp.delivered >= round_end_;
        if (a.round_start) {
            round_end_ = sampler_.delivered();
        }
        a.newly_lost = find_losses(p);
        a.in_flight = pipe_;
        a.in_recovery = a.una <= recovery_end_;
        a.ecn = {.ece = p.marked,
                 .ce_segments = p.marked ? 1u : 0u,
                 .ce_octets = p.marked ? smss : 0,
                 .accurate = path.mark_above > 0};
        if (p.marked && a.una > marked_end_) {  // once in a window
            marked_end_ = nxt_;
            event(congestion_cause::ecn_echo);
        }
        a.rate = sampler_.sample(min_rtt_);
        policy.on_ack(a);
        if (in_episode_ && a.una > recovery_end_) {
            in_episode_ = false;
            if constexpr (told_of_recovery_exit<Controller>) {
                policy.on_recovery_exit();
            }
        }
    }

    octet_count find_losses(const packet& acked)
    {
        octet_count lost = 0;
        while (!in_flight_.empty() && in_flight_.front().ack_at == time_point::never() &&
               acked.t.first - in_flight_.front().t.first >= 3 * smss) {
            lost += lose();
        }
        if (lost > 0 && acked.t.last > recovery_end_) {
            recovery_end_ = nxt_;
            in_episode_ = true;
            event(congestion_cause::loss);
        }
        return lost;
    }
    octet_count lose()
    {
        const transmission t = in_flight_.front().t;
        in_flight_.pop_front();
        pipe_ -= smss;
        sampler_.on_lost(smss);
        if constexpr (told_of_packets_lost<Controller>) {
            policy.on_packet_lost({.octets = smss,
                                   .segments = 1,
                                   .stamp = t.stamp,
                                   .in_flight_at_send = t.stamp.in_flight,
                                   .total_lost = sampler_.lost()});
        }
        return smss;
    }
    void event(congestion_cause cause)
    {
        ++reductions;
        policy.on_congestion_event({.cause = cause,
                                    .in_flight = pipe_,
                                    .smss = smss,
                                    .now = now,
                                    .accurate = cause == congestion_cause::ecn_echo});
    }
    void time_out()
    {
        const octet_count flight = pipe_;
        while (!in_flight_.empty()) {
            static_cast<void>(lose());
        }
        if constexpr (told_of_timeouts<Controller>) {
            policy.on_retransmission_timeout({.in_flight = flight, .smss = smss, .now = now});
        }
        recovery_end_ = nxt_;
    }

    rate_sampler sampler_;
    std::deque<packet> in_flight_;
    octet_count pipe_ = 0;
    octet_count counted_ = 0;
    octet_count round_end_ = 0;
    stream_offset nxt_{1};
    stream_offset recovery_end_{};
    stream_offset marked_end_{};
    time_point link_free_{};
    time_point next_send_{};
    time_point next_mark_{};
    duration min_rtt_ = duration::max();
    duration srtt_{};
    std::uint64_t random_ = 42;
    bool in_episode_ = false;
};

}  // namespace tcpco::tests
