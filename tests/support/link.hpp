// Two stacks on a link that loses, repeats, delays and reorders, in virtual time and without coroutines; and what must
// hold in every simulation, whatever the policies:
//
//     every octet arrives once and in order, in both directions, and both ends reach CLOSED;
//     no storm: the frames of a simulation are bounded;
//     liveness: whatever is unacknowledged or waits for a window has a deadline, no later than due;
//     the stacks' own invariants, after each event.
//
// A simulation is a function of its seed and its settings: the same ones give the same frames, octet by octet.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/network.hpp"
#include "support/offloads.hpp"

namespace tcpco_test {

struct link_profile {
    double loss = 0;       // chance of each frame, in either direction
    double duplicate = 0;  // chance that a frame arrives twice
    double reorder = 0;    // chance that a frame is held back by up to `jitter`
    duration delay{};      // one way
    duration jitter{};
    duration per_frame{};  // frames of one direction leave no closer than this; zero: a burst arrives as one batch
};

// What happens to one frame, on purpose.
struct mishap {
    bool lost = false;
    duration late{};             // how much later than usual it arrives
    std::optional<duration> copy{};  // a second one arrives, so much later than the first would have
};

// Frames on their way. Those that arrive at the same time arrive in the order in which they were sent.
class lossy_link {
public:
    lossy_link(const link_profile& profile, std::uint64_t seed) : profile_{profile}, random_{seed} {}

    // Answers whether a frame is lost, before chance is asked; `index` counts the frames of both directions from 0.
    std::function<bool(std::size_t index, int from, const octets&)> drops;
    // What a middlebox makes of it.
    std::function<void(int from, octets&)> rewrites;
    // As drops, for all that can happen.
    std::function<mishap(std::size_t index, int from, const octets&)> disturbs;
    // A bottleneck before the path, in place of `per_frame`: when the frame is through, or nothing: its queue was full.
    // It may mark the frame.
    std::function<std::optional<time_point>(time_point now, int from, octets&)> passes;

    void send(time_point now, int from, octets data)
    {
        if (rewrites) {
            rewrites(from, data);
        }
        const bool chosen = drops && drops(count_, from, data);
        const mishap m = disturbs ? disturbs(count_, from, data) : mishap{};
        ++count_;
        // Each frame draws the same numbers, so that what becomes of one does not depend on the others.
        const bool lost = random_.chance(profile_.loss);
        const bool twice = random_.chance(profile_.duplicate);
        const bool late = random_.chance(profile_.reorder);
        const auto drawn = static_cast<std::int64_t>(random_.next() >> 1);
        const duration extra{profile_.jitter.ns == 0 ? 0 : drawn % profile_.jitter.ns};
        const std::optional<time_point> through = passes ? passes(now, from, data) : leave(now, from);
        if (!through) {
            return;
        }
        const time_point left = *through;
        const time_point due = left + profile_.delay;
        if (m.copy) {
            arrivals_.emplace(due + *m.copy, wire_frame{now, from, data});
        }
        if (chosen || lost || m.lost) {
            return;
        }
        arrivals_.emplace(due + m.late + (late ? extra : duration{}), wire_frame{now, from, data});
        if (twice) {
            arrivals_.emplace(left + profile_.delay + extra, wire_frame{now, from, data});
        }
    }

    time_point next() const { return arrivals_.empty() ? time_point::never() : arrivals_.begin()->first; }
    std::optional<wire_frame> take(time_point now)
    {
        if (next() > now) {
            return std::nullopt;
        }
        wire_frame f = std::move(arrivals_.begin()->second);
        arrivals_.erase(arrivals_.begin());
        return f;
    }
    std::size_t count() const { return count_; }
    void clear() { arrivals_.clear(); }

private:
    std::optional<time_point> leave(time_point now, int from)
    {
        const time_point left = std::max(now, free_[from]);
        free_[from] = left + profile_.per_frame;
        return left;
    }

    link_profile profile_;
    random_source random_;
    std::multimap<time_point, wire_frame> arrivals_;
    time_point free_[2] = {};  // when the sender's end of the link is free again
    std::size_t count_ = 0;
};

// One end's application: writes everything, ends its direction, and reads until the peer's ends.
struct program {
    octets to_send{};
    bool reads = true;
    bool ends = true;  // shuts its direction down once everything is written

    std::size_t sent = 0;
    octets received{};
    bool shut = false;
    bool end_of_stream = false;
    errc error = errc::ok;

