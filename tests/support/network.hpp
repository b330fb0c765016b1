// Stacks on one wire in virtual time, without coroutines: for tests that need nothing but packets and a clock.
//
// Time moves only when the test says so. Each frame that a stack sends is recorded, then delivered after `delay` unless
// `filter` says otherwise.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "support/stack_instance.hpp"
#include "tcpco/core.hpp"

namespace tcpco_test {

using namespace tcpco;

using octets = std::vector<std::byte>;

inline octets octets_of(const outgoing_frame& f)
{
    octets out(f.size());
    f.copy_to(out.data());
    return out;
}

inline std::span<const std::byte> as_octets(std::string_view text)
{
    return std::as_bytes(std::span{text.data(), text.size()});
}

// A pattern of n octets that differs at every offset from its neighbours and from other seeds.
inline octets pattern(std::size_t n, std::uint32_t seed = 1)
{
    octets out(n);
    random_source random{seed};
    for (std::size_t i = 0; i < n; i += sizeof(std::uint64_t)) {  // whole words: thousands of tests begin with this
        const std::uint64_t drawn = random.next();
        std::memcpy(out.data() + i, &drawn, std::min(sizeof drawn, n - i));
    }
    return out;
}

struct wire_frame {
    time_point at{};
    int from = 0;
    octets data;
};

// Two stacks, a and b, joined by a wire.
template <class BundleA = default_policies, class BundleB = BundleA>
class two_stacks {
public:
    static stack_config<BundleA> config_a()
    {
        stack_config<BundleA> c{.address = "192.0.2.1/24"_net};
        c.network.mac.octets[5] = 1;
        c.seed = 11;
        return c;
    }
    static stack_config<BundleB> config_b()
    {
        stack_config<BundleB> c{.address = "192.0.2.2/24"_net};
        c.network.mac.octets[5] = 2;
        c.seed = 22;
        return c;
    }

    explicit two_stacks(stack_config<BundleA> ca = config_a(), stack_config<BundleB> cb = config_b()) : a{ca}, b{cb} {}

    basic_stack<BundleA> a;
    basic_stack<BundleB> b;
    time_point now{duration{1'000'000'000}};
    duration delay{0};
    // What happens to a frame: how many copies arrive (0: lost). `index` counts the frames of that direction from 0.
    std::function<int(int from, std::size_t index, const octets&)> filter;
    std::vector<wire_frame> sent;

    // Moves what both stacks have to send onto the wire.
    void transmit()
    {
        transmit_one(a, 0);
        transmit_one(b, 1);
    }

    // Delivers and fires everything that is due at `now`, until nothing more happens.
    void settle()
    {
        for (int rounds = 0; rounds < 100'000; ++rounds) {
            transmit();
            if (!deliver()) {
                if (!a.has_output() && !b.has_output()) {
                    return;
                }
            }
        }
        throw std::runtime_error{"two_stacks: the exchange does not end (a segment storm)"};
    }

    // Lets time pass, stopping at every deadline on the way. `each` runs after every stop.
    template <class F>
    void run_for(duration d, F&& each)
    {
        const time_point end = now + d;
        settle();
        each();
        settle();
        while (next_event() <= end) {
            now = std::max(now, next_event());
            deliver();
            a.advance(now);
            b.advance(now);
            settle();
            each();
            settle();
            a.check_invariants();
            b.check_invariants();
        }
        now = end;
        a.advance(now);
        b.advance(now);
        settle();
    }
    void run_for(duration d)
    {
        run_for(d, [] {});
    }
    template <class Done>
    bool run_until(Done&& done, duration limit)
    {
        const time_point end = now + limit;
        settle();
        while (!done()) {
            const time_point next = next_event();
            if (next > end) {
                return false;
            }
            now = std::max(now, next);
            deliver();
            a.advance(now);
            b.advance(now);
            settle();
        }
        return true;
    }

    time_point next_event() const
    {
        time_point at = std::min(a.deadline(), b.deadline());
        return on_wire_.empty() ? at : std::min(at, on_wire_.front().at);
    }

    std::string dump() const
    {
        std::string text;
        for (const wire_frame& f : sent) {
            text += std::to_string(f.at.since_origin().microseconds()) + " us  " + dump_ethernet(f.data) + "\n";
        }
        return text;
    }

private:
    template <class Stack>
    void transmit_one(Stack& stack, int from)
    {
        auto sink = [&](const outgoing_frame& f) {
            octets data = octets_of(f);
            const int copies = filter ? filter(from, count_[from], data) : 1;
            ++count_[from];
            sent.push_back({now, from, data});
            for (int i = 0; i < copies; ++i) {
                on_wire_.push_back({now + delay, from, data});
            }
            return sink_verdict::done;
        };
        stack.transmit(now, sink);
    }

    bool deliver()
    {
        bool any = false;
        while (!on_wire_.empty() && on_wire_.front().at <= now) {
            const wire_frame f = std::move(on_wire_.front());
            on_wire_.pop_front();
            f.from == 0 ? b.receive_copy(now, f.data) : a.receive_copy(now, f.data);
            any = true;
        }
        return any;
    }

    std::deque<wire_frame> on_wire_;
    std::size_t count_[2] = {0, 0};
};

}  // namespace tcpco_test