    template <class Stack>
    void run(Stack& stack, connection_id id)
    {
        while (sent < to_send.size()) {
            const auto [ec, n] = stack.write(id, std::span{to_send}.subspan(sent));
            sent += n;
            if (n == 0) {
                note(ec);
                break;
            }
        }
        std::byte buffer[4096];
        while (reads && !end_of_stream) {
            const auto [ec, n] = stack.read(id, buffer);
            received.insert(received.end(), buffer, buffer + n);
            if (n == 0) {
                end_of_stream = ec == errc::end_of_stream;
                note(ec);
                break;
            }
        }
        if (ends && !shut && sent == to_send.size() && may_shut(stack, id)) {
            shut = true;
            note(stack.shutdown(id));
        }
    }

private:
    void note(errc ec)
    {
        if (ec != errc::ok && ec != errc::would_block && ec != errc::end_of_stream && error == errc::ok) {
            error = ec;
        }
    }
    // CLOSE in SYN-SENT would give the connection up (RFC 9293 3.10.4).
    template <class Stack>
    static bool may_shut(Stack& stack, connection_id id)
    {
        return stack.info(id).value.state != tcp_state::syn_sent;
    }
};

template <class BundleA = default_policies, class BundleB = BundleA>
class simulation {
public:
    using harness = two_stacks<BundleA, BundleB>;

    // Small pools: thousands of simulations make and unmake them.
    template <class Config>
    static Config small(Config c, std::uint64_t seed)
    {
        c.limits = {.connections = 8,
                    .listeners = 4,
                    .small_slots = 1'024,
                    .large_slots = 32,
                    .held_frames = 64,
                    .replies = 64};
        c.network.arp_tries = 20;  // the link's losses are TCP's to repair, not the neighbour cache's
        c.tcp.syn_ack_retries = 12;
        c.seed = seed;
        return c;
    }
    static stack_config<BundleA> config_a(std::uint64_t seed = 1) { return small(harness::config_a(), 2 * seed); }
    static stack_config<BundleB> config_b(std::uint64_t seed = 1) { return small(harness::config_b(), 2 * seed + 1); }

    simulation(const stack_config<BundleA>& ca, const stack_config<BundleB>& cb, const link_profile& profile = {},
               std::uint64_t seed = 1)
        : a{ca}, b{cb}, link{profile, seed}
    {
        give_offloads(a, ca.network.mtu, side::first);
        give_offloads(b, cb.network.mtu, side::second);
    }

    basic_stack<BundleA> a;
    basic_stack<BundleB> b;
    lossy_link link;
    time_point now{duration{1'000'000'000}};
    program at_a;
    program at_b;
    connection_id id_a{};
    connection_id id_b{};
    listener_id listener{};
    std::size_t frame_limit = 100'000;
    bool record = false;
    std::vector<wire_frame> trace;  // every frame sent, when `record`

    const std::string& violation() const { return violation_; }

    // Both stacks know each other's MAC: nothing but TCP on the wire.
    void skip_arp()
    {
        a.set_neighbour(b.address().v4(), harness::config_b().network.mac);
        b.set_neighbour(a.address().v4(), harness::config_a().network.mac);
    }

    // b listens, a connects; nothing moves yet.
    void open(std::uint16_t port = 7)
    {
        a.advance(now);
        b.advance(now);
        listener = b.listen({b.address(), port}).value;
        id_a = a.connect({b.address(), port}).value;
    }
    // Both connect to each other at once (RFC 9293 3.5, MUST-10).
    void open_simultaneously()
    {
        a.advance(now);
        b.advance(now);
        id_a = a.connect({b.address(), 2'000}, {.local = {a.address(), 1'000}}).value;
        id_b = b.connect({a.address(), 1'000}, {.local = {b.address(), 2'000}}).value;
    }

    // Runs until done(); false when `limit` of virtual time passed before, or a rule was broken.
    template <class Done>
    bool run(Done&& done, duration limit)
    {
        const time_point end = now + limit;
        settle();
        while (violation_.empty() && !done()) {
            const time_point next = next_event();
            if (next > end) {
                now = std::max(now, std::min(end, next));
                return false;
            }
            now = std::max(now, next);
            turn();
        }
        return violation_.empty();
    }
    void run_for(duration d)
    {
        run([] { return false; }, d);
    }
    // One turn at `now`: frames first, then timers, then the programs, then what they have to send.
    void turn()
    {
        deliver();
        a.advance(now);
        b.advance(now);
        settle();
    }

    time_point next_event() const { return std::min({a.deadline(), b.deadline(), link.next()}); }

    tcp_info info_a() { return a.info(id_a).value; }
    tcp_info info_b() { return b.info(id_b).value; }
    bool both_in(tcp_state s) { return id_a && id_b && info_a().state == s && info_b().state == s; }

    bool everything_arrived() const
    {
        return at_a.end_of_stream && at_b.end_of_stream && same(at_b.received, at_a.to_send) &&
               same(at_a.received, at_b.to_send);
    }

    // The whole life of a connection. Empty: all was well; else what was not.
    std::string complete(duration limit)
    {
        run([this] { return everything_arrived() && both_in(tcp_state::closed); }, limit);
        if (!violation_.empty()) {
            return violation_;
        }
        if (everything_arrived() && both_in(tcp_state::closed) && at_a.error == errc::ok && at_b.error == errc::ok) {
            return {};
        }
        const auto part = [](const octets& got, const octets& wanted) {
            const bool prefix = got.size() <= wanted.size() && std::equal(got.begin(), got.end(), wanted.begin());
            return std::to_string(got.size()) + "/" + std::to_string(wanted.size()) + (prefix ? "" : " WRONG OCTETS");
        };
        return "unfinished after " + std::to_string(now.since_origin().milliseconds()) + " ms: a to b " +
               part(at_b.received, at_a.to_send) + ", b to a " + part(at_a.received, at_b.to_send) + ", a " +
               to_string(info_a().state) + " (" + message(at_a.error) + "), b " +
               (id_b ? to_string(info_b().state) : "never accepted") + " (" + message(at_b.error) + ")";
    }

private:
    // Asked after each event: libstdc++ compares vectors of std::byte one by one.
    static bool same(const octets& x, const octets& y)
    {
        return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size()) == 0);
    }

    void settle()
    {
        do {
            run_programs();
            transmit(a, 0);
            transmit(b, 1);
        } while (violation_.empty() && (deliver() || a.has_output() || b.has_output()));
        watch(a, "a");
        watch(b, "b");
        a.check_invariants();
        b.check_invariants();
    }

    void run_programs()
    {
        if (!id_b && listener.value) {
            id_b = b.accept(listener).value;
        }
        if (id_a) {
            at_a.run(a, id_a);
        }
        if (id_b) {
            at_b.run(b, id_b);
        }
    }

    template <class Stack>
    void transmit(Stack& stack, int from)
    {
        stack.transmit(now, [&](const outgoing_frame& f) {
            for (const octets& data : on_the_wire(octets_of(f), f.info, true)) {
                if (record) {
                    trace.push_back({now, from, data});
                }
                link.send(now, from, data);
            }
            if (link.count() > frame_limit) {
                violation_ = "a storm: more than " + std::to_string(frame_limit) + " frames";
                return sink_verdict::refused;
            }
            return sink_verdict::done;
        });
    }

    bool deliver()
    {
        bool any = false;
        while (const auto f = link.take(now)) {
            f->from == 0 ? hand_over(b, f->data, side::second) : hand_over(a, f->data, side::first);
            any = true;
        }
        hand_over_all();
        return any;
    }

    // A device that brings super-frames brings what arrives together at once, and so does a turn of a driver.
    template <class Stack>
    void hand_over(Stack& stack, const octets& data, side s)
    {
        frame f = has_offloads(s) ? copy_frame(arrival_slots(), data) : frame{};
        if (f.data.owner) {
            arrived_[s == side::first ? 0 : 1].push_back(std::move(f));
        } else {
            hand_over_all();
            stack.receive_copy(now, data);
        }
    }
    static buffer_pool& arrival_slots()
    {
        static buffer_pool slots{2'048, 512};
        return slots;
    }
    void hand_over_all()
    {
        a.receive(now, arrived_[0]);
        b.receive(now, arrived_[1]);
        arrived_[0].clear();
        arrived_[1].clear();
    }

    // The liveness watchdog. What is unacknowledged has a timer of at most one (backed-off) RTO; octets that may not
    // leave have one of at most a persist interval. Without either, a lost frame would be waited for for ever.
    template <class Stack>
    void watch(Stack& stack, const char* name)
    {
        constexpr duration longest_persist{60'000'000'000};
        const time_point deadline = stack.deadline();
        if (deadline <= now && violation_.empty() && ++overdue_ > 1'000) {
            violation_ = std::string{name} + ": a deadline that has passed stays, a thousand times over";
        } else if (deadline > now) {
            overdue_ = 0;
        }
        stack.for_each_connection([&](connection_id, const tcp_info& i) {
            duration due = duration::max();
            if (i.state == tcp_state::closed || i.state == tcp_state::time_wait) {
                return;
            }
            if (i.unacked > 0) {
                due = i.snd_wnd == 0 ? std::max(i.rto, longest_persist) : i.rto;
            } else if (i.send_queued > 0 && is_synchronized(i.state)) {
                due = longest_persist;
            } else if (i.state == tcp_state::syn_sent) {
                due = duration{1'000'000'000};  // the neighbour is being asked for
            }
            if (due < duration::max() && deadline > now + due && violation_.empty()) {
                violation_ = std::string{name} + ": no timer within " + std::to_string(due.milliseconds()) + " ms in " +
                             to_string(i.state) + " with " + std::to_string(i.unacked) + " unacknowledged, " +
                             std::to_string(i.send_queued) + " queued, window " + std::to_string(i.snd_wnd);
            }
        });
    }

    std::string violation_;
    std::vector<frame> arrived_[2];  // at a, at b
    int overdue_ = 0;
};

// Compiled once, in simulation_instance.cpp.
extern template class simulation<default_policies>;

}  // namespace tcpco_test
